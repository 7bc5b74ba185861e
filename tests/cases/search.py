"""Reads search.json: events, queries with the events they match, and queries with errors."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

import msgspec

from theodora.events import Deployment, Failure, Git, Remediation, nanoseconds_from_rfc3339
from theodora.query import Event

_INSTANTS = ("started_at", "finished_at", "created_at")


@dataclass(frozen=True)
class Case:
    """Of the events `among`, by name, the query matches exactly those in `matching`."""

    query: str
    matching: frozenset[str]
    among: frozenset[str]

    def __str__(self) -> str:
        return self.query or "nothing"


@dataclass(frozen=True)
class ErrorCase:
    """The query is refused with this message at this position, counted from 1."""

    query: str
    message: str
    position: int

    @property
    def detail(self) -> str:
        return f'error parsing attribute "query": {self.message} at position {self.position}'

    def __str__(self) -> str:
        return self.query


def _event(kind: str, attributes: Mapping[str, Any]) -> Event:
    values = {name: value for name, value in attributes.items() if name not in _INSTANTS}
    for name in _INSTANTS:
        if name in attributes:
            values[f"{name}_ns"] = nanoseconds_from_rfc3339(attributes[name])
    for name, part in (("git", Git), ("remediation", Remediation)):
        if name in values:
            values[name] = part(**values[name])
    for name in ("services", "custom_tags"):
        values[name] = tuple(values.get(name, ()))
    if kind == "failure":
        return Failure(**values)
    del values["services"]
    return Deployment(**values)


def _cases() -> Iterator[Case]:
    for construct in CONSTRUCTS:
        for example in construct["matches"]:
            yield Case(
                example["query"], frozenset((example["event"],)), frozenset((example["event"],))
            )
        for example in construct["differs"]:
            yield Case(example["query"], frozenset(), frozenset((example["event"],)))
    for case in chain.from_iterable(_FILE["cases"].values()):
        yield Case(case["query"], frozenset(case["matches"]), frozenset(EVENTS))


_FILE: Mapping[str, Any] = msgspec.json.decode(Path(__file__).with_suffix(".json").read_bytes())

EVENTS: Mapping[str, Event] = {name: _event(**event) for name, event in _FILE["events"].items()}
CONSTRUCTS: tuple[Mapping[str, Any], ...] = tuple(_FILE["constructs"])
CASES: tuple[Case, ...] = tuple(_cases())
ERRORS: tuple[ErrorCase, ...] = tuple(ErrorCase(**error) for error in _FILE["errors"])
