"""Parameters that requests for metrics, of whatever kind, have in common."""

from collections.abc import Callable, Generator, Iterable
from contextlib import contextmanager
from typing import Annotated, Literal, TypeAlias

from msgspec import Meta, UnsetType

from theodora.dora.metrics.calendar import Interval, WeekStart
from theodora.errors import Invalid, Problem

Form = Literal["json", "csv"]

ENDS = "RFC 3339, a date or date-time in the time zone, or a Unix timestamp"
"""How an instant is written."""

Start: TypeAlias = (
    Annotated[
        str,
        Meta(description=f"The start, included: {ENDS}. Default: 12 weeks, with the week of `to`."),
    ]
    | UnsetType
)
End: TypeAlias = (
    Annotated[str, Meta(description=f"The end, not included: {ENDS}. Default: now.")] | UnsetType
)
Cut: TypeAlias = Annotated[Interval, Meta(description="What the period is cut into.")]
Zone: TypeAlias = Annotated[str, Meta(description="An IANA zone, in which days begin.")]
FirstDay: TypeAlias = Annotated[WeekStart, Meta(description="What day weeks start on.")]
Now: TypeAlias = (
    Annotated[
        str, Meta(description=f"What counts as now: {ENDS}. Default: the time of the request.")
    ]
    | UnsetType
)
AnswerForm: TypeAlias = Annotated[Form, Meta(description="How to answer.")]


def keys_among(known: Iterable[str]) -> Callable[[str], tuple[str, ...]]:
    """Reads known keys with commas between them, each once at most."""
    allowed = tuple(known)

    def read(text: str) -> tuple[str, ...]:
        keys = tuple(key.strip() for key in text.split(","))
        if len(set(keys)) < len(keys) or not set(keys) <= set(allowed):
            raise Invalid(Problem(f'must be different ones of "{" ".join(allowed)}"'))
        return keys

    return read


@contextmanager
def named_problems() -> Generator[None]:
    """Has each problem of an `Invalid` name its parameter in its sentence."""
    try:
        yield
    except Invalid as invalid:
        raise Invalid(*map(_named, invalid.problems)) from None


def _named(problem: Problem) -> Problem:
    if not problem.detail.startswith("must "):
        return problem
    detail = f'parameter "{problem.parameter}" {problem.detail}'
    return Problem(detail, parameter=problem.parameter)
