"""What annotations and commits are about, compared with what a search finds."""

from collections.abc import Iterable, Mapping
from typing import Protocol

from theodora.events.annotations import ABOUT
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

_FIELDS = {resolve(name): name for name in ABOUT}


class Subject(Protocol):
    """What something is about: a service, a team, an environment; each empty for all of them."""

    @property
    def service(self) -> str: ...
    @property
    def team(self) -> str: ...
    @property
    def env(self) -> str: ...


def may_concern(
    tree: Query, subject: Subject, production: ProductionEnvs, teams: Mapping[str, str]
) -> bool | None:
    """Whether the events that match a search are those of the subject; None if some may be.

    Only service, team and environment are compared, and only those that the subject names.
    The team of a named service is the one in `teams`.
    """

    def concern(part: Query) -> bool | None:
        return may_concern(part, subject, production, teams)

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
            envs = production.of_service(subject.service) if subject.service else production.usual
            return is_production(subject.env, envs) if subject.env else None
        case Exists() | Equals() | Wildcard() | NumberRange() | TextRange():
            name = _FIELDS.get(tree.target)
            value = getattr(subject, name) if name else ""
            if name == "team" and not value:
                value = teams.get(subject.service, "")
            return holds(tree, (value,)) if value else None
        case _:
            return None


def _every(known: Iterable[bool | None]) -> bool | None:
    found = set(known)
    return False if False in found else None if None in found else True


def _negated(known: bool | None) -> bool | None:
    return None if known is None else not known
