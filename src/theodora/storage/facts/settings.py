"""Settings of services, with the organisation's as defaults."""

import threading
from collections.abc import Callable, Collection, Mapping
from concurrent.futures import Future
from typing import Any, NamedTuple

import msgspec

from theodora.dora import ServiceSettings
from theodora.dora.derivation.settings import LeadTimeClock
from theodora.events import MatchKeys
from theodora.query import NOTHING, ProductionEnvs, Query, leaves_of
from theodora.query.production import names_production, with_production
from theodora.storage.engine.actor import Actor
from theodora.storage.engine.audit import Recorder, audited, changed
from theodora.storage.engine.cursor import Cursor
from theodora.storage.engine.database import Database
from theodora.storage.engine.lru import LruCache
from theodora.storage.engine.organisations import Organisation
from theodora.storage.events.default_team import WHOLE_ORGANISATION, team_has_changed
from theodora.storage.events.field_values import MAX_VALUES, posted_values
from theodora.storage.events.tables import DEPLOYMENTS, FAILURES
from theodora.storage.facts.derivation_queue import queue_organisation, queue_service
from theodora.storage.facts.match_keys import match_keys
from theodora.storage.facts.own_bots import bots_have_changed

MAX_SERVICES = 1_000
"""Most services listed at once."""

_MOST_LEAVES = 100_000
"""Of all trees of production environments that are kept; a leaf takes some hundred bytes."""

Given = dict[str, Any]
"""Members of `ServiceSettings` by name, as JSON has them; those left out are not set here."""


class _Version(NamedTuple):
    """The version of the events and settings in a snapshot."""

    changes: int
    settings: int


class KnownService(NamedTuple):
    """A service that events or settings name, with its own and its effective settings."""

    name: str
    given: Given
    effective: ServiceSettings


class ProductionTrees:
    """A cache of the meaning of `is:production`, by organisation; for any thread.

    To find it out takes as long as a quick search, so it is kept until an event or a setting
    changes.
    """

    def __init__(self) -> None:
        self._known: LruCache[int, tuple[_Version, Query]] = LruCache(_MOST_LEAVES)
        self._lock = threading.Lock()

    def tree(self, cursor: Cursor, org: Organisation) -> Query:
        """The query that finds what is in production among the events that are stored now."""
        # Read in the same snapshot: what another process has written by then counts too.
        version = _version(cursor, org)
        with self._lock:
            known = self._known.get(org.key)
        if known is not None and known[0] == version:
            return known[1]
        tree = _production_tree(cursor, org)
        with self._lock:
            self._known.put(org.key, (version, tree), sum(1 for _ in leaves_of(tree)))
        return tree

    def resolve(self, cursor: Cursor, org: Organisation, query: Query) -> Query:
        """The query with that tree in place of `is:production`."""
        if not names_production(query):
            return query
        return with_production(query, self.tree(cursor, org))


class Settings:
    """Every method is about one organisation and sees no other."""

    def __init__(self, database: Database, production: ProductionTrees) -> None:
        self._database = database
        self._production = production

    def given(self, org: Organisation, service: str = WHOLE_ORGANISATION) -> Given:
        """The settings of the service itself, or of the organisation."""
        return self._database.read(lambda cursor: given_settings(cursor, org, service))

    def effective(self, org: Organisation, service: str) -> ServiceSettings:
        """The effective settings: the service's own, the organisation's, the defaults."""
        return self._database.read(lambda cursor: effective_settings(cursor, org, service))

    def services(
        self, org: Organisation, after: str = "", limit: int = MAX_SERVICES
    ) -> list[KnownService]:
        """The services that events or settings name, in order of code points.

        at most `limit` of those whose names come after `after`.
        """
        return self._database.read(lambda cursor: _services(cursor, org, after, limit))

    def teams(self, org: Organisation) -> Mapping[str, str]:
        """The teams that settings give to single services, by service."""
        return self._database.read(
            lambda cursor: {
                service: given["team"]
                for service, given in _given_to_services(cursor, org).items()
                if given.get("team")
            }
        )

    def production_envs(self, org: Organisation) -> ProductionEnvs:
        """The production environments by the settings of the organisation and its services."""
        return self._database.read(lambda cursor: production_envs(cursor, org))

    def has_production(self, org: Organisation) -> bool:
        """Whether any event may be in production: its environment is for some service."""
        return self._database.read(lambda cursor: self._production.tree(cursor, org) != NOTHING)

    def match_keys(self, org: Organisation) -> MatchKeys:
        """The keys by which its repositories meet, under the aliases that were set."""
        return self._database.read(lambda cursor: match_keys(cursor, org))

    def lead_time_clocks(self, org: Organisation) -> Mapping[str, LeadTimeClock]:
        """The clock of lead times by service, for those that set one; the others' under ""."""
        return self._database.read(lambda cursor: _lead_time_clocks(cursor, org))

    def put(
        self, org: Organisation, given: Given, service: str = WHOLE_ORGANISATION, *, actor: Actor
    ) -> Future[ServiceSettings]:
        """Replaces the settings; the future has the effective settings.

        `given` has been checked (`theodora.dora.derivation.settings_input`).
        """
        return self._change(org, service, lambda _: given, actor)

    def merge(
        self,
        org: Organisation,
        given: Given,
        cleared: Collection[str],
        service: str,
        *,
        actor: Actor,
    ) -> Future[ServiceSettings]:
        """Clears and sets some members; the others stay."""
        return self._change(org, service, lambda now: merged(now, given, cleared), actor)

    def _change(
        self, org: Organisation, service: str, change: Callable[[Given], Given], actor: Actor
    ) -> Future[ServiceSettings]:
        def write(cursor: Cursor, recorder: Recorder) -> ServiceSettings:
            now = given_settings(cursor, org, service)
            given = change(now)
            if given != now:
                before, after = changed(now, given)
                recorder.record(org, "settings.changed", service, before=before, after=after)
            if given.get("team") != now.get("team"):
                team_has_changed(cursor, org, service)
            if given.get("bots") != now.get("bots"):
                bots_have_changed(cursor, org)
            _write_settings(cursor, org, service, given)
            if service == WHOLE_ORGANISATION:
                queue_organisation(cursor, org)
            else:
                queue_service(cursor, org, service)
            return effective_settings(cursor, org, service)

        return audited(self._database, write, actor, org=org.key)


