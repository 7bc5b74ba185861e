"""The reason for a refused request as it is counted: short, and without the body."""

from theodora.errors import Invalid, Problem, TooManyRequests
from theodora.storage.access.key_usage import Refused


def rejection_of(error: Exception, status: int) -> Refused:
    """The first problem and the number of others; `status` is that of the reply.

    A place in an array has no number, so that the same mistake in several items is
    counted as one.
    """
    if isinstance(error, Invalid) and error.problems:
        first, *others = error.problems
        more = f" (and {len(others)} more)" if others else ""
        return Refused(status, _place(first), first.detail + more)
    if isinstance(error, TooManyRequests):
        return Refused(status, "", "too many requests: the rate limit of this operation is used up")
    return Refused(status, "", str(error))


def _place(problem: Problem) -> str:
    if problem.parameter is not None:
        return problem.parameter
    path = tuple("*" if isinstance(step, int) else step for step in problem.path)
    return Problem("", path).pointer
