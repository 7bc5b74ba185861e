"""Each commit's durations beside a deployment's row, and metrics that are read from them."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors import TESTER
from repositories import hourly_commits
from settling import in_every_state
from theodora.dora import MetricsQuery, PullRequest
from theodora.dora.assistance.shipped import ShippedCommit
from theodora.dora.derivation.authorship import Authorship
from theodora.dora.derivation.derived import Changes, NewCommit
from theodora.dora.derivation.stages import Stages
from theodora.dora.metrics.calendar import Period
from theodora.dora.metrics.metrics import Metrics
from theodora.events import Deployment, Git
from theodora.query import Kind, parse, sort_key
from theodora.storage import Organisation, OverrideValues, Selection, Store
from theodora.storage.derivation.commit_times import Measured, decode_spans
from theodora.storage.derivation.commit_times import measured as measured_of
from theodora.storage.derivation.shipped_commits import decode_shipped

HOUR_NS = 3_600 * 10**9
START_NS = 1_700_000_000 * 10**9
SHAS = [letter * 40 for letter in "abc"]
REPOSITORY_ID = "github.com/acme/shop"

spans_ns = st.integers(0, 2**62)
commits = st.builds(
    NewCommit,
    sha=st.just(SHAS[0]),
    time_ns=spans_ns,
    lead_time_ns=st.none() | spans_ns,
    stages=st.builds(Stages, *[st.none() | spans_ns for _ in range(6)]),
    pull_request=st.none() | st.integers(1, 3),
    squashed_into=st.none(),
    flags=st.just(()),
    authorship=st.builds(
        Authorship,
        author=st.sampled_from(("", "ada@example.org", "bo@example.org")),
        day=st.none() | st.integers(-1, 99_999),
        tools=st.sampled_from(((), ("cursor",), ("copilot", "cursor"))),
        is_bot=st.booleans(),
    ),
    until_merge_ns=st.none() | spans_ns,
)


@given(st.lists(commits, max_size=5).map(tuple))
def test_spans_are_read_as_they_were_written(found: tuple[NewCommit, ...]):
    measured = [each for each in found if each.lead_time_ns is not None]
    stored = measured_of(Changes(status="ok", commits=found))
    counts, commits = decode_spans([stored.spans, b"", None])
    assert counts.tolist() == [len(measured), 0, 0]
    assert [Stages(*(span if span >= 0 else None for span in each[1:])) for each in commits] == [
        each.stages for each in measured
    ]
    assert commits[:, 0].tolist() == [each.lead_time_ns for each in measured]
    assert (stored.digest == 0) == (not found)


@given(st.lists(commits, max_size=5).map(tuple))
def test_commits_are_read_as_they_were_written(found: tuple[NewCommit, ...]):
    stored = measured_of(Changes(status="ok", commits=found))
    if not found:
        assert stored.commits == ""
        return
    _, spans = decode_spans([stored.spans])
    shipped = decode_shipped(stored.commits, spans[:, 0].tolist())
    assert shipped.commits == tuple(
        ShippedCommit(each.authorship, each.lead_time_ns, each.pull_request) for each in found
    )
    cycles_ns = [
        (each.pull_request, each.until_merge_ns)
        for each in found
        if each.pull_request and each.until_merge_ns is not None
    ]
    assert shipped.cycle_times_ns == dict(sorted(cycles_ns, key=lambda each: each[1]))


def test_the_digest_tells_other_measures_apart():
    found = [
        Measured(spans, count, commits)
        for spans in (b"", b"1" * 56)
        for count in (0, 1, 2)
        for commits in ("", "[]", "[1]")
    ]
    assert len({each.digest for each in found}) == len(found)


def deployment(id_: str, hour: float, sha: str, service: str = "web") -> Deployment:
    at_ns = START_NS + int(hour * HOUR_NS)
    return Deployment(
        id=id_,
        service=service,
        env="production",
        version=id_,
        started_at_ns=at_ns,
        finished_at_ns=at_ns,
        git=Git(sha, f"https://{REPOSITORY_ID}"),
    )


def tell_commits(store: Store, org: Organisation) -> None:
    store.commits.add_commits(
        org, REPOSITORY_ID, hourly_commits(SHAS, START_NS), actor=TESTER
    ).result()


def put(store: Store, org: Organisation, *events: Deployment) -> None:
    for event in events:
        store.deployments.add(org, event, 1, actor=TESTER).result()
    store.derivations.derive_all_queued(actor=TESTER)


def measured(store: Store, org: Organisation) -> Metrics:
    period = Period(START_NS, START_NS + 100 * HOUR_NS)
    return store.metrics.report(org, MetricsQuery(period=period, as_of_ns=2**63)).overall.total


def test_a_lead_time_is_that_of_the_commit_and_exact(store: Store, org: Organisation):
    tell_commits(store, org)
    put(store, org, deployment("one", 5, SHAS[0]), deployment("two", 9.25, SHAS[1]))
    found = measured(store, org).change_lead_time
    assert (found.n, found.p50) == (1, 8.25 * 3_600)


def test_a_deployment_that_left_its_sequence_and_came_back_is_measured_anew(
    store: Store, org: Organisation
):
    """Less than half a second apart, so that the rounded lead time in the row is the same."""
    tell_commits(store, org)
    first = deployment("two", 9, SHAS[1])
    put(store, org, deployment("one", 5, SHAS[0]), deployment("other", 4, SHAS[0], "pay"), first)
    later_ns = first.finished_at_ns + 2 * 10**8
    store.deployments.delete(org, first.id, actor=TESTER).result()
    put(store, org, msgspec.structs.replace(first, service="pay", finished_at_ns=later_ns))
    assert measured(store, org).change_lead_time.p50 == 8 * 3_600 + 0.2
    store.deployments.delete(org, first.id, actor=TESTER).result()
    put(store, org, first)
    assert measured(store, org).change_lead_time.p50 == 8 * 3_600


def test_a_verdict_by_hand_shows_in_metrics_at_once(store: Store, org: Organisation):
    put(store, org, deployment("one", 5, SHAS[0]), deployment("two", 9, SHAS[1]))
    store.deployments.update(
        org, "one", OverrideValues(True, "two", None, "rollback"), now_ns=1, actor=TESTER
    ).result()
    found = measured(store, org).failed_deployment_recovery_time
    assert (found.n, found.p50, found.open) == (1, 4 * 3_600, 0)


def recovery(store: Store, org: Organisation) -> tuple[int, float | None, int]:
    found = measured(store, org).failed_deployment_recovery_time
    return found.n, found.p50, found.open


@pytest.mark.parametrize("is_by_hand", [False, True])
def test_a_remedy_that_moves_by_less_than_a_second_or_goes_shows_in_metrics_at_once(
    database: str, store: Store, org: Organisation, is_by_hand: bool
):
    """The failed one's row stays as it is: its time to recovery is rounded to seconds there."""
    one, two = deployment("one", 5, SHAS[0]), deployment("two", 7, SHAS[1])
    remedy = deployment("three", 9, SHAS[1 if is_by_hand else 0])
    put(store, org, one, two, remedy)
    if is_by_hand:
        store.deployments.update(
            org, "two", OverrideValues(True, "three", None, "rollback"), now_ns=1, actor=TESTER
        ).result()
    assert recovery(store, org) == (1, 2 * 3_600, 0)
    moved_ns = remedy.finished_at_ns + 2 * 10**8
    moved = msgspec.structs.replace(remedy, finished_at_ns=moved_ns)
    for change in (
        lambda: store.deployments.add(org, moved, 2, actor=TESTER).result(),
        lambda: store.deployments.delete(org, "three", actor=TESTER).result(),
        lambda: store.deployments.add(org, remedy, 3, actor=TESTER).result(),
    ):
        change()
        with Store(database) as another:
            assert recovery(store, org) == recovery(another, org)


