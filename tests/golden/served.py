"""Works an example out with a running server: events, verdicts and answers go over HTTP.

SHAs on the wire are whole ones, so each short name of an example stands for its SHA-1.
"""

import hashlib
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import httpx2
import msgspec

from actors import TESTER
from golden.derived import Seen, answers
from golden.examples import REPOSITORY, SECOND_NS, Example
from theodora.dora.derivation.commits import Commit, PullRequest
from theodora.dora.derivation.stages import STAGES, Stages
from theodora.dora.metrics.rows import DeploymentRow
from theodora.events import Deployment, Failure, nanoseconds_from_rfc3339
from theodora.storage import Organisation, Store

_PATIENCE_SECONDS = 30
_PREFIX = "of-an-example-"
_SENT = ("service", "services", "env", "version", "custom_tags")


@dataclass(frozen=True)
class Served:
    """An organisation of a running server, and the server's database beside it."""

    client: httpx2.Client
    store: Store
    organisation: Organisation

    def observe(self, example: Example) -> dict[str, Any]:
        """What comes of `example`, under the names of its expectation."""
        self.send(example)
        wait_until_derived(self.store)
        return answers(example, [self._seen(each) for each in example.deployments])

    def send(self, example: Example) -> None:
        """Everything that the server has to know of `example`."""
        self._set_up(example)
        self._send(example)

    def _set_up(self, example: Example) -> None:
        """What a server is told before the events: settings, commits, pull requests."""
        rules = {
            "linked_rules": msgspec.to_builtins(example.linked_rules),
            "static_rules": msgspec.to_builtins(example.static_rules),
        }
        self.store.settings.put(self.organisation, rules, actor=TESTER).result()
        for service, globs in example.paths.items():
            self.store.settings.put(
                self.organisation, {"path_globs": globs}, service, actor=TESTER
            ).result()
        commits = list(map(_whole, example.commits))
        self.store.commits.add_commits(
            self.organisation, REPOSITORY, commits, actor=TESTER
        ).result()
        pull_requests = list(map(_whole_pull_request, example.pull_requests))
        self.store.commits.add_pull_requests(
            self.organisation, REPOSITORY, pull_requests, actor=TESTER
        ).result()

    def _send(self, example: Example) -> None:
        for event in (*example.deployments, *example.incidents):
            self._ask("POST", *_created(event))
        for override in example.overrides:
            attributes: dict[str, Any] = {"change_failure": override.change_failure}
            if override.remediation:
                given = override.remediation
                named = {"id": _id(given.id)} if given.id else {"version": given.version}
                attributes["remediation"] = {"type": given.type} | named
            document = {"type": "dora_deployment_patch_request", "attributes": attributes}
            path = f"/api/v2/dora/deployments/{_id(override.deployment_id)}"
            self._ask("PATCH", path, {"data": document})

    def _seen(self, deployment: Deployment) -> Seen:
        """The explanation of a deployment; its attributes have to agree."""
        path = f"/api/v2/dora/deployments/{_id(deployment.id)}"
        attributes = self._ask("GET", path)["attributes"]
        explained = self._ask("GET", f"{path}/explanation")["attributes"]
        assert _derived(attributes) == _derived_of(explained)
        return Seen(deployment.id, _row(deployment, explained), _described(explained))

    def _ask(self, method: str, path: str, document: Any = None) -> Any:
        answer = self.client.request(method, path, json=document)
        assert answer.status_code in {200, 202}, answer.text
        return answer.json()["data"]


def wait_until_derived(store: Store) -> None:
    """Returns once nothing is marked; the server beside does the work."""
    until = time.monotonic() + _PATIENCE_SECONDS
    while store.derivations.are_due():
        assert time.monotonic() < until, "the server derives nothing"
        time.sleep(0.01)


def _created(event: Deployment | Failure) -> tuple[str, Any]:
    sent = {name: getattr(event, name, None) for name in _SENT}
    if event.git:
        url = event.git.repository_url
        sent["git"] = {"commit_sha": _sha(event.git.commit_sha), "repository_url": url}
    attributes = {name: value for name, value in sent.items() if value}
    path = "deployment" if isinstance(event, Deployment) else "incident"
    times = {"started_at": event.started_at_ns, "finished_at": event.finished_at_ns}
    given = attributes | times | {"id": _id(event.id)}
    return f"/api/v2/dora/{path}", {"data": {"attributes": given}}


