"""GitHub's REST API: pull requests, reviews, deployments, workflow runs and releases."""

from collections.abc import Iterator
from urllib.parse import quote

from theodora.events.json_values import JsonObject
from theodora.sources.backfill.client import ApiLimit, Client
from theodora.sources.backfill.streams import (
    Deliveries,
    Extent,
    HistoricDelivery,
    HistoryStream,
    objects,
)
from theodora.sources.webhooks.payload import needed_text, number_at

GITHUB_URL = "https://api.github.com"
GITHUB_LIMIT = ApiLimit("x-ratelimit-remaining", "x-ratelimit-reset", is_moment=True)

_READY = "ready_for_review"
"""What both the webhook and the event of an issue call it."""


def github_headers(token: str) -> dict[str, str]:
    return {
        "Authorization": f"Bearer {token}",
        "Accept": "application/vnd.github+json",
        "X-GitHub-Api-Version": "2022-11-28",
    }


def github_streams(client: Client, extent: Extent) -> Iterator[HistoryStream]:
    """The lists of a repository, `owner/name`, the newest first."""
    history, settings = _GithubHistory(client, extent), extent.settings
    path = history.path
    yield HistoryStream(
        "pull requests",
        f"{path}/pulls?state=all&sort=updated&direction=desc&per_page=100",
        history.pull_request,
        "updated_at",
    )
    yield HistoryStream(
        "deployments", f"{path}/deployments?per_page=100", history.deployment, "created_at"
    )
    if settings.workflows:
        yield HistoryStream(
            "workflow runs",
            f"{path}/actions/runs?per_page=100",
            history.workflow_run,
            "created_at",
            "workflow_runs",
        )
    if settings.releases:
        yield HistoryStream(
            "releases", f"{path}/releases?per_page=100", history.release, "created_at"
        )


class _GithubHistory:
    """Makes payloads of objects of one repository."""

    def __init__(self, client: Client, extent: Extent) -> None:
        self._client = client
        self._with_ready_times = extent.with_ready_times
        self._repository = client.object(f"repos/{quote(extent.target)}")
        # A renamed repository is redirected: its lists are asked for by its present name.
        self.path = f"repos/{quote(needed_text(self._repository, 'full_name'))}"

    def pull_request(self, listed: JsonObject) -> Deliveries:
        """The list lacks how many commits it has, which matters once it is merged."""
        path = f"{self.path}/pulls/{number_at(listed, 'number')}"
        is_merged = bool(listed.get("merged_at"))
        request = self._client.object(path) if is_merged else listed
        yield self._delivery("pull_request", pull_request=request)
        if self._with_ready_times:
            yield from self._ready(request)
        if request.get("state") == "closed" and not is_merged:
            return
        for review in objects(self._client, f"{path}/reviews?per_page=100"):
            yield self._delivery("pull_request_review", review=review, pull_request=request)

    def _ready(self, request: JsonObject) -> Deliveries:
        """When it stopped being a draft, which only the events of its issue have."""
        path = f"{self.path}/issues/{number_at(request, 'number')}/events?per_page=100"
        for event in objects(self._client, path):
            if event.get("event") == _READY:
                then: JsonObject = {**request, "updated_at": event.get("created_at")}
                yield self._delivery("pull_request", action=_READY, pull_request=then)

    def deployment(self, deployment: JsonObject) -> Deliveries:
        yield self._delivery("deployment", deployment=deployment)
        path = f"{self.path}/deployments/{number_at(deployment, 'id')}/statuses?per_page=100"
        for status in objects(self._client, path):
            yield self._delivery(
                "deployment_status", deployment_status=status, deployment=deployment
            )

    def workflow_run(self, run: JsonObject) -> Deliveries:
        yield self._delivery("workflow_run", action="completed", workflow_run=run)

    def release(self, release: JsonObject) -> Deliveries:
        action = "published" if release.get("published_at") else "created"
        yield self._delivery("release", action=action, release=release)

    def _delivery(self, event: str, **members: JsonObject | str) -> HistoricDelivery:
        payload: JsonObject = {**members, "repository": self._repository}
        return HistoricDelivery({"x-github-event": event}, payload)
