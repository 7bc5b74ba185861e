"""Settings of services, and of the organisation for services that say nothing else."""

from concurrent.futures import Future
from typing import Any

import msgspec

from theodora.dora import ServiceSettings
from theodora.storage.cursor import Cursor
from theodora.storage.database import Database
from theodora.storage.marks import mark_organisation, mark_service
from theodora.storage.organisations import Organisation

WHOLE_ORGANISATION = ""
"""In the place of a service."""

Given = dict[str, Any]
"""Members of `ServiceSettings` by name, as JSON has them; those left out are not set here."""


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

    def put(
        self, org: Organisation, given: Given, service: str = WHOLE_ORGANISATION
    ) -> Future[ServiceSettings]:
        """Replaces what was set there; the future says what then holds.

        `given` has been checked (`theodora.dora.given`).
        """

        def write(cursor: Cursor) -> ServiceSettings:
            _put(cursor, org, service, given)
            if service == WHOLE_ORGANISATION:
                mark_organisation(cursor, org)
            else:
                mark_service(cursor, org, service)
            return effective_settings(cursor, org, service)

        return self._database.write(write)


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


def _put(cursor: Cursor, org: Organisation, service: str, given: Given) -> None:
    cursor.execute(
        "INSERT INTO settings (org, service, document) VALUES (?, ?, ?) "
        "ON CONFLICT (org, service) DO UPDATE SET document = excluded.document",
        (org.key, service, msgspec.json.encode(given).decode()),
    )
