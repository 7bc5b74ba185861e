"""The newest deployment of something, with the chip of its verdict."""

from collections.abc import Sequence
from typing import NamedTuple

from theodora.events import Deployment
from theodora.query import Kind, Query, all_of, sort_key
from theodora.report.links import VERDICTS, deployment_path
from theodora.storage import Selection
from theodora.web.pages.shell.page import Visit


class Last(NamedTuple):
    """The newest deployment of a group."""

    deployment: Deployment
    path: str
    chip: str
    word: str


def last_deployment(visit: Visit, clauses: Sequence[Query]) -> Last | None:
    """The newest one ever that all of `clauses` are true of."""
    sort = sort_key("finished_at", Kind.DEPLOYMENT)
    assert sort is not None
    selection = Selection(query=all_of(clauses), sort=sort, limit=1)
    found = visit.store.deployments.select(visit.organisation, selection)
    if not found:
        return None
    chip, word = VERDICTS[found[0].change_failure]
    return Last(found[0], deployment_path(found[0]), chip, word)
