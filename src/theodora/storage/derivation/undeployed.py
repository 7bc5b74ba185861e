"""What each sequence lacks of the default branch, as derivation has found it."""

from typing import NamedTuple

from theodora.dora.derivation.undeployed import Undeployed
from theodora.storage.engine.cursor import Cursor
from theodora.storage.engine.organisations import Organisation
from theodora.storage.facts.derivation_queue import SequenceKey


class UndeployedCommits(NamedTuple):
    """Commits that wait for a deployment of a service to an environment."""

    service: str
    env: str
    """Empty for deployments without one."""
    commits: int
    """At least 1."""
    since_ns: int
    """When the oldest was merged."""


def write_undeployed(cursor: Cursor, key: SequenceKey, found: Undeployed | None) -> None:
    """Stores it, or that it is not known, unless that is what is stored."""
    name = key.org.key, key.service, key.env or ""
    values = (found.commits, found.since_ns) if found else (None, None)
    row = cursor.execute(
        "SELECT undeployed, undeployed_since_ns FROM sequences "
        "WHERE org = ? AND service = ? AND env = ?",
        name,
    ).fetchone()
    if (row or (None, None)) != values:
        cursor.execute(
            "INSERT INTO sequences "
            "(org, service, env, generation, undeployed, undeployed_since_ns) "
            "VALUES (?, ?, ?, 1, ?, ?) ON CONFLICT (org, service, env) DO UPDATE SET "
            "undeployed = excluded.undeployed, undeployed_since_ns = excluded.undeployed_since_ns",
            (*name, *values),
        )


def read_undeployed(cursor: Cursor, org: Organisation) -> list[UndeployedCommits]:
    """Those with commits that wait, the one that has waited for longest first."""
    rows = cursor.execute(
        "SELECT service, env, undeployed, undeployed_since_ns FROM sequences "
        "WHERE org = ? AND undeployed > 0 AND undeployed_since_ns IS NOT NULL "
        "ORDER BY undeployed_since_ns, service, env",
        (org.key,),
    )
    return [UndeployedCommits(*row) for row in rows]
