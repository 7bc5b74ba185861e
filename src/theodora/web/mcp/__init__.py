"""The MCP server: read-only tools and prompts for assistants."""
