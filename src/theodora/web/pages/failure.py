"""The page of one failure: the deployments that caused it, closing it, linking it."""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from theodora.dora.derivation.explanation import explain
from theodora.dora.derivation.incidents import DEPLOYMENT_TAG, incidents_by_deployment
from theodora.events import Deployment, Failure
from theodora.events.values import DAY_NS, FAILURE_TEXTS, SECOND_NS
from theodora.query import NumberRange, all_of, to_text
from theodora.report import wording
from theodora.report.failure_markdown import FailureContext, LinkedDeployment, failure_markdown
from theodora.report.links import deployment_path, failure_path
from theodora.report.scope import Scope, service_path
from theodora.storage import Selection
from theodora.storage.access.permissions import WRITE
from theodora.storage.facts.overrides import FailureLink
from theodora.web.pages.deployments import ExplorerRow, rows_of
from theodora.web.pages.failures import row_of
from theodora.web.pages.parts.causes import CAUSE_DAYS, of_its_services, possible_causes
from theodora.web.pages.parts.clauses import known_field
from theodora.web.pages.parts.commit_rows import compare_link
from theodora.web.pages.parts.event_json import event_json
from theodora.web.pages.shell.page import Answer, Download, SeeOther, View, Visit

_BEFORE_NS = 60 * DAY_NS
"""How far back a deployment that an incident names is looked for."""
_MOST_MEANWHILE = 20
_MOST_IN_MARKDOWN = 3


class Linked(NamedTuple):
    """A deployment that the failure names, or that was linked to it, and how."""

    row: ExplorerRow
    how: str
    is_override: bool
    """Whether a person linked it, so that it counts as failed and can be undone."""


class PossibleCause(NamedTuple):
    """A deployment that may have caused the failure."""

    row: ExplorerRow
    before: str
    """How long before the failure it finished, in words."""
    is_suggested: bool


def show_failure(visit: Visit) -> Answer:
    """Raises `NotFound` for a failure that is not there."""
    id_ = visit.path_parameters["id"]
    failure = visit.store.failures.get(visit.organisation, id_)
    if visit.query_parameters.get("as") == "json":
        return Download(event_json(failure).encode(), "application/json")
    return _page(visit, failure)


def close_failure(visit: Visit) -> Answer:
    """Sets the end, like sending the failure again with its end."""
    id_ = visit.path_parameters["id"]
    failure = visit.store.failures.get(visit.organisation, id_)
    visit.require_team(failure.team)
    text = visit.form.get("finished_at", "")
    try:
        local = datetime.fromisoformat(text)
    except ValueError:
        return _page(visit, failure, "Enter the date and time it ended.", text, 400)
    zone = local.tzinfo or visit.scope.calendar.zone
    finished_at_ns = round(local.replace(tzinfo=zone).timestamp()) * SECOND_NS
    if not failure.last_opened_at_ns <= finished_at_ns <= visit.now_ns + DAY_NS:
        start = "last time it was reopened" if failure.periods else "start"
        problem = f"The end cannot be before the {start}, or far in the future."
        return _page(visit, failure, problem, text, 400)
    closed = failure.ended(finished_at_ns)
    visit.store.failures.close(visit.organisation, closed, visit.now_ns, actor=visit.actor).result()
    return SeeOther(visit.scope.link(failure_path(id_), saved="closed"))


def link_failure(visit: Visit) -> Answer:
    """Links a deployment as the cause of the failure, or undoes that.

    Raises `NotFound` where one of both, or the link to undo, does not exist, and `NotOfTeam` for
    either: a link changes the verdict of the one and the causes of the other.
    """
    id_ = visit.path_parameters["id"]
    undo = visit.form.get("undo") == "yes"
    change = visit.store.verdicts.unlink if undo else visit.store.verdicts.link
    deployment = visit.form.get("deployment", "")
    org, now_ns, actor = visit.organisation, visit.now_ns, visit.actor
    visit.require_team(visit.store.failures.get(org, id_).team)
    visit.require_team(visit.store.deployments.get(org, deployment).team)
    change(org, deployment, id_, now_ns=now_ns, actor=actor).result()
    return SeeOther(visit.scope.link(failure_path(id_), saved="unlinked" if undo else "linked"))


def _page(
    visit: Visit, failure: Failure, problem: str = "", finished_at: str = "", status: int = 200
) -> View:
    scope = visit.scope
    linked = linked_to(visit, failure)
    services = [
        (service, scope.link(service_path(service), query=None)) for service in failure.services
    ]
    return View(
        {
            "failure": failure,
            "texts": [
                (text.label, getattr(failure, text.name))
                for text in FAILURE_TEXTS
                if text.name != "name"
            ],
            "path": failure_path(failure.id),
            "row": row_of(failure, scope.now_ns),
            "services": services,
            "linked": linked,
            "candidates": candidates_of(visit, failure, linked),
            "cause_days": CAUSE_DAYS,
            "meanwhile": _meanwhile(visit, failure),
            "near_link": scope.link(
                "/deployments",
                query=to_text(of_its_services(failure)) if failure.services else "",
                from_=_iso(scope, failure.started_at_ns - CAUSE_DAYS * DAY_NS),
                to=_iso(scope, (failure.finished_at_ns or scope.now_ns) + SECOND_NS),
            ),
            "json": event_json(failure),
            "markdown": _markdown(visit, failure, linked),
            "finished_at": finished_at or _iso(scope, failure.finished_at_ns or scope.now_ns),
            "problem": problem,
            "may_write": visit.may_write(failure.team),
            "is_of_other_team": visit.may(WRITE) and not visit.may_write(failure.team),
            "saved": visit.query_parameters.get("saved", ""),
        },
        status,
        template="failure.html",
    )


