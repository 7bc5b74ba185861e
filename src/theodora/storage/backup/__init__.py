"""Backups: a complete store in one file, made while it is served, and back again."""
