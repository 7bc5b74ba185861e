"""Connections, before HTTP requests become ASGI calls: how they are opened, bounded and closed."""