def _markdown(visit: Visit, failure: Failure, linked: Sequence[Linked]) -> str:
    shown = tuple(_with_commits(visit, each.row.deployment) for each in linked[:_MOST_IN_MARKDOWN])
    context = FailureContext(shown, len(linked), visit.url + failure_path(failure.id))
    return failure_markdown(failure, context, visit.scope.clock, visit.now_ns)


def _with_commits(visit: Visit, deployment: Deployment) -> LinkedDeployment:
    found = visit.store.derivations.explain(visit.organisation, deployment.id)
    explanation = explain(found.derived, found.preceding, found.repository, found.settings)
    return LinkedDeployment(
        deployment,
        explanation.lead_time.commits,
        explanation.lead_time.commits_total or 0,
        compare_link(deployment, found.preceding),
        visit.url + deployment_path(deployment),
    )


def _iso(scope: Scope, instant_ns: int) -> str:
    return f"{scope.clock.local(instant_ns):%Y-%m-%dT%H:%M}"


def _meanwhile(visit: Visit, failure: Failure) -> tuple[ExplorerRow, ...]:
    """The deployments of its services that began while it lasted, newest first."""
    if not failure.services:
        return ()
    clock = known_field("started_at")
    until_ns = failure.finished_at_ns or visit.now_ns
    began = NumberRange(clock, failure.started_at_ns + 1, until_ns)
    selection = Selection(
        query=all_of((of_its_services(failure), began)), sort=clock, limit=_MOST_MEANWHILE
    )
    return tuple(rows_of(visit, visit.store.deployments.select(visit.organisation, selection)))


def candidates_of(
    visit: Visit, failure: Failure, linked: Sequence[Linked]
) -> tuple[PossibleCause, ...]:
    """The deployments before it that are not linked; the latest is suggested if none is."""
    found = possible_causes(visit.store, visit.organisation, failure)
    known = {each.row.deployment.id for each in linked}
    return tuple(
        PossibleCause(
            row,
            _span_before(failure, row.deployment),
            is_suggested=not linked and row.deployment == found[0],
        )
        for row in rows_of(visit, [each for each in found if each.id not in known])
    )


def _span_before(failure: Failure, deployment: Deployment) -> str:
    span_ns = failure.started_at_ns - deployment.finished_at_ns
    if span_ns < 0:
        return "not finished when it began"
    return f"{wording.duration(span_ns / SECOND_NS)} before it"


def linked_to(visit: Visit, failure: Failure) -> tuple[Linked, ...]:
    """The deployments that people linked to it, then those that it names."""
    links = visit.store.verdicts.links(visit.organisation, failure.id)
    ids = {link.deployment.id for link in links}
    named = [each for each in _named(visit, failure) if each.id not in ids]
    ours = zip(rows_of(visit, [link.deployment for link in links]), links, strict=True)
    return (
        *(Linked(row, _by_whom(visit, link), is_override=True) for row, link in ours),
        *(
            Linked(row, _how(failure, row.deployment), is_override=False)
            for row in rows_of(visit, named)
        ),
    )


def _by_whom(visit: Visit, link: FailureLink) -> str:
    who = wording.visible(link.author.by) or "A person"
    return f"{who} linked it on {visit.scope.clock.moment(link.author.at_ns)}"


def _named(visit: Visit, failure: Failure) -> list[Deployment]:
    """The deployment that it names, by the rules that derivation goes by."""
    if not failure.services:
        return []
    clock = known_field("finished_at")
    until_ns = failure.finished_at_ns or visit.now_ns
    in_time = NumberRange(clock, failure.started_at_ns - _BEFORE_NS, until_ns)
    selection = Selection(
        query=all_of((of_its_services(failure), in_time)), sort=clock, limit=1_000
    )
    found = visit.store.deployments.select(visit.organisation, selection)
    earlier = list(reversed(found))
    keys = visit.store.settings.match_keys(visit.organisation)
    named = incidents_by_deployment([failure], earlier, keys=keys)
    return [each for each in earlier if each.id in named]


def _how(failure: Failure, deployment: Deployment) -> str:
    if f"{DEPLOYMENT_TAG}{deployment.id}" in failure.custom_tags:
        return "its tag names the id"
    if failure.git and deployment.git and failure.git.commit_sha == deployment.git.commit_sha:
        return "it was seen on the same commit"
    return "it was seen on the same version"
