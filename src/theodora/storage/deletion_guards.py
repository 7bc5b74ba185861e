"""Checks that keep the deletion of events from being an accident.

Functions here run inside a transaction that their caller has opened, but for `begin_round`, which
opens one for each organisation.
"""

import shlex
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import NamedTuple

from theodora.errors import OrganisationBusy
from theodora.events import format_rfc3339
from theodora.events.values import DAY_NS
from theodora.storage.engine.actor import Actor
from theodora.storage.engine.audit import Recorder, audited
from theodora.storage.engine.cursor import Cursor, only_value
from theodora.storage.engine.database import Database
from theodora.storage.engine.organisations import NO_ORGANISATION, Organisation

_FEW = 5
"""So many events may go in a round however large a share they are."""
_CLOSE_PERCENT = 1
"""How far a confirmed number may be from the present one: time passes while people read."""


GoOn = Callable[[float], bool]
"""Receives the seconds that the last piece of work took; returns whether to go on."""


class Guards(NamedTuple):
    """The checks before events are deleted."""

    max_percent: int = 10
    """The share of an organisation's events that may go in one round."""
    clock_days: int = 30
    """How far the clock may be from the last round."""
    delay_hours: int = 24
    """How long a shorter limit, once confirmed, can be taken back."""
    organisation_days: int = 7
    """How long the deletion of an organisation can be taken back."""


class Plan(NamedTuple):
    """A shorter limit that begins later."""

    days: int
    begins_at_ns: int


class Unconfirmed(NamedTuple):
    """A shorter limit that was not set, because the number of events was not confirmed."""

    events: int


class RefusedRound(NamedTuple):
    """Why the last round deleted nothing of an organisation."""

    at_ns: int
    reason: str


def is_confirmed(events: int, confirmed: int | None) -> bool:
    """Whether so many events, or about so many, were confirmed to be deleted."""
    if confirmed is None:
        return events == 0
    # Events come and become old between a preview and its confirmation.
    return abs(events - confirmed) <= events * _CLOSE_PERCENT // 100


def begin_round(database: Database, now_ns: int, guards: Guards, actor: Actor) -> str | None:
    """Notes a round and begins the plans that are due; or why there can be none now.

    A refusal is noted for every organisation that has a limit or is to be deleted. Those that
    another process keeps from being written are passed over: the next round looks again.
    """
    note = partial(_note_round, now_ns, guards)
    problem = database.write(note, actor, org=NO_ORGANISATION).result()
    if problem is None:
        for org in database.primary.read(partial(_due_plans, now_ns)):
            begin = partial(_begin_plan, org, now_ns)
            with suppress(OrganisationBusy):
                audited(database, begin, actor, org=org.key, if_free=True).result()
        return None
    refusal = RefusedRound(now_ns, problem)
    for org in database.primary.read(_limited_organisations):
        put = partial(put_refusal, org=org, refusal=refusal)
        with suppress(OrganisationBusy):
            database.write(put, actor, org=org.key, if_free=True).result()
    return problem


def _note_round(now_ns: int, guards: Guards, cursor: Cursor) -> str | None:
    """What is wrong with the clock, if so."""
    last_ns: int = _last_round(cursor) or _newest_event_ns(cursor) or now_ns
    if _limited_organisations(cursor) and abs(now_ns - last_ns) > guards.clock_days * DAY_NS:
        # What is received from now on is dated by the same clock, and no evidence for it.
        confirm_clock(cursor, last_ns)
        return _clock_problem(now_ns, last_ns)
    confirm_clock(cursor, now_ns)
    return None


def _limited_organisations(cursor: Cursor) -> list[Organisation]:
    """The organisations that have a limit, will have one, or are to be deleted."""
    rows = cursor.execute(
        "SELECT org, uuid, name FROM organisations o WHERE "
        "EXISTS (SELECT 1 FROM retention r WHERE r.org = o.org) OR "
        "EXISTS (SELECT 1 FROM retention_plans p WHERE p.org = o.org) OR "
        "EXISTS (SELECT 1 FROM organisation_deletions d WHERE d.org = o.org) ORDER BY org"
    ).fetchall()
    return [Organisation(*row) for row in rows]


def confirm_clock(cursor: Cursor, now_ns: int) -> None:
    """Takes an instant for that of the last round."""
    cursor.execute(
        "UPDATE counters SET value = ? WHERE org = 0 AND name = 'retention_round'", (now_ns,)
    )


