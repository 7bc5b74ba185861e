"""Laws of the derivation as a whole, on random small worlds."""

from collections import Counter
from collections.abc import Sequence

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dora import worlds
from pooling import pooled
from theodora.dora.derivation.commits import Commit
from theodora.dora.derivation.derive import Derivation, derive
from theodora.dora.derivation.derived import Derived
from theodora.dora.derivation.incidents import distinct
from theodora.dora.derivation.sequence import in_order
from theodora.dora.derivation.settings import ServiceSettings
from theodora.dora.derivation.stages import STAGES
from theodora.dora.metrics.rows import deployment_row
from theodora.events import Deployment

replace = msgspec.structs.replace


@given(worlds.any_sequences, st.randoms(use_true_random=False))
def test_the_order_of_arrival_does_not_matter(sequence, random):
    shuffled = list(sequence.deployments)
    random.shuffle(shuffled)
    assert derive(replace(sequence, deployments=tuple(shuffled))) == derive(sequence)


@given(worlds.sequences())
def test_a_deployment_delivered_twice_counts_once(sequence):
    twice = sequence.deployments + sequence.deployments[:3]
    assert derive(replace(sequence, deployments=twice)) == derive(sequence)


@given(worlds.sequences())
def test_the_order_of_commits_and_pull_requests_does_not_matter(sequence):
    repository = sequence.repositories[worlds.REPOSITORY]
    backwards = replace(
        repository,
        commits=dict(reversed(repository.commits.items())),
        pull_requests=repository.pull_requests[::-1],
    )
    turned = replace(sequence, repositories={worlds.REPOSITORY: backwards})
    assert derive(turned) == derive(sequence)


@given(worlds.sequences(), st.integers(0, 12))
def test_going_on_from_any_position_equals_starting_over(sequence, position):
    ordered = in_order(sequence.deployments, sequence.repositories)
    derivation = Derivation(sequence.settings, sequence.repositories)
    for deployment in ordered[:position]:
        derivation.advance(deployment)
    incidents = distinct(sequence.incidents)
    early = derivation.derived(sequence.overrides, incidents)
    for deployment in ordered[position:]:
        derivation.advance(deployment)

    assert derivation.derived(sequence.overrides, incidents) == derive(sequence)
    assert early == derive(replace(sequence, deployments=tuple(ordered[:position])))


@given(worlds.divided_sequences(overrides=(), incidents=()))
def test_each_part_of_a_divided_sequence_is_derived_as_if_it_were_alone(sequence):
    parts: dict[frozenset[str], list[Deployment]] = {}
    for each in sequence.deployments:
        regions = frozenset(tag for tag in each.custom_tags if tag.startswith("region:"))
        parts.setdefault(regions, []).append(each)
    whole = replace(sequence.settings, sequence_tag=None)
    alone = [
        each
        for part in parts.values()
        for each in derive(replace(sequence, deployments=tuple(part), settings=whole))
    ]
    by_id = {each.deployment.id: each for each in alone}
    assert {each.deployment.id: each for each in derive(sequence)} == by_id


@given(worlds.sequences())
def test_a_later_deployment_changes_nothing_of_the_earlier_but_verdicts(sequence):
    before = derive(
        replace(
            sequence, deployments=tuple(in_order(sequence.deployments, sequence.repositories)[:-1])
        )
    )
    after = derive(sequence)
    for one, other in zip(before, after, strict=False):
        assert (one.changes, one.decision) == (other.changes, other.decision)
        assert (
            one.verdict.failing_links
            == other.verdict.failing_links[: len(one.verdict.failing_links)]
        )


def test_a_deployment_that_does_not_come_last_is_refused():
    derivation = Derivation(ServiceSettings(), {})
    deployment = Deployment(id="d1", service="app", started_at_ns=1, finished_at_ns=1)
    derivation.advance(deployment)
    with pytest.raises(ValueError, match="'d1' does not come after"):
        derivation.advance(deployment)


@given(worlds.sequences())
def test_a_commit_counts_at_most_once(sequence):
    counted = Counter(commit.sha for each in derive(sequence) for commit in each.changes.commits)
    assert not counted or max(counted.values()) == 1


