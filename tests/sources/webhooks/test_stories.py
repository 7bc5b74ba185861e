"""Stories of changes and incidents, delivered in order, reversed, twice and shuffled.

Whatever the order, the five metrics, the events and the pull requests are the same.
"""

from collections.abc import Sequence

import pytest

from databases import ON_SQLITE
from deliveries import (
    REPOSITORY_ID,
    Delivery,
    at,
    deployment,
    incident,
    pull_request,
    push,
    review,
    sha,
    status,
)
from theodora.storage import Store
from webhook_stories import ORDERS, SentStory, deliver, results, shuffled

pytestmark = ON_SQLITE


MERGE, SQUASH, BROKEN, FIX = 13, 20, 30, 40
"""Commits that are deployed."""


def deployed(id_: int, commit: int, hour: float, *states: str) -> list[Delivery]:
    """Statuses of a deployment, a minute apart."""
    made = deployment(id_, commit, hour)
    return [status(made, state, hour + (step + 1) / 60) for step, state in enumerate(states)]


def merged(number: int, hour: float, commit: int, head: int, commits: int) -> Delivery:
    """The merge of a pull request as this commit."""
    return pull_request(
        number,
        "closed",
        hour,
        merged_at=at(hour),
        merge_commit_sha=sha(commit),
        head={"ref": f"change-{number}", "sha": sha(head)},
        commits=commits,
    )


SUCCEEDED = ("queued", "in_progress", "success")

GITHUB: Sequence[Delivery] = [
    # A first deployment of a repository that is old: it inherits years, and has no lead time.
    push(0, (1, -9_000, "Begin")),
    *deployed(1, 1, 0, *SUCCEEDED),
    # Merged with a merge commit, after two approvals, of which one is dismissed.
    pull_request(1, "opened", 1),
    pull_request(1, "ready_for_review", 2),
    review(1, "approved", 3),
    review(1, "approved", 4, id_=2),
    review(1, "dismissed", 4.5, id_=2),
    merged(1, 5, MERGE, head=12, commits=2),
    push(1, (11, 0.5, "One"), (12, 1.5, "Two"), (MERGE, 5, "Merge pull request #1 from acme/x")),
    *deployed(2, MERGE, 6, *SUCCEEDED),
    # The former deployment becomes inactive, which is no deployment.
    status(deployment(1, 1, 0), "inactive", 6.1),
    # Squashed: its two commits are on its branch alone.
    push(MERGE, (18, 6.5, "A cart"), (19, 8, "Its tests"), ref="refs/heads/change-2"),
    pull_request(2, "opened", 7),
    review(2, "approved", 8.5),
    merged(2, 9, SQUASH, head=19, commits=2),
    push(MERGE, (SQUASH, 9, "Add a cart (#2)")),
    *deployed(3, SQUASH, 10, *SUCCEEDED),
    # Rebased: two commits of one request, and the deployment fails at first.
    push(MERGE, (27, 11.5, "Three"), (28, 12, "Four"), ref="refs/heads/change-3"),
    pull_request(3, "opened", 11),
    merged(3, 13, BROKEN, head=28, commits=2),
    push(SQUASH, (29, 11.5, "Three"), (BROKEN, 12, "Four")),
    *deployed(4, BROKEN, 14, "in_progress", "failure"),
    *deployed(5, BROKEN, 15, *SUCCEEDED),
    # Rolled back to what was deployed before, and then fixed.
    *deployed(6, SQUASH, 16, *SUCCEEDED),
    pull_request(4, "opened", 17),
    merged(4, 18, FIX, head=FIX, commits=1),
    push(BROKEN, (FIX, 17.5, "Fix the cart")),
    *deployed(7, FIX, 19, *SUCCEEDED),
]
PAGERDUTY: Sequence[Delivery] = [
    incident("triggered", 15.2, created_at=at(15.2)),
    incident("acknowledged", 15.3, created_at=at(15.2)),
    incident("priority_updated", 15.4, created_at=at(15.2), priority={"summary": "P1"}),
    incident("resolved", 16.2, created_at=at(15.2), title="Cart is down"),
    incident("reopened", 17, created_at=at(15.2), title="Cart is down"),
    incident("resolved", 19.2, created_at=at(15.2), title="Cart is down"),
    # Merged into the first one: no incident of its own.
    incident("triggered", 15.25, "Q2", created_at=at(15.25)),
    incident("resolved", 15.5, "Q2", resolve_reason={"type": "merge_resolve_reason"}),
    # Near no deployment, and still open.
    incident("triggered", 300, "Q3", created_at=at(300)),
]
STORY: SentStory = [
    *(("github", each) for each in GITHUB),
    *(("pagerduty", each) for each in PAGERDUTY),
]


MORE_ORDERS = {**ORDERS, **{f"shuffled {seed}": shuffled(seed) for seed in range(1, 5)}}


@pytest.mark.parametrize("order", MORE_ORDERS)
def test_the_order_of_deliveries_makes_no_difference(store: Store, order: str) -> None:
    expected = results(store, deliver(store, "in order", STORY))
    story = MORE_ORDERS[order](STORY)
    assert results(store, deliver(store, order, story, at_once=7)) == expected


def test_the_story_has_the_metrics_that_it_tells(store: Store) -> None:
    org = deliver(store, "default", STORY)
    found = {each.id.rpartition(":")[2]: each for each in store.deployments.everything(org)}
    assert sorted(found) == ["1", "2", "3", "5", "6", "7"], "neither the inactive nor the failed"
    assert found["1"].lead_time_status == "baseline"
    assert (found["5"].failed_by, found["6"].deployment_type) == ("rollback", "rollback")
    assert found["5"].recovery_time_sec == 3_600
    assert [found[each].number_of_commits for each in ("2", "3", "5", "6", "7")] == [2, 2, 2, 0, 1]
    requests = store.commits.repository(org, REPOSITORY_ID).pull_requests
    methods = [each.merge_method for each in requests]
    assert methods == ["merge", "squash", "rebase", None]
    assert [len(each.commits) for each in requests] == [2, 2, 2, 1]
    metrics = results(store, org)["metrics"]
    assert metrics.deployment_frequency.count == 6
    assert (metrics.change_lead_time.n, metrics.change_failure_rate.hits) == (7, 1)
    assert metrics.change_lead_time.stages["review_time"].n == 4
    restored = metrics.incident_time_to_restore
    assert (restored.n, restored.mean, restored.open) == (1, 3.2 * 3_600, 1)
