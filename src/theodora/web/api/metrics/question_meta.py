"""What answers about a period say of their question."""

import msgspec

from theodora.dora.metrics.calendar import Interval, Period, WeekStart
from theodora.events import format_rfc3339


class Bounds(msgspec.Struct, frozen=True, rename={"from_": "from"}):
    """A period: from an instant up to, and not including, another. RFC 3339."""

    from_: str
    to: str


class QuestionMeta(msgspec.Struct, frozen=True, rename={"from_": "from"}):
    """The period of a question and how it is divided, with all defaults."""

    from_: str
    to: str
    previous: Bounds
    as_of: str
    timezone: str
    week_start: WeekStart
    interval: Interval


def bounds_of(period: Period) -> tuple[str, str]:
    """Its start and its end."""
    return format_rfc3339(period.start_ns), format_rfc3339(period.end_ns)
