"""Distribution of a store by Citus, as one schema on one server.

A store lies in a schema of its own, and Citus distributes schemas: all tables of one lie on one
server, and statements reach them there from every server. So each statement works as it is.
"""

from contextlib import closing
from typing import Any, LiteralString

import psycopg
from psycopg.sql import SQL, Identifier, Literal

from theodora.errors import UnusableStore
from theodora.storage.engine.cursor import Row
from theodora.storage.engine.postgresql.connection import SESSION, connect, driver_errors
from theodora.storage.engine.postgresql.schema import LOCK

_HAS_CITUS: LiteralString = "SELECT 1 FROM pg_extension WHERE extname = 'citus'"
_IS_DISTRIBUTED: LiteralString = (
    "SELECT 1 FROM pg_dist_schema WHERE schemaid = current_schema()::regnamespace"
)
_OWN: LiteralString = "theodora serve --database 'postgresql://…?options=-csearch_path%3Dname'"


def distribute_server(url: str) -> bool:
    """Distributes the schema that `url` names; False if it is so already.

    Raises `UnusableStore` where there is no Citus, or no schema of the store's own.
    """
    with closing(connect(url)) as connection, driver_errors():
        if not connection.execute(_HAS_CITUS).fetchone():
            raise UnusableStore(
                "the database has no Citus: install it on the server, "
                "then run CREATE EXTENSION citus in the database"
            )
        if _value(connection, "SELECT current_schema()") in {None, "public"}:
            raise UnusableStore(
                "Citus distributes schemas, and not the one named public: make one with "
                f"CREATE SCHEMA and name it in the URL, as in {_OWN}"
            )
        # Given back when the connection is closed.
        connection.execute("SELECT pg_advisory_lock(%s)", (LOCK,))
        if connection.execute(_IS_DISTRIBUTED).fetchone():
            return False
        _have_servers_plan_as_we_do(connection)
        connection.execute("SELECT citus_schema_distribute(current_schema()::regnamespace)")
    return True


def _have_servers_plan_as_we_do(connection: psycopg.Connection[Row]) -> None:
    """Settings of our sessions end at the server that we are connected to; a role's do not."""
    role = Identifier(_value(connection, "SELECT current_user"))
    database = Identifier(_value(connection, "SELECT current_database()"))
    for name, value in SESSION.items():
        statement = SQL("ALTER ROLE {} IN DATABASE {} SET {} = {}")
        connection.execute(statement.format(role, database, Identifier(name), Literal(value)))


def _value(connection: psycopg.Connection[Row], statement: LiteralString) -> Any:
    row = connection.execute(statement).fetchone()
    return row and row[0]
