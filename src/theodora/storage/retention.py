"""Retention: the limit of each organisation, and the removal of older events.

A deployment is as old as its end, and so is a failure; one that is not over is not old. Of the old
deployments of a sequence and repository the last one stays, and whichever else later ones depend on
(`dora/derivation/retention.py`): the remaining events are derived as if nothing had been deleted.
As time passes others take their places. Commits stay. The activity of users is kept for as long as
events: it is as old as its day.
"""

import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from functools import partial
from itertools import chain, islice
from typing import Any, NamedTuple

import structlog

from theodora.dora import Commit
from theodora.dora.derivation.retention import OldDeployment, forgettable
from theodora.dora.derivation.sequence import Part, part_of
from theodora.errors import OrganisationBusy
from theodora.events import format_rfc3339
from theodora.storage.activity import count_before, day_of, remove_first_day_before
from theodora.storage.deletion_guards import (
    DAY_NS,
    GoOn,
    Guards,
    Plan,
    RefusedRound,
    Unconfirmed,
    begin_round,
    confirm_clock,
    confirm_share,
    confirmed_share,
    count_refusals,
    is_confirmed,
    note_deleted,
    plan_of,
    put_limit,
    put_plan,
    put_refusal,
    refusal_of,
    share_problem,
)
from theodora.storage.deployments import remove_deployment
from theodora.storage.engine.actor import Actor
from theodora.storage.engine.audit import AuditValues, Recorder, audited, changed
from theodora.storage.engine.cursor import Cursor, only_value
from theodora.storage.engine.database import Database
from theodora.storage.engine.organisations import NO_ORGANISATION, Organisation
from theodora.storage.events.rows import Rows, Stored
from theodora.storage.events.tables import DEPLOYMENTS, FAILURES, E, decode_texts
from theodora.storage.facts.commits import load
from theodora.storage.facts.match_keys import match_keys
from theodora.storage.facts.settings import effective_settings
from theodora.storage.failures import remove_failure

log = structlog.get_logger()

MAX_DAYS = 36_500
_HOUR_NS = 3_600 * 10**9

_LOOKED_AT_IN_A_ROUND = 50_000
"""Of the old events of one organisation, the oldest."""
_REMOVED_AT_ONCE = 64
"""Most events deleted in one transaction: ingest waits for no longer."""

_Line = tuple[str, str | None, Part, str | None]
"""Service, environment, values of the tag that divides the sequence, and key of the repository: the
next lead time is measured from the deployment before it in these."""


class Old(NamedTuple):
    """What a limit would remove, or has removed."""

    deployments: int
    failures: int
    user_activity: int = 0
    """Rows of user activity, which are no events: they need no confirmation."""

    @property
    def events(self) -> int:
        return self.deployments + self.failures


class RetentionSettings(NamedTuple):
    """The retention settings of an organisation."""

    days: int | None
    """None for ever."""
    plan: Plan | None = None
    """A shorter limit that begins later."""
    refusal: RefusedRound | None = None
    """Why the last round deleted nothing, if it should have."""
    confirmed: int = 0
    """How many events the next rounds may delete, however large a share they are."""


