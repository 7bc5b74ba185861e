"""The API's operations, their documents and their description."""