@given(worlds.sequences(settings=ServiceSettings()))
def test_new_commits_are_the_ancestors_that_no_earlier_deployment_had(sequence):
    repository = sequence.repositories[worlds.REPOSITORY]
    plain = replace(
        sequence, repositories={worlds.REPOSITORY: replace(repository, pull_requests=())}
    )
    earlier: set[str] = set()
    for each in derive(plain):
        sha = each.deployment.git.commit_sha if each.deployment.git else ""
        ancestors = _ancestors(repository.commits, sha)
        if each.changes.status in {"ok", "gap", "no_new_commits"}:
            shipped = each.changes.commits + each.changes.left_out
            assert {commit.sha for commit in shipped} == ancestors - earlier
        earlier |= ancestors


def _ancestors(graph: dict[str, Commit], sha: str) -> set[str]:
    if sha not in graph:
        return set()
    above = [_ancestors(graph, parent) for parent in graph[sha].parents]
    return {sha}.union(*above)


@given(worlds.sequences())
def test_only_ok_has_lead_times_and_only_it_can(sequence):
    for each in derive(sequence):
        measured = [commit for commit in each.changes.commits if commit.lead_time_ns is not None]
        assert len(measured) == each.changes.lead_time.n
        assert not measured or each.changes.status == "ok"


@given(worlds.sequences())
def test_stages_add_up_to_the_lead_time(sequence):
    for each in derive(sequence):
        for commit in each.changes.commits:
            if commit.stages and commit.stages.other is not None:
                spans = [getattr(commit.stages, stage) or 0 for stage in STAGES]
                assert sum(spans) == commit.lead_time_ns
                assert min(spans) >= 0


@given(worlds.sequences(overrides=(), stated=st.just(())))
def test_rollbacks_are_found_as_by_comparing_every_pair(sequence):
    derived = derive(sequence)
    for position, each in enumerate(derived):
        target = _rollback_target(derived, position, sequence.settings)
        links = each.decision.links
        if target is None:
            assert each.decision.type != "rollback"
        else:
            assert each.decision.type == "rollback"
            assert [link.failed_id for link in links] == [derived[target + 1].deployment.id]
            assert ("stale_target" in each.flags) == (position - target > 10)


def _rollback_target(
    derived: Sequence[Derived], position: int, settings: ServiceSettings
) -> int | None:
    deployments = [each.deployment for each in derived]
    this, lookback = deployments[position], settings.rollback_lookback
    if not settings.detect_rollbacks or not position or _same(this, deployments[position - 1]):
        return None
    targets = [index for index in range(position) if _same(this, deployments[index])]
    if not targets or (lookback is not None and position - targets[-1] > lookback):
        return None
    return targets[-1]


def _same(one: Deployment, other: Deployment) -> bool:
    if one.git and other.git:
        return one.git == other.git
    return one.version is not None and one.version == other.version


@given(worlds.sequences())
def test_links_point_backwards_and_the_earliest_remedies(sequence):
    derived = derive(sequence)
    positions = {each.deployment.id: each.position for each in derived}
    for each in derived:
        assert all(positions[link.failed_id] < each.position for link in each.decision.links)
        remedies = [positions[mark.remediation_id] for mark in each.verdict.failing_links]
        assert remedies == sorted(remedies)


@given(worlds.sequences())
def test_every_rule_is_accounted_for_and_at_most_one_step_fires(sequence):
    expected = ["explicit", "rollback", "linked", "linked", "static"]
    for each in derive(sequence):
        assert [trial.kind for trial in each.decision.trials] == expected
        fired = each.decision.fired
        assert (each.decision.type == "standard") == (fired is None)
        assert each.decision.links == () or fired is not None


@given(worlds.sequences())
def test_rates_stay_between_0_and_1_and_recoveries_are_not_negative(sequence):
    rows = [deployment_row(each) for each in derive(sequence)]
    found = pooled(rows)
    assert 0 <= (found.change_failure_rate.value or 0) <= 1
    assert 0 <= (found.deployment_rework_rate.value or 0) <= 1
    assert all(row.recovery_time_ns is None or row.recovery_time_ns >= 0 for row in rows)
    recovery = found.failed_deployment_recovery_time
    assert recovery.n + recovery.open == found.change_failure_rate.hits


@given(worlds.sequences())
def test_a_verdict_is_open_only_where_commits_may_yet_come(sequence):
    for each in derive(sequence):
        if each.verdict.change_failure is None:
            assert each.changes.status == "unknown_commits"
            assert each.verdict.rule == "pending"


@given(worlds.sequences())
def test_derived_values_survive_being_stored(sequence):
    derived = derive(sequence)
    stored = msgspec.json.encode(derived)
    assert msgspec.json.decode(stored, type=tuple[Derived, ...]) == derived
