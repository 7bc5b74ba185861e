"""Events in tables: columns, search terms, the index and the change log."""