class Retention:
    """Every method but `remove_old`, `confirm_clock` and `count_refusals` is about one
    organisation and sees no other."""

    def __init__(self, database: Database, guards: Guards | None = None) -> None:
        self.guards = guards or Guards()
        self._database = database
        self._deployments = Rows(DEPLOYMENTS)
        self._failures = Rows(FAILURES)

    def days(self, org: Organisation) -> int | None:
        """The number of days that events are kept; None for ever."""
        return self._database.read(partial(_days, org))

    def settings(self, org: Organisation) -> RetentionSettings:
        """The same, with what is planned and what was refused."""

        def read(cursor: Cursor) -> RetentionSettings:
            plan, refusal = plan_of(cursor, org), refusal_of(cursor, org)
            return RetentionSettings(
                _days(org, cursor), plan, refusal, confirmed_share(cursor, org)
            )

        return self._database.read(read)

    def put(self, org: Organisation, days: int | None, *, actor: Actor) -> Future[None]:
        """Sets that at once; what is older goes within hours, a server's `Remover` does so."""

        def write(cursor: Cursor, recorder: Recorder) -> None:
            before = _values(cursor, org)
            put_limit(cursor, org, days)
            _record_change(cursor, recorder, org, before)

        return audited(self._database, write, actor, org=org.key)

    def change(
        self,
        org: Organisation,
        days: int | None,
        now_ns: int,
        confirmed: int | None = None,
        *,
        actor: Actor,
    ) -> Future[RetentionSettings | Unconfirmed]:
        """Sets the same or a longer limit at once, and plans a shorter one.

        A shorter one needs the number of events that it would delete, as `preview` returns it.
        Until it begins, setting today's limit again cancels it.
        """

        def write(cursor: Cursor, recorder: Recorder) -> RetentionSettings | Unconfirmed:
            before, current = _values(cursor, org), _days(org, cursor)
            if days is None or (current is not None and days >= current):
                put_limit(cursor, org, days)
                _record_change(cursor, recorder, org, before)
                return RetentionSettings(days)
            events = _count_old(org, now_ns - days * DAY_NS, cursor).events
            if not is_confirmed(events, confirmed):
                return Unconfirmed(events)
            plan = Plan(days, now_ns + self.guards.delay_hours * _HOUR_NS)
            put_plan(cursor, org, plan, events)
            _record_change(cursor, recorder, org, before)
            return RetentionSettings(current, plan)

        return audited(self._database, write, actor, org=org.key)

    def confirm(self, org: Organisation, events: int, *, actor: Actor) -> Future[None]:
        """Lets the next rounds delete so many events, however large a share they are."""

        def write(cursor: Cursor, recorder: Recorder) -> None:
            recorder.record(org, "retention.confirmed", org.name, after={"events": events})
            confirm_share(cursor, org, events)

        return audited(self._database, write, actor, org=org.key)

    def confirm_clock(self, now_ns: int, *, actor: Actor) -> Future[None]:
        """Confirms that the clock is right, however long ago the last round was."""

        def write(cursor: Cursor, recorder: Recorder) -> None:
            after = {"now": format_rfc3339(now_ns)}
            recorder.record(None, "retention.clock_confirmed", after=after)
            confirm_clock(cursor, now_ns)

        return audited(self._database, write, actor, org=NO_ORGANISATION)

    def count_refusals(self) -> int:
        """The number of organisations whose last round was refused and deleted nothing."""
        return self._database.read(count_refusals)

    def preview(self, org: Organisation, days: int | None, now_ns: int) -> Old:
        """The most that a limit of so many days would delete."""
        if days is None:
            return Old(0, 0)
        return self._database.read(partial(_count_old, org, now_ns - days * DAY_NS))

    def remove_old(self, now_ns: int, go_on: GoOn = lambda _: True, *, actor: Actor) -> Old:
        """Removes old events of every organisation, a limited number in each round.

        One that another process keeps from being written is left to the next round.
        """
        problem = begin_round(self._database, now_ns, self.guards, actor)
        # A wrong clock makes every event look old, so nothing at all is deleted.
        if problem:
            log.warning("old events are not deleted", reason=problem)
            return Old(0, 0)
        removed = Old(0, 0)
        for org, days in self._database.primary.read(_limits):
            try:
                old = self._remove_old(org, now_ns, now_ns - days * DAY_NS, go_on, actor)
            except OrganisationBusy as busy:
                log.info("old events are deleted later", organisation=org.name, reason=str(busy))
                continue
            # Rounds that delete nothing would fill the log.
            if any(old):
                log.info(
                    "removed events that were too old",
                    organisation=org.name,
                    kept_days=days,
                    **old._asdict(),
                )
            removed = Old(*map(sum, zip(removed, old, strict=True)))
        return removed

    def _remove_old(
        self, org: Organisation, now_ns: int, limit_ns: int, go_on: GoOn, actor: Actor
    ) -> Old:
        deployments, failures = self._removable(org, limit_ns)
        if problem := self._database.primary.read(
            partial(_share_problem, org, limit_ns, len(deployments) + len(failures), self.guards)
        ):
            self._refuse(org, now_ns, problem, actor)
            return Old(0, 0)
        if self._database.primary.read(lambda cursor: refusal_of(cursor, org)):
            self._database.write(
                lambda cursor: put_refusal(cursor, org, None), actor, org=org.key, if_free=True
            ).result()
        rows = self._database.primary.read(partial(_old_activity, org, limit_ns))
        found = Old(len(deployments), len(failures), rows)
        if any(found):
            # Before the first of many transactions, so that nothing is deleted without an entry.
            self._record_round(org, limit_ns, found, actor)
        return Old(
            _in_parts(
                iter(deployments), partial(self._remove_deployments, org, now_ns, actor), go_on
            ),
            _in_parts(iter(failures), partial(self._remove_failures, org, now_ns, actor), go_on),
            self._remove_activity(org, now_ns, actor, go_on) if rows else 0,
        )

    def _remove_activity(self, org: Organisation, now_ns: int, actor: Actor, go_on: GoOn) -> int:
        """Removes old rows, those of a day in each transaction; how many that were."""

        def remove(cursor: Cursor) -> int:
            limit_ns = _limit_ns(org, now_ns, cursor)
            return 0 if limit_ns is None else remove_first_day_before(cursor, org, day_of(limit_ns))

        removed = 0
        while True:
            began = time.perf_counter()
            part = self._database.write(remove, actor, org=org.key, if_free=True).result()
            removed += part
            if not part or not go_on(time.perf_counter() - began):
                return removed

    def _record_round(self, org: Organisation, limit_ns: int, found: Old, actor: Actor) -> None:
        values = {"before": format_rfc3339(limit_ns), **found._asdict()}

        def write(_: Cursor, recorder: Recorder) -> None:
            recorder.record(org, "retention.removing", org.name, after=values)

        audited(self._database, write, actor, org=org.key, if_free=True).result()

    def _removable(self, org: Organisation, limit_ns: int) -> tuple[list[int], list[int]]:
        """The rows of the deployments and failures that a round removes."""
        lines = self._database.primary.read(partial(_lines, org, limit_ns))
        forgotten = chain.from_iterable(
            self._forgettable(org, repository, line)
            for (*_, repository), line in lines.items()
            # The newest deployment of a line always stays: the next lead time is measured from it.
            if len(line) > 1
        )
        return list(forgotten), self._database.primary.read(partial(_old_failures, org, limit_ns))

    def _refuse(self, org: Organisation, now_ns: int, reason: str, actor: Actor) -> None:
        log.warning("old events are not deleted", organisation=org.name, reason=reason)
        refusal = RefusedRound(now_ns, reason)
        self._database.write(
            lambda cursor: put_refusal(cursor, org, refusal), actor, org=org.key, if_free=True
        ).result()

    def _forgettable(
        self, org: Organisation, repository: str | None, line: Sequence[OldDeployment]
    ) -> Iterator[int]:
        commits = self._database.primary.read(partial(_commits, org, repository))
        return forgettable(line, commits)

    def _remove_deployments(
        self, org: Organisation, now_ns: int, actor: Actor, keys: list[int]
    ) -> int:
        removing = partial(_remove, self._deployments, remove_deployment, org, now_ns, keys)
        return self._database.write(removing, actor, org=org.key, if_free=True).result()

    def _remove_failures(
        self, org: Organisation, now_ns: int, actor: Actor, keys: list[int]
    ) -> int:
        removing = partial(_remove, self._failures, remove_failure, org, now_ns, keys)
        return self._database.write(removing, actor, org=org.key, if_free=True).result()