def test_a_deleted_deployment_leaves_no_spans(store: Store, org: Organisation):
    tell_commits(store, org)
    put(store, org, deployment("one", 5, SHAS[0]), deployment("two", 9, SHAS[1]))
    store.deployments.delete(org, "two", actor=TESTER).result()
    assert measured(store, org).change_lead_time.n == 0
    put(store, org, deployment("three", 10, SHAS[2]))
    assert measured(store, org).change_lead_time.n == 2


def test_a_sequence_that_is_divided_again_is_measured_as_before(store: Store, org: Organisation):
    """Derivation finds what it found two settings ago, which is no longer what is stored."""
    tell_commits(store, org)
    elsewhere = msgspec.structs.replace(deployment("one", 5, SHAS[0]), custom_tags=("region:us",))
    store.settings.put(org, {"sequence_tag": "region"}, "web", actor=TESTER).result()
    put(store, org, elsewhere, deployment("two", 9, SHAS[1]))
    for tag, lead_times in ((None, 1), ("region", 0), (None, 1), ("region", 0)):
        store.settings.put(org, {"sequence_tag": tag}, "web", actor=TESTER).result()
        store.derivations.derive_all_queued(actor=TESTER)
        assert measured(store, org).change_lead_time.n == lead_times


def add_reviewed(store: Store, org: Organisation, number: int, sha: str, hours: int) -> None:
    """A pull request of one commit, which waits `hours` for its approval."""
    ready_ns = START_NS + 3 * HOUR_NS
    request = PullRequest(
        number=number,
        merge_commit_sha=sha,
        merge_method="rebase",
        created_at_ns=ready_ns,
        last_approved_at_ns=ready_ns + hours * HOUR_NS,
        merged_at_ns=ready_ns + hours * HOUR_NS,
    )
    store.commits.add_pull_requests(org, REPOSITORY_ID, [request], actor=TESTER).result()


def ids(
    store: Store, org: Organisation, query: str, sort: str = "id", *, descending: bool = False
) -> list[str]:
    key = sort_key(sort, Kind.DEPLOYMENT)
    assert key is not None
    selection = Selection(query=parse(query), sort=key, descending=descending, limit=9)
    return [each.id for each in store.deployments.select(org, selection)]


@in_every_state
def test_averages_of_stages_are_searched_and_sorted_by(store: Store, org: Organisation):
    """And follow what becomes known of pull requests later, whether they are indexed or not."""
    tell_commits(store, org)
    put(store, org, *(deployment(id_, 20 + i, SHAS[i]) for i, id_ in enumerate("012")))
    assert ids(store, org, "avg_review_time:*") == []
    assert ids(store, org, "avg_time_to_deploy:>1h", "avg_time_to_deploy") == ["1", "2"]
    add_reviewed(store, org, 1, SHAS[1], hours=9)
    add_reviewed(store, org, 2, SHAS[2], hours=4)
    store.derivations.derive_all_queued(actor=TESTER)
    assert ids(store, org, "@avg_review_time:>4h") == ["1"]
    assert ids(store, org, "avg_review_time:[4h TO 9h] -avg_merge_time:>0") == ["1", "2"]
    assert ids(store, org, "", "avg_review_time") == ["2", "1", "0"]
    assert ids(store, org, "", "avg_review_time", descending=True) == ["1", "2", "0"]
