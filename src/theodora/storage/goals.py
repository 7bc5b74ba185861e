"""The store's goals: lines on charts at a value that people aim at."""

from collections.abc import Sequence
from concurrent.futures import Future
from typing import LiteralString, NamedTuple

from theodora.errors import Invalid, NotFound, Problem
from theodora.events.values import content_id
from theodora.storage.engine.actor import Actor
from theodora.storage.engine.audit import AuditValues, Recorder, audited
from theodora.storage.engine.cursor import Cursor, only_value
from theodora.storage.engine.database import Database
from theodora.storage.engine.organisations import Organisation

MAX_GOALS = 2_000
"""Of an organisation."""
_THE_ONE: LiteralString = "WHERE org = ? AND metric = ? AND service = ? AND team = ?"


class GoalSubject(NamedTuple):
    """What a goal is for: a metric of a service, of a team, or of everything."""

    metric: str
    """Its name."""
    service: str = ""
    team: str = ""
    """At most one of both."""

    @property
    def id(self) -> str:
        """The same for the same subject."""
        return content_id(*self)


class Goal(NamedTuple):
    """A value that people aim at, and who set it when."""

    subject: GoalSubject
    value: float
    """Seconds, a share of 1, or deployments a day."""
    set_at_ns: int
    set_by: str


class Goals:
    """Every method is about one organisation and sees no other."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def put(
        self, org: Organisation, subject: GoalSubject, value: float, now_ns: int, *, actor: Actor
    ) -> Future[None]:
        """Sets a goal, or gives it another value.

        Raises `Invalid` if the organisation has as many as it may have.
        """

        def write(cursor: Cursor, recorder: Recorder) -> None:
            before = _value(cursor, org, subject)
            held = only_value(
                cursor.execute("SELECT count(*) FROM goals WHERE org = ?", (org.key,))
            )
            if before is None and held >= MAX_GOALS:
                raise Invalid(Problem(f"there are {held} goals already: remove some first"))
            cursor.execute(
                "INSERT INTO goals (org, metric, service, team, value, set_at_ns, set_by) "
                "VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT (org, metric, service, team) DO UPDATE "
                "SET value = excluded.value, set_at_ns = excluded.set_at_ns, "
                "set_by = excluded.set_by",
                (org.key, *subject, value, now_ns, actor.name),
            )
            recorder.record(
                org, "goal.set", _name(subject), before=_values(before), after=_values(value)
            )

        return audited(self._database, write, actor, org=org.key)

    def remove(self, org: Organisation, subject: GoalSubject, *, actor: Actor) -> Future[None]:
        """Raises `NotFound` where there is no such goal."""

        def write(cursor: Cursor, recorder: Recorder) -> None:
            before = _value(cursor, org, subject)
            if before is None:
                raise NotFound(f"there is no goal for {_name(subject)}")
            cursor.execute(f"DELETE FROM goals {_THE_ONE}", (org.key, *subject))
            recorder.record(org, "goal.removed", _name(subject), before=_values(before))

        return audited(self._database, write, actor, org=org.key)

    def all_of(self, org: Organisation) -> Sequence[Goal]:
        """In order of metric, service and team."""

        def read(cursor: Cursor) -> Sequence[Goal]:
            rows = cursor.execute(
                "SELECT metric, service, team, value, set_at_ns, set_by FROM goals WHERE org = ? "
                "ORDER BY metric, service, team",
                (org.key,),
            )
            return [Goal(GoalSubject(*row[:3]), *row[3:]) for row in rows]

        return self._database.read(read)


def _value(cursor: Cursor, org: Organisation, subject: GoalSubject) -> float | None:
    row = cursor.execute(f"SELECT value FROM goals {_THE_ONE}", (org.key, *subject)).fetchone()
    return row[0] if row else None


def _name(subject: GoalSubject) -> str:
    """`change_lead_time service:web`."""
    of = {"service": subject.service, "team": subject.team}
    return " ".join((subject.metric, *(f"{name}:{value}" for name, value in of.items() if value)))


def _values(value: float | None) -> AuditValues:
    return {} if value is None else {"value": value}
