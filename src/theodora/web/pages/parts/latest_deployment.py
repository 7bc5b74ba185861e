"""The newest deployment of something, with the chip of its verdict."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple
from urllib.parse import quote

from theodora.events import Deployment
from theodora.query import Kind, Query, all_of, sort_key
from theodora.storage import Selection
from theodora.web.pages.shell.page import Visit

VERDICTS: Mapping[bool | None, tuple[str, str]] = {
    False: ("ok", "OK"),
    True: ("failed", "Failed"),
    None: ("pending", "Pending"),
}
"""The chip of a verdict: its icon, and its word."""

UNMEASURED: Mapping[str, str] = {
    "baseline": "Baseline",
    "gap": "After a gap",
    "shallow": "Shallow clone",
}
"""The word of the chip for why a deployment has no lead time."""


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


def deployment_path(deployment: Deployment) -> str:
    """`/deployments/{id}`; whatever the id holds is quoted."""
    return path_of(deployment.id)


def path_of(id_: str) -> str:
    """The same, where the id is all that is known."""
    return f"/deployments/{quote(id_, safe='')}"
