"""The store in a SQLite file: one process serves it, others may write beside it."""
