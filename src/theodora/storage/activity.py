"""The store's rows on AI coding tools, one for each person, day and tool."""

from collections.abc import Sequence
from concurrent.futures import Future
from datetime import date
from typing import LiteralString

import msgspec

from theodora.dora.assistance.shipped import ActiveDay
from theodora.errors import NotFound
from theodora.events.activity import UserActivity
from theodora.events.values import DAY_NS
from theodora.storage.engine.actor import Actor
from theodora.storage.engine.audit import Recorder, audited
from theodora.storage.engine.cursor import Cursor, only_value
from theodora.storage.engine.database import Database
from theodora.storage.engine.organisations import Organisation

_OF_PERSON: LiteralString = "FROM user_activity WHERE org = ? AND user_email = ?"
_EPOCH = date(1970, 1, 1).toordinal()

_decode_models = msgspec.json.Decoder(tuple[str, ...]).decode


class Activity:
    """Every method is about one organisation and sees no other."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(
        self, org: Organisation, activity: Sequence[UserActivity], *, actor: Actor
    ) -> Future[None]:
        """Adds all or, on an error, nothing; replaces earlier rows for the same person, day and
        tool, and uses the last of duplicates."""
        return self._database.write(
            lambda cursor: _write_activity(cursor, org, activity), actor, org=org.key
        )

    def erase(self, org: Organisation, user_email: str, *, actor: Actor) -> Future[int]:
        """Removes what was reported of a person; the number of rows. The address in any case.

        The entry of the audit log does not name the person. Raises `NotFound` if there is nothing.
        """

        def write(cursor: Cursor, recorder: Recorder) -> int:
            of_person = (org.key, user_email.lower())
            erased = only_value(cursor.execute(f"SELECT count(*) {_OF_PERSON}", of_person))
            if not erased:
                raise NotFound("there is no activity of this address")
            cursor.execute(f"DELETE {_OF_PERSON}", of_person)
            recorder.record(org, "activity.erased", "", after={"rows": erased})
            return erased

        return audited(self._database, write, actor, org=org.key)

    def everything(self, org: Organisation) -> list[UserActivity]:
        """Ordered by day, person and tool."""
        return self._database.read(lambda cursor: _all(cursor, org))


def active_days(cursor: Cursor, org: Organisation, days: range) -> list[ActiveDay]:
    """Who was active with what on one of the days."""
    rows = cursor.execute(
        "SELECT user_email, day, tool FROM user_activity "
        "WHERE org = ? AND day >= ? AND day <= ? AND is_active = 1",
        (org.key, *(date.fromordinal(day + _EPOCH).isoformat() for day in (days[0], days[-1]))),
    )
    return [
        ActiveDay(user_email, date.fromisoformat(day).toordinal() - _EPOCH, tool)
        for user_email, day, tool in rows
    ]


def day_of(at_ns: int) -> str:
    """The date of an instant in UTC, as rows have their days."""
    return date.fromordinal(at_ns // DAY_NS + _EPOCH).isoformat()


def count_before(cursor: Cursor, org: Organisation, day: str) -> int:
    """The number of rows about earlier days."""
    return only_value(
        cursor.execute(
            "SELECT count(*) FROM user_activity WHERE org = ? AND day < ?", (org.key, day)
        )
    )


def remove_first_day_before(cursor: Cursor, org: Organisation, day: str) -> int:
    """Removes the rows of the first day, if that is an earlier one; their number."""
    first = only_value(
        cursor.execute(
            "SELECT min(day) FROM user_activity WHERE org = ? AND day < ?", (org.key, day)
        )
    )
    if first is None:
        return 0
    removed = cursor.execute(
        "DELETE FROM user_activity WHERE org = ? AND day = ? RETURNING user_email",
        (org.key, first),
    )
    return len(removed.fetchall())


def _write_activity(cursor: Cursor, org: Organisation, activity: Sequence[UserActivity]) -> None:
    cursor.executemany(
        "INSERT INTO user_activity (org, user_email, day, tool, is_active, models) "
        "VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (org, day, user_email, tool) DO UPDATE SET "
        "is_active = excluded.is_active, models = excluded.models",
        [
            (org.key, one.user_email, one.day, one.tool, int(one.is_active), _models(one))
            for one in activity
        ],
    )


def _all(cursor: Cursor, org: Organisation) -> list[UserActivity]:
    rows = cursor.execute(
        "SELECT user_email, day, tool, is_active, models FROM user_activity WHERE org = ? "
        "ORDER BY day, user_email, tool",
        (org.key,),
    )
    return [
        UserActivity(
            user_email=user_email,
            day=day,
            tool=tool,
            is_active=bool(is_active),
            models=_decode_models(models) if models else (),
        )
        for user_email, day, tool, is_active, models in rows
    ]


def _models(activity: UserActivity) -> str | None:
    return msgspec.json.encode(activity.models).decode() if activity.models else None
