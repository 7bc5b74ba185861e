"""Webhooks of Bitbucket Cloud: a story in any order, and why some are ignored."""

from typing import Any

import pytest

from deliveries import Delivery, Json, at, ns, orders, outcome, reading, sha

REPOSITORY: Json = {"links": {"html": {"href": "https://bitbucket.example/acme/shop"}}}
REQUEST = "pull_request:bitbucket.example/acme/shop:7"


def bitbucket(event: str, **payload: Any) -> Delivery:
    return Delivery({"x-event-key": event}, {"repository": REPOSITORY, **payload})


def request(event: str, hour: float, title: str = "Add a cart", **payload: Any) -> Delivery:
    said = {
        "id": 7,
        "title": title,
        "source": {"branch": {"name": "cart"}, "commit": {"hash": sha(2)[:12]}},
        "merge_commit": {"hash": sha(3)[:12]} if event == "fulfilled" else None,
        "created_on": at(1),
        "updated_on": at(hour),
    }
    return bitbucket(f"pullrequest:{event}", pullrequest=said, **payload)


def review(event: str, hour: float, user: str = "{1}") -> Delivery:
    member = "changes_request" if event == "changes_request_created" else "approval"
    return request(event, hour, **{member: {"date": at(hour), "user": {"uuid": user}}})


def commit(number: int, *parents: int, message: str = "Do it") -> Json:
    return {
        "hash": sha(number),
        "message": message,
        "date": at(number),
        "author": {"raw": "Dev One <dev1@example.com>"},
        "parents": [{"hash": sha(each)} for each in parents],
    }


def push(*commits: Json, kind: str | None = "branch") -> Delivery:
    """The newest commit comes first."""
    change = {"new": {"type": kind} if kind else None, "commits": list(commits[::-1])}
    return bitbucket("repo:push", push={"changes": [change]})


MERGE = commit(3, 1, 2, message="Merged in cart (pull request #7)\n\nAdd a cart")
STORY = [
    push(commit(1)),
    push(commit(2, 1)),
    request("created", 1),
    request("updated", 2),
    review("approved", 2.5),
    review("unapproved", 2.6),
    review("approved", 2.7),
    review("approved", 2.8, "{2}"),
    review("changes_request_created", 2.9, "{2}"),
    request("fulfilled", 3),
    request("updated", 4, "Add a cart to the shop"),
    push(MERGE),
]


def test_the_order_of_a_story_makes_no_difference() -> None:
    expected = outcome("bitbucket", STORY)
    for story in orders(STORY):
        assert outcome("bitbucket", story) == expected


def test_the_story_has_its_pull_request() -> None:
    found = outcome("bitbucket", STORY)[REQUEST].pull_request
    assert (found.title, found.branch) == ("Add a cart to the shop", "cart")
    assert (found.created_at_ns, found.merged_at_ns) == (ns(1), ns(3))
    assert found.last_approved_at_ns == ns(2.7)
    assert (found.head_sha, found.merge_commit_sha) == (None, sha(3))


def test_a_pull_request_whose_merge_is_not_known_has_no_merge_commit() -> None:
    open_ = outcome("bitbucket", [request("created", 1), push(MERGE)])
    assert open_[REQUEST].pull_request.merge_commit_sha is None
    assert outcome("bitbucket", [push(MERGE)])[REQUEST] is None
    assert outcome("bitbucket", STORY[:-1])[REQUEST].pull_request.merge_commit_sha is None


def test_commits_have_their_true_parents() -> None:
    found = outcome("bitbucket", STORY)
    assert found[sha(3)].parents == (sha(1), sha(2))
    assert (found[sha(1)].author_name, found[sha(1)].author_email) == (
        *("Dev One",),
        "dev1@example.com",
    )


@pytest.mark.parametrize(
    ("delivery", "reason"),
    [
        (Delivery({}, {}), "no header X-Event-Key"),
        (bitbucket("repo:commit_status_updated"), "a build status is no deployment"),
        (bitbucket("repo:fork"), "repo:fork says nothing"),
        (push(commit(1), kind="tag"), "brings no commits"),
        (push(kind=None), "brings no commits"),
    ],
)
def test_what_does_not_count_is_ignored_with_a_reason(delivery: Delivery, reason: str) -> None:
    found = reading("bitbucket", delivery)
    assert (found.state, found.facts, found.commits) == ("ignored", (), ())
    assert reason in found.reason
