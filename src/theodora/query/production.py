"""The condition `is:production`, as a predicate of events and as a query tree.

Which environments are production is a setting of an organisation and its services. The parser makes
a `Production` node; whoever runs the query replaces it by a condition from the settings.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import pairwise

from theodora.events import Deployment
from theodora.events.production import PRODUCTION_ENVS, is_production
from theodora.events.pull_requests import PullRequestEvent
from theodora.query.ast import (
    NOTHING,
    And,
    Bound,
    Equals,
    Everything,
    Exists,
    Leaf,
    Not,
    Or,
    Production,
    Query,
    Text,
    TextRange,
    all_of,
    any_of,
    complement,
    leaves_of,
)
from theodora.query.fields import Field, Searched, resolve

_SERVICE, _ENV = resolve("service"), resolve("env")


@dataclass(frozen=True, slots=True)
class ProductionEnvs:
    """The production environments of an organisation, in lower case."""

    usual: Collection[str] = PRODUCTION_ENVS
    by_service: Mapping[str, Collection[str]] = field(default_factory=dict[str, Collection[str]])
    """The environments of services with their own setting."""

    def of_service(self, service: str) -> Collection[str]:
        """The production environments of one service."""
        return self.by_service.get(service, self.usual)

    def hold(self, event: Searched) -> bool:
        """Whether the event is in production: for its service, or for any that a failure names.

        A pull request is if any deployment that shipped it is.
        """
        if isinstance(event, PullRequestEvent):
            return any(each.in_production for each in event.deployments)
        services = (event.service,) if isinstance(event, Deployment) else event.services
        envs = [self.of_service(service) for service in services] or [self.usual]
        return any(is_production(event.env, each) for each in envs)

    def tree(self, known: Iterable[str]) -> Query:
        """The condition as a query over events in the environments `known`.

        It names them as written, so that a store can use its index.
        """
        known = sorted(known)
        usual = _env_is_one_of(known, self.usual)
        own = {
            service: tree
            for service, envs in sorted(self.by_service.items())
            if (tree := _env_is_one_of(known, envs)) != usual
        }
        if not own:
            return usual
        in_own = [
            all_of([Equals(_SERVICE, service), tree])
            for service, tree in own.items()
            if tree != NOTHING
        ]
        in_usual = [all_of([_has_another_service(list(own)), usual])] if usual != NOTHING else []
        return any_of([*in_usual, *in_own]) if in_usual or in_own else NOTHING


DEFAULT_PRODUCTION = ProductionEnvs()


@lru_cache(maxsize=512)
def names_production(query: Query) -> bool:
    """Whether `is:production` is a part of the query."""
    return any(isinstance(leaf, Production) for leaf in leaves_of(query))


def names_env(query: Query) -> bool:
    """Whether a part of the query is about environments."""
    return any(map(_is_about_envs, leaves_of(query)))


def _is_about_envs(leaf: Everything | Leaf | Production) -> bool:
    if isinstance(leaf, Everything | Text):
        return False
    return isinstance(leaf, Production) or (
        isinstance(leaf.target, Field) and leaf.target.name == "env"
    )


def with_production(query: Query, production: Query) -> Query:
    """The query with `production` in place of each `is:production`."""
    match query:
        case Production():
            return production
        case And(parts):
            return all_of([with_production(part, production) for part in parts])
        case Or(parts):
            return any_of([with_production(part, production) for part in parts])
        case Not(part):
            return complement(with_production(part, production))
        case _:
            return query


def _env_is_one_of(known: Iterable[str], production_envs: Collection[str]) -> Query:
    named = [Equals(_ENV, env) for env in known if is_production(env, production_envs)]
    return any_of(named) if named else NOTHING


def _has_another_service(services: Sequence[str]) -> Query:
    """A service that is none of these, which are in order, or none at all.

    A failure may name several. `NOT service:x` would be false of one that names x among others,
    so what lies between the names is asked for.
    """
    ends = [Bound(service, None, inclusive=False) for service in services]
    between = [TextRange(_SERVICE, low, high) for low, high in pairwise(ends)]
    return any_of(
        [
            complement(Exists(_SERVICE)),
            TextRange(_SERVICE, None, ends[0]),
            *between,
            TextRange(_SERVICE, ends[-1], None),
        ]
    )
