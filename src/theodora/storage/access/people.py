"""People who sign in: who vouches for them, their roles, and whether they still may."""

import json
from collections.abc import Sequence
from concurrent.futures import Future
from typing import Any, LiteralString, NamedTuple

from theodora.errors import Invalid, NotFound, Problem, SignInRefused
from theodora.storage.access.key_secrets import hash_of
from theodora.storage.access.permissions import ROLE_NAMES, Role, role_named
from theodora.storage.engine.actor import Actor
from theodora.storage.engine.audit import AuditValues, Recorder, audited, audited_by_name
from theodora.storage.engine.cursor import Cursor
from theodora.storage.engine.database import Database
from theodora.storage.engine.organisations import Organisation, known_organisation

MAX_NAME = 200
"""Characters of a name or an address that are kept."""
_ID_DIGITS = 32
_MAX_TEAMS = 100
PERSON_COLUMNS: tuple[LiteralString, ...] = (
    *("p.id", "p.issuer", "p.subject", "p.name", "p.email", "p.role", "p.is_role_set", "p.teams"),
    *("p.created_at_ns", "p.last_seen_at_ns", "p.disabled_at_ns", "d.begins_at_ns"),
    *("o.org", "o.uuid", "o.name"),
)
"""Of `people p`, `organisations o` and `organisation_deletions d`, for `person_of_row`."""
_SELECT: LiteralString = (
    f"SELECT {', '.join(PERSON_COLUMNS)} FROM people p JOIN organisations o USING (org) "
    "LEFT JOIN organisation_deletions d USING (org)"
)


def name_on_a_line(text: str) -> str:
    """A name or an address as an issuer gives it, on one line and not too long."""
    return "".join(each for each in text if each.isprintable())[:MAX_NAME].strip()


def read_teams(text: str) -> Sequence[str]:
    """The teams of a list with commas, as `People.set_teams` takes them; empty for all teams.

    Raises `Invalid` for a list that names no team although it is not empty, since that would
    lift the limit; for more than 100 teams; and for names that are too long or cannot be printed.
    """
    teams = tuple(dict.fromkeys(part.strip() for part in text.split(",") if part.strip()))
    if text.strip() and not teams:
        raise Invalid(Problem("name a team, or nothing at all for all teams"))
    if len(teams) > _MAX_TEAMS or any(len(team) > MAX_NAME for team in teams):
        raise Invalid(Problem(f"up to {_MAX_TEAMS} teams, of up to {MAX_NAME} characters each"))
    if not text.isprintable():
        raise Invalid(Problem("teams cannot hold control characters"))
    return teams


class PersonIdentity(NamedTuple):
    """What an issuer says of a person who signs in."""

    issuer: str
    """The URL of an OpenID provider, or `proxy`."""
    subject: str
    """What the issuer calls them for ever."""
    name: str = ""
    email: str = ""

    @property
    def person_id(self) -> str:
        """The id of the person, the same in every organisation."""
        return hash_of(f"{self.issuer}\n{self.subject}")[:_ID_DIGITS]

    @property
    def actor(self) -> Actor:
        """Who writes that they sign in."""
        return Actor("person", self.name or self.email or self.subject, self.person_id)


class Person(NamedTuple):
    """A person who has signed in to an organisation."""

    id: str
    issuer: str
    subject: str
    name: str
    email: str
    role: Role
    is_role_set: bool
    """Whether an owner set the role here: then signing in does not change it."""
    teams: Sequence[str]
    """The teams whose events an editor may change; empty for all."""
    created_at_ns: int
    last_seen_at_ns: int
    """Up to a minute old."""
    disabled_at_ns: int | None
    deletion_at_ns: int | None
    """When the organisation is to be deleted, if it is; until then a person can open nothing."""
    organisation: Organisation

    @property
    def title(self) -> str:
        """What to call them; never empty."""
        return self.name or self.email or self.subject

    @property
    def actor(self) -> Actor:
        """Who writes for them."""
        return Actor("person", self.title, self.id)


