"""Any JSON webhook: settings name a JSONPath for each member of a deployment or an incident."""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import TypeVar, get_args

import msgspec

from theodora.errors import Invalid, Problem
from theodora.events.json_values import JsonObject, JsonValue
from theodora.sources.webhooks.delivery import Delivery, Ignored, SourceSettings
from theodora.sources.webhooks.facts import (
    DeploymentFact,
    DeploymentStatus,
    IncidentFact,
    IncidentStatus,
    WebhookFact,
)
from theodora.sources.webhooks.json_paths import check_path, values_at
from theodora.sources.webhooks.payload import instant_at, text_at

T = TypeVar("T", bound=str)

_DEPLOYMENT: tuple[DeploymentStatus, ...] = get_args(DeploymentStatus)
_INCIDENT: tuple[IncidentStatus, ...] = get_args(IncidentStatus)
_SHARED = ("number", "at", "service", "env", "team", "version", "custom_tags")
_MEMBERS: Mapping[str, tuple[str, ...]] = {
    "deployment": (*_DEPLOYMENT, *_SHARED, "started_at", "repository_url", "commit_sha"),
    "incident": (*_INCIDENT, *_SHARED, "name", "severity"),
}
"""What may have a path. That of a status is a condition."""
JSON_EVENTS = tuple(_MEMBERS)
_NEEDED = ("number", "at")
_MAX_NAME = 1_024


def check_json_settings(settings: SourceSettings) -> None:
    """Raises `Invalid` with what is wrong with the paths."""
    paths = {"deployment": settings.deployment, "incident": settings.incident}
    problems = [each for kind in _MEMBERS for each in _problems(kind, paths[kind])]
    if problems:
        raise Invalid(*problems)


def read_json(delivery: Delivery, settings: SourceSettings) -> Sequence[WebhookFact] | Ignored:
    """The facts of one delivery. Raises `Invalid` where a path finds no number or no time."""
    if not settings.deployment and not settings.incident:
        return Ignored("the settings have no paths of a deployment or an incident")
    facts = [
        *_deployment(_Found(delivery.payload, settings.deployment), settings),
        *_incident(_Found(delivery.payload, settings.incident), settings),
    ]
    return facts or Ignored("no condition of the settings applies")


def _problems(kind: str, paths: Mapping[str, str]) -> list[Problem]:
    problems: list[Problem] = []
    for name, path in paths.items():
        if name not in _MEMBERS[kind]:
            problems.append(Problem(f"{kind}.{name}: use {', '.join(_MEMBERS[kind])}"))
            continue
        try:
            check_path(path)
        except ValueError as error:
            problems.append(Problem(f"{kind}.{name}: {error}"))
    needed = [*_NEEDED, "active"] if kind == "incident" else _NEEDED
    missing = [f"{kind}.{name}" for name in needed if paths and name not in paths]
    return [*problems, *(Problem(f"{name} is missing") for name in missing)]


class _Found:
    """What paths find in one payload."""

    def __init__(self, payload: JsonObject, paths: Mapping[str, str]) -> None:
        self._payload = payload
        self.paths = paths

    def values(self, name: str) -> Sequence[JsonValue]:
        path = self.paths.get(name)
        return [] if path is None else list(values_at(self._payload, path))

    def last_of(self, statuses: Sequence[T]) -> T | None:
        """The last status whose condition finds anything but null and false."""
        return next((name for name in reversed(statuses) if self._applies(name)), None)

    def texts(self, name: str, most: int | None = None) -> list[str]:
        """Texts and numbers, each on one line."""
        written = (
            str(value) if isinstance(value, int | Decimal) else value for value in self.values(name)
        )
        cleaned = (text_at({name: value}, name, most=most) for value in written)
        return [text for text in cleaned if text]

    def text(self, name: str, most: int | None = None) -> str | None:
        """The first text."""
        return next(iter(self.texts(name, most)), None)

    def instant(self, name: str) -> int | None:
        """The first time."""
        times = (instant_at({name: value}, name) for value in self.values(name))
        return next((each for each in times if each is not None), None)

    def number(self) -> str:
        text = self.text("number")
        if text is None:
            raise Invalid(Problem(f'no text or number is at "{self.paths["number"]}"'))
        return text

    def at_ns(self) -> int:
        instant_ns = self.instant("at")
        if instant_ns is None:
            raise Invalid(Problem(f'no time is at "{self.paths["at"]}"'))
        return instant_ns

    def _applies(self, name: str) -> bool:
        return any(value is not None and value is not False for value in self.values(name))


def _deployment(found: _Found, settings: SourceSettings) -> list[WebhookFact]:
    """Without any condition each webhook is a deployment that succeeded."""
    given: list[DeploymentStatus] = [name for name in _DEPLOYMENT if name in found.paths]
    status = found.last_of(given)
    if not found.paths or (given and status is None):
        return []
    fact = DeploymentFact(
        at_ns=found.at_ns(),
        number=found.number(),
        is_global=True,
        status=status or "succeeded",
        service=settings.service_of(found.text("service")),
        env=settings.env_of(found.text("env")),
        team=found.text("team"),
        version=found.text("version"),
        repository_url=found.text("repository_url"),
        commit_sha=found.text("commit_sha"),
        custom_tags=tuple(found.texts("custom_tags")),
    )
    started_at_ns = found.instant("started_at")
    if started_at_ns is None:
        return [fact]
    return [
        msgspec.structs.replace(fact, at_ns=started_at_ns, status="started"),
        fact,
    ]


def _incident(found: _Found, settings: SourceSettings) -> list[WebhookFact]:
    status = found.last_of(_INCIDENT)
    if status is None:
        return []
    service = settings.service_of(found.text("service"))
    return [
        IncidentFact(
            at_ns=found.at_ns(),
            number=found.number(),
            status=status,
            services=(service,) if service else (),
            env=settings.env_of(found.text("env")),
            team=found.text("team"),
            name=found.text("name", _MAX_NAME),
            severity=found.text("severity"),
            version=found.text("version"),
            custom_tags=tuple(found.texts("custom_tags")),
        )
    ]
