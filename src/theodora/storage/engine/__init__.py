"""Databases: connections, transactions, the writer, migrations, and both dialects."""
