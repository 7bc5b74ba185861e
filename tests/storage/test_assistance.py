"""AI impact of a store: what it reads of deployments, commits and the days of users."""

from collections.abc import Iterable, Sequence

import pytest

from actors import TESTER
from settling import in_every_state
from theodora.dora import Commit, Period, PullRequest
from theodora.dora.assistance.comparison import ComparedSides
from theodora.dora.assistance.report import ImpactQuery
from theodora.dora.derivation.authorship import Authorship
from theodora.events import Deployment, Git
from theodora.events.activity import UserActivity
from theodora.query import parse
from theodora.storage import Organisation, OverrideValues, Store

HOUR_NS = 3_600 * 10**9
DAY_NS = 24 * HOUR_NS
START_NS = 20_000 * DAY_NS
"""2024-10-04."""
REPOSITORY = "github.com/acme/shop"
QUERY = ImpactQuery(
    period=Period(START_NS, START_NS + 30 * DAY_NS), as_of_ns=START_NS + 99 * DAY_NS
)
PEOPLE = ("ada", "bo", "cem", "dee", "eva", "fay")


def sha(number: int) -> str:
    return f"{number:040x}"


def commit(number: int, author: str, trailer: str = "", offset: int | None = None) -> Commit:
    at_ns = START_NS + number * HOUR_NS
    return Commit(
        sha=sha(number),
        parents=(sha(number - 1),) if number else (),
        author_time_ns=at_ns,
        author_offset_minutes=offset,
        commit_time_ns=at_ns,
        subject="Add a thing",
        message=f"Add a thing\n\n{trailer}",
        author_name=author.title(),
        author_email=f"{author.title()}@example.org",
    )


def deployment(number: int, at_hours: float, **others: object) -> Deployment:
    at_ns = START_NS + int(at_hours * HOUR_NS)
    git = Git(sha(number), f"https://{REPOSITORY}")
    return Deployment(
        **{"id": f"d{number}", "service": "web", "env": "production", "version": str(number)}
        | {"started_at_ns": at_ns, "finished_at_ns": at_ns, "git": git}
        | others
    )


def fill(store: Store, org: Organisation) -> None:
    """A baseline, a deployment of six commits without assistance, and one of six with it.

    The first commit of either is of a pull request, and a bot's commit comes at the end.
    """
    mark = "Co-authored-by: Cursor <cursoragent@cursor.com>"
    commits = [commit(0, "ada")]
    commits += [commit(1 + at, author) for at, author in enumerate(PEOPLE)]
    commits += [commit(7 + at, author, mark) for at, author in enumerate(PEOPLE)]
    commits.append(commit(13, "7+renovate[bot]"))
    requests = [
        PullRequest(number=at, merge_commit_sha=sha(at), merged_at_ns=START_NS + 20 * HOUR_NS)
        for at in (1, 7)
    ]
    store.commits.add_commits(org, REPOSITORY, commits, received=True, actor=TESTER).result()
    store.commits.add_pull_requests(org, REPOSITORY, requests, actor=TESTER).result()
    events = (deployment(0, 0), deployment(6, 24), deployment(12, 48), deployment(13, 72))
    for event in events:
        store.deployments.add(org, event, 1, actor=TESTER).result()
    store.derivations.derive_all_queued(actor=TESTER)


def compared(store: Store, org: Organisation, query: ImpactQuery = QUERY) -> ComparedSides:
    found = store.assistance.report(org, query).total.compared
    assert found is not None
    return found


@in_every_state
def test_sides_are_read_from_commits_as_they_are_derived(store: Store, org: Organisation):
    fill(store, org)
    report = store.assistance.report(org, QUERY, parse("service:web"))
    found = report.total.compared
    assert found is not None
    assert (report.level, report.total.bot_commits) == ("commit", 1)
    assert (found.share.commits.hits, found.share.commits.n) == (6, 12)
    # Of requests each side has one author only.
    assert found.share.requests is None
    assert found.assisted.change_lead_time is not None
    assert found.assisted.change_lead_time.p50 == (48 - 9.5) * 3_600
    assert found.not_assisted.change_lead_time is not None
    assert found.not_assisted.change_lead_time.p50 == (24 - 3.5) * 3_600
    assert found.not_assisted.deployment_frequency.count == 1
    assert store.assistance.report(org, QUERY, parse("service:pay")).total.withheld == "no_commits"


def test_a_failure_counts_on_the_side_of_its_commits(store: Store, org: Organisation):
    fill(store, org)
    failed = OverrideValues(True, "d13", None, "rollforward")
    store.verdicts.put(org, "d12", failed, now_ns=1, actor=TESTER).result()
    store.derivations.derive_all_queued(actor=TESTER)
    found = compared(store, org)
    assert (found.assisted.change_failure_rate.value, found.assisted.commits) == (1.0, 6)
    assert found.not_assisted.change_failure_rate.value == 0.0
    assert found.assisted.failed_deployment_recovery_time.p50 == 24 * 3_600


