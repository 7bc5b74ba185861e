"""Webhooks of Bitbucket Data Center: a story in any order, and why some are ignored."""

from typing import Any

import pytest

from deliveries import Delivery, Json, at, ns, orders, outcome, reading, sha

HTTP = {"name": "http", "href": "https://bitbucket.example/scm/acme/shop.git"}
SSH = {"name": "ssh", "href": "ssh://git@bitbucket.example:7999/acme/shop.git"}
REPOSITORY: Json = {"links": {"clone": [SSH, HTTP]}}
REQUEST = "pull_request:bitbucket.example/scm/acme/shop:7"


def milliseconds(hour: float) -> int:
    return ns(hour) // 10**6


def request(event: str, hour: float, *, iso: bool = False, **payload: Any) -> Delivery:
    """`iso`: times as texts, which a setting of the server makes of them."""
    time = at if iso else milliseconds
    said = {
        "id": 7,
        "title": "Add a cart",
        "fromRef": {"displayId": "cart", "latestCommit": sha(2)},
        "toRef": {"repository": REPOSITORY},
        "createdDate": time(1),
        "updatedDate": time(hour),
        **({"closedDate": time(hour)} if event == "pr:merged" else {}),
        "properties": {"mergeCommit": {"id": sha(3)}} if event == "pr:merged" else {},
    }
    return Delivery({}, {"eventKey": event, "date": at(hour), "pullRequest": said, **payload})


def review(state: str, hour: float, user: int = 1) -> Delivery:
    return request(f"pr:reviewer:{state}", hour, participant={"user": {"id": user}})


def push(*commits: Json, ref: str = "refs/heads/main") -> Delivery:
    payload = {
        "eventKey": "repo:refs_changed",
        "repository": REPOSITORY,
        "changes": [{"refId": ref}],
        "commits": list(commits[::-1]),
    }
    return Delivery({}, payload)


def commit(number: int, *parents: int) -> Json:
    return {
        "id": sha(number),
        "message": f"Do {number}\n\nAll of it.",
        "author": {"name": "dev-one", "emailAddress": "dev1@example.com"},
        "authorTimestamp": milliseconds(number),
        "committerTimestamp": milliseconds(number + 0.5),
        "parents": [{"id": sha(each)} for each in parents],
    }


STORY = [
    push(commit(1), commit(2, 1)),
    request("pr:opened", 1),
    request("pr:modified", 2),
    review("approved", 2.5),
    review("approved", 2.6, user=2),
    review("needs_work", 2.7, user=2),
    request("pr:merged", 3),
    push(commit(3, 1, 2)),
]


def test_the_order_of_a_story_makes_no_difference() -> None:
    expected = outcome("bitbucketserver", STORY)
    for story in orders(STORY):
        assert outcome("bitbucketserver", story) == expected


def test_the_story_has_its_pull_request_and_its_commits() -> None:
    found = outcome("bitbucketserver", STORY)
    merged = found[REQUEST].pull_request
    assert (merged.title, merged.branch) == ("Add a cart", "cart")
    assert merged.created_at_ns == ns(1)
    assert (merged.last_approved_at_ns, merged.merged_at_ns) == (ns(2.5), ns(3))
    assert (merged.head_sha, merged.merge_commit_sha) == (sha(2), sha(3))
    assert found[sha(3)].parents == (sha(1), sha(2))
    assert (found[sha(3)].author_time_ns, found[sha(3)].commit_time_ns) == (ns(3), ns(3.5))
    assert found[sha(3)].subject == "Do 3"


def test_times_are_milliseconds_or_texts() -> None:
    texts = outcome("bitbucketserver", [request("pr:merged", 3, iso=True)])
    assert texts == outcome("bitbucketserver", [request("pr:merged", 3)])


@pytest.mark.parametrize(
    ("payload", "reason"),
    [
        ({"test": True}, "a test of the connection"),
        ({"eventKey": "repo:forked"}, "repo:forked says nothing"),
        ({"eventKey": "repo:refs_changed", "repository": {}}, "is too old"),
        (push().payload, "does not name its commits"),
        (push(commit(1), ref="refs/tags/v1").payload, "a tag brings no commits"),
    ],
)
def test_what_does_not_count_is_ignored_with_a_reason(payload: Any, reason: str) -> None:
    found = reading("bitbucketserver", Delivery({}, payload))
    assert (found.state, found.facts, found.commits) == ("ignored", (), ())
    assert reason in found.reason
