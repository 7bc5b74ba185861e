"""Eight real histories, stored, derived in the background's way, and read back."""

import json
from collections.abc import Iterator
from functools import partial

import pytest

from databases import Databases
from dora import test_real_histories as at_once
from dora.histories import SERVICES, SHARED, sequences
from golden.compare import differences
from theodora.dora import DeploymentSequence, Period, derive
from theodora.events import Deployment
from theodora.storage import Organisation, Store, Verdict
from theodora.storage.marks import SequenceKey
from theodora.storage.sequences import whole_sequence
from theodora.web.wire import render

pytestmark = pytest.mark.skipif(not SHARED.exists(), reason=f"{SHARED} is not there")


_SHORTER = ("positron", "collections", "content-store", "signal-server")
"""Of these each event also goes to PostgreSQL and back."""


@pytest.fixture(
    scope="module",
    params=[*(("sqlite", name) for name in SERVICES), *(("postgresql", name) for name in _SHORTER)],
    ids="-".join,
)
def imported(
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[tuple[str, Store, Organisation]]:
    """The name of a service, and a store that holds its history and has derived it."""
    kind, service = request.param
    databases = (
        Databases(None) if kind == "sqlite" else request.getfixturevalue("postgresql_databases")
    )
    folder = tmp_path_factory.mktemp(service)
    with databases.new(folder) as url, Store(url, render) as store:
        org = store.keys.ensure_organisation("default", 1).result()
        for sequence in sequences(service).values():
            _import(store, org, sequence)
        store.derivations.derive_all_marked()
        yield service, store, org


def _import(store: Store, org: Organisation, sequence: DeploymentSequence) -> None:
    added = [store.deployments.add(org, each, 1) for each in sequence.deployments]
    for id_, repository in sequence.repositories.items():
        store.commits.add_commits(org, id_, list(repository.commits.values())).result()
    for future in added:
        future.result()


def test_every_deployment_is_what_the_pure_function_says(
    imported: tuple[str, Store, Organisation],
):
    service, store, org = imported
    expected = {
        each.deployment.id: each.event
        for sequence in sequences(service).values()
        for each in derive(sequence)
    }
    assert [
        event.id for event in store.deployments.everything(org) if not _same(event, expected)
    ] == []


def _same(event: Deployment, expected: dict[str, Deployment]) -> bool:
    names = (
        *("change_failure", "deployment_type", "remediation", "recovery_time_sec"),
        *("number_of_commits", "change_lead_time"),
    )
    return all(getattr(event, name) == getattr(expected[event.id], name) for name in names)


def test_totals_agree(imported: tuple[str, Store, Organisation]):
    service, store, org = imported
    figures = json.loads((SHARED / "real_expected.json").read_text("utf-8"))
    window = Period(*(at_once._ns(figures["window"][end]) for end in ("from", "to")))
    for env in [env for name, env in at_once.SEQUENCES if name == service]:
        _judge_otherwise(store, org, service, env)
        key = SequenceKey(org, service, env)
        facts = store._database.read(partial(_whole, key))
        observed = at_once._totals(facts, window)
        assert list(differences(figures["services"][service][env], observed)) == []


def _judge_otherwise(store: Store, org: Organisation, service: str, env: str) -> None:
    """Says by hand what the other program sees otherwise, for a reason that is known."""
    for override in at_once.JUDGED_OTHERWISE.get((service, env), ()):
        given = override.remediation
        assert given is not None
        verdict = Verdict(
            override.change_failure, remediation_id=given.id, remediation_type=given.type
        )
        store.deployments.update(org, override.deployment_id, verdict).result()


def _whole(key: SequenceKey, cursor: object) -> DeploymentSequence:
    return whole_sequence(cursor, key).sequence
