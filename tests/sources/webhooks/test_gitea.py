"""Webhooks of Gitea and Forgejo: a story in any order, and why some are ignored."""

from typing import Any

import pytest

from deliveries import Delivery, Json, at, ns, orders, outcome, reading, sha
from theodora.sources.webhooks.delivery import DEFAULT_SETTINGS, SourceSettings

REPOSITORY: Json = {"full_name": "acme/shop", "html_url": "https://git.example/acme/shop"}
RELEASES = SourceSettings(releases=True, env="production")
REQUEST = "pull_request:git.example/acme/shop:7"


def gitea(event: str, **payload: Any) -> Delivery:
    return Delivery({"x-gitea-event": event}, {"repository": REPOSITORY, **payload})


def request(
    action: str, hour: float, title: str = "Add a cart", was: str = "", **said: Any
) -> Delivery:
    members = {
        "number": 7,
        "title": title,
        "labels": [{"name": "shop"}],
        "head": {"ref": "cart", "sha": sha(2)},
        "merged_at": None,
        "merge_commit_sha": None,
        "created_at": at(1),
        "updated_at": at(hour),
        **said,
    }
    changes = {"title": {"from": was}} if was else {}
    return gitea("pull_request", action=action, pull_request=members, changes=changes)


def review(state: str, hour: float, reviewer: int = 1) -> Delivery:
    return gitea(
        f"pull_request_{state}",
        action="reviewed",
        pull_request={"number": 7, "updated_at": at(hour)},
        sender={"id": reviewer},
        review={"type": f"pull_request_review_{state}", "content": ""},
    )


def push(before: int, *commits: int, total: int | None = None) -> Delivery:
    """The newest commit comes first."""
    pushed = [{"id": sha(each), "message": f"Do {each}", "timestamp": at(each)} for each in commits]
    return gitea(
        "push",
        ref="refs/heads/main",
        before=sha(before),
        after=sha(commits[-1]) if commits else "0" * 40,
        commits=pushed[::-1],
        total_commits=len(commits) if total is None else total,
    )


def release(action: str = "published", **members: Any) -> Delivery:
    said = {"id": 6, "tag_name": "v1.2", "prerelease": False, "published_at": at(5), **members}
    return gitea("release", action=action, release=said)


MERGED = {"merged": True, "merged_at": at(4), "merge_commit_sha": sha(3)}
STORY = [
    push(0, 1),
    request("opened", 1, "WIP: Add a cart"),
    request("edited", 2, was="WIP: Add a cart"),
    review("approved", 2.5),
    review("rejected", 2.6),
    review("approved", 3),
    request("closed", 4, **MERGED),
    request("label_updated", 4.5, "Add a cart to the shop", **MERGED),
    push(1, 2, 3),
    release(),
    release("updated"),
]


def test_the_order_of_a_story_makes_no_difference() -> None:
    expected = outcome("gitea", STORY, RELEASES)
    for story in orders(STORY):
        assert outcome("gitea", story, RELEASES) == expected


def test_the_story_has_its_pull_request_and_its_release() -> None:
    found = outcome("gitea", STORY, RELEASES)
    merged = found[REQUEST].pull_request
    assert (merged.title, merged.labels) == ("Add a cart to the shop", ("shop",))
    assert (merged.created_at_ns, merged.ready_at_ns) == (ns(1), ns(2))
    assert (merged.last_approved_at_ns, merged.merged_at_ns) == (ns(3), ns(4))
    assert (merged.head_sha, merged.merge_commit_sha) == (sha(2), sha(3))
    released = found["deployment:release-6"]
    assert (released.version, released.env, released.service) == ("v1.2", "production", "shop")


def test_a_request_for_changes_ends_an_approval() -> None:
    story = [request("opened", 1), review("approved", 2), review("rejected", 3)]
    assert outcome("gitea", story)[REQUEST].pull_request.last_approved_at_ns is None
    others = [*story[:2], review("rejected", 3, reviewer=2)]
    assert outcome("gitea", others)[REQUEST].pull_request.last_approved_at_ns == ns(2)


def test_commits_of_a_push_follow_one_another_from_the_oldest_on() -> None:
    found = outcome("gitea", [push(1, 2, 3)])
    assert (found[sha(2)].parents, found[sha(3)].parents) == ((sha(1),), (sha(2),))
    long = outcome("gitea", [push(1, 2, 3, total=9)])
    assert (long[sha(2)].parents, long[sha(3)].parents) == ((), (sha(2),))


def test_a_test_delivery_makes_no_commit_its_own_parent() -> None:
    assert outcome("gitea", [push(2, 2)])[sha(2)].parents == ()


@pytest.mark.parametrize(
    ("delivery", "settings", "reason"),
    [
        (Delivery({}, {}), RELEASES, "no header X-Gitea-Event"),
        (gitea("issues"), RELEASES, "issues says nothing"),
        (push(1), RELEASES, "brings no commits"),
        (release(), DEFAULT_SETTINGS, "do not count a release"),
        (release("deleted"), RELEASES, "a release that is deleted"),
        (release(prerelease=True), RELEASES, "a pre-release"),
    ],
)
def test_what_does_not_count_is_ignored_with_a_reason(
    delivery: Delivery, settings: SourceSettings, reason: str
) -> None:
    found = reading("gitea", delivery, settings)
    assert (found.state, found.facts, found.commits) == ("ignored", (), ())
    assert reason in found.reason
