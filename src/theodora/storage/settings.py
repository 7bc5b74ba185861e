"""Settings of services, and of the organisation for services that say nothing else."""

from collections.abc import Callable, Collection, Iterable, Mapping
from concurrent.futures import Future
from typing import Any, NamedTuple

import msgspec

from theodora.dora import ServiceSettings, is_production
from theodora.dora.settings import LeadTimeClock
from theodora.query import NOTHING, Equals, Query, all_of, any_of, complement, resolve
from theodora.storage.cursor import Cursor
from theodora.storage.database import Database
from theodora.storage.marks import mark_organisation, mark_service
from theodora.storage.organisations import Organisation
from theodora.storage.posted import posted_values
from theodora.storage.tables import DEPLOYMENTS, FAILURES
from theodora.storage.teams import WHOLE_ORGANISATION, team_has_changed

MAX_SERVICES = 1_000
"""Services listed at once at the most."""

Given = dict[str, Any]
"""Members of `ServiceSettings` by name, as JSON has them; those left out are not set here."""


class KnownService(NamedTuple):
    """A service that events or settings name, what was set for it and what holds."""

    name: str
    given: Given
    effective: ServiceSettings


class Settings:
    """Every method is about one organisation and sees no other."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def given(self, org: Organisation, service: str = WHOLE_ORGANISATION) -> Given:
        """What was set for the service itself, or for the organisation."""
        return self._database.read(lambda cursor: given_settings(cursor, org, service))

    def effective(self, org: Organisation, service: str) -> ServiceSettings:
        """What holds for the service: its own settings, the organisation's, the defaults."""
        return self._database.read(lambda cursor: effective_settings(cursor, org, service))

    def services(
        self, org: Organisation, after: str = "", limit: int = MAX_SERVICES
    ) -> list[KnownService]:
        """The services that events or settings name, in order of code points.

        `limit` at the most of those whose names come after `after`.
        """
        return self._database.read(lambda cursor: _services(cursor, org, after, limit))

    def production(self, org: Organisation) -> Query:
        """What headline figures count: deployments to production environments, and failures.

        Environments count by their service's settings. It is a query like any other, so that
        searches and metrics can be narrowed by it.
        """
        return self._database.read(lambda cursor: _production(cursor, org))

    def lead_time_clocks(self, org: Organisation) -> Mapping[str, LeadTimeClock]:
        """Where lead times start: of services for which that was set, and of the rest as ""."""
        return self._database.read(lambda cursor: _lead_time_clocks(cursor, org))

    def put(
        self, org: Organisation, given: Given, service: str = WHOLE_ORGANISATION
    ) -> Future[ServiceSettings]:
        """Replaces what was set there; the future says what then holds.

        `given` has been checked (`theodora.dora.given`).
        """
        return self._change(org, service, lambda _: given)

    def merge(
        self, org: Organisation, given: Given, cleared: Collection[str], service: str
    ) -> Future[ServiceSettings]:
        """Adds to what was set there, after clearing some members; the rest stays."""
        return self._change(org, service, lambda now: merged(now, given, cleared))

    def _change(
        self, org: Organisation, service: str, change: Callable[[Given], Given]
    ) -> Future[ServiceSettings]:
        def write(cursor: Cursor) -> ServiceSettings:
            now = given_settings(cursor, org, service)
            given = change(now)
            if given.get("team") != now.get("team"):
                team_has_changed(cursor, org, service)
            _put(cursor, org, service, given)
            if service == WHOLE_ORGANISATION:
                mark_organisation(cursor, org)
            else:
                mark_service(cursor, org, service)
            return effective_settings(cursor, org, service)

        return self._database.write(write)


def merged(now: Given, given: Given, cleared: Collection[str]) -> Given:
    """What is set `now` without the members cleared and with those given."""
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
    """Member by member: what the service says, else the organisation, else the default."""
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


def _production(cursor: Cursor, org: Organisation) -> Query:
    known = {
        env for table in (DEPLOYMENTS, FAILURES) for env in posted_values(cursor, table, org, "env")
    }
    of_organisation = given_settings(cursor, org, WHOLE_ORGANISATION)
    exceptions = {
        service: resolved(of_organisation, given).production_envs
        for service, given in _given_to_services(cursor, org).items()
        if "production_envs" in given
    }
    usual = _env_is_one_of(known, resolved(of_organisation, {}).production_envs)
    named = [Equals(_SERVICE, service) for service in exceptions]
    if not named:
        return usual
    others = all_of([complement(any_of(named)), usual])
    of_named = (
        all_of([service, _env_is_one_of(known, envs)])
        for service, envs in zip(named, exceptions.values(), strict=True)
    )
    return any_of([others, *of_named])


_SERVICE, _ENV = resolve("service"), resolve("env")


def _env_is_one_of(known: Iterable[str], production_envs: Collection[str]) -> Query:
    """Names those of the known environments: they are compared without regard to case."""
    named = [Equals(_ENV, env) for env in sorted(known) if is_production(env, production_envs)]
    return any_of(named) if named else NOTHING


def _put(cursor: Cursor, org: Organisation, service: str, given: Given) -> None:
    cursor.execute(
        "INSERT INTO settings (org, service, document) VALUES (?, ?, ?) "
        "ON CONFLICT (org, service) DO UPDATE SET document = excluded.document",
        (org.key, service, msgspec.json.encode(given).decode()),
    )
