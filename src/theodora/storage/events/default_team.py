"""The default team of events that were sent without one, from the settings of their services.

An event gets it when it comes in. When the settings change, derivation gives it to deployments,
with everything else that follows from settings, and upkeep to failures.
"""

from collections.abc import Iterable, Mapping
from typing import TypeVar

import msgspec

from theodora.events import Deployment, Failure, with_team_of_services
from theodora.storage.engine.cursor import Cursor
from theodora.storage.engine.organisations import Organisation
from theodora.storage.events.lookup import events_with
from theodora.storage.events.rows import Rows
from theodora.storage.events.tables import FAILURES
from theodora.storage.events.terms import Term

E = TypeVar("E", Deployment, Failure)

WHOLE_ORGANISATION = ""
"""The key of the organisation's settings in place of a service."""

_AT_ONCE = 256
"""Most failures updated in one transaction."""


class _Team(msgspec.Struct):
    """The team in a document of settings."""

    team: str | None = None


_decode_team = msgspec.json.Decoder(_Team).decode


def with_team(cursor: Cursor, org: Organisation, event: E) -> E:
    """The event with the team of its services, if that is one and the same and it has no own."""
    return with_teams(cursor, org, [event])[0]


def with_teams(cursor: Cursor, org: Organisation, events: Iterable[E]) -> list[E]:
    """The same of several events."""
    teams = _Teams(cursor, org)
    return [_with_team(event, teams) for event in events]


class _Teams(dict[str, str | None]):
    """The teams of services, each read once."""

    def __init__(self, cursor: Cursor, org: Organisation) -> None:
        super().__init__()
        self._cursor = cursor
        self._org = org

    def __missing__(self, service: str) -> str | None:
        team = self[service] = _team_of(self._cursor, self._org, service)
        return team


def _with_team(event: E, team_of: Mapping[str, str | None]) -> E:
    if event.team is not None and not event.team_is_filled_in:
        return event
    services = (event.service,) if isinstance(event, Deployment) else event.services
    teams = {team_of[service] for service in services}
    return with_team_of_services(event, teams.pop() if len(teams) == 1 else None)


def _team_of(cursor: Cursor, org: Organisation, service: str) -> str | None:
    """The team from the settings of the service, else of the organisation."""
    rows = cursor.execute(
        "SELECT document FROM settings WHERE org = ? AND service IN (?, ?) ORDER BY service DESC",
        (org.key, service, WHOLE_ORGANISATION),
    ).fetchall()
    teams = (_decode_team(document).team for (document,) in rows)
    return next((team for team in teams if team is not None), None)


def team_has_changed(cursor: Cursor, org: Organisation, service: str) -> None:
    """Queues the failures of a service, or of the organisation, for upkeep."""
    cursor.execute(
        "INSERT INTO stale_teams (org, service, up_to) VALUES (?, ?, -1) "
        "ON CONFLICT (org, service) DO UPDATE SET up_to = excluded.up_to",
        (org.key, service),
    )


def orgs_with_stale_teams(cursor: Cursor) -> set[int]:
    """The organisations with failures that may lack the team which their services have by now."""
    return {org for (org,) in cursor.execute("SELECT org FROM stale_teams").fetchall()}


def give_teams(cursor: Cursor, rows: Rows[Failure], org: Organisation) -> bool:
    """Gives some failures the team that their services have by now; whether more may lack it."""
    stale = cursor.execute(
        "SELECT service, up_to FROM stale_teams WHERE org = ? LIMIT 1", (org.key,)
    ).fetchone()
    if stale is None:
        return False
    service, up_to = stale
    keys = _keys(cursor, org, service, up_to)
    _give(cursor, org, rows, keys)
    _note(cursor, org, service, keys)
    return True


def _give(cursor: Cursor, org: Organisation, rows: Rows[Failure], keys: Iterable[int]) -> None:
    for stored in (rows.get(cursor, org, key) for key in keys):
        if stored is not None:
            rows.derive(cursor, org, stored, with_team(cursor, org, stored.event))


def _note(cursor: Cursor, org: Organisation, service: str, keys: list[int]) -> None:
    if len(keys) < _AT_ONCE:
        cursor.execute("DELETE FROM stale_teams WHERE org = ? AND service = ?", (org.key, service))
    else:
        cursor.execute(
            "UPDATE stale_teams SET up_to = ? WHERE org = ? AND service = ?",
            (keys[-1], org.key, service),
        )


def _keys(cursor: Cursor, org: Organisation, service: str, up_to: int) -> list[int]:
    """The keys of the next failures of a service, or of the organisation, in order."""
    if service == WHOLE_ORGANISATION:
        rows = cursor.execute(
            "SELECT key FROM failures WHERE org = ? AND key > ? ORDER BY key LIMIT ?",
            (org.key, up_to, _AT_ONCE),
        )
    else:
        found = events_with(FAILURES, org, Term("service", service))
        rows = cursor.execute(
            f"SELECT event FROM ({found.sql}) found WHERE event > ? ORDER BY event LIMIT ?",
            (*found.values, up_to, _AT_ONCE),
        )
    return [key for (key,) in rows]
