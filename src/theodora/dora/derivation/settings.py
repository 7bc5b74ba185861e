"""The settings of a service and of its derivation."""

from collections.abc import Mapping
from typing import Literal

import msgspec

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


class ServiceSettings(msgspec.Struct, frozen=True, kw_only=True):
    """The settings of one service; the defaults suit a service with a repository of its own."""

    path_globs: tuple[str, ...] = ()
    """The paths of its repository that belong to the service; empty for all."""
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
    repository_aliases: Mapping[str, str] = {}
    """The new ids of repositories that moved, by their old ones; only for the organisation."""


def usable(settings: ServiceSettings) -> ServiceSettings:
    """The settings without what this version cannot use, such as patterns saved by another one."""
    linked = tuple(rule for rule in settings.linked_rules if not problems(rule))
    static = tuple(rule for rule in settings.static_rules if not problems(rule))
    globs = settings.path_globs
    try:
        PathFilter(globs)
    except Invalid:
        globs = ()
    if (linked, static, globs) == (
        settings.linked_rules,
        settings.static_rules,
        settings.path_globs,
    ):
        return settings
    return msgspec.structs.replace(
        settings, linked_rules=linked, static_rules=static, path_globs=globs
    )
