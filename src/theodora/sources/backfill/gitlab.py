"""GitLab's REST API: merge requests, approvals, deployments, pipelines and incidents."""

from collections.abc import Iterator, Mapping
from urllib.parse import quote

from theodora.events import format_rfc3339
from theodora.events.json_values import JsonObject, JsonValue
from theodora.sources.backfill.client import ApiLimit, Client
from theodora.sources.backfill.streams import (
    Deliveries,
    Extent,
    HistoricDelivery,
    HistoryStream,
    objects,
)
from theodora.sources.webhooks.delivery import SourceSettings
from theodora.sources.webhooks.payload import (
    needed_text,
    number_at,
    object_at,
    text_at,
    texts_at,
)

GITLAB_URL = "https://gitlab.com/api/v4"
GITLAB_LIMIT = ApiLimit("ratelimit-remaining", "ratelimit-reset", is_moment=True)

_NOTES: Mapping[str, JsonObject] = {
    "approved this merge request": {"action": "approval"},
    "unapproved this merge request": {"action": "unapproval"},
    "marked this merge request as **ready**": {"action": "update"},
    "unmarked as a **Work In Progress**": {"action": "update"},
    "unmarked this merge request as a **Work In Progress**": {"action": "update"},
}
"""Notes that GitLab writes itself, and the webhook that it sends with each."""
_READY: JsonObject = {"draft": {"previous": True, "current": False}}
_CHANGED_AT = "updated_at"
_STATES = {"closed": "closed", "reopened": "opened"}


def gitlab_headers(token: str) -> dict[str, str]:
    return {"PRIVATE-TOKEN": token, "Accept": "application/json"}


def gitlab_streams(client: Client, extent: Extent) -> Iterator[HistoryStream]:
    """The lists of a project, by its path (`group/name`) or number, the newest first."""
    settings = extent.settings
    history = _GitlabHistory(client, f"projects/{quote(extent.target, safe='')}", settings)
    after = quote(format_rfc3339(extent.since_ns), safe="")
    query = f"order_by=updated_at&sort=desc&updated_after={after}&per_page=100"
    yield HistoryStream(
        "merge requests",
        f"{history.path}/merge_requests?state=all&scope=all&{query}",
        history.merge_request,
        _CHANGED_AT,
    )
    yield HistoryStream(
        "deployments", f"{history.path}/deployments?{query}", history.deployment, _CHANGED_AT
    )
    if settings.workflows:
        yield HistoryStream(
            "pipelines", f"{history.path}/pipelines?{query}", history.pipeline, _CHANGED_AT
        )
    if settings.releases:
        yield HistoryStream(
            "releases",
            f"{history.path}/releases?order_by=released_at&sort=desc&per_page=100",
            history.release,
            "released_at",
        )
    if extent.with_commits:
        yield HistoryStream(
            "commits",
            f"{history.path}/repository/commits?since={after}&per_page=100",
            history.commit,
            "committed_date",
        )
    yield HistoryStream(
        "incidents",
        f"{history.path}/issues?issue_type=incident&scope=all&{query}",
        history.incident,
        _CHANGED_AT,
    )