def merged(now: Given, given: Given, cleared: Collection[str]) -> Given:
    """The settings `now` without the members `cleared` and with those `given`."""
    return {**{name: now[name] for name in now if name not in cleared}, **given}


def given_settings(cursor: Cursor, org: Organisation, service: str) -> Given:
    row = cursor.execute(
        "SELECT document FROM settings WHERE org = ? AND service = ?", (org.key, service)
    ).fetchone()
    return msgspec.json.decode(row[0], type=Given) if row else {}


def effective_settings(cursor: Cursor, org: Organisation, service: str) -> ServiceSettings:
    return resolved(
        given_settings(cursor, org, WHOLE_ORGANISATION), given_settings(cursor, org, service)
    )


def resolved(of_organisation: Given, of_service: Given) -> ServiceSettings:
    """Member by member: the service's value, else the organisation's, else the default."""
    return msgspec.convert({**of_organisation, **of_service}, ServiceSettings)


def _services(cursor: Cursor, org: Organisation, after: str, limit: int) -> list[KnownService]:
    of_organisation = given_settings(cursor, org, WHOLE_ORGANISATION)
    given = _given_to_services(cursor, org)
    names = {name for name in given if name > after}
    for table in (DEPLOYMENTS, FAILURES):
        names.update(posted_values(cursor, table, org, "service", after, limit))
    return [
        KnownService(name, given.get(name, {}), resolved(of_organisation, given.get(name, {})))
        for name in sorted(names)[:limit]
    ]


def _given_to_services(cursor: Cursor, org: Organisation) -> dict[str, Given]:
    rows = cursor.execute(
        "SELECT service, document FROM settings WHERE org = ? AND service <> ?",
        (org.key, WHOLE_ORGANISATION),
    )
    given = {service: msgspec.json.decode(document, type=Given) for service, document in rows}
    return {service: each for service, each in given.items() if each}


def _lead_time_clocks(cursor: Cursor, org: Organisation) -> dict[str, LeadTimeClock]:
    of_organisation = given_settings(cursor, org, WHOLE_ORGANISATION)
    given = {WHOLE_ORGANISATION: {}, **_given_to_services(cursor, org)}
    return {
        service: resolved(of_organisation, each).lead_time_clock
        for service, each in given.items()
        if service == WHOLE_ORGANISATION or "lead_time_clock" in each
    }


def production_envs(cursor: Cursor, org: Organisation) -> ProductionEnvs:
    """The production environments of the organisation and of services with their own."""
    of_organisation = given_settings(cursor, org, WHOLE_ORGANISATION)
    return ProductionEnvs(
        resolved(of_organisation, {}).production_envs,
        {
            service: resolved(of_organisation, given).production_envs
            for service, given in _given_to_services(cursor, org).items()
            if "production_envs" in given
        },
    )


def _production_tree(cursor: Cursor, org: Organisation) -> Query:
    envs = production_envs(cursor, org)
    known = {
        env for table in (DEPLOYMENTS, FAILURES) for env in posted_values(cursor, table, org, "env")
    }
    if len(known) >= MAX_VALUES:
        # Not all are known. The names as they are set must not be missed.
        known.update(envs.usual, *envs.by_service.values())
    return envs.tree(known)


def _version(cursor: Cursor, org: Organisation) -> _Version:
    """Differs whenever an event or a setting of the organisation has changed."""
    changes = "SELECT coalesce(max(number), 0) FROM changes WHERE org = ?1"
    settings = "SELECT value FROM counters WHERE org = ?1 AND name = 'settings'"
    row = cursor.execute(f"SELECT ({changes}), ({settings})", (org.key,)).fetchone()
    assert row is not None, "a statement without a row"
    return _Version(*row)


def _write_settings(cursor: Cursor, org: Organisation, service: str, given: Given) -> None:
    cursor.execute(
        "INSERT INTO settings (org, service, document) VALUES (?, ?, ?) "
        "ON CONFLICT (org, service) DO UPDATE SET document = excluded.document",
        (org.key, service, msgspec.json.encode(given).decode()),
    )
    cursor.execute(
        "UPDATE counters SET value = value + 1 WHERE org = ? AND name = 'settings'", (org.key,)
    )