def _in_parts(keys: Iterator[int], remove: Callable[[list[int]], int], go_on: GoOn) -> int:
    """Removes the events of these rows, some in each transaction; how many that were."""
    removed = 0
    while part := list(islice(keys, _REMOVED_AT_ONCE)):
        began = time.perf_counter()
        removed += remove(part)
        if not go_on(time.perf_counter() - began):
            break
    return removed


def _remove(
    rows: Rows[E],
    remove: Callable[[Cursor, Rows[E], Organisation, Stored[E]], None],
    org: Organisation,
    now_ns: int,
    keys: Sequence[int],
    cursor: Cursor,
) -> int:
    """Removes those that are still old: they may be others now, and the limit too."""
    # Read again in this transaction: the limit may have been raised since the round began.
    limit_ns = _limit_ns(org, now_ns, cursor)
    stored = rows.get_all(cursor, org, keys)
    old = [each for each in stored.values() if _is_old(each.event.finished_at_ns, limit_ns)]
    for each in old:
        remove(cursor, rows, org, each)
    note_deleted(cursor, org, len(old))
    return len(old)


def _is_old(finished_at_ns: int | None, limit_ns: int | None) -> bool:
    return limit_ns is not None and finished_at_ns is not None and finished_at_ns < limit_ns


def _limit_ns(org: Organisation, now_ns: int, cursor: Cursor) -> int | None:
    days = _days(org, cursor)
    return None if days is None else now_ns - days * DAY_NS


def _days(org: Organisation, cursor: Cursor) -> int | None:
    row = cursor.execute("SELECT days FROM retention WHERE org = ?", (org.key,)).fetchone()
    return row[0] if row else None


def _values(cursor: Cursor, org: Organisation) -> AuditValues:
    """What the audit log has of the limit."""
    plan = plan_of(cursor, org)
    planned = plan and {"days": plan.days, "begins_at": format_rfc3339(plan.begins_at_ns)}
    return {"days": _days(org, cursor), "planned": planned}


def _record_change(
    cursor: Cursor, recorder: Recorder, org: Organisation, values_before: AuditValues
) -> None:
    """Records how the limit differs from what it was; nothing if it does not."""
    before, after = changed(values_before, _values(cursor, org))
    if after:
        recorder.record(org, "retention.changed", org.name, before=before, after=after)