def test_a_request_has_the_cycle_time_of_its_first_commit(store: Store, org: Organisation):
    """With enough people, which takes a request of each."""
    fill(store, org)
    requests = [
        PullRequest(number=at, merge_commit_sha=sha(at), merged_at_ns=START_NS + 20 * HOUR_NS)
        for at in range(1, 13)
    ]
    store.commits.add_pull_requests(org, REPOSITORY, requests, actor=TESTER).result()
    store.derivations.derive_all_queued(actor=TESTER)
    found = compared(store, org)
    assert found.share.requests is not None
    assert (found.share.requests.hits, found.share.requests.n) == (6, 12)
    assert found.assisted.request_cycle_time is not None
    assert found.assisted.request_cycle_time.p50 == (20 - 9.5) * 3_600
    assert found.assisted.request_throughput is not None
    assert found.assisted.request_throughput.authors == 6


def active(people: Iterable[str], day: str, *, is_active: bool = True) -> list[UserActivity]:
    return [
        UserActivity(user_email=f"{one}@example.org", day=day, tool="copilot", is_active=is_active)
        for one in people
    ]


def test_days_of_users_count_by_the_clock_of_the_author(store: Store, org: Organisation):
    """All commits are of 4 October, but for those of authors whose clock is twelve hours ahead."""
    fill(store, org)
    query = ImpactQuery(
        period=Period(START_NS, START_NS + 30 * DAY_NS), as_of_ns=QUERY.as_of_ns, level="user_day"
    )
    assert store.assistance.report(org, query).total.withheld == "no_activity"
    for each in (active(PEOPLE, "2024-10-05"), active(PEOPLE, "2024-10-04", is_active=False)):
        store.activity.add(org, each, actor=TESTER).result()
    assert compared(store, org, query).assisted.commits == 0
    ahead = [commit(number, PEOPLE[number - 7], offset=14 * 60) for number in range(7, 13)]
    store.commits.add_commits(org, REPOSITORY, ahead, received=True, actor=TESTER).result()
    store.derivations.derive_all_queued(actor=TESTER)
    # 12:00 and 14 hours are the next day, 07:00 to 09:00 and 14 hours are not.
    found = store.assistance.report(org, query)
    assert found.total.withheld == "too_few_people"
    assert [tool.name for tool in found.tools if tool.by_user_day] == ["copilot"]


def test_what_is_deleted_does_not_count(store: Store, org: Organisation):
    fill(store, org)
    store.deployments.delete(org, "d12", actor=TESTER).result()
    store.derivations.derive_all_queued(actor=TESTER)
    # The next deployment has its commits now.
    assert compared(store, org).assisted.deployment_frequency.count == 1
    for id_ in ("d13", "d6", "d0"):
        store.deployments.delete(org, id_, actor=TESTER).result()
    store.derivations.derive_all_queued(actor=TESTER)
    assert store.assistance.report(org, QUERY).total.withheld == "no_commits"


@pytest.mark.parametrize("offset", [None, 0, 90, -720])
def test_the_clock_of_an_author_is_stored(store: Store, org: Organisation, offset: int | None):
    stored = commit(1, "ada", offset=offset)
    store.commits.add_commits(org, REPOSITORY, [stored], actor=TESTER).result()
    # A source that does not give it takes nothing away.
    store.commits.add_commits(org, REPOSITORY, [commit(1, "ada")], actor=TESTER).result()
    assert store.commits.repository(org, REPOSITORY).commits[sha(1)] == stored


def test_bots_of_the_organisation_are_on_no_side_from_the_next_derivation_on(
    store: Store, org: Organisation
):
    fill(store, org)
    store.settings.put(org, {"bots": [f"{PEOPLE[0]}@*"]}, actor=TESTER).result()
    store.derivations.derive_all_queued(actor=TESTER)
    report = store.assistance.report(org, QUERY)
    assert report.total.bot_commits == 3
    assert [commit.is_bot for commit in explained(store, org)] == [True] + [False] * 5
    store.settings.put(org, {}, actor=TESTER).result()
    store.derivations.derive_all_queued(actor=TESTER)
    assert store.assistance.report(org, QUERY).total.bot_commits == 1


def explained(store: Store, org: Organisation) -> Sequence[Authorship]:
    derived = store.derivations.explain(org, "d6").derived
    by_author = sorted(derived.changes.commits, key=lambda each: each.time_ns or 0)
    return [each.authorship for each in by_author]
