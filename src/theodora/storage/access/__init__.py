"""API keys, application keys, sessions, and the usage of keys."""