def _limits(cursor: Cursor) -> list[tuple[Organisation, int]]:
    rows: Iterator[Any] = iter(
        cursor.execute(
            "SELECT o.org, o.uuid, o.name, r.days FROM retention r "
            "JOIN organisations o USING (org) ORDER BY org"
        )
    )
    return [(Organisation(*org), days) for *org, days in rows]


def _share_problem(
    org: Organisation, limit_ns: int, events: int, guards: Guards, cursor: Cursor
) -> str | None:
    if events >= _LOOKED_AT_IN_A_ROUND // 2:
        # It looks at so many only, and there may be more for the rounds that follow.
        events = max(events, _count_old(org, limit_ns, cursor).events)
    return share_problem(cursor, org, events, guards)


def _count_old(org: Organisation, limit_ns: int, cursor: Cursor) -> Old:
    old = (org.key, limit_ns)
    deployments = only_value(
        cursor.execute("SELECT count(*) FROM deployments WHERE org = ? AND finished_at_ns < ?", old)
    )
    lines = only_value(
        cursor.execute(
            "SELECT count(*) FROM (SELECT DISTINCT service, env, repository_id "
            "FROM deployments WHERE org = ? AND finished_at_ns < ?) lines",
            old,
        )
    )
    failures = only_value(
        cursor.execute("SELECT count(*) FROM failures WHERE org = ? AND finished_at_ns < ?", old)
    )
    return Old(deployments - lines, failures, _old_activity(org, limit_ns, cursor))


def _old_activity(org: Organisation, limit_ns: int, cursor: Cursor) -> int:
    return count_before(cursor, org, day_of(limit_ns))


def _lines(org: Organisation, limit_ns: int, cursor: Cursor) -> dict[_Line, list[OldDeployment]]:
    """The oldest deployments before `limit_ns`, by sequence and repository, newest first."""
    rolled_back_to = _rolled_back_to(org, limit_ns, cursor)
    rows = cursor.execute(
        "SELECT e.service, e.env, e.repository_id, e.key, e.finished_at_ns, "
        "e.custom_tags, e.commit_sha, e.version, EXISTS ("
        "SELECT 1 FROM deployments r "
        "WHERE r.org = e.org AND r.id = e.remediation_id AND r.finished_at_ns >= ?) "
        "FROM deployments e WHERE e.org = ? AND e.finished_at_ns < ? "
        "ORDER BY e.finished_at_ns, e.id LIMIT ?",
        (limit_ns, org.key, limit_ns, _LOOKED_AT_IN_A_ROUND),
    ).fetchall()
    dividing = {
        service: effective_settings(cursor, org, service).sequence_tag
        for service in {row[0] for row in rows}
    }
    lines: defaultdict[_Line, list[OldDeployment]] = defaultdict(list)
    keys = match_keys(cursor, org)
    # `forgettable` expects the newest first; the statement has the oldest, for its limit.
    for row in reversed(rows):
        service, env, repository_id, key, finished_at_ns, tags, sha, version, is_remedied = row
        part = part_of(decode_texts(tags), dividing[service])
        codes = {(service, env, code) for code in (sha, version) if code}
        is_concerned = bool(is_remedied) or not codes.isdisjoint(rolled_back_to)
        repository = keys.key(repository_id) if repository_id else None
        lines[service, env, part, repository].append(
            OldDeployment(key, finished_at_ns, sha, is_concerned)
        )
    return lines


def _commits(org: Organisation, repository: str | None, cursor: Cursor) -> Mapping[str, Commit]:
    return load(cursor, org, match_keys(cursor, org), repository).commits if repository else {}


def _rolled_back_to(
    org: Organisation, limit_ns: int, cursor: Cursor
) -> set[tuple[str, str | None, str]]:
    """The commits and versions that rollbacks which are not old went back to, where that was."""
    rows = cursor.execute(
        "SELECT service, env, commit_sha, version FROM deployments WHERE org = ? "
        "AND deployment_type <> 'standard' AND deployment_type = 'rollback' "
        "AND finished_at_ns >= ?",
        (org.key, limit_ns),
    ).fetchall()
    return {(service, env, code) for service, env, *codes in rows for code in codes if code}


def _old_failures(org: Organisation, limit_ns: int, cursor: Cursor) -> list[int]:
    rows = cursor.execute(
        "SELECT key FROM failures WHERE org = ? AND finished_at_ns < ? "
        "ORDER BY finished_at_ns LIMIT ?",
        (org.key, limit_ns, _LOOKED_AT_IN_A_ROUND),
    )
    return [key for (key,) in rows]
