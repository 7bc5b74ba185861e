"""The page of one deployment: verdict, commits, and its part in each metric."""

from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import Any, NamedTuple

from theodora.dora.derivation.explanation import (
    Explanation,
    LeadTimeExplained,
    explain,
)
from theodora.errors import NotFound
from theodora.events import Deployment, Failure
from theodora.events.values import DEPLOYMENT_TEXTS, SECOND_NS
from theodora.query import Tag, to_text
from theodora.query.operands import equals
from theodora.report import wording
from theodora.report.charts import STAGE_NAMES
from theodora.report.deployment_markdown import DeploymentContext, deployment_markdown
from theodora.report.links import (
    UNMEASURED,
    VERDICTS,
    deployment_path,
    path_of,
    pull_request_path,
)
from theodora.report.reasons import Reasons, cause_pieces, rule_name
from theodora.report.scope import Scope, service_path
from theodora.storage import OverrideHistory, OverrideValues
from theodora.storage.access.permissions import WRITE
from theodora.web.pages.parts.clauses import known_field
from theodora.web.pages.parts.commit_rows import commit_row, compare_link
from theodora.web.pages.parts.deployment_history import history_of
from theodora.web.pages.parts.event_json import event_json
from theodora.web.pages.parts.verdict_form import (
    VerdictForm,
    form_of,
    problem_of,
    read_form,
    undo_of,
    verdict_of,
)
from theodora.web.pages.shell.page import Answer, Download, SeeOther, View, Visit

MOST_COMMITS = 60
MOST_LEFT_OUT = 40
MOST_REQUESTS = 40


class Step(NamedTuple):
    """A deployment in order of time, or the gap between two."""

    kind: str
    """The icon; `gap` for a span of time."""
    label: str
    deployment: Deployment | None
    path: str
    is_this: bool = False


class Fact(NamedTuple):
    """A field of the event, and the search for others that have the same."""

    label: str
    words: str
    link: str = ""
    is_code: bool = False


def show_deployment(visit: Visit) -> Answer:
    """Raises `NotFound` for a deployment that is not there."""
    id_ = visit.path_parameters["id"]
    if visit.query_parameters.get("as") == "json":
        event = visit.store.deployments.get(visit.organisation, id_)
        return Download(event_json(event).encode(), "application/json")
    overrides = visit.store.verdicts.get(visit.organisation, id_)
    return _page(visit, id_, form_of(overrides), overrides)


def correct_verdict(visit: Visit) -> Answer:
    """Sets or removes an override; author, time and reason are stored."""
    id_ = visit.path_parameters["id"]
    visit.require_team(visit.store.deployments.get(visit.organisation, id_).team)
    form = read_form(visit.form)
    overrides = visit.store.verdicts.get(visit.organisation, id_)
    if problem := problem_of(form):
        return _page(visit, id_, form, overrides, problem, 400)
    verdict = verdict_of(form, lambda named: _get(visit, named) is not None)
    if verdict is not None:
        _require_teams_of_named(visit, verdict, overrides)
        visit.store.verdicts.put(
            visit.organisation,
            id_,
            verdict,
            now_ns=visit.now_ns,
            reason=form.reason,
            actor=visit.actor,
        ).result()
    elif overrides.current is not None:
        visit.store.verdicts.delete(
            visit.organisation, id_, now_ns=visit.now_ns, reason=form.reason, actor=visit.actor
        ).result()
    return SeeOther(visit.scope.link(path_of(id_), saved="verdict"))


def _require_teams_of_named(
    visit: Visit, verdict: OverrideValues, overrides: OverrideHistory
) -> None:
    """A verdict also changes the failures and the fix that it names.

    Those that a verdict before it named are left to whoever named them. Raises `NotOfTeam`.
    """
    before = [act.values for act in overrides.history if act.values]
    fix = None if verdict.remediation_id is None else _get(visit, verdict.remediation_id)
    if fix is not None and all(each.remediation_id != fix.id for each in before):
        visit.require_team(fix.team)
    linked = {id_ for each in before for id_ in each.failure_ids}
    for id_ in verdict.failure_ids:
        failure = _get_failure(visit, id_)
        if failure is not None and id_ not in linked:
            visit.require_team(failure.team)


