"""Pull requests of the store, with the deployments that shipped them."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, LiteralString, NamedTuple

from msgspec.structs import replace

from theodora.dora.metrics.pull_requests import (
    PullRequestQuery,
    PullRequestReport,
    make_pull_request_report,
)
from theodora.errors import NotFound
from theodora.events.pull_requests import PullRequestEvent, ShippingDeployment
from theodora.query import Query, matches
from theodora.query.bots import without_bots
from theodora.query.production import names_env
from theodora.storage.engine.condition import FALSE, Condition
from theodora.storage.engine.cursor import Cursor, Row, in_equal_parts, only_value, placeholders
from theodora.storage.engine.database import Database
from theodora.storage.engine.organisations import Organisation
from theodora.storage.events.pull_request_table import PULL_REQUESTS, SELECT, from_row
from theodora.storage.search.planner import Position, Selection
from theodora.storage.search.where import compile_where

_NUMBERS_AT_ONCE = 64
_UPDATED_AT: LiteralString = "e.updated_at_ns"

_Key = tuple[int, int]
"""Repository and number of a row."""


class PullRequestPage(NamedTuple):
    """A page of a list."""

    events: list[PullRequestEvent]
    end: Position | None
    """Where the next page goes on; None on the last one."""


class StateCount(NamedTuple):
    """How many pull requests are in a state, and how many of them bots made."""

    state: str
    requests: int
    of_bots: int


class PullRequestStore:
    """Every method is about one organisation and sees no other."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def get(self, org: Organisation, id_: str) -> PullRequestEvent:
        """Raises `NotFound` where there is no such pull request."""

        def read(cursor: Cursor) -> PullRequestEvent:
            found = _read(
                cursor, org, Condition("e.id = ?", (id_,)), Condition("ORDER BY e.number LIMIT 1")
            )
            if not found:
                raise NotFound("pull request does not exist")
            return found[0]

        return self._database.read(read)

    def select(self, org: Organisation, selection: Selection) -> list[PullRequestEvent]:
        """Those that match, in order; the window is on when they were last updated."""
        return self._database.read(
            lambda cursor: _selected(cursor, org, selection, selection.limit)
        )

    def page(self, org: Organisation, selection: Selection) -> PullRequestPage:
        """The same, and where the next page goes on."""

        def read(cursor: Cursor) -> PullRequestPage:
            found = _selected(cursor, org, selection, selection.limit + 1)
            if len(found) <= selection.limit:
                return PullRequestPage(found, None)
            shown = found[: selection.limit]
            value = next(iter(selection.sort.values(shown[-1])), None)
            stored = int(value) if isinstance(value, bool) else value
            return PullRequestPage(shown, Position(stored, shown[-1].id))

        return self._database.read(read)

    def count(self, org: Organisation) -> int:
        """How many there are."""
        return self._database.read(
            lambda cursor: only_value(
                cursor.execute("SELECT count(*) FROM pull_requests WHERE org = ?", (org.key,))
            )
        )

    def count_states(
        self, org: Organisation, query: Query, from_ns: int, until_ns: int
    ) -> list[StateCount]:
        """How many that were last updated in a period are in each state."""

        def read(cursor: Cursor) -> list[StateCount]:
            where = compile_where(query, PULL_REQUESTS, cursor.dialect)
            rows = cursor.execute(
                "SELECT e.state, count(*), sum(e.is_bot) FROM pull_requests e WHERE e.org = ? "
                f"AND {_UPDATED_AT} >= ? AND {_UPDATED_AT} < ? AND {where.sql} GROUP BY e.state",
                (org.key, from_ns, until_ns, *where.values),
            )
            return [StateCount(*row) for row in rows.fetchall()]

        return self._database.read(read)

    def of_deployment(self, org: Organisation, deployment_id: str) -> list[PullRequestEvent]:
        """Those that a deployment was the first of its service and environment to ship."""
        which = Condition(
            "(e.repository, e.number) IN (SELECT x.repository, x.number "
            "FROM pull_request_deployments x WHERE x.org = ? AND x.deployment IN "
            "(SELECT key FROM deployments WHERE org = ? AND id = ?))",
            (org.key, org.key, deployment_id),
        )
        return self._database.read(
            lambda cursor: _read(cursor, org, which, Condition("ORDER BY e.number"))
        )

    def report(
        self, org: Organisation, query: PullRequestQuery, tree: Query, *, with_bots: bool = False
    ) -> PullRequestReport:
        """The metrics of those that match, in the period of `query` and the one before.

        Deployments count that match as well. If the search names no environment, those to
        production do, or all if the organisation has none.
        """
        wanted = tree if with_bots else without_bots(tree)

        def read(cursor: Cursor) -> tuple[list[PullRequestEvent], bool]:
            start_ns = query.previous_period.start_ns
            period = (start_ns, query.period.end_ns)
            found = _merged_or_shipped(cursor, org, wanted, *period)
            return found, _has_production(cursor, org)

        found, has_production = self._database.read(read)
        by_production = has_production and not names_env(tree)

        def counts(request: PullRequestEvent, deployment: ShippingDeployment) -> bool:
            if by_production and not deployment.in_production:
                return False
            return matches(tree, replace(request, deployments=(deployment,)))

        return make_pull_request_report(query, found, counts)


