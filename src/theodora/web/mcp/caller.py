"""The caller of a tool, and what arguments of several tools have in common."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Annotated, Any

from msgspec import UNSET, Meta, Struct, UnsetType

from theodora.events import format_rfc3339
from theodora.events.values import SECOND_NS
from theodora.storage import Organisation, Store

_RELATIVE = re.compile(r"now(?:-(\d{1,5})(m|h|d|w))?")
_UNITS = {"m": "minutes", "h": "hours", "d": "days", "w": "weeks"}

INSTANT = "RFC 3339, `now` or a time before it such as `now-7d` (m, h, d, w)."
Query = Annotated[str, Meta(description="Which events, in the search language. Default: all.")]


class NoArguments(Struct, frozen=True, forbid_unknown_fields=True):
    """Nothing to choose."""


class PeriodArguments(Struct, frozen=True, forbid_unknown_fields=True, rename={"from_": "from"}):
    """A search and a period."""

    query: Query | UnsetType = UNSET
    from_: (
        Annotated[str, Meta(description=f"Start, included: {INSTANT} Default: 12 weeks.")]
        | UnsetType
    ) = UNSET
    to: (
        Annotated[str, Meta(description=f"End, not included: {INSTANT} Default: now.")] | UnsetType
    ) = UNSET


@dataclass(frozen=True, slots=True)
class ToolCaller:
    """The organisation, the time and the place of links of a call."""

    store: Store
    organisation: Organisation
    now_ns: int
    url: str
    """The URL of the dashboard; empty if it is not known."""

    def link(self, path: str) -> str:
        """The URL of a page; only its path if the dashboard's is not known."""
        return f"{self.url}{path}"

    def instant(self, text: str) -> str:
        """`now` and times relative to it in RFC 3339; others as they are."""
        match = _RELATIVE.fullmatch(text.strip())
        if match is None:
            return text
        before = timedelta(**{_UNITS[match[2]]: int(match[1])}) if match[1] else timedelta()
        return format_rfc3339(max(self.now_ns - int(before.total_seconds()) * SECOND_NS, 0))

    def with_instants(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """Arguments with the ends of a period as instants."""
        return {
            name: self.instant(value) if name in {"from", "to"} else value
            for name, value in given.items()
        }
