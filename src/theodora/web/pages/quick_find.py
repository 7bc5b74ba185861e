"""Quick find: one box for services, versions, commits and ids."""

from collections.abc import Iterator
from contextlib import suppress
from typing import NamedTuple
from urllib.parse import quote

from theodora.errors import NotFound
from theodora.events import Deployment
from theodora.query import Query, any_of, parse, sort_key
from theodora.query.fields import Kind
from theodora.report.links import deployment_path
from theodora.report.scope import service_path
from theodora.storage import Selection
from theodora.web.pages.shell.page import Answer, SeeOther, View, Visit

MOST = 20
_LONGEST = 200


class Hit(NamedTuple):
    """Something found, and where it is."""

    kind: str
    name: str
    about: str
    path: str


def find(visit: Visit) -> Answer:
    """Redirects to the one thing with this name; shows a list if there are several, or none."""
    text = visit.query_parameters.get("find", "").strip()[:_LONGEST]
    hits = list(dict.fromkeys(_hits(visit, text))) if text else []
    if len(hits) == 1:
        return SeeOther(visit.scope.href(hits[0].path))
    return View({"text": text, "hits": hits})


def _hits(visit: Visit, text: str) -> Iterator[Hit]:
    yield from _by_id(visit, text)
    deployments = _newest(visit, _named(text))
    services = dict.fromkeys(d.service for d in deployments if text.lower() in d.service.lower())
    yield from (Hit("service", name, "", service_path(name)) for name in services)
    if text not in services:
        yield from (_hit(d) for d in deployments if d.service not in services)


def _by_id(visit: Visit, text: str) -> Iterator[Hit]:
    with suppress(NotFound):
        yield _hit(visit.store.deployments.get(visit.organisation, text))
    with suppress(NotFound):
        failure = visit.store.failures.get(visit.organisation, text)
        yield Hit("failure", failure.name or failure.id, "", f"/failures/{quote(text, safe='')}")


def _newest(visit: Visit, query: Query) -> list[Deployment]:
    sort = sort_key("finished_at", Kind.DEPLOYMENT)
    assert sort is not None
    selection = Selection(query=query, sort=sort, limit=MOST)
    return visit.store.deployments.select(visit.organisation, selection)


def _named(text: str) -> Query:
    """A query for events whose service, version or commit begins with `text`."""
    start = "".join(character if character.isalnum() else f"\\{character}" for character in text)
    clauses = [f"service:{start}*", f"version:{start}*"]
    if text.isalnum():
        clauses.append(f"commit_sha:{text.lower()}*")
    return any_of([parse(clause) for clause in clauses])


def _hit(deployment: Deployment) -> Hit:
    version = deployment.version or deployment.id
    about = f"{deployment.service}, {deployment.env or 'no environment'}"
    return Hit("deployment", version, about, deployment_path(deployment))
