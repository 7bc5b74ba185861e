"""Problems of queries, with their position apart from the text."""

import re
from typing import NamedTuple

from theodora.errors import Invalid

_PLACED = re.compile(r"error parsing attribute \"query\": (.*) at position (\d+)", re.DOTALL)


class QueryProblem(NamedTuple):
    """The first problem of a query, after which nothing is read."""

    message: str
    position: int | None
    """Counted from 1; None if the text itself is the problem."""


def query_problem(error: Invalid) -> QueryProblem | None:
    """The problem that `parse` raised; None for an error that is about something else."""
    found = next((problem for problem in error.problems if problem.path == ("query",)), None)
    if found is None:
        return None
    placed = _PLACED.fullmatch(found.detail)
    return QueryProblem(placed[1], int(placed[2])) if placed else QueryProblem(found.detail, None)
