"""The page of one pull request: its course, what shipped it, and who reviewed it."""

from collections.abc import Iterator, Mapping
from typing import NamedTuple, cast

import msgspec

from theodora.dora.derivation.stages import Stage
from theodora.events.document import TimestampForm
from theodora.events.pull_requests import PullRequestEvent, ShippingDeployment
from theodora.events.values import SECOND_NS
from theodora.query import to_text
from theodora.query.operands import equals
from theodora.query.pull_request_fields import pull_request_field
from theodora.report import wording
from theodora.report.charts import spans_of, stage_bar, stages_words
from theodora.report.links import PULL_REQUESTS_PATH, STATES, path_of
from theodora.report.scope import service_path
from theodora.web.api.pull_requests import resource_of
from theodora.web.pages.shell.page import Answer, Download, View, Visit


class Moment(NamedTuple):
    """Something that happened to it."""

    words: str
    at_ns: int
    path: str = ""
    """Of the deployment that it is."""


class RequestStage(NamedTuple):
    """A stage of its course."""

    label: str
    words: str
    about: str


class ShippedRow(NamedTuple):
    """A deployment that shipped it."""

    deployment: ShippingDeployment
    path: str
    waited: str
    """From the merge to its start; empty if it started before."""


class RequestFact(NamedTuple):
    label: str
    words: str
    link: str = ""


_NOT_KNOWN: Mapping[str, str] = {
    "time_to_ready": "it was ready before the first commit, or the first commit is not known",
    "review_time": "no approval before the merge, or the first commit is not known",
    "merge_time": "no approval, no merge, or the first commit is not known",
    "time_to_deploy": "not deployed to production",
}
_STAGES = (
    ("time_to_ready", "Coding", "from the first commit until ready for review"),
    ("review_time", "Review", "from ready for review to the last approval"),
    ("merge_time", "Merge", "from the last approval to the merge"),
    ("time_to_deploy", "Wait", "from the merge to the start of the deployment to production"),
)


def show_pull_request(visit: Visit) -> Answer:
    """Raises `NotFound` for a pull request that is not there."""
    request = visit.store.pull_requests.get(visit.organisation, visit.path_parameters["id"])
    document = msgspec.json.encode(resource_of(request, TimestampForm.RFC3339))
    if visit.query_parameters.get("as") == "json":
        return Download(document, "application/json")
    spans = _spans(request)
    longest = sum(each for each in spans.values() if each is not None)
    drawn = spans_of(cast("Mapping[Stage, float | None]", spans))
    return View(
        {
            "request": request,
            "title": wording.visible(request.title) or f"Pull request {request.number}",
            "chip": STATES[request.state],
            "bar": stage_bar(drawn, longest) if longest else "",
            "bar_words": stages_words(drawn) if longest else "",
            "stages": tuple(_stages(request)),
            "cycle_time": _words(request.cycle_time_ns),
            "moments": tuple(_moments(request)),
            "shipped": tuple(_shipped(request)),
            "facts": tuple(_facts(visit, request)),
            "json": msgspec.json.format(document, indent=2).decode(),
        }
    )


def _spans(request: PullRequestEvent) -> dict[str, float | None]:
    """The stages in seconds, by the names of a commit's stages."""
    shipped = request.shipped
    spans_ns = {
        "time_to_pr_ready": request.time_to_ready_ns,
        "review_time": request.review_time_ns,
        "merge_time": request.merge_time_ns,
        "time_to_deploy": request.time_to_deploy_ns,
        "deploy_time": shipped.finished_at_ns - shipped.started_at_ns if shipped else None,
        "other": None,
    }
    return {name: None if each is None else each / SECOND_NS for name, each in spans_ns.items()}


def _words(span_ns: int | None) -> str:
    return "" if span_ns is None else wording.duration(span_ns / SECOND_NS)


def _stages(request: PullRequestEvent) -> Iterator[RequestStage]:
    for name, label, about in _STAGES:
        words = _words(getattr(request, f"{name}_ns"))
        yield RequestStage(label, words, about if words else _NOT_KNOWN[name])
    if shipped := request.shipped:
        span_ns = shipped.finished_at_ns - shipped.started_at_ns
        yield RequestStage("Deploy", _words(span_ns), "of the deployment itself")


def _moments(request: PullRequestEvent) -> Iterator[Moment]:
    """In order of time."""
    ready_at_ns = request.ready_at_ns
    was_draft = ready_at_ns != request.opened_at_ns
    known = [
        ("First commit", request.first_commit_at_ns),
        ("Opened", request.opened_at_ns),
        ("Ready for review", ready_at_ns if was_draft else None),
        ("First reviewed", request.first_reviewed_at_ns),
        ("Last approved", request.approved_at_ns),
        ("Merged", request.merged_at_ns),
        ("Closed without a merge", request.closed_at_ns),
    ]
    found = [Moment(words, at_ns) for words, at_ns in known if at_ns is not None]
    for each in request.deployments:
        where = each.service + (f" to {each.env}" if each.env else "")
        words = f"Deployed: {wording.visible(where)}"
        found.append(Moment(words, each.finished_at_ns, path_of(each.id)))
    return iter(sorted(found, key=lambda each: each.at_ns))


def _shipped(request: PullRequestEvent) -> Iterator[ShippedRow]:
    for each in request.deployments:
        merged_at_ns = request.merged_at_ns
        span_ns = None if merged_at_ns is None else each.started_at_ns - merged_at_ns
        waited = "" if span_ns is None or span_ns < 0 else _words(span_ns)
        yield ShippedRow(each, path_of(each.id), waited)


def _facts(visit: Visit, request: PullRequestEvent) -> Iterator[RequestFact]:
    def search(name: str, value: str) -> str:
        text = to_text(equals(pull_request_field(name), value))
        return visit.scope.link(PULL_REQUESTS_PATH, query=text)

    yield RequestFact(
        "Repository", request.repository_id, search("repository_id", request.repository_id)
    )
    for name, label in (("author", "Author"), ("base", "Merged to"), ("branch", "Branch")):
        if value := getattr(request, name):
            yield RequestFact(label, value, search(name, value))
    for name, label, values in (
        ("label", "Label", request.labels),
        ("reviewer", "Reviewer", request.reviewers or ()),
    ):
        for value in values:
            yield RequestFact(label, value, search(name, value))
    for service in dict.fromkeys(each.service for each in request.deployments):
        yield RequestFact("Service", service, visit.scope.link(service_path(service), query=None))
    if request.number_of_commits is not None:
        yield RequestFact("Commits", wording.number(request.number_of_commits))
    if request.lines is not None:
        yield RequestFact("Lines", f"+{request.additions or 0} −{request.deletions or 0}")
    yield RequestFact("Id", request.id)
