"""Recorded webhook bodies of providers, which lie beside the repository, with their headers."""

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from theodora.sources.webhooks.delivery import SourceSettings
from theodora.sources.webhooks.table import SourceKind

FOLDER = Path(__file__).parents[2] / "shared" / "data" / "payloads"

_GITHUB_EVENTS = (
    *("pull_request_review", "pull_request", "deployment_status", "workflow_run", "workflow_job"),
    *("deployment", "merge_group", "push", "release", "create", "issues", "label", "ping"),
)
_GITHUB_NAMES = {"pr_review": "pull_request_review", "pr_": "pull_request", "tag_": "create"}
"""Parts of names that one collection of bodies gives its files."""


def _github(name: str) -> Mapping[str, str]:
    """The event stands in a header, and at the beginning of a file's name."""
    parts = name.split(".")
    events = [event for part in parts for event in _GITHUB_EVENTS if part.startswith(event)]
    names = [event for part in parts for key, event in _GITHUB_NAMES.items() if key in part]
    return {"x-github-event": [*events, *names][0]}


def _gitea(name: str) -> Mapping[str, str]:
    """The event is in the file's name, after the collection."""
    events = {"pull_request": "pull_request", "push": "push", "release": "release"}
    events |= {"tag_create": "create", "tag_delete": "delete"}
    return {"x-gitea-event": next(event for key, event in events.items() if key in name)}


def _pelorus(name: str) -> Mapping[str, str]:
    """The event is in a header, and in the file's name."""
    events = ("committime", "deploytime", "failure")
    return {"x-pelorus-event": next(event for event in events if event in name)}


def _sentry(_: str) -> Mapping[str, str]:
    """The bodies were recorded without headers: any time after them will do."""
    return {"sentry-hook-resource": "issue", "sentry-hook-timestamp": "1588262400"}


def _bitbucket(name: str) -> Mapping[str, str]:
    """The event is in the file's name, in the words of the collection."""
    events = {
        "commit_status_created": "repo:commit_status_created",
        "commit_status_updated": "repo:commit_status_updated",
        "pr_created": "pullrequest:created",
        "pr_updated": "pullrequest:updated",
        "pr_declined": "pullrequest:rejected",
        "fulfilled": "pullrequest:fulfilled",
        "push": "repo:push",
    }
    return {"x-event-key": next(event for key, event in events.items() if key in name)}


HEADERS: Mapping[str, Callable[[str], Mapping[str, str]]] = {
    "github": _github,
    "gitea": _gitea,
    "pelorus": _pelorus,
    "sentry": _sentry,
    "bitbucket": _bitbucket,
}
"""By the source's name: the headers that a body with this file name came with."""

SETTINGS: Mapping[str, SourceSettings] = {
    "github": SourceSettings(workflows=("test", "CI"), releases=True, env="production"),
    "gitea": SourceSettings(releases=True, env="production"),
    "gitlab": SourceSettings(
        workflows=("dev-one/my-awesome-project", "gitlab-org/gitlab-test"),
        releases=True,
        env="production",
    ),
    "azuredevops": SourceSettings(
        workflows=("ConsumerAddressModule", "DeployProd"), env="production"
    ),
    "circleci": SourceSettings(workflows=("sample", "build-test-deploy"), env="production"),
    "jenkins": SourceSettings(workflows=("deploy-checkout", "acme/checkout"), env="production"),
    "cdevents": SourceSettings(workflows=("myPipeline", "myTask"), env="production"),
    "opsgenie": SourceSettings(service="shop"),
    "alertmanager": SourceSettings(service="shop"),
    "grafana": SourceSettings(service="shop"),
    "jira": SourceSettings(service="shop", types=("Incident", "Bug")),
    "linear": SourceSettings(types=("bug",)),
}
"""By the source's name: settings with which more of the bodies count."""


class Payload(NamedTuple):
    """A recorded body."""

    name: str
    headers: Mapping[str, str]
    body: str


def payloads_of(source: SourceKind) -> Iterator[Payload]:
    """All recorded bodies of a source, by name."""
    headers = HEADERS.get(source.name, lambda _: {})
    for file in sorted(_files(source.fixtures)):
        name = ".".join(file.relative_to(file.parents[1]).with_suffix("").parts)
        name = name.removeprefix("webhooks.").removeprefix(f"{source.fixtures}.webhook_pelorus_")
        yield Payload(name, headers(name), file.read_text())


def _files(folder: str) -> Iterator[Path]:
    """Bodies of a provider; CDEvents have their own folder, with a part for each version."""
    yield from (FOLDER / folder / "webhooks").glob("*.json")
    yield from (FOLDER / folder).glob("webhook_*.json")
    yield from (FOLDER.parent / folder).glob("v*/*.json")