def _has_production(cursor: Cursor, org: Organisation) -> bool:
    """Whether any deployment that shipped a request was to production."""
    row = cursor.execute(
        "SELECT 1 FROM pull_request_deployments WHERE org = ? AND in_production = 1 LIMIT 1",
        (org.key,),
    ).fetchone()
    return row is not None


def _merged_or_shipped(
    cursor: Cursor, org: Organisation, query: Query, from_ns: int, until_ns: int
) -> list[PullRequestEvent]:
    """Those that match and were merged in a period, or shipped by a deployment that ended in it."""
    where = compile_where(query, PULL_REQUESTS, cursor.dialect)
    period = (from_ns, until_ns)
    which = Condition(
        "(e.merged_at_ns >= ? AND e.merged_at_ns < ? OR (e.repository, e.number) IN ("
        "SELECT x.repository, x.number FROM deployments d JOIN pull_request_deployments x "
        "ON x.org = d.org AND x.deployment = d.key WHERE d.org = ? "
        "AND d.finished_at_ns >= ? AND d.finished_at_ns < ?)) "
        f"AND {where.sql}",
        (*period, org.key, *period, *where.values),
    )
    return _read(cursor, org, which, Condition(""))


def _selected(
    cursor: Cursor, org: Organisation, selection: Selection, limit: int
) -> list[PullRequestEvent]:
    where = compile_where(selection.query, PULL_REQUESTS, cursor.dialect)
    sort = PULL_REQUESTS.column(selection.sort)
    assert sort is not None, "lists are sorted by columns"
    window, after = _window(selection), _after(selection, sort)
    direction: LiteralString = "DESC" if selection.descending else "ASC"
    return _read(
        cursor,
        org,
        Condition(
            f"{window.sql} AND {where.sql}{after.sql}",
            (*window.values, *where.values, *after.values),
        ),
        Condition(f"ORDER BY {sort} IS NULL, {sort} {direction}, e.id LIMIT ?", (limit,)),
    )


def _window(selection: Selection) -> Condition:
    """Both ends are included; without any, those count too that have no instant."""
    low, high = selection.window
    if low > high:
        return FALSE
    sql: list[LiteralString] = ["TRUE"]
    values: list[int] = []
    if selection.from_ns is not None:
        sql.append(f"{_UPDATED_AT} >= ?")
        values.append(low)
    if selection.to_ns is not None:
        sql.append(f"{_UPDATED_AT} <= ?")
        values.append(high)
    return Condition(" AND ".join(sql), tuple(values))


def _after(selection: Selection, sort: LiteralString) -> Condition:
    """What comes after the end of the page before."""
    after = selection.after
    if after is None:
        return Condition("")
    if after.value is None:
        return Condition(f" AND {sort} IS NULL AND e.id > ?", (after.id,))
    beyond: LiteralString = "<" if selection.descending else ">"
    return Condition(
        f" AND ({sort} {beyond} ? OR ({sort} = ? AND e.id > ?) OR {sort} IS NULL)",
        (after.value, after.value, after.id),
    )


def _read(
    cursor: Cursor, org: Organisation, which: Condition, rest: Condition
) -> list[PullRequestEvent]:
    """The pull requests of rows, with the deployments that shipped them."""
    rows = cursor.execute(
        f"SELECT {SELECT}, e.repository FROM pull_requests e "
        f"WHERE e.org = ? AND e.id IS NOT NULL AND {which.sql} {rest.sql}",
        (org.key, *which.values, *rest.values),
    ).fetchall()
    found = [((row[-1], row[2]), from_row(row[:-1])) for row in rows]
    shipped = _deployments(cursor, org, [key for key, _ in found])
    return [replace(event, deployments=tuple(shipped.get(key, ()))) for key, event in found]


_SHIPPING: LiteralString = (
    "SELECT x.number, x.in_production, d.id, d.service, d.env, d.team, d.version, "
    "d.started_at_ns, d.finished_at_ns FROM pull_request_deployments x "
    "JOIN deployments d ON d.org = x.org AND d.key = x.deployment "
    "WHERE x.org = ? AND x.repository = ? "
    f"AND x.number IN ({placeholders(_NUMBERS_AT_ONCE)}) ORDER BY d.finished_at_ns, d.id"
)


def _deployments(
    cursor: Cursor, org: Organisation, keys: Iterable[_Key]
) -> Mapping[_Key, list[ShippingDeployment]]:
    """The deployments that shipped each pull request, in the order in which they finished."""
    by_repository: dict[int, list[int]] = {}
    for repository, number in keys:
        by_repository.setdefault(repository, []).append(number)
    found: dict[_Key, list[ShippingDeployment]] = {}
    for repository, numbers in by_repository.items():
        for part in in_equal_parts(numbers, _NUMBERS_AT_ONCE):
            for number, *row in cursor.execute(_SHIPPING, (org.key, repository, *part)).fetchall():
                found.setdefault((repository, number), []).append(_shipping(row))
    return found


def _shipping(row: Sequence[Any] | Row) -> ShippingDeployment:
    in_production, id_, service, env, team, version, started_at_ns, finished_at_ns = row
    return ShippingDeployment(
        id=id_,
        service=service,
        env=env,
        team=team,
        version=version,
        started_at_ns=started_at_ns,
        finished_at_ns=finished_at_ns,
        in_production=bool(in_production),
    )