class _GitlabHistory:
    """Makes payloads of objects of one project."""

    def __init__(self, client: Client, path: str, settings: SourceSettings) -> None:
        self._client = client
        self._settings = settings
        self._project = client.object(path)
        self.path = path

    def merge_request(self, listed: JsonObject) -> Deliveries:
        """What became of it, then the approvals, which only notes have the time of."""
        names = ("iid", "title", "source_branch", "target_branch", "created_at", "closed_at")
        author = object_at(listed, "author")
        attributes: JsonObject = {
            **{name: listed.get(name) for name in (*names, "state", "draft")},
            "url": listed.get("web_url"),
            "author_id": author.get("id"),
            "last_commit": {"id": listed.get("sha")},
            "merge_commit_sha": listed.get("merge_commit_sha") or listed.get("squash_commit_sha"),
        }
        labels: list[JsonValue] = [{"title": label} for label in texts_at(listed, "labels")]
        last: JsonObject = {"action": "update", "updated_at": listed.get("updated_at")}
        yield self._merge_request({**attributes, **last}, labels, user=author)
        if merged_at := listed.get("merged_at"):
            merge: JsonObject = {"action": "merge", "updated_at": merged_at}
            yield self._merge_request({**attributes, **merge}, labels)
        elif listed.get("state") == "closed":
            return
        path = f"{self.path}/merge_requests/{number_at(listed, 'iid')}/notes?sort=asc&per_page=100"
        for note in objects(self._client, path):
            action = _NOTES.get(text_at(note, "body") or "")
            if note.get("system") is True and action:
                then = {**attributes, **action, "updated_at": note.get("created_at")}
                changes = _READY if action["action"] == "update" else {}
                user = object_at(note, "author")
                yield self._merge_request(then, labels, user=user, changes=changes)

    def deployment(self, found: JsonObject) -> Deliveries:
        """Created, running and its status today: the API has no other statuses."""
        job = object_at(found, "deployable")
        status = needed_text(found, "status")
        succeeded = status == job.get("status") == "success"
        ended_at = (succeeded and job.get("finished_at")) or found.get("updated_at")
        moments = {"created": found.get("created_at"), "running": job.get("started_at")}
        moments[status] = moments.get(status) or ended_at
        for each, at in moments.items():
            if at or each == status:
                yield self._delivery("deployment", self._deployment(found, each, at))

    def _deployment(self, found: JsonObject, status: JsonValue, at: JsonValue) -> JsonObject:
        return {
            "status": status,
            "status_changed_at": at,
            "deployment_id": found.get("id"),
            "environment": object_at(found, "environment").get("name"),
            "ref": found.get("ref"),
            "commit_url": f"{self._project.get('web_url')}/-/commit/{found.get('sha')}",
        }

    def pipeline(self, listed: JsonObject) -> Deliveries:
        """The list has no end and no name; only pipelines that may deploy are asked for."""
        branches = self._settings.branches or (self._project.get("default_branch"),)
        if listed.get("ref") in branches and listed.get("status") in {"success", "failed"}:
            listed = self._client.object(f"{self.path}/pipelines/{number_at(listed, 'id')}")
        yield self._delivery("pipeline", {"object_attributes": listed})

    def release(self, found: JsonObject) -> Deliveries:
        """As it was created: the API has no number of it, but its tag is unique."""
        names = ("created_at", "released_at", "commit")
        payload: JsonObject = {name: found.get(name) for name in names}
        yield self._delivery("release", {**payload, "action": "create", "tag": found["tag_name"]})

    def commit(self, found: JsonObject) -> Deliveries:
        """A push of the commit alone; unlike a webhook it names the parents, but no paths."""
        commit: JsonObject = {
            **{name: found.get(name) for name in ("id", "message", "parent_ids")},
            "timestamp": found.get("committed_date"),
            "author": {"name": found.get("author_name"), "email": found.get("author_email")},
        }
        ref: JsonObject = {"ref": f"refs/heads/{self._project.get('default_branch')}"}
        yield self._delivery("push", {**ref, "after": found.get("id"), "commits": [commit]})

    def incident(self, issue: JsonObject) -> Deliveries:
        """As it was opened, then every time that it was closed or opened again."""
        attributes: JsonObject = {
            **issue,
            "type": issue.get("issue_type"),
            "severity": (text_at(issue, "severity") or "").lower(),
        }
        opened = {**attributes, "state": "opened", "updated_at": issue.get("created_at")}
        yield self._delivery("issue", {"object_attributes": opened})
        path = f"{self.path}/issues/{number_at(issue, 'iid')}/resource_state_events?per_page=100"
        for event in objects(self._client, path):
            if state := _STATES.get(text_at(event, "state") or ""):
                at = event.get("created_at")
                then = {**attributes, "state": state, "updated_at": at, "closed_at": at}
                yield self._delivery("issue", {"object_attributes": then})

    def _merge_request(
        self, attributes: JsonObject, labels: list[JsonValue], **members: JsonObject
    ) -> HistoricDelivery:
        payload: JsonObject = {"object_attributes": attributes, "labels": labels, **members}
        return self._delivery("merge_request", payload)

    def _delivery(self, kind: str, payload: JsonObject) -> HistoricDelivery:
        return HistoricDelivery({}, {"object_kind": kind, "project": self._project, **payload})
