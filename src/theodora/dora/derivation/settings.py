"""The settings of a service and of its derivation."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Literal

import msgspec

from theodora.dora.derivation.name_globs import NameFilter
from theodora.dora.derivation.path_globs import PathFilter
from theodora.dora.derivation.rules import (
    DEFAULT_LINKED_RULES,
    DEFAULT_STATIC_RULES,
    LinkedRule,
    StaticRule,
    problems,
)
from theodora.errors import Invalid
from theodora.events.production import PRODUCTION_ENVS

LeadTimeClock = Literal["author_time", "commit_time"]

NAME_GLOBS = ("exclude_authors", "exclude_labels", "bots")
"""The members of settings that are globs over names."""


class ServiceSettings(msgspec.Struct, frozen=True, kw_only=True):
    """The settings of one service; the defaults suit a service with a repository of its own."""

    path_globs: tuple[str, ...] = ()
    """The paths of its repository that belong to the service; empty for all."""
    exclude_authors: tuple[str, ...] = ()
    """Globs over names and e-mail addresses of authors whose commits have no lead time."""
    exclude_labels: tuple[str, ...] = ()
    """Globs over labels of pull requests whose commits have no lead time."""
    lead_time_clock: LeadTimeClock = "author_time"
    """The time of a commit at which its lead time starts. The author time survives a rebase."""
    lead_time_gap_days: int = 60
    """After a longer pause a deployment has no lead times: they would measure the pause. 0: none.

    Datadog docs: commits are not compared across more than 60 days.
    """
    sequence_tag: str | None = None
    """The key of a custom tag, such as `region`, whose values divide the deployments of an
    environment into sequences of their own; None for one sequence."""
    detect_rollbacks: bool = True
    rollback_lookback: int | None = None
    """How many positions back a rollback may reach; None for any number."""
    linked_rules: tuple[LinkedRule, ...] = DEFAULT_LINKED_RULES
    static_rules: tuple[StaticRule, ...] = DEFAULT_STATIC_RULES
    incident_marks_failure: bool = False
    """Whether an incident that names a deployment marks it as failed."""
    production_envs: tuple[str, ...] = PRODUCTION_ENVS
    """The environments that headline figures count, in lower case."""
    team: str | None = None
    """The team of deployments and failures that were sent without one."""
    languages: tuple[str, ...] = ()
    """The programming languages of the service."""
    tags: tuple[str, ...] = ()
    """Tags that describe the service, such as `tier:1`."""
    bots: tuple[str, ...] = ()
    """Globs over names and e-mail addresses of authors that are bots, beside those that are known;
    only for the organisation."""
    service_files: bool = False
    """Whether mirrored repositories describe their services; only for the organisation."""
    repository_aliases: Mapping[str, str] = {}
    """The new ids of repositories that moved, by their old ones; only for the organisation."""


def usable(settings: ServiceSettings) -> ServiceSettings:
    """The settings without what this version cannot use, such as patterns saved by another one."""
    linked = tuple(rule for rule in settings.linked_rules if not problems(rule))
    static = tuple(rule for rule in settings.static_rules if not problems(rule))
    globs = {
        "path_globs": _usable_globs(settings.path_globs, PathFilter),
        **{
            name: _usable_globs(getattr(settings, name), partial(NameFilter, member=name))
            for name in NAME_GLOBS
        },
    }
    found = msgspec.structs.replace(settings, linked_rules=linked, static_rules=static, **globs)
    return settings if found == settings else found


def _usable_globs(
    globs: tuple[str, ...], read: Callable[[tuple[str, ...]], object]
) -> tuple[str, ...]:
    try:
        read(globs)
    except Invalid:
        return ()
    return globs
