"""The annotations that concern the charts of a page, as flags and as a list."""

from collections.abc import Iterable, Mapping, Sequence
from itertools import islice
from typing import NamedTuple, Protocol

from theodora.events.annotations import ABOUT, Annotation
from theodora.events.production import is_production
from theodora.query import (
    And,
    Equals,
    Everything,
    Exists,
    Not,
    NumberRange,
    Or,
    Production,
    Query,
    TextRange,
    Wildcard,
    resolve,
)
from theodora.query.matches import holds
from theodora.query.production import ProductionEnvs
from theodora.report.charts import Flag
from theodora.report.scope import Scope
from theodora.storage import Organisation, Store

MOST_FLAGS = 9
"""So that a number has one digit, and a page stays short."""
_MOST_READ = 500

_FIELDS = {resolve(name): name for name in ABOUT}


class Concerned(Protocol):
    """Something about a service, a team and an environment; empty for all of them."""

    @property
    def service(self) -> str: ...
    @property
    def team(self) -> str: ...
    @property
    def env(self) -> str: ...


class ChartAnnotations(NamedTuple):
    """The newest annotations of a period, in order of time."""

    flags: Sequence[Flag] = ()
    has_more: bool = False
    """Whether there are earlier ones in the period."""


def annotations_of(
    store: Store, org: Organisation, scope: Scope, tree: Query | None = None
) -> ChartAnnotations:
    """Those that may concern what the charts of `scope` show, or those of a narrower `tree`."""
    period, asked = scope.period, scope.tree if tree is None else tree
    read = store.annotations.newest(org, _MOST_READ, period.start_ns, period.end_ns)
    if not read:
        return ChartAnnotations()
    production = store.settings.production_envs(org)
    teams = store.settings.teams(org)
    concerning = (
        each.content
        for each in read
        if may_concern(asked, each.content, production, teams) is not False
    )
    found = list(islice(concerning, MOST_FLAGS + 1))
    shown = sorted(found[:MOST_FLAGS], key=lambda each: (each.at_ns, each.id))
    flags = [_flag(each, number) for number, each in enumerate(shown, 1)]
    return ChartAnnotations(flags, has_more=len(found) > MOST_FLAGS)


def may_concern(
    tree: Query, content: Concerned, production: ProductionEnvs, teams: Mapping[str, str]
) -> bool | None:
    """Whether the events that match are what an annotation is about; None if some may be.

    Only service, team and environment are compared, and only those that the annotation names.
    The team of a named service is the one in `teams`.
    """

    def concern(part: Query) -> bool | None:
        return may_concern(part, content, production, teams)

    match tree:
        case Everything():
            return True
        case And(parts):
            return _every(map(concern, parts))
        case Or(parts):
            return _negated(_every(_negated(each) for each in map(concern, parts)))
        case Not(part):
            return _negated(concern(part))
        case Production():
            envs = production.of_service(content.service) if content.service else production.usual
            return is_production(content.env, envs) if content.env else None
        case Exists() | Equals() | Wildcard() | NumberRange() | TextRange():
            name = _FIELDS.get(tree.target)
            value = getattr(content, name) if name else ""
            if name == "team" and not value:
                value = teams.get(content.service, "")
            return holds(tree, (value,)) if value else None
        case _:
            return None


def _every(known: Iterable[bool | None]) -> bool | None:
    found = set(known)
    return False if False in found else None if None in found else True


def _negated(known: bool | None) -> bool | None:
    return None if known is None else not known


def _flag(content: Annotation, number: int) -> Flag:
    about = ", ".join(value for value in content.about.values() if value)
    words = f"{content.text} ({about})" if about else content.text
    return Flag(content.at_ns, number, words, f"#annotation-{number}")
