"""Copies of a complete store from one database to another."""
