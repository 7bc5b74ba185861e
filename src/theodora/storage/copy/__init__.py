"""Copies a whole store from one database to another."""