def _page(
    visit: Visit,
    id_: str,
    form: VerdictForm,
    overrides: OverrideHistory,
    problem: str = "",
    status: int = 200,
) -> View:
    """The page, with the form as it is filled in, and what is wrong with it."""
    found = visit.store.derivations.explain(visit.organisation, id_)
    event = found.derived.event
    explanation = explain(found.derived, found.preceding, found.repository, found.settings)
    known = _named_deployments(visit, explanation)
    incidents = _incidents(visit, explanation, overrides)
    reasons = Reasons(explanation, known, incidents, visit.scope.clock)
    return View(
        {
            **_event_values(visit.scope, event),
            "explanation": explanation,
            "sentence": tuple(reasons.verdict()),
            "remedied": tuple(reasons.remedied()),
            "steps": tuple(_steps(event, found.preceding, found.following, explanation, known)),
            **_neighbour_values(found.preceding, found.following),
            "rule_name": rule_name,
            **_commit_values(event, explanation.lead_time),
            **_request_values(visit, event),
            "compare_link": compare_link(event, found.preceding),
            "markdown": _markdown(visit, event, found.preceding, explanation, known),
            "past": history_of(event, explanation, known, overrides, incidents),
            "counts": tuple(_counts(event, explanation)),
            "form": form,
            "caused": tuple(cause_pieces(form.failure_ids, incidents)),
            "undo": undo_of(overrides)
            if visit.query_parameters.get("saved") == "verdict"
            else None,
            "problem": problem,
            **_permission_values(visit, event),
        },
        status,
        template="deployment.html",
    )


def _neighbour_values(
    preceding: Deployment | None, following: Deployment | None
) -> Mapping[str, str]:
    """The paths of the deployments before and after it, empty where there is none."""
    return {
        "previous_path": deployment_path(preceding) if preceding else "",
        "next_path": deployment_path(following) if following else "",
    }


def _event_values(scope: Scope, event: Deployment) -> Mapping[str, Any]:
    """The values that show the stored event."""
    return {
        "event": event,
        "path": deployment_path(event),
        "verdict": VERDICTS[event.change_failure],
        "unmeasured": UNMEASURED,
        "heading": _HEADINGS[event.change_failure],
        "facts": tuple(_facts(scope, event)),
        "tags": tuple(_tags(scope, event)),
        "json": event_json(event),
    }


def _permission_values(visit: Visit, event: Deployment) -> Mapping[str, bool]:
    """Whether the visitor may correct the verdict, and if not, whether another team may."""
    may_write = visit.may_write(event.team)
    return {"may_write": may_write, "is_of_other_team": visit.may(WRITE) and not may_write}


def _commit_values(event: Deployment, lead_time: LeadTimeExplained) -> Mapping[str, Any]:
    """The values for the table of commits."""
    commits = lead_time.commits
    longest = max((commit.lead_time or 0 for commit in commits), default=0)
    return {
        "commits": tuple(commit_row(event, each, longest) for each in commits[:MOST_COMMITS]),
        "more_commits": max(0, (lead_time.commits_total or 0) - MOST_COMMITS),
        "longest": longest,
        "stages": tuple(STAGE_NAMES.values())[:-1],
        "left_out": lead_time.left_out[:MOST_LEFT_OUT],
        "more_left_out": max(0, len(lead_time.left_out) - MOST_LEFT_OUT),
    }


class RequestRow(NamedTuple):
    """A pull request that the deployment shipped first."""

    title: str
    number: int
    author: str
    path: str
    cycle_time: str


def _request_values(visit: Visit, event: Deployment) -> Mapping[str, Any]:
    """The values for the table of pull requests."""
    found = visit.store.pull_requests.of_deployment(visit.organisation, event.id)
    rows = (
        RequestRow(
            wording.visible(each.title) or f"Pull request {each.number}",
            each.number,
            wording.visible(each.author),
            pull_request_path(each.id),
            wording.DASH
            if each.cycle_time_ns is None
            else wording.duration(each.cycle_time_ns / SECOND_NS),
        )
        for each in found[:MOST_REQUESTS]
    )
    return {"requests": tuple(rows), "more_requests": max(0, len(found) - MOST_REQUESTS)}


_HEADINGS = {
    True: "this deployment failed",
    False: "this deployment did not fail",
    None: "pending",
}


def _get(visit: Visit, id_: str) -> Deployment | None:
    with suppress(NotFound):
        return visit.store.deployments.get(visit.organisation, id_)
    return None


def _get_failure(visit: Visit, id_: str) -> Failure | None:
    with suppress(NotFound):
        return visit.store.failures.get(visit.organisation, id_)
    return None


def _named_deployments(visit: Visit, explanation: Explanation) -> Mapping[str, Deployment]:
    """The deployments that the page names, by their ids."""
    failure, type_ = explanation.failure, explanation.type
    ids = [link.remediation_id for link in failure.marked_by]
    ids += [link.failed_id for link in type_.remedied]
    ids += [failure.remediation.id] if failure.remediation else []
    ids += [type_.given_by.deployment_id] if type_.given_by else []
    found = ((id_, _get(visit, id_)) for id_ in dict.fromkeys(ids))
    return {id_: deployment for id_, deployment in found if deployment is not None}


