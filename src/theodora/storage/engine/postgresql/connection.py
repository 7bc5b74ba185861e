"""Connections to PostgreSQL, and the one door where the driver's errors become ours."""

import re
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any

import psycopg
from psycopg import errors
from psycopg.adapt import Dumper
from psycopg.conninfo import conninfo_to_dict
from psycopg.types.numeric import Int8Dumper

from theodora.errors import OrganisationBusy, Unavailable, UnusableSetting, UnusableStore
from theodora.storage.engine.cursor import Row

_CONNECT_SECONDS = 5
_PREPARED = 500

_FORM = (
    "database must have the form postgresql://user@host:port/name?sslmode=verify-full, with what "
    "is special in a password (/ @ : ? # %) percent-encoded"
)
_PORTS = re.compile(r"[0-9,]*")

SESSION: dict[str, str] = {
    # The store chooses the way to an event itself, by counting: it names tables in the order in
    # which they are to be taken and expects an index to be walked. Left alone, the planner walks
    # the index on time in search of a rare tag, through a million events.
    "join_collapse_limit": "1",
    "from_collapse_limit": "1",
    "enable_seqscan": "off",
    "enable_bitmapscan": "off",
    "enable_hashjoin": "off",
    "enable_mergejoin": "off",
    "enable_sort": "off",
    "plan_cache_mode": "force_generic_plan",
    # What is above the index's watermark is taken for a third of all events, where it is a few:
    # to start helpers for it takes longer than all the rest.
    "max_parallel_workers_per_gather": "0",
    "jit": "off",
    "timezone": "UTC",
}
"""Settings of every session of ours."""

_FOR_CITUS = (
    "SELECT set_config('plan_cache_mode', 'auto', false) FROM pg_extension WHERE extname = 'citus'"
)
"""Citus cannot plan an INSERT of what a SELECT finds without knowing the values in it. How tables
are walked is decided on the server that holds them, which is not this one."""


_GONE_FROM_CITUS = "postmaster was shut down"
"""The internal error of Citus when its server has been killed."""


def connect(url: str, **session: str) -> psycopg.Connection[Row]:
    """A connection in autocommit mode."""
    with driver_errors():
        connection = psycopg.connect(**parameters(url, **session), autocommit=True)
        adapt(connection)
    return connection


def parameters(url: str, **session: str) -> dict[str, Any]:
    """The parameters of the URL, including TLS, with the settings of our sessions.

    Raises `UnusableSetting` for a URL that cannot be read; it is not shown, as it may hold a
    password.
    """
    try:
        given = conninfo_to_dict(url)
    except psycopg.ProgrammingError as error:
        reason = str(error).splitlines()[0]
        is_shown = reason.startswith("invalid URI query parameter")
        raise UnusableSetting(f"{_FORM}: {reason}" if is_shown else _FORM) from None
    # Of a password with one of these in it, a part would be taken for a port, a host or a name.
    if not _PORTS.fullmatch(str(given.get("port", ""))) or any(
        "@" in str(given.get(name, "")) for name in ("host", "dbname")
    ):
        raise UnusableSetting(_FORM)
    options = [f"-c {name}={value}" for name, value in {**SESSION, **session}.items()]
    return {
        "connect_timeout": _CONNECT_SECONDS,
        "application_name": "theodora",
        # A server that is gone without a word is noticed in half a minute.
        "keepalives_idle": 10,
        "keepalives_interval": 5,
        "keepalives_count": 3,
        "tcp_user_timeout": 30_000,
        **given,
        "options": " ".join([*options, str(given.get("options") or "")]),
    }


def adapt(connection: psycopg.Connection[Any]) -> None:
    """Has every integer bound as a BIGINT: statements are prepared once, not for each width.

    On Citus it has statements planned for the values that they come with.
    """
    connection.execute(_FOR_CITUS)
    if not connection.autocommit:
        connection.commit()
    connection.adapters.register_dumper(int, Int8Dumper)
    connection.adapters.register_dumper(bool, _FlagDumper)
    connection.prepared_max = _PREPARED


class _FlagDumper(Dumper):
    """Flags are stored as 0 and 1."""

    oid = psycopg.postgres.types["int8"].oid

    def dump(self, obj: bool) -> bytes:
        return b"1" if obj else b"0"


def is_lost(error: BaseException) -> bool:
    """Whether the server or the way to it is gone, or going."""
    if isinstance(error, errors.InternalError_):
        return str(error).startswith(_GONE_FROM_CITUS)
    return isinstance(error, psycopg.OperationalError) and not isinstance(
        error, (errors.QueryCanceled, errors.LockNotAvailable, errors.DiskFull)
    )


@contextmanager
def busy_errors() -> Generator[None]:
    """Turns a lock that another session has for long into what callers can act on."""
    try:
        yield
    except errors.LockNotAvailable as error:
        raise OrganisationBusy(f"PostgreSQL has locked it for another: {_first_line(error)}") from (
            error
        )


@contextmanager
def driver_errors() -> Generator[None]:
    """Turns what the driver raises into what callers can act on."""
    try:
        with busy_errors():
            yield
    except (
        errors.InvalidPassword,
        errors.InvalidAuthorizationSpecification,
        errors.InvalidCatalogName,
        errors.InsufficientPrivilege,
    ) as error:
        raise UnusableStore(f"PostgreSQL refuses: {_first_line(error)}") from error
    except (
        psycopg.OperationalError,
        errors.ReadOnlySqlTransaction,
        errors.InternalError_,
    ) as error:
        if isinstance(error, errors.InternalError_) and not is_lost(error):
            raise
        raise Unavailable(f"PostgreSQL cannot be used now: {_first_line(error)}") from error


def _first_line(error: psycopg.Error) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
