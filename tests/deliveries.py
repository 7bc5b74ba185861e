"""Webhook deliveries as providers send them, cut down to what adapters read."""

import json
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from random import Random
from typing import Any

from theodora.sources.webhooks.delivery import DEFAULT_SETTINGS, Delivery, SourceSettings
from theodora.sources.webhooks.fold import fold
from theodora.sources.webhooks.read import read_received
from theodora.storage import DeliveryReading, Organisation, StoredDelivery

Json = dict[str, Any]

REPOSITORY: Json = {
    "full_name": "acme/shop",
    "html_url": "https://github.com/acme/shop",
    "default_branch": "main",
}
REPOSITORY_ID = "github.com/acme/shop"


def sha(number: int) -> str:
    return f"{number:040x}"


def at(hour: float) -> str:
    """So many hours after the first of March 2026."""
    seconds = datetime(2026, 3, 1, tzinfo=UTC).timestamp() + hour * 3_600
    return datetime.fromtimestamp(seconds, UTC).isoformat().replace("+00:00", "Z")


def ns(hour: float) -> int:
    return int((datetime(2026, 3, 1, tzinfo=UTC).timestamp() + hour * 3_600) * 10**9)


def github(event: str, **payload: Any) -> Delivery:
    return Delivery({"x-github-event": event}, {"repository": REPOSITORY, **payload})


def deployment(id_: int, commit: int, hour: float, env: str = "production") -> Json:
    return {
        "id": id_,
        "sha": sha(commit),
        "ref": "main",
        "environment": env,
        "created_at": at(hour),
    }


def status(made: Json, state: str, hour: float) -> Delivery:
    number = made["id"] * 100 + len(state)
    said = {"id": number, "state": state, "created_at": at(hour)}
    return github("deployment_status", deployment=made, deployment_status=said)


def pull_request(number: int, action: str, hour: float, **members: Any) -> Delivery:
    request = {
        "number": number,
        "title": f"Change {number}",
        "labels": [],
        "head": {"ref": f"change-{number}"},
        "created_at": at(0),
        "updated_at": at(hour),
        "merged_at": None,
        **members,
    }
    return github("pull_request", action=action, pull_request=request)


def review(number: int, state: str, hour: float, id_: int = 1, by: str = "") -> Delivery:
    said = {"id": id_, "state": state, "submitted_at": at(hour), "user": {"login": by}}
    request = {"number": number, "updated_at": at(hour)}
    return github("pull_request_review", review=said, pull_request=request)


def push(before: int, *commits: tuple[int, float, str], **members: Any) -> Delivery:
    """Commits as number, hour and message."""
    pushed = [
        {
            "id": sha(number),
            "message": message,
            "timestamp": at(hour),
            "author": {"name": "Dev One", "email": "dev1@example.com"},
            "added": [],
            "removed": [],
            "modified": [f"file-{number}"],
        }
        for number, hour, message in commits
    ]
    return github(
        "push", **{"ref": "refs/heads/main", "before": sha(before), "commits": pushed, **members}
    )


def incident(event: str, hour: float, id_: str = "Q1", **members: Any) -> Delivery:
    statuses = {"resolved": "resolved", "acknowledged": "acknowledged"}
    data = {
        "id": id_,
        "type": "incident",
        "status": statuses.get(event, "triggered"),
        "title": "Checkout is down",
        "created_at": at(0),
        "service": {"id": "P1", "summary": "checkout", "html_url": "https://acme.example/P1"},
        "teams": [],
        "priority": None,
        "resolve_reason": None,
        **members,
    }
    said = {"event_type": f"incident.{event}", "occurred_at": at(hour), "data": data}
    return Delivery({}, {"event": said})


def datadog_ci(kind: str, **attributes: Any) -> Delivery:
    """A request of `datadog-ci`."""
    return Delivery({}, {"data": {"type": kind, "attributes": attributes}})


def correlated(
    configuration: int, commit: int, url: str = "https://github.com/acme/shop.git"
) -> Delivery:
    """`datadog-ci deployment correlate` of a commit of configuration, in an application's job."""
    return datadog_ci(
        "ci_app_deployment_correlate",
        ci_provider="github",
        cd_provider="argocd",
        config_repo_url="https://github.com/acme/manifests",
        config_commit_shas=[sha(configuration)],
        ci_env={"git.repository_url": url, "git.commit.sha": sha(commit)},
    )


def correlated_image(
    image: str, commit: int, url: str = "https://github.com/acme/shop"
) -> Delivery:
    """`datadog-ci deployment correlate-image`."""
    return datadog_ci(
        "ci_deployment_correlate_image",
        commit_sha=sha(commit),
        repository_url=url,
        image=image,
        ci_env={},
    )


def reading(
    kind: str, delivery: Delivery, settings: SourceSettings = DEFAULT_SETTINGS
) -> DeliveryReading:
    """What the delivery says when it has come in."""
    return read_received(received(kind, delivery), settings, delivery.teams)


def outcome(
    kind: str, story: Sequence[Delivery], settings: SourceSettings = DEFAULT_SETTINGS
) -> dict[str, Any]:
    """What a story has come to: events and pull requests by their things, commits by sha."""
    documents: dict[str, set[str]] = {}
    found: dict[str, Any] = {}
    for each in story:
        said = reading(kind, each, settings)
        assert said.state != "failed", said.reason
        for fact in said.facts:
            documents.setdefault(fact.thing, set()).add(fact.document)
        for pushed in said.commits:
            found |= {commit.sha: commit for commit in pushed.commits}
    return found | {thing: fold(kind, thing, list(said)) for thing, said in documents.items()}


def orders(story: Sequence[Delivery]) -> Iterator[list[Delivery]]:
    """The story in other orders, and with parts that come twice."""
    yield list(reversed(story))
    yield [each for each in story for _ in range(2)]
    yield [*story, *story]
    for seed in range(5):
        mixed = [*story, *story[: len(story) // 2]]
        Random(seed).shuffle(mixed)
        yield mixed


def received(kind: str, delivery: Delivery, number: int = 1) -> StoredDelivery:
    """The delivery as it lies in the inbox."""
    org = Organisation(1, "", "default")
    return StoredDelivery(
        org, number, kind, "", 1, delivery.headers, body_of(delivery), "waiting", "", 0
    )


def body_of(delivery: Delivery) -> str:
    return json.dumps(delivery.payload)