class People:
    """Every method is about one organisation and sees no other."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def sign_in(
        self,
        organisation: str,
        identity: PersonIdentity,
        role: str,
        now_ns: int,
        *,
        teams: Sequence[str] | None = None,
        may_create: bool,
        actor: Actor,
    ) -> Future[Person]:
        """The person, with the role and names of today; created at the first time.

        Where groups give teams, those are of today too; None leaves them as they are. A role that
        an owner has set stays, with its teams.

        Raises `SignInRefused` for a person who is switched off, or new although nobody new is
        let in; `NotFound` and `BeingDeleted` for an organisation that cannot be used.
        """

        def write(cursor: Cursor, recorder: Recorder) -> Person:
            org = known_organisation(cursor, organisation)
            person = person_by_id(cursor, org.key, identity.person_id)
            if person is None and not may_create:
                raise SignInRefused("nobody new is let in, and you have not signed in before")
            if person is not None and person.disabled_at_ns is not None:
                raise SignInRefused("you have been switched off here")
            _upsert(cursor, org, identity, role_named(role).name, now_ns)
            if teams is not None and not (person and person.is_role_set):
                _put_teams(cursor, org, identity.person_id, teams)
            now = _found(cursor, org, identity.person_id)
            _record_sign_in(recorder, person, now)
            return now

        return audited_by_name(self._database, organisation, write, actor)

    def find(self, org: Organisation, issuer: str, subject: str) -> Person | None:
        """The person whom this issuer calls so, switched off or not."""
        id_ = PersonIdentity(issuer, subject).person_id
        return self._database.read(lambda cursor: person_by_id(cursor, org.key, id_))

    def get(self, org: Organisation, id_: str) -> Person:
        """Raises `NotFound` where there is no such person."""
        return self._database.read(lambda cursor: _found(cursor, org, id_))

    def all_of(self, org: Organisation) -> Sequence[Person]:
        """Everybody, switched off or not, by name."""

        def read(cursor: Cursor) -> Sequence[Person]:
            rows = cursor.execute(f"{_SELECT} WHERE p.org = ?", (org.key,))
            people = [person_of_row(row) for row in rows]
            return sorted(people, key=lambda each: (each.title.casefold(), each.id))

        return self._database.read(read)

    def set_role(
        self, org: Organisation, id_: str, role: str | None, *, actor: Actor
    ) -> Future[Person]:
        """Sets the role from the next request on; None has the next sign-in set it.

        Raises `NotFound` for an unknown person, `Invalid` for an unknown role.
        """
        if role is not None and role not in ROLE_NAMES:
            raise Invalid(Problem(f'role "{role}" must be one of "{" ".join(ROLE_NAMES)}"'))

        def write(cursor: Cursor, recorder: Recorder) -> Person:
            found = _found(cursor, org, id_)
            cursor.execute(
                "UPDATE people SET role = ?, is_role_set = ? WHERE org = ? AND id = ?",
                (role or found.role.name, 0 if role is None else 1, org.key, id_),
            )
            now = _found(cursor, org, id_)
            _record_role(recorder, found, now)
            return now

        return audited(self._database, write, actor, org=org.key)

    def set_teams(
        self, org: Organisation, id_: str, teams: Sequence[str], *, actor: Actor
    ) -> Future[Person]:
        """Limits what an editor may change to events of these teams; none is no limit.

        Raises `NotFound` for an unknown person.
        """

        def write(cursor: Cursor, recorder: Recorder) -> Person:
            found = _found(cursor, org, id_)
            _put_teams(cursor, org, id_, teams)
            now = _found(cursor, org, id_)
            _record_teams(recorder, found, now)
            return now

        return audited(self._database, write, actor, org=org.key)

    def leave(self, org: Organisation, id_: str, *, actor: Actor) -> Future[None]:
        """Ends what groups gave that the person has left: sessions, and all but the least role.

        Nothing changes for an unknown person, and for a role that an owner has set.
        """

        def write(cursor: Cursor, recorder: Recorder) -> None:
            person = person_by_id(cursor, org.key, id_)
            if person is None or person.is_role_set:
                return
            cursor.execute(
                "UPDATE people SET role = ?, teams = '[]' WHERE org = ? AND id = ?",
                (ROLE_NAMES[0], org.key, id_),
            )
            ended = cursor.execute(
                "DELETE FROM sessions WHERE org = ? AND person_id = ? RETURNING id", (org.key, id_)
            ).fetchall()
            if ended or person.role.name != ROLE_NAMES[0]:
                before = {**_role_of(person), "sessions": len(ended)}
                recorder.record(org, "person.left", id_, before=before)

        return audited(self._database, write, actor, org=org.key)

    def disable(self, org: Organisation, id_: str, now_ns: int, *, actor: Actor) -> Future[Person]:
        """Ends every session of the person, and lets nobody sign in as them.

        Raises `NotFound` for an unknown person.
        """

        def write(cursor: Cursor, recorder: Recorder) -> Person:
            found = _found(cursor, org, id_)
            cursor.execute(
                "UPDATE people SET disabled_at_ns = coalesce(disabled_at_ns, ?) "
                "WHERE org = ? AND id = ?",
                (now_ns, org.key, id_),
            )
            cursor.execute("DELETE FROM sessions WHERE org = ? AND person_id = ?", (org.key, id_))
            if found.disabled_at_ns is None:
                recorder.record(org, "person.disabled", id_, before=_role_of(found))
            return _found(cursor, org, id_)

        return audited(self._database, write, actor, org=org.key)

    def enable(self, org: Organisation, id_: str, *, actor: Actor) -> Future[Person]:
        """Lets a person sign in again. Raises `NotFound` for an unknown person."""

        def write(cursor: Cursor, recorder: Recorder) -> Person:
            found = _found(cursor, org, id_)
            cursor.execute(
                "UPDATE people SET disabled_at_ns = NULL WHERE org = ? AND id = ?", (org.key, id_)
            )
            if found.disabled_at_ns is not None:
                recorder.record(org, "person.enabled", id_, after=_role_of(found))
            return _found(cursor, org, id_)

        return audited(self._database, write, actor, org=org.key)


def _record_sign_in(recorder: Recorder, before: Person | None, after: Person) -> None:
    """Records what signing in changed: often nothing."""
    if before is None:
        added = {"issuer": after.issuer, "subject": after.subject, **_role_of(after)}
        added |= {"teams": after.teams} if after.teams else {}
        recorder.record(after.organisation, "person.added", after.id, after=added)
    else:
        _record_role(recorder, before, after)
        _record_teams(recorder, before, after)


def _record_role(recorder: Recorder, before: Person, after: Person) -> None:
    if (before.role, before.is_role_set) != (after.role, after.is_role_set):
        recorder.record(
            after.organisation,
            "person.role_changed",
            after.id,
            before=_role_of(before),
            after=_role_of(after),
        )


def _record_teams(recorder: Recorder, before: Person, after: Person) -> None:
    if before.teams != after.teams:
        recorder.record(
            after.organisation,
            "person.teams_changed",
            after.id,
            before={"teams": before.teams},
            after={"teams": after.teams},
        )


def _role_of(person: Person) -> AuditValues:
    return {"name": person.title, "role": person.role.name, "is_role_set": person.is_role_set}


def person_by_id(cursor: Cursor, org_key: int, id_: str) -> Person | None:
    """The person with this id, switched off or not."""
    row = cursor.execute(f"{_SELECT} WHERE p.org = ? AND p.id = ?", (org_key, id_)).fetchone()
    return person_of_row(row) if row else None


def note_person_seen(cursor: Cursor, org: Organisation, id_: str, now_ns: int) -> None:
    cursor.execute(
        "UPDATE people SET last_seen_at_ns = ? WHERE org = ? AND id = ? AND last_seen_at_ns < ?",
        (now_ns, org.key, id_, now_ns),
    )


def _upsert(
    cursor: Cursor, org: Organisation, identity: PersonIdentity, role: str, now_ns: int
) -> None:
    cursor.execute(
        "INSERT INTO people (org, id, issuer, subject, name, email, role, created_at_ns, "
        "last_seen_at_ns) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (org, id) DO UPDATE SET "
        "name = excluded.name, email = excluded.email, last_seen_at_ns = excluded.last_seen_at_ns, "
        "role = CASE WHEN people.is_role_set = 1 THEN people.role ELSE excluded.role END",
        (
            *(org.key, identity.person_id, identity.issuer, identity.subject),
            *(identity.name[:MAX_NAME], identity.email[:MAX_NAME], role, now_ns, now_ns),
        ),
    )


def _put_teams(cursor: Cursor, org: Organisation, id_: str, teams: Sequence[str]) -> None:
    cursor.execute(
        "UPDATE people SET teams = ? WHERE org = ? AND id = ?",
        (json.dumps(sorted(set(teams))), org.key, id_),
    )


def _found(cursor: Cursor, org: Organisation, id_: str) -> Person:
    person = person_by_id(cursor, org.key, id_)
    if person is None:
        raise NotFound(f'there is no person "{id_}"')
    return person


def person_of_row(row: Sequence[Any]) -> Person:
    """The person with these `PERSON_COLUMNS`."""
    id_, issuer, subject, name, email, role, is_role_set, teams, *rest = row
    created_at_ns, last_seen_at_ns, disabled_at_ns, deletion_at_ns, *organisation = rest
    return Person(
        id=id_,
        issuer=issuer,
        subject=subject,
        name=name,
        email=email,
        role=role_named(role),
        is_role_set=bool(is_role_set),
        teams=tuple(json.loads(teams)),
        created_at_ns=created_at_ns,
        last_seen_at_ns=last_seen_at_ns,
        disabled_at_ns=disabled_at_ns,
        deletion_at_ns=deletion_at_ns,
        organisation=Organisation(*organisation),
    )