def _incidents(
    visit: Visit, explanation: Explanation, overrides: OverrideHistory
) -> Mapping[str, Failure]:
    """The stored failures that name it, or were linked to it, by their ids."""
    verdicts = [act.values for act in overrides.history if act.values]
    linked = [id_ for verdict in verdicts for id_ in verdict.failure_ids]
    ids = dict.fromkeys((*explanation.failure.incident_ids, *linked))
    found = ((id_, _get_failure(visit, id_)) for id_ in ids)
    return {id_: failure for id_, failure in found if failure is not None}


def _steps(
    event: Deployment,
    preceding: Deployment | None,
    following: Deployment | None,
    explanation: Explanation,
    known: Mapping[str, Deployment],
) -> Iterator[Step]:
    """The previous deployment, this one and its remediation."""
    failed = [
        known[link.failed_id] for link in explanation.type.remedied if link.failed_id in known
    ]
    if failed and not event.change_failure:
        yield _step("failed", "Failed", failed[0])
        yield Step("gap", _recovered(failed[0], event), None, "")
    elif preceding:
        yield _step("ok", "Was running", preceding)
    kind, word = VERDICTS[event.change_failure]
    yield Step(kind, f"{word}: this one", event, "", is_this=True)
    if event.change_failure:
        yield from _remedy(event, known)
    elif following and not failed:
        yield _step("ok", "Next", following)


def _remedy(event: Deployment, known: Mapping[str, Deployment]) -> Iterator[Step]:
    remediation = event.remediation
    if remediation is None:
        yield Step("gap", "not fixed yet", None, "")
        return
    yield Step("gap", wording.duration(event.recovery_time_sec, "a time not known"), None, "")
    if remediation.id in known:
        label = "Rolled back" if remediation.type == "rollback" else "Fixed"
        yield _step(remediation.type, label, known[remediation.id])


def _step(kind: str, label: str, deployment: Deployment) -> Step:
    return Step(kind, label, deployment, deployment_path(deployment))


def _recovered(failed: Deployment, event: Deployment) -> str:
    return wording.duration((event.finished_at_ns - failed.finished_at_ns) / SECOND_NS)


def _markdown(
    visit: Visit,
    event: Deployment,
    preceding: Deployment | None,
    explanation: Explanation,
    known: Mapping[str, Deployment],
) -> str:
    lead_time, remediation = explanation.lead_time, event.remediation
    context = DeploymentContext(
        preceding,
        known.get(remediation.id) if remediation else None,
        lead_time.commits,
        lead_time.commits_total or 0,
        compare_link(event, preceding),
        visit.url + deployment_path(event),
    )
    return deployment_markdown(event, context, visit.scope.clock)


def _counts(event: Deployment, explanation: Explanation) -> Iterator[tuple[str, str]]:
    """Its part in each of the five metrics."""
    yield "Deployment frequency", "1 deployment"
    n = explanation.lead_time.n
    yield "Change lead time", wording.counted(n, "commit") if n else "nothing measured"
    verdict = {True: "1 failed of 1", False: "0 failed of 1", None: "not yet, pending"}
    yield "Change failure rate", verdict[event.change_failure]
    recovery = "not a failure"
    if event.change_failure:
        recovery = wording.duration(event.recovery_time_sec, "open")
    yield "Recovery time", recovery
    is_rework = event.deployment_type != "standard" or "rework:true" in event.custom_tags
    yield "Rework rate", "1 rework" if is_rework else "not rework"


def _facts(scope: Scope, event: Deployment) -> Iterator[Fact]:
    yield Fact("Service", event.service, scope.link(service_path(event.service), query=None))
    for name, label, value in (
        *((text.name, text.label, getattr(event, text.name)) for text in DEPLOYMENT_TEXTS),
        ("repository_id", "Repository", event.git and event.git.repository_id),
        ("commit_sha", "Commit", event.git and event.git.commit_sha),
        ("source", "Source", event.source),
    ):
        if value:
            search = to_text(equals(known_field(name), value))
            is_code = name in {"version", "commit_sha"}
            yield Fact(label, value, scope.link("/deployments", query=search), is_code)
    yield Fact("Started", scope.clock.moment(event.started_at_ns))
    yield Fact("Finished", scope.clock.moment(event.finished_at_ns))
    yield Fact("Took", wording.duration(event.duration))
    yield Fact("Id", event.id, is_code=True)


def _tags(scope: Scope, event: Deployment) -> Iterator[tuple[str, str]]:
    for tag in event.custom_tags:
        key, _, value = tag.partition(":")
        yield tag, scope.link("/deployments", query=to_text(equals(Tag(key), value)))