def _id(name: str) -> str:
    """Long enough, and in the same order."""
    return _PREFIX + name


def _names(value: Any) -> Any:
    """The same value with the names of deployments in place of their ids."""
    return value and value | {"id": value["id"].removeprefix(_PREFIX)}


def _row(deployment: Deployment, explained: Mapping[str, Any]) -> DeploymentRow:
    measured = [each for each in explained["lead_time"]["commits"] if each["lead_time"] is not None]
    failure = explained["failure"]
    return DeploymentRow(
        id=deployment.id,
        service=explained["service"],
        env=explained["env"],
        repository_id=explained["repository_id"],
        custom_tags=deployment.custom_tags,
        finished_at_ns=nanoseconds_from_rfc3339(explained["finished_at"]) or 0,
        lead_times_ns=tuple(_ns(each["lead_time"]) for each in measured),
        stages=tuple(_stages(each["stages"]) for each in measured),
        change_failure=failure["change_failure"],
        deployment_type=explained["type"]["deployment_type"],
        recovery_time_ns=_optional_ns(failure["recovery_time"]),
    )


def _described(explained: Mapping[str, Any]) -> dict[str, Any]:
    lead_time, failure = explained["lead_time"], explained["failure"]
    commits = [(_NAMES[each["sha"]], each) for each in lead_time["commits"]]
    nothing = dict.fromkeys(STAGES)
    return {
        "status": lead_time["status"],
        "commit_lead_times": {name: each["lead_time"] for name, each in commits},
        "lead": {name: lead_time[name] for name in ("n", "avg", "min", "max")},
        "stages": {
            name: {"lead_time": each["lead_time"]} | (each["stages"] or nothing)
            for name, each in commits
        },
        "change_failure": failure["change_failure"],
        "deployment_type": explained["type"]["deployment_type"],
        "remediation": _names(failure["remediation"]),
        "recovery_time": failure["recovery_time"],
        "flags": [each["flag"] for each in explained["flags"]],
        "commits_total": lead_time["commits_total"],
        "commits_kept": len(commits),
    }


def _derived(attributes: Mapping[str, Any]) -> dict[str, Any]:
    """What the background worker has written."""
    names = ("change_failure", "deployment_type", "remediation", "recovery_time_sec")
    return {
        name: attributes.get(name) for name in (*names, "number_of_commits", "change_lead_time")
    }


def _derived_of(explained: Mapping[str, Any]) -> dict[str, Any]:
    failure, lead_time = explained["failure"], explained["lead_time"]
    return {
        "change_failure": failure["change_failure"],
        "deployment_type": explained["type"]["deployment_type"],
        "remediation": failure["remediation"],
        "recovery_time_sec": _whole_seconds(failure["recovery_time"]),
        "number_of_commits": lead_time["commits_total"],
        "change_lead_time": _whole_seconds(lead_time["avg"]),
    }


def _whole_seconds(seconds: float | None) -> int | None:
    return None if seconds is None else int(seconds + 0.5)


_NAMES: dict[str, str] = {}
"""Short names by SHA."""


def _sha(name: str) -> str:
    sha = hashlib.sha1(name.encode()).hexdigest()
    _NAMES[sha] = name
    return sha


def _whole(commit: Commit) -> Commit:
    return msgspec.structs.replace(
        commit, sha=_sha(commit.sha), parents=tuple(map(_sha, commit.parents))
    )


def _whole_pull_request(pull_request: PullRequest) -> PullRequest:
    merge = pull_request.merge_commit_sha
    return msgspec.structs.replace(
        pull_request,
        merge_commit_sha=_sha(merge) if merge else None,
        commits=tuple(map(_whole, pull_request.commits)),
    )


def _stages(seconds: Mapping[str, float | None]) -> Stages:
    return Stages(**{name: _optional_ns(each) for name, each in seconds.items()})


def _optional_ns(seconds: float | None) -> int | None:
    return None if seconds is None else _ns(seconds)


def _ns(seconds: float) -> int:
    return round(seconds * SECOND_NS)
