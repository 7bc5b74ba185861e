"""The store in PostgreSQL: any number of processes on any number of machines serve it.

Nothing else of the store imports psycopg, so that it is needed only where it is used.
"""
