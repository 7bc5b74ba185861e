"""Derivation over the store: whatever came when, it says what the pure function says of it all."""

import itertools
import math
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future
from functools import partial
from random import Random
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from actors import TESTER
from databases import Databases
from dora import worlds
from lengths import short_and_long
from repositories import hourly_commits
from settling import in_every_state
from theodora.dora import DeploymentSequence, Override, PullRequest, Repository, derive
from theodora.errors import TooSlow
from theodora.events import Deployment, Failure, Git, Remediation, repository_id
from theodora.events.values import STAGE_AVERAGES
from theodora.storage import Actor, Organisation, OverrideValues, Store
from theodora.storage.deployments import remove_deployment
from theodora.storage.derivation import run
from theodora.storage.engine.cursor import only_value
from theodora.storage.engine.deadline import Deadline, run_under
from theodora.storage.events.change_log import changed_since, reach
from theodora.storage.events.index import index_some
from theodora.storage.events.tables import DEPLOYMENTS
from theodora.storage.facts.derivation_queue import (
    SequenceKey,
    generation,
    queue_service,
    split_wide_tasks,
)

HOUR_NS = 3_600 * 10**9
DERIVED = (
    *("change_failure", "deployment_type", "remediation", "recovery_time_sec"),
    *("number_of_commits", "change_lead_time"),
    *(each.name for each in STAGE_AVERAGES),
)

patient = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
"""Histories are drawn as they happen to a store, whose time says nothing on a busy machine."""

_numbers = itertools.count()

Operation = Callable[[Store, Organisation], Future[Any]]


