"""Correlations of GitOps: the application's commit behind a commit of configuration or an image.

A correlation and the deployment that it is about come in either order. Each finds the other by a
key: that of the correlation, and the keys of the thing that the facts of the deployment are about.
"""

from collections.abc import Collection, Iterable
from typing import LiteralString, NamedTuple

from theodora.storage.engine.cursor import Cursor, in_equal_parts, placeholders
from theodora.storage.engine.organisations import Organisation

_AT_ONCE = 32
"""Things that one statement names."""


class Correlation(NamedTuple):
    """The application's commit that is deployed wherever a key is."""

    key: str
    repository_id: str
    repository_url: str
    commit_sha: str


def put_correlation(
    cursor: Cursor,
    org: Organisation,
    correlation: Correlation,
    delivery: int,
    received_at_ns: int,
) -> None:
    """Stores a correlation; of those with one key and repository, the last delivery's counts."""
    cursor.execute(
        "INSERT INTO correlations "
        "(org, key, repository_id, repository_url, commit_sha, delivery, noted_at_ns) "
        "VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT (org, key, repository_id) DO UPDATE SET "
        "repository_url = excluded.repository_url, commit_sha = excluded.commit_sha, "
        "delivery = excluded.delivery, noted_at_ns = excluded.noted_at_ns "
        "WHERE correlations.delivery <= excluded.delivery",
        (org.key, *correlation, delivery, received_at_ns),
    )


_UNUSED: LiteralString = (
    "c.noted_at_ns < ? AND NOT EXISTS "
    "(SELECT 1 FROM source_keys k WHERE k.org = c.org AND k.key = c.key)"
)
"""True of a correlation `c` that came earlier and whose key nothing known has."""


def orgs_with_old_correlations(cursor: Cursor, before_ns: int) -> set[int]:
    """The keys of organisations that have some to prune."""
    rows = cursor.execute(
        f"SELECT DISTINCT c.org FROM correlations c WHERE {_UNUSED}", (before_ns,)
    ).fetchall()
    return {org for (org,) in rows}


def prune_correlations(cursor: Cursor, org: Organisation, before_ns: int, limit: int) -> int:
    """Removes some that came earlier and whose key nothing known has; how many those were."""
    rows = cursor.execute(
        "SELECT c.org, c.key, c.repository_id FROM correlations c "
        f"WHERE c.org = ? AND {_UNUSED} LIMIT ?",
        (org.key, before_ns, limit),
    ).fetchall()
    cursor.executemany(
        "DELETE FROM correlations WHERE org = ? AND key = ? AND repository_id = ?", rows
    )
    return len(rows)


def note_keys(
    cursor: Cursor, org: Organisation, kind: str, keys: Iterable[tuple[str, str]]
) -> None:
    """Adds keys to those of things, each with its thing."""
    cursor.executemany(
        "INSERT INTO source_keys (org, key, kind, thing) VALUES (?, ?, ?, ?) "
        "ON CONFLICT (org, key, kind, thing) DO NOTHING",
        [(org.key, key, kind, thing) for thing, key in keys],
    )


def drop_keys(cursor: Cursor, org: int, kind: str, thing: str) -> None:
    """Removes the keys of a thing."""
    cursor.execute(
        "DELETE FROM source_keys WHERE org = ? AND kind = ? AND thing = ?", (org, kind, thing)
    )


def things_with_key(cursor: Cursor, org: Organisation, key: str) -> list[tuple[str, str]]:
    """The kinds and names of the things that have a key and an event.

    A correlation makes no event where the facts make none, or where it does not count.
    """
    rows = cursor.execute(
        "SELECT k.kind, k.thing FROM source_keys k JOIN source_things t "
        "ON t.org = k.org AND t.kind = k.kind AND t.thing = k.thing "
        "WHERE k.org = ? AND k.key = ? AND t.event IS NOT NULL",
        (org.key, key),
    )
    return [(kind, thing) for kind, thing in rows]


def correlations_about(
    cursor: Cursor, org: Organisation, kind: str, things: Collection[str]
) -> dict[str, list[Correlation]]:
    """The correlations with a key of a thing, by the things that have some."""
    found: dict[str, list[Correlation]] = {}
    for part in in_equal_parts([*things], _AT_ONCE):
        rows = cursor.execute(
            "SELECT k.thing, c.key, c.repository_id, c.repository_url, c.commit_sha "
            "FROM source_keys k JOIN correlations c ON c.org = k.org AND c.key = k.key "
            f"WHERE k.org = ? AND k.kind = ? AND k.thing IN ({placeholders(_AT_ONCE)}) "
            "ORDER BY k.thing, c.key, c.repository_id",
            (org.key, kind, *part),
        )
        for thing, *correlation in rows:
            found.setdefault(thing, []).append(Correlation(*correlation))
    return found
