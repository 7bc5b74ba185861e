"""Deployments in the store: events, and verdicts given on them by hand."""

from collections.abc import Iterator
from concurrent.futures import Future

from theodora.errors import NotFound
from theodora.events import Deployment
from theodora.storage import rows
from theodora.storage.cursor import Cursor
from theodora.storage.database import Database
from theodora.storage.organisations import Organisation
from theodora.storage.rows import Placed, Stored
from theodora.storage.selection import Selection, select_events
from theodora.storage.tables import DEPLOYMENTS
from theodora.storage.verdicts import Verdict, apply_verdict, drop_verdict, relink


class Deployments:
    """Every method is about one organisation and sees no other."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(
        self, org: Organisation, deployment: Deployment, now_ns: int
    ) -> Future[Placed[Deployment]]:
        """Adds or replaces; the future says what became of it, once that is durable."""

        def write(cursor: Cursor) -> Placed[Deployment]:
            placed = rows.put(cursor, DEPLOYMENTS, org, deployment, now_ns)
            relink(cursor, org, placed.states)
            return placed

        return self._database.write(write)

    def get(self, org: Organisation, id_: str) -> Deployment:
        """Raises `NotFound` where there is no such deployment."""
        return self._database.read(lambda cursor: _found(cursor, org, id_).event)

    def select(self, org: Organisation, selection: Selection) -> list[Deployment]:
        return self._database.read(
            lambda cursor: select_events(cursor, DEPLOYMENTS, org, selection)
        )

    def update(self, org: Organisation, id_: str, patch: Verdict) -> Future[None]:
        """Gives a verdict; raises `NotFound` where there is no such deployment."""
        return self._database.write(
            lambda cursor: apply_verdict(cursor, org, _found(cursor, org, id_), patch)
        )

    def update_by_version(
        self, org: Organisation, service: str, env: str, version: str, patch: Verdict
    ) -> Future[None]:
        """Gives a verdict on the one that finished last of those with this version."""

        def write(cursor: Cursor) -> None:
            id_ = _latest_of_version(cursor, org, service, env, version)
            apply_verdict(cursor, org, _found(cursor, org, id_), patch)

        return self._database.write(write)

    def everything(self, org: Organisation) -> Iterator[Deployment]:
        """Every one, in order of first receipt; what comes in meanwhile is included."""
        return rows.everything(self._database.read, DEPLOYMENTS, org)

    def count(self) -> int:
        """How many there are, in every organisation."""
        return self._database.read(lambda cursor: rows.count_rows(cursor, DEPLOYMENTS))

    def delete(self, org: Organisation, id_: str) -> Future[None]:
        """Removes the event and its verdict; raises `NotFound` where there is none."""

        def write(cursor: Cursor) -> None:
            stored = _found(cursor, org, id_)
            drop_verdict(cursor, stored)
            rows.remove(cursor, DEPLOYMENTS, org, stored)
            relink(cursor, org, [stored])

        return self._database.write(write)


def _found(cursor: Cursor, org: Organisation, id_: str) -> Stored[Deployment]:
    stored = rows.find(cursor, DEPLOYMENTS, org, id_)
    if stored is None:
        raise NotFound("deployment does not exist")
    return stored


def _latest_of_version(
    cursor: Cursor, org: Organisation, service: str, env: str, version: str
) -> str:
    row = cursor.execute(
        "SELECT id FROM deployments WHERE org = ? AND service = ? AND env = ? AND version = ? "
        "ORDER BY finished_at_ns DESC, id DESC LIMIT 1",
        (org.key, service, env, version),
    ).fetchone()
    if row is None:
        raise NotFound(
            f'deployment of service "{service}" in env "{env}" with version "{version}" '
            "does not exist"
        )
    return str(row[0])
