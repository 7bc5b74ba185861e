"""The newest deployment of something, with the chip of its verdict."""

from collections.abc import Collection, Mapping, Sequence
from typing import NamedTuple

from theodora.events import Deployment
from theodora.query import Exists, Field, Kind, Query, all_of, complement, sort_key
from theodora.query.fields import Scalar, Target
from theodora.query.operands import equals
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
    return _last(found[0]) if found else None


def last_deployments(
    visit: Visit, tree: Query, field: Field, values: Collection[str | None]
) -> Mapping[Scalar | None, Last]:
    """The newest one ever of each of `values` of `field` that `tree` is true of."""
    found = visit.store.metrics.newest_by_value(
        visit.organisation, tree, field, values, since_ns=visit.scope.period.start_ns
    )
    if found is not None:
        return {value: _last(each) for value, each in found.items()}
    # The database finds the newest of each without reading all that match.
    clauses = ((value, has_value(field, value)) for value in values)
    each = ((value, last_deployment(visit, (tree, clause))) for value, clause in clauses)
    return {value: last for value, last in each if last is not None}


def has_value(field: Target, value: str | None) -> Query:
    """The condition of having this value; None is that of having none."""
    return complement(Exists(field)) if value is None else equals(field, value)


def _last(deployment: Deployment) -> Last:
    chip, word = VERDICTS[deployment.change_failure]
    return Last(deployment, deployment_path(deployment), chip, word)