@pytest.fixture(scope="module")
def world_store(databases: Databases, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    """A store for many small worlds, each an organisation of its own."""
    folder = tmp_path_factory.mktemp("worlds")
    with databases.new(folder) as url, Store(url) as store:
        yield store


def new_organisation(store: Store) -> Organisation:
    return store.keys.ensure_organisation(f"world {next(_numbers)}", 1, actor=TESTER).result()


def derived_of(event: Deployment) -> dict[str, Any]:
    return {name: getattr(event, name) for name in DERIVED}


def stored(store: Store, org: Organisation) -> dict[str, dict[str, Any]]:
    return {event.id: derived_of(event) for event in store.deployments.everything(org)}


def as_derived_at_once(sequence: DeploymentSequence) -> dict[str, dict[str, Any]]:
    return {each.deployment.id: derived_of(each.event) for each in derive(sequence)}


def deployment(name: str, hour: int, **members: Any) -> Deployment:
    finished_at_ns = worlds.START_NS + hour * HOUR_NS
    return Deployment(
        **{
            "id": name,
            "service": "web",
            "env": "production",
            "version": name,
            "started_at_ns": finished_at_ns,
            "finished_at_ns": finished_at_ns,
            **members,
        }
    )


def add(store: Store, org: Organisation, *events: Deployment) -> None:
    for event in events:
        store.deployments.add(org, event, 1, actor=TESTER).result()


def verdict_of(override: Override) -> OverrideValues:
    remediation = override.remediation
    if remediation is None:
        return OverrideValues(override.change_failure)
    return OverrideValues(
        override.change_failure, remediation.id, remediation.version, remediation.type
    )


def applicable(overrides: Iterable[Override], ids: set[str]) -> tuple[Override, ...]:
    """Those that patches can give: one a deployment, no remedy for what did not fail."""
    by_id = {each.deployment_id: each for each in overrides if each.deployment_id in ids}
    return tuple(
        msgspec.structs.replace(
            each,
            at_ns=number,
            remediation=None if each.change_failure is False else each.remediation,
        )
        for number, each in enumerate(by_id.values(), 1)
    )


def storable(sequence: DeploymentSequence) -> DeploymentSequence:
    """The sequence as a store can hold it."""
    repository = sequence.repositories[worlds.REPOSITORY]
    known = msgspec.structs.replace(repository, has_commit_source=bool(repository.commits))
    ids = {each.id for each in sequence.deployments}
    return msgspec.structs.replace(
        sequence,
        repositories={worlds.REPOSITORY: known},
        overrides=applicable(sequence.overrides, ids),
    )


def give(override: Override) -> Operation:
    return lambda store, org: store.deployments.update(
        org,
        override.deployment_id,
        verdict_of(override),
        now_ns=override.at_ns,
        actor=Actor("person", "tester"),
    )


def send(event: Deployment) -> Operation:
    return lambda store, org: store.deployments.add(org, event, 1, actor=TESTER)


def delete(event: Deployment) -> Operation:
    return lambda store, org: store.deployments.delete(org, event.id, actor=TESTER)


def deliveries(event: Deployment, overrides: Iterable[Override]) -> st.SearchStrategy[Any]:
    """What may happen to one deployment until it is as it should be, in order."""
    wrong = msgspec.structs.replace(
        event, finished_at_ns=event.finished_at_ns + HOUR_NS, version="v2"
    )
    elsewhere = msgspec.structs.replace(wrong, env="staging")
    verdicts = [give(each) for each in overrides if each.deployment_id == event.id]
    return st.sampled_from(
        [
            [send(event), *verdicts],
            [send(event), send(event), *verdicts, send(event)],
            [send(event), delete(event), send(event), *verdicts],
            [send(wrong), *verdicts, send(event)],
            [send(elsewhere), delete(event), send(event), *verdicts],
        ]
    )


def facts_of(repository: Repository) -> list[Operation]:
    """Commits one by one and pull requests together."""
    commits = [
        lambda store, org, commit=commit: store.commits.add_commits(
            org, worlds.REPOSITORY, [commit], actor=TESTER
        )
        for commit in repository.commits.values()
    ]
    return [
        *commits,
        lambda store, org: store.commits.add_pull_requests(
            org, worlds.REPOSITORY, repository.pull_requests, actor=TESTER
        ),
    ]


def happenings(data: st.DataObject, sequence: DeploymentSequence) -> list[Operation]:
    """Everything that makes the sequence, in any order that keeps each one's own."""
    incidents: dict[str, list[Operation]] = {}
    for incident in sequence.incidents:
        incidents.setdefault("all", []).append(
            lambda store, org, incident=incident: store.failures.add(org, incident, 1, actor=TESTER)
        )
    lines = [
        *(data.draw(deliveries(each, sequence.overrides)) for each in sequence.deployments),
        *([operation] for operation in facts_of(sequence.repositories[worlds.REPOSITORY])),
        *incidents.values(),
        [
            lambda store, org: store.settings.put(
                org, msgspec.to_builtins(sequence.settings), "app", actor=TESTER
            )
        ],
    ]
    turns = [number for number, line in enumerate(lines) for _ in line]
    remaining = [iter(line) for line in lines]
    return [next(remaining[number]) for number in data.draw(st.permutations(turns))]


@short_and_long("histories", 6, 40)
def test_any_order_of_arrival_comes_out_as_everything_derived_at_once(
    world_store: Store, histories: int
):
    """Duplicates, corrections, deletions, late commits, and deriving in between included."""

    @settings(patient, max_examples=histories)
    @given(data=st.data())
    def holds(data: st.DataObject) -> None:
        sequence = storable(data.draw(worlds.any_sequences))
        org = new_organisation(world_store)
        for happens in happenings(data, sequence):
            happens(world_store, org).result()
            if data.draw(st.integers(0, 4)) == 0:
                world_store.derivations.derive_queued(actor=TESTER)
        world_store.derivations.derive_all_queued(actor=TESTER)
        assert stored(world_store, org) == as_derived_at_once(sequence)

    holds()


@short_and_long("histories", 4, 24)
def test_what_a_patch_shows_at_once_is_what_derivation_makes_of_it(
    world_store: Store, histories: int
):
    @settings(patient, max_examples=histories)
    @given(data=st.data())
    def holds(data: st.DataObject) -> None:
        sequence = storable(data.draw(worlds.any_sequences))
        org = new_organisation(world_store)
        for happens in happenings(data, msgspec.structs.replace(sequence, overrides=())):
            happens(world_store, org).result()
        world_store.derivations.derive_all_queued(actor=TESTER)
        for override in sequence.overrides:
            give(override)(world_store, org).result()
            at_once = world_store.deployments.get(org, override.deployment_id)
            world_store.derivations.derive_all_queued(actor=TESTER)
            later = world_store.deployments.get(org, override.deployment_id)
            assert at_once.change_failure == later.change_failure
            assert at_once.remediation == later.remediation
            assert at_once.recovery_time_sec == later.recovery_time_sec

    holds()


def test_a_new_deployment_has_no_verdict_until_it_is_derived(store: Store, org: Organisation):
    add(store, org, deployment("v1", 1))
    assert store.deployments.get(org, "v1").change_failure is None
    assert store.derivations.are_due()
    assert store.derivations.derive_all_queued(actor=TESTER) == 1
    assert store.deployments.get(org, "v1").change_failure is False
    assert not store.derivations.are_due()


def test_an_unknown_commit_is_pending_only_where_commits_are_delivered(
    store: Store, org: Organisation
):
    git = Git("f" * 40, "https://github.com/acme/web")
    add(store, org, deployment("v1", 1, git=git))
    store.derivations.derive_all_queued(actor=TESTER)
    assert store.deployments.get(org, "v1").change_failure is False
    commit = worlds.Commit(sha="a" * 40, author_time_ns=1, commit_time_ns=1)
    store.commits.add_commits(org, "github.com/acme/web", [commit], actor=TESTER).result()
    store.derivations.derive_all_queued(actor=TESTER)
    assert store.deployments.get(org, "v1").change_failure is None


def test_what_changes_nothing_marks_nothing(store: Store, org: Organisation):
    add(store, org, deployment("v1", 1))
    commit = worlds.Commit(sha="a" * 40, author_time_ns=1, commit_time_ns=1)
    store.commits.add_commits(org, "github.com/acme/web", [commit], actor=TESTER).result()
    store.derivations.derive_all_queued(actor=TESTER)
    add(store, org, deployment("v1", 1))
    store.commits.add_commits(org, "github.com/acme/web", [commit], actor=TESTER).result()
    assert not store.derivations.are_due()


def test_a_derivation_that_changes_nothing_is_counted(store: Store, org: Organisation):
    """By the number another process finds that what it has derived is older."""
    add(store, org, deployment("v1", 1))
    store.derivations.derive_all_queued(actor=TESTER)
    of_sequence = partial(generation, key=SequenceKey(org, "web", "production"))
    before = store._database.read(of_sequence)
    marking = partial(queue_service, org=org, service="web")
    store._database.write(marking, TESTER, org=org.key).result()
    assert store.derivations.derive_all_queued(actor=TESTER) == 1
    assert store._database.read(of_sequence) == before + 1


def test_commits_that_come_in_parts_mark_each_sequence_once(store: Store, org: Organisation):
    git = Git("f" * 40, "https://github.com/acme/web")
    add(store, org, deployment("v1", 1, git=git), deployment("p1", 1, service="pay", git=git))
    store.derivations.derive_all_queued(actor=TESTER)
    for commit in hourly_commits(["a" * 40, "b" * 40, "c" * 40], worlds.START_NS):
        store.commits.add_commits(org, "github.com/acme/web", [commit], actor=TESTER).result()
    since_ns = store.derivations.waiting(org).since_ns
    store._database.write(partial(split_wide_tasks, org), TESTER, org=org.key).result()
    assert store.derivations.waiting(org) == (2, 2, since_ns)


def test_another_service_is_not_derived_anew(store: Store, org: Organisation):
    add(store, org, deployment("v1", 1), deployment("p1", 1, service="pay"))
    assert store.derivations.derive_all_queued(actor=TESTER) == 2
    add(store, org, deployment("v2", 2))
    assert store.derivations.derive_all_queued(actor=TESTER) == 1


@in_every_state
def test_a_deployment_that_moves_to_another_env_leaves_its_sequence(
    store: Store, org: Organisation
):
    back = deployment("v3", 3, version="v1")
    add(store, org, deployment("v1", 1), deployment("v2", 2), back)
    store.derivations.derive_all_queued(actor=TESTER)
    assert store.deployments.get(org, "v2").change_failure is True
    store.deployments.delete(org, "v3", actor=TESTER).result()
    add(store, org, msgspec.structs.replace(back, env="staging"))
    store.derivations.derive_all_queued(actor=TESTER)
    assert store.deployments.get(org, "v2").change_failure is False
    assert store.deployments.get(org, "v3").deployment_type == "standard"


@in_every_state
def test_a_remediation_of_another_service_takes_the_type_it_is_given(
    store: Store, org: Organisation
):
    add(store, org, deployment("v1", 1))
    verdict = OverrideValues(True, remediation_id="p2", remediation_type="rollforward")
    store.deployments.update(org, "v1", verdict, now_ns=1, actor=Actor("person", "ann")).result()
    store.derivations.derive_all_queued(actor=TESTER)
    assert store.deployments.get(org, "v1").recovery_time_sec is None
    add(store, org, deployment("p2", 3, service="pay"))
    store.derivations.derive_all_queued(actor=TESTER)
    assert store.deployments.get(org, "p2").deployment_type == "rollforward"
    assert store.deployments.get(org, "v1").recovery_time_sec == 2 * 3_600
    store.deployments.update(
        org, "v1", OverrideValues(False), now_ns=2, actor=Actor("person", "ann")
    ).result()
    store.derivations.derive_all_queued(actor=TESTER)
    assert store.deployments.get(org, "p2").deployment_type == "standard"


def test_a_verdict_without_a_remediation_takes_the_one_that_the_rules_found(
    store: Store, org: Organisation
):
    back = deployment("v3", 3, version="v1")
    add(store, org, deployment("v1", 1), deployment("v2", 2), back)
    store.derivations.derive_all_queued(actor=TESTER)
    found = store.deployments.get(org, "v2").remediation
    for change_failure, expected in ((False, None), (True, found)):
        store.deployments.update(
            org, "v2", OverrideValues(change_failure), now_ns=1, actor=TESTER
        ).result()
        assert store.deployments.get(org, "v2").remediation == expected
        store.derivations.derive_all_queued(actor=TESTER)
        assert store.deployments.get(org, "v2").remediation == expected


def test_a_verdict_takes_a_remediation_that_the_rules_found_while_another_one_stood(
    store: Store, org: Organisation
):
    add(store, org, deployment("v1", 1), deployment("v2", 2))
    store.deployments.update(org, "v2", OverrideValues(False), now_ns=1, actor=TESTER).result()
    store.derivations.derive_all_queued(actor=TESTER)
    add(store, org, deployment("v3", 3, version="v1"))
    store.derivations.derive_all_queued(actor=TESTER)
    store.deployments.update(org, "v2", OverrideValues(True), now_ns=2, actor=TESTER).result()
    assert store.deployments.get(org, "v2").remediation == Remediation("v3", "rollback")


@in_every_state
def test_an_incident_marks_the_deployment_it_names_where_the_service_lets_it(
    store: Store, org: Organisation
):
    add(store, org, deployment("v1", 1))
    incident = Failure(
        id="i1", services=("web",), version="v1", started_at_ns=worlds.START_NS + 2 * HOUR_NS
    )
    store.failures.add(org, incident, 1, actor=TESTER).result()
    store.derivations.derive_all_queued(actor=TESTER)
    assert store.deployments.get(org, "v1").change_failure is False
    store.settings.put(org, {"incident_marks_failure": True}, "web", actor=TESTER).result()
    store.derivations.derive_all_queued(actor=TESTER)
    assert store.deployments.get(org, "v1").change_failure is True
    store.failures.delete(org, "i1", actor=TESTER).result()
    store.derivations.derive_all_queued(actor=TESTER)
    assert store.deployments.get(org, "v1").change_failure is False


def by_region(*regions: str) -> tuple[str, ...]:
    return tuple(f"region:{region}" for region in regions)


def test_a_tag_that_divides_a_sequence_keeps_rollbacks_and_remediations_within_a_region(
    store: Store, org: Organisation
):
    """eu goes to v2 and stays; us is restarted on v1 between."""
    eu, us = by_region("eu"), by_region("us")
    add(
        store,
        org,
        deployment("eu-1", 1, version="v1", custom_tags=eu),
        deployment("us-1", 2, version="v1", custom_tags=us),
        deployment("eu-2", 3, version="v2", custom_tags=eu),
        deployment("us-1-again", 4, version="v1", custom_tags=us),
        deployment("eu-2-again", 5, version="v2", custom_tags=eu),
    )
    verdict = OverrideValues(True, remediation_version="v1", remediation_type="rollback")
    store.deployments.update(org, "eu-2", verdict, now_ns=1, actor=Actor("person", "ann")).result()
    store.derivations.derive_all_queued(actor=TESTER)
    assert store.deployments.get(org, "us-1-again").deployment_type == "rollback"
    assert store.deployments.get(org, "eu-2").remediation.id == "us-1-again"
    store.settings.put(org, {"sequence_tag": "region"}, "web", actor=TESTER).result()
    store.derivations.derive_all_queued(actor=TESTER)
    every = {each.id: each for each in store.deployments.everything(org)}
    assert {each.deployment_type for each in every.values()} == {"standard"}
    assert [id_ for id_, each in every.items() if each.change_failure] == ["eu-2"]
    assert every["eu-2"].remediation.id == "eu-1"
    before = store.derivations.explain(org, "eu-2").preceding
    assert before is not None
    assert before.id == "eu-1"
    assert store.derivations.explain(org, "us-1").preceding is None
    after = store.derivations.explain(org, "us-1").following
    assert after is not None
    assert after.id == "us-1-again"


def test_a_remediation_by_version_is_found_in_its_region_before_anything_is_derived(
    store: Store, org: Organisation
):
    store.settings.put(org, {"sequence_tag": "region"}, "web", actor=TESTER).result()
    eu, us = by_region("eu"), by_region("us")
    add(store, org, deployment("eu-2", 1, version="v2", custom_tags=eu))
    add(store, org, deployment("eu-1", 2, version="v1", custom_tags=eu))
    add(store, org, deployment("us-1", 3, version="v1", custom_tags=us))
    verdict = OverrideValues(True, remediation_version="v1", remediation_type="rollback")
    store.deployments.update(org, "eu-2", verdict, now_ns=1, actor=Actor("person", "ann")).result()
    at_once = store.deployments.get(org, "eu-2").remediation
    store.derivations.derive_all_queued(actor=TESTER)
    assert at_once == store.deployments.get(org, "eu-2").remediation
    assert at_once is not None
    assert at_once.id == "eu-1"


def test_a_version_is_patched_where_it_finished_last_in_whatever_region(
    store: Store, org: Organisation
):
    store.settings.put(org, {"sequence_tag": "region"}, actor=TESTER).result()
    add(store, org, deployment("eu", 1, version="v1", custom_tags=by_region("eu")))
    add(store, org, deployment("us", 2, version="v1", custom_tags=by_region("us")))
    store.deployments.update_by_version(
        org, "web", "production", "v1", OverrideValues(True), now_ns=1, actor=TESTER
    ).result()
    assert [each.id for each in store.deployments.everything(org) if each.change_failure] == ["us"]


def test_an_incident_marks_one_deployment_of_the_region_it_names(store: Store, org: Organisation):
    given = {"sequence_tag": "region", "incident_marks_failure": True}
    store.settings.put(org, given, "web", actor=TESTER).result()
    for hour, region in enumerate(("eu", "us"), 1):
        add(store, org, deployment(region, hour, version="v1", custom_tags=by_region(region)))
    incident = Failure(
        id="i1", services=("web",), version="v1", started_at_ns=worlds.START_NS + 3 * HOUR_NS
    )
    for tags, marked in (((), "us"), (by_region("eu"), "eu"), (by_region("mars"), None)):
        store.failures.add(
            org, msgspec.structs.replace(incident, custom_tags=tags), 1, actor=TESTER
        ).result()
        store.derivations.derive_all_queued(actor=TESTER)
        every = store.deployments.everything(org)
        assert [each.id for each in every if each.change_failure] == [marked] * bool(marked)


@pytest.mark.parametrize("seed", range(3))
def test_the_same_history_gives_the_same_in_two_stores(store: Store, org: Organisation, seed: int):
    """Events without ids get other ones in each organisation; many end at one instant."""
    rng = Random(seed)
    other = store.keys.ensure_organisation(f"other {seed}", 1, actor=TESTER).result()
    commits = [
        worlds.Commit(
            sha=f"{number:040}",
            parents=(f"{rng.randrange(max(0, number - 3), number):040}",) if number else (),
            author_time_ns=worlds.START_NS + number,
            commit_time_ns=worlds.START_NS + number,
        )
        for number in range(20)
    ]
    events = [
        deployment(
            "",
            1 + rng.randrange(3),
            started_at_ns=worlds.START_NS + rng.randrange(2) * HOUR_NS,
            version=rng.choice((None, "v1", "v2", "v3")),
            git=Git(rng.choice(commits).sha, f"https://{worlds.REPOSITORY}")
            if rng.random() < 0.8
            else None,
        )
        for _ in range(30)
    ]
    verdict = OverrideValues(True, remediation_version="v2", remediation_type="rollback")
    found = []
    for each in (org, other):
        store.commits.add_commits(each, worlds.REPOSITORY, commits, actor=TESTER).result()
        add(store, each, *rng.sample(events, len(events)))
        store.deployments.update_by_version(
            each, "web", "production", "v1", verdict, now_ns=1, actor=TESTER
        ).result()
        store.derivations.derive_all_queued(actor=TESTER)
        by_id = {event.id: what_it_is(event) for event in store.deployments.everything(each)}
        found.append(
            {
                name: derived_of(event) | {"remediation": remedy and by_id[remedy.id]}
                for event in store.deployments.everything(each)
                for name, remedy in [(by_id[event.id], event.remediation)]
            }
        )
    assert found[0] == found[1]
    assert len(found[0]) > 20


def what_it_is(event: Deployment) -> tuple[Any, ...]:
    sha = event.git.commit_sha if event.git else None
    return event.started_at_ns, event.finished_at_ns, event.version, sha


@pytest.mark.parametrize("other", ["api", "web"])
def test_settings_of_others_that_change_meanwhile_leave_no_verdict_underived(
    store: Store, org: Organisation, monkeypatch: pytest.MonkeyPatch, other: str
):
    """They are of another service, or of the same one of another organisation."""
    add(store, org, deployment("v1", 1), deployment("v2", 2), deployment("v3", 3, version="v1"))
    verdict = OverrideValues(True)
    store.deployments.update(org, "v2", verdict, now_ns=1, actor=TESTER).result()
    store.settings.put(org, {"detect_rollbacks": False}, "web", actor=TESTER).result()
    store.derivations.derive_all_queued(actor=TESTER)
    assert store.deployments.get(org, "v2").remediation is None
    theirs = org if other == "api" else new_organisation(store)
    write_part = store.derivations._write_part

    def write_late(*arguments: Any) -> Any:
        queue_service(arguments[-1], theirs, other)
        return write_part(*arguments)

    monkeypatch.setattr(store.derivations, "_write_part", write_late)
    store.settings.put(org, {"detect_rollbacks": True}, "web", actor=TESTER).result()
    store.derivations.derive_queued(actor=TESTER)
    monkeypatch.setattr(store.derivations, "_write_part", write_part)
    store.derivations.derive_all_queued(actor=TESTER)
    assert store.deployments.get(org, "v2").remediation == Remediation("v3", "rollback")


def test_nothing_is_written_of_a_deployment_that_is_deleted_meanwhile(
    store: Store, org: Organisation, monkeypatch: pytest.MonkeyPatch
):
    add(store, org, deployment("v1", 1), deployment("v2", 2), deployment("v3", 3, version="v1"))
    indexing = partial(index_some, table=DEPLOYMENTS, org=org.key)
    while store._database.write(indexing, TESTER, org=org.key).result():
        pass
    write_part = store.derivations._write_part

    def write_late(*arguments: Any) -> Any:
        cursor = arguments[-1]
        rows = store.derivations._rows
        found = rows.find(cursor, org, "v2")
        if found is not None:
            remove_deployment(cursor, rows, org, found)
        return write_part(*arguments)

    monkeypatch.setattr(store.derivations, "_write_part", write_late)
    store.derivations.derive_queued(actor=TESTER)
    monkeypatch.setattr(store.derivations, "_write_part", write_part)
    postings = "SELECT count(*) FROM deployment_postings p LEFT JOIN deployments d "
    lost = "ON d.key = p.event WHERE d.key IS NULL"
    assert store._database.read(lambda cursor: only_value(cursor.execute(postings + lost))) == 0


def test_stages_that_change_alone_are_logged_as_a_change(store: Store, org: Organisation):
    repository = "https://github.com/acme/web"
    commits = hourly_commits(["a" * 40, "b" * 40], worlds.START_NS - 5 * HOUR_NS)
    store.commits.add_commits(org, repository_id(repository), commits, actor=TESTER).result()
    sent = [
        deployment(f"v{number}", number, git=Git(each.sha, repository))
        for number, each in enumerate(commits, 1)
    ]
    add(store, org, *sent)
    store.derivations.derive_all_queued(actor=TESTER)
    before, newest = stored(store, org), store._database.read(partial(reach, org=org)).newest
    averages = {"avg_time_to_pr_ready": 3 * 3600, "avg_time_to_deploy": 3 * 3600}
    expected = {**before, "v2": {**before["v2"], **averages}}
    ready_ns = worlds.START_NS - HOUR_NS
    reviewed = PullRequest(
        number=1, merge_commit_sha=commits[1].sha, created_at_ns=ready_ns, merged_at_ns=ready_ns + 1
    )
    store.commits.add_pull_requests(
        org, repository_id(repository), [reviewed], actor=TESTER
    ).result()
    store.derivations.derive_all_queued(actor=TESTER)
    assert stored(store, org) == expected
    changed = store._database.read(lambda cursor: changed_since(cursor, DEPLOYMENTS, org, newest))
    assert len(changed) == 1


def test_what_two_processes_derive_in_turn_stays_right(database: str):
    """What one remembers of a sequence is worthless once the other has derived it."""
    with Store(database) as server, Store(database) as command:
        org = server.keys.ensure_organisation("default", 1, actor=TESTER).result()
        add(server, org, deployment("v1", 1), deployment("v2", 2))
        server.derivations.derive_all_queued(actor=TESTER)
        add(command, org, deployment("v3", 3, version="v1"))
        command.derivations.derive_all_queued(actor=TESTER)
        assert server.deployments.get(org, "v2").change_failure is True
        command.deployments.delete(org, "v3", actor=TESTER).result()
        command.derivations.derive_all_queued(actor=TESTER)
        add(server, org, deployment("v4", 4))
        server.derivations.derive_all_queued(actor=TESTER)
        assert [event.change_failure for event in server.deployments.everything(org)] == [False] * 3


@in_every_state
def test_an_organisation_sees_nothing_of_anothers_sequence(store: Store, org: Organisation):
    other = store.keys.ensure_organisation("other", 1, actor=TESTER).result()
    add(store, org, deployment("v1", 1), deployment("v2", 2))
    add(store, other, deployment("v3", 3, version="v1"))
    store.derivations.derive_all_queued(actor=TESTER)
    assert store.deployments.get(org, "v2").change_failure is False
    assert store.deployments.get(other, "v3").deployment_type == "standard"


def test_what_comes_while_deriving_loses_nothing(store: Store, org: Organisation):
    """A verdict between reading and writing keeps judged rows from being written just then."""
    back = deployment("v3", 3, version="v1")
    add(store, org, deployment("v1", 1), deployment("v2", 2), back)
    store.deployments.update(org, "v2", OverrideValues(True), now_ns=1, actor=TESTER).result()
    derivations = store.derivations
    write = derivations._write

    def write_late(*arguments: Any) -> None:
        derivations._write = write
        store.deployments.update(org, "v1", OverrideValues(True), now_ns=1, actor=TESTER).result()
        write(*arguments)

    derivations._write = write_late
    derivations.derive_all_queued(actor=TESTER)
    remediation = store.deployments.get(org, "v2").remediation
    assert remediation is not None
    assert remediation.id == "v3"
    assert store.deployments.get(org, "v1").change_failure is True


def test_many_sequences_of_one_organisation_delay_another_by_one(store: Store, org: Organisation):
    other = new_organisation(store)
    add(
        store, org, *(deployment(f"d{number}", number, service=f"s{number}") for number in range(9))
    )
    derived_after: list[bool] = []

    def add_in_the_meantime(_: float) -> bool:
        if not derived_after:
            add(store, other, deployment("other", 1))
        derived_after.append(store.deployments.get(other, "other").change_failure is not None)
        return True

    assert store.derivations.derive_queued(add_in_the_meantime, actor=TESTER) == 10
    assert derived_after == [False, *[True] * 9]


def test_a_sequence_that_cannot_be_derived_holds_up_no_other(store: Store, org: Organisation):
    """Its marks stay, so that it is derived once what is wrong has been put right."""
    broken = {"id": "broken", "fields": ["version"], "pattern": "("}
    store.settings.put(org, {"static_rules": [broken]}, "pay", actor=TESTER).result()
    add(store, org, deployment("p1", 1, service="pay"), deployment("v1", 1))
    store.derivations.derive_all_queued(actor=TESTER)
    assert store.deployments.get(org, "v1").change_failure is False
    assert store.deployments.get(org, "p1").change_failure is None
    (parked,) = store.derivations.parked(org)
    assert (parked.service, parked.env, parked.tries) == ("pay", "production", 1)
    assert parked.error.startswith('rule "broken": is not a regular expression')
    assert store.derivations.waiting(org).tasks == 0
    store.settings.put(org, {}, "pay", actor=TESTER).result()
    store.derivations.derive_all_queued(actor=TESTER)
    assert store.deployments.get(org, "p1").change_failure is False
    assert store.derivations.parked(org) == []


def test_a_parked_sequence_is_tried_again_ever_less_often(
    store: Store, org: Organisation, monkeypatch: pytest.MonkeyPatch
):
    broken = {"id": "broken", "fields": ["version"], "pattern": "(?=a)"}
    store.settings.put(org, {"static_rules": [broken]}, "pay", actor=TESTER).result()
    add(store, org, deployment("p1", 1, service="pay", env=None))
    store.derivations.derive_all_queued(actor=TESTER)
    pauses: list[int] = []
    for _ in range(12):
        (parked,) = store.derivations.parked(org)
        assert parked.env is None
        assert store.derivations.derive_queued(actor=TESTER) == 0
        pauses.append((parked.next_at_ns - parked.tried_at_ns) // 10**9)
        monkeypatch.setattr("time.time_ns", lambda at=parked.next_at_ns: at)
        assert store.derivations.derive_queued(actor=TESTER) == 1
    assert pauses == [2, 4, 8, 16, 32, 64, 128, 256, 512, 600, 600, 600]
    assert store.derivations.parked(org)[0].since_ns == parked.since_ns


def test_what_is_parked_is_explained_and_previewed_without_what_cannot_be_used(
    store: Store, org: Organisation
):
    broken = {"id": "broken", "fields": ["version"], "pattern": "(?=a)"}
    alternative = {"id": "either", "fields": ["version"], "pattern": "fix $version|hotfix.*"}
    globs = [f"{number}" + "?x" * 90 for number in range(200)]
    given = {
        "static_rules": [broken],
        "linked_rules": [alternative],
        "exclude_authors": globs,
        "exclude_labels": globs,
    }
    store.settings.put(org, given, "pay", actor=TESTER).result()
    add(store, org, deployment("p1", 1, service="pay"), deployment("hotfix", 2, service="pay"))
    store.derivations.derive_all_queued(actor=TESTER)
    assert len(store.derivations.parked(org)) == store.derivations.count_parked() == 1
    other = store.keys.ensure_organisation("other", 1, actor=TESTER).result()
    assert store.derivations.parked(other) == []
    assert store.derivations.explain(org, "p1").derived.decision.type == "standard"
    preview = store.derivations.preview(org, {}, "pay")
    assert preview.deployments == 2


class _Counting(Deadline):
    """Over once it has been looked at so often."""

    def __init__(self, looks: float) -> None:
        super().__init__(math.inf)
        self.looks = 0
        self._most = looks

    @property
    def is_over(self) -> bool:
        self.looks += 1
        return self.looks > self._most


def test_derivation_can_be_ended_at_each_deployment_and_each_part_that_it_writes(
    store: Store, org: Organisation, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(run, "_ROWS_AT_ONCE", 2)
    count, derive_all = 40, partial(store.derivations.derive_all_queued, actor=TESTER)
    add(store, org, *(deployment(f"d{number:02}", number) for number in range(count)))
    for looks in (10, 25, 50):
        with pytest.raises(TooSlow):
            run_under(_Counting(looks), derive_all)
        assert store.derivations.are_due()
    run_under(_Counting(math.inf), derive_all)
    assert not store.derivations.are_due()
    assert {each["change_failure"] for each in stored(store, org).values()} == {False}
    # From the beginning, with a look at each deployment and at each part.
    add(store, org, *(deployment(f"e{number:02}", number, env="qa") for number in range(count)))
    deadline = _Counting(math.inf)
    run_under(deadline, derive_all)
    assert deadline.looks > count + count // 2
