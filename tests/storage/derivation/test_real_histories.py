"""Eight real histories, stored, derived in the background's way, and read back."""

import json
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import pytest

from actors import TESTER
from databases import KINDS, Databases, Kind
from dora import test_real_histories as at_once
from dora.histories import SERVICES, SHARED, SHORT, sequences
from golden.compare import differences
from storage.derivation.test_explain import explained
from theodora.dora import DeploymentSequence, MetricsQuery, Period, derive
from theodora.dora.derivation.explanation import explain
from theodora.events import Deployment
from theodora.events.values import STAGE_AVERAGES
from theodora.storage import Organisation, OverrideValues, Store
from theodora.storage.derivation.inputs import whole_sequence
from theodora.storage.facts.derivation_queue import SequenceKey

# SQLite takes as long for all of them as PostgreSQL for these.
STORED: list[tuple[str, Kind]] = [
    *((service, "sqlite") for service in SERVICES),
    *((service, "postgresql") for service in SHORT),
]

every_history = pytest.mark.parametrize(
    ("history", "kind"), sorted(STORED), indirect=["history"], scope="module"
)

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not SHARED.exists(), reason=f"{SHARED} is not there"),
]


@dataclass
class History:
    """The history of a service; each kind of database imports and derives it when asked for."""

    service: str
    request: pytest.FixtureRequest
    folder: Path
    stack: ExitStack
    stores: dict[Kind, tuple[Store, Organisation]] = field(default_factory=dict)

    def on(self, kind: Kind) -> tuple[Store, Organisation]:
        if kind not in self.stores:
            self.stores[kind] = self._import(kind)
        return self.stores[kind]

    def _import(self, kind: Kind) -> tuple[Store, Organisation]:
        if kind == "sqlite":
            databases = Databases(None)
        else:
            databases = self.request.getfixturevalue("postgresql_databases")
        url = self.stack.enter_context(databases.new(self.folder))
        store = self.stack.enter_context(Store(url))
        org = store.keys.ensure_organisation("default", 1, actor=TESTER).result()
        for sequence in sequences(self.service).values():
            _import(store, org, sequence)
        store.derivations.derive_all_queued(actor=TESTER)
        return store, org


@pytest.fixture(scope="module")
def history(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[History]:
    with ExitStack() as stack:
        yield History(request.param, request, tmp_path_factory.mktemp(request.param), stack)


def _import(store: Store, org: Organisation, sequence: DeploymentSequence) -> None:
    added = [store.deployments.add(org, each, 1, actor=TESTER) for each in sequence.deployments]
    for id_, repository in sequence.repositories.items():
        store.commits.add_commits(
            org, id_, list(repository.commits.values()), actor=TESTER
        ).result()
    for future in added:
        future.result()


@every_history
def test_every_deployment_is_what_the_pure_function_says(history: History, kind: Kind):
    store, org = history.on(kind)
    expected = {
        each.deployment.id: each.event
        for sequence in sequences(history.service).values()
        for each in derive(sequence)
    }
    assert [
        event.id for event in store.deployments.everything(org) if not _same(event, expected)
    ] == []


def _same(event: Deployment, expected: dict[str, Deployment]) -> bool:
    names = (
        *("change_failure", "deployment_type", "remediation", "recovery_time_sec"),
        *("number_of_commits", "change_lead_time"),
        *(each.name for each in STAGE_AVERAGES),
    )
    return all(getattr(event, name) == getattr(expected[event.id], name) for name in names)


@every_history
def test_deployments_are_explained_by_what_the_pure_function_says(history: History, kind: Kind):
    """Some of them, as remembered from one to the next."""
    store, org = history.on(kind)
    for sequence in sequences(history.service).values():
        for id_, expected in explained(sequence, step=20).items():
            found = store.derivations.explain(org, id_)
            assert (
                explain(found.derived, found.preceding, found.repository, found.settings)
                == expected
            )


@pytest.mark.parametrize("history", SHORT, indirect=True, scope="module")
def test_both_databases_report_the_same_metrics_of_every_month(history: History):
    """Exactly the same: both do the same arithmetic on what they hold."""
    query = MetricsQuery(
        period=_window(), as_of_ns=_window().end_ns, interval="month", group_by=("service", "env")
    )
    sqlite, postgresql = (
        [
            (group.group, group.total, group.previous, list(group.series))
            for group in store.metrics.report(org, query).groups
        ]
        for store, org in map(history.on, KINDS)
    )
    assert sqlite
    assert postgresql == sqlite


@every_history
def test_totals_agree(history: History, kind: Kind):
    service = history.service
    store, org = history.on(kind)
    figures = json.loads((SHARED / "real_expected.json").read_text("utf-8"))
    window = _window()
    for env in [env for name, env in at_once.SEQUENCES if name == service]:
        _judge_otherwise(store, org, service, env)
        key = SequenceKey(org, service, env)
        facts = store._database.read(partial(_whole, key))
        observed = at_once._totals(facts, window)
        assert list(differences(figures["services"][service][env], observed)) == []


def _window() -> Period:
    figures = json.loads((SHARED / "real_expected.json").read_text("utf-8"))
    return Period(*(at_once._ns(figures["window"][end]) for end in ("from", "to")))


def _judge_otherwise(store: Store, org: Organisation, service: str, env: str) -> None:
    """Says by hand what the other program sees otherwise, for a reason that is known."""
    for override in at_once.JUDGED_OTHERWISE.get((service, env), ()):
        given = override.remediation
        assert given is not None
        verdict = OverrideValues(
            override.change_failure, remediation_id=given.id, remediation_type=given.type
        )
        store.deployments.update(
            org, override.deployment_id, verdict, now_ns=1, actor=TESTER
        ).result()


def _whole(key: SequenceKey, cursor: object) -> DeploymentSequence:
    return whole_sequence(cursor, key).sequence
