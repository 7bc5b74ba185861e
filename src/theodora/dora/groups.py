"""Sorting events into groups by service, team, environment, repository or a custom tag."""

from collections.abc import Iterable, Sequence
from itertools import product
from typing import Protocol, TypeVar

NONE = "(none)"
"""The group of events that have no value of the key."""

_FIELDS = ("team", "env", "repository_id")


class Groupable(Protocol):
    """An event, as groups see it."""

    @property
    def services(self) -> tuple[str, ...]: ...
    @property
    def env(self) -> str | None: ...
    @property
    def team(self) -> str | None: ...
    @property
    def repository_id(self) -> str | None: ...
    @property
    def custom_tags(self) -> tuple[str, ...]: ...


Event = TypeVar("Event", bound=Groupable)


def grouped(events: Iterable[Event], keys: Sequence[str]) -> dict[tuple[str, ...], list[Event]]:
    """Events by their values of `keys`, one tuple a group.

    An event with two values of a key is in both groups, so groups may overlap and their sum
    exceed the total. Without keys all are in the group `()`.
    """
    groups: dict[tuple[str, ...], list[Event]] = {}
    for event in events:
        for group in product(*(_values(event, key) for key in keys)):
            groups.setdefault(group, []).append(event)
    return groups


def _values(event: Groupable, key: str) -> Sequence[str]:
    if key == "service":
        found = event.services
    elif key in _FIELDS:
        value: str | None = getattr(event, key)
        found = (value,) if value else ()
    else:
        found = _tag_values(event.custom_tags, key)
    return found or (NONE,)


def _tag_values(custom_tags: Iterable[str], key: str) -> Sequence[str]:
    prefix = f"{key}:"
    values = (tag.removeprefix(prefix) for tag in custom_tags if tag.startswith(prefix))
    return tuple(dict.fromkeys(values))