def share_problem(cursor: Cursor, org: Organisation, events: int, guards: Guards) -> str | None:
    """Why so many events of an organisation may not be deleted in one round, if so."""
    total = only_value(
        cursor.execute(
            "SELECT (SELECT count(*) FROM deployments WHERE org = ?) + "
            "(SELECT count(*) FROM failures WHERE org = ?)",
            (org.key, org.key),
        )
    )
    # In a small store even a few events are a large share.
    usual = max(_FEW, total * guards.max_percent // 100)
    # A few more have become old since a number was confirmed.
    if events <= usual + confirmed_share(cursor, org):
        return None
    return (
        f"{events} of {total} events would be deleted in one round, more than "
        f"{guards.max_percent} %: keep events for longer, or confirm that with "
        f"theodora retention confirm {events} --org {shlex.quote(org.name)}"
    )


def confirmed_share(cursor: Cursor, org: Organisation) -> int:
    """How many events rounds may delete, however large a share they are."""
    row = cursor.execute("SELECT confirmed FROM retention WHERE org = ?", (org.key,)).fetchone()
    return row[0] if row else 0


def confirm_share(cursor: Cursor, org: Organisation, events: int) -> None:
    """Allows rounds to delete so many events, however large a share they are."""
    cursor.execute("UPDATE retention SET confirmed = ? WHERE org = ?", (events, org.key))


def note_deleted(cursor: Cursor, org: Organisation, events: int) -> None:
    """Uses up as much of what was confirmed."""
    cursor.execute(
        "UPDATE retention SET confirmed = CASE WHEN confirmed > ? THEN confirmed - ? ELSE 0 END "
        "WHERE org = ? AND confirmed > 0",
        (events, events, org.key),
    )


def put_limit(cursor: Cursor, org: Organisation, days: int | None, confirmed: int = 0) -> None:
    """Replaces the limit, and drops a plan for another one and the refusal of the last round."""
    _drop_plan(cursor, org)
    put_refusal(cursor, org, None)
    cursor.execute("DELETE FROM retention WHERE org = ?", (org.key,))
    if days is not None:
        cursor.execute(
            "INSERT INTO retention (org, days, confirmed) VALUES (?, ?, ?)",
            (org.key, days, confirmed),
        )


def put_plan(cursor: Cursor, org: Organisation, plan: Plan, confirmed: int) -> None:
    _drop_plan(cursor, org)
    cursor.execute(
        "INSERT INTO retention_plans (org, days, begins_at_ns, confirmed) VALUES (?, ?, ?, ?)",
        (org.key, *plan, confirmed),
    )


def plan_of(cursor: Cursor, org: Organisation) -> Plan | None:
    row = cursor.execute(
        "SELECT days, begins_at_ns FROM retention_plans WHERE org = ?", (org.key,)
    ).fetchone()
    return Plan(*row) if row else None


def put_refusal(cursor: Cursor, org: Organisation, refusal: RefusedRound | None) -> None:
    cursor.execute("DELETE FROM retention_refusals WHERE org = ?", (org.key,))
    if refusal is not None:
        cursor.execute(
            "INSERT INTO retention_refusals (org, at_ns, reason) VALUES (?, ?, ?)",
            (org.key, *refusal),
        )


def refusal_of(cursor: Cursor, org: Organisation) -> RefusedRound | None:
    row = cursor.execute(
        "SELECT at_ns, reason FROM retention_refusals WHERE org = ?", (org.key,)
    ).fetchone()
    return RefusedRound(*row) if row else None


def count_refusals(cursor: Cursor) -> int:
    """The number of organisations whose last round was refused and deleted nothing."""
    return only_value(cursor.execute("SELECT count(*) FROM retention_refusals"))


def _drop_plan(cursor: Cursor, org: Organisation) -> None:
    cursor.execute("DELETE FROM retention_plans WHERE org = ?", (org.key,))


def _due_plans(now_ns: int, cursor: Cursor) -> list[Organisation]:
    rows = cursor.execute(
        "SELECT o.org, o.uuid, o.name FROM retention_plans p JOIN organisations o USING (org) "
        "WHERE p.begins_at_ns <= ? ORDER BY o.org",
        (now_ns,),
    ).fetchall()
    return [Organisation(*row) for row in rows]


def _begin_plan(org: Organisation, now_ns: int, cursor: Cursor, recorder: Recorder) -> None:
    """Begins the plan, unless it was changed or another process has begun it."""
    plan = cursor.execute(
        "SELECT days, confirmed FROM retention_plans WHERE org = ? AND begins_at_ns <= ?",
        (org.key, now_ns),
    ).fetchone()
    if plan is not None:
        days, confirmed = plan
        put_limit(cursor, org, days, confirmed)
        recorder.record(org, "retention.begun", org.name, after={"days": days})


def _last_round(cursor: Cursor) -> int:
    return only_value(
        cursor.execute("SELECT value FROM counters WHERE org = 0 AND name = 'retention_round'")
    )


def _newest_event_ns(cursor: Cursor) -> int:
    """When the newest of the events was first received; 0 where there is none."""
    return max(
        only_value(
            cursor.execute(
                "SELECT coalesce(max((SELECT max(e.created_at_ns) "
                f"FROM {table} e WHERE e.org = o.org)), 0) FROM organisations o"
            )
        )
        for table in ("deployments", "failures")
    )


def _clock_problem(now_ns: int, last_ns: int) -> str:
    days = abs(now_ns - last_ns) // DAY_NS
    side = "after" if now_ns > last_ns else "before"
    return (
        f"the clock is at {_day(now_ns)}, {days} days {side} {_day(last_ns)}, when this "
        "store was last looked through or written to: set the clock, or, if it is right, run "
        "theodora retention confirm-clock"
    )


def _day(instant_ns: int) -> str:
    return format_rfc3339(instant_ns)[:10]
