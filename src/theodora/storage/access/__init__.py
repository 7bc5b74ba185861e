"""API keys, application keys, sessions, and what each key has sent."""
