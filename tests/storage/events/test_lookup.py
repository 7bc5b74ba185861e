"""Lookups find indexed events and those that are not indexed yet, of one organisation."""

import re
from pathlib import Path

import pytest

import theodora
from actors import TESTER
from settling import in_every_state
from theodora.events import Deployment, Failure
from theodora.storage import Organisation, Store
from theodora.storage.events.lookup import events_with
from theodora.storage.events.tables import DEPLOYMENTS, FAILURES
from theodora.storage.events.terms import Term

HOMES = {
    *("storage/events/index.py", "storage/events/lookup.py", "storage/events/tables.py"),
    "storage/engine/organisations.py",
}
"""The only sources that know up to where events are indexed; the last gives a new organisation its
counters."""

CHECKS = {"storage/check/check.py", "storage/check/rules.py"}
"""They check that number, and find nothing by it."""


@in_every_state
@pytest.mark.parametrize(
    ("term", "deployments", "failures"),
    [
        (Term("service", "web"), ["d1"], ["f1", "f2"]),
        (Term("service", "pay"), ["d2"], ["f1"]),
        (Term("team", "shop"), ["d2"], []),
        (Term("@build", "7"), ["d1", "d2"], ["f2"]),
        (Term("@build", "x"), ["d1"], []),
        (Term("@service", "web"), [], []),
    ],
)
def test_events_with_a_term_are_found_once_each(
    store: Store, org: Organisation, term: Term, deployments: list[str], failures: list[str]
) -> None:
    other = store.keys.ensure_organisation("other", 1, actor=TESTER).result()
    for each in (org, other):
        for id_, service, team, tags in (
            ("d1", "web", None, ("build:7", "build:x")),
            ("d2", "pay", "shop", ("build:7",)),
        ):
            event = Deployment(
                id=id_,
                service=service,
                team=team,
                custom_tags=tags,
                started_at_ns=1,
                finished_at_ns=2,
            )
            store.deployments.add(each, event, 1, actor=TESTER).result()
        for id_, services, tags in (("f1", ("web", "pay"), ()), ("f2", ("web",), ("build:7",))):
            event = Failure(id=id_, services=services, custom_tags=tags, started_at_ns=1)
            store.failures.add(each, event, 1, actor=TESTER).result()
    for table, expected in ((DEPLOYMENTS, deployments), (FAILURES, failures)):
        found = events_with(table, org, term)
        rows = store._database.read(
            lambda cursor, table=table, found=found: cursor.execute(
                f"SELECT e.org, e.id FROM ({found.sql}) p "
                f"JOIN {table.name} e ON e.key = p.event ORDER BY e.id",
                found.values,
            ).fetchall()
        )
        assert [tuple(row) for row in rows] == [(org.key, id_) for id_ in expected]


def test_nothing_else_knows_up_to_where_events_are_indexed() -> None:
    root = Path(theodora.__file__).parent
    knowing = {
        path.relative_to(root).as_posix()
        for path in root.rglob("*.py")
        if re.search(r"watermark_of|\.watermark\b|(deployments|failures)_indexed", path.read_text())
    }
    assert knowing == HOMES | CHECKS
