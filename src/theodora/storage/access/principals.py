"""Who asks: a person or an application key, as one value with what it may do and where."""

from typing import NamedTuple

from theodora.storage.access.key_rows import Key
from theodora.storage.access.people import Person
from theodora.storage.access.permissions import WRITE, WRITE_SETTINGS
from theodora.storage.engine.actor import Actor
from theodora.storage.engine.organisations import Organisation


class Principal(NamedTuple):
    """Whom a session belongs to."""

    organisation: Organisation
    name: str
    """For people to read; empty for a key without a name."""
    permissions: frozenset[str]
    actor: Actor
    """Of what it writes."""
    deletion_at_ns: int | None
    """When its organisation is to be deleted, if it is; until then it can open nothing."""
    key: Key | None = None
    """None for a person."""
    person: Person | None = None
    teams: frozenset[str] = frozenset()
    """The teams whose events it may change; empty for all, those without a team among them."""

    @property
    def key_and_person(self) -> tuple[str | None, str | None]:
        """Their ids, as columns; one of both is None."""
        return self.key.id if self.key else None, self.person.id if self.person else None

    def may(self, permission: str) -> bool:
        return permission in self.permissions

    @property
    def may_make_keys(self) -> bool:
        """Not so for a key that expires or has addresses: others would be without these limits."""
        own = self.key
        is_lasting = own is None or (own.expires_at_ns is None and not own.limits.networks)
        return is_lasting and self.may(WRITE_SETTINGS)

    @property
    def may_make_links(self) -> bool:
        """Not so for a key that has addresses: a share link opens from anywhere."""
        is_from_anywhere = self.key is None or not self.key.limits.networks
        return is_from_anywhere and self.may(WRITE)

    def may_write(self, team: str | None) -> bool:
        """Whether it may change events of this team; None for events without a team."""
        return self.may(WRITE) and (not self.teams or team in self.teams)


def key_principal(key: Key) -> Principal:
    """The key as one who asks."""
    return Principal(
        key.organisation, key.name, key.permissions, key.actor, key.deletion_at_ns, key=key
    )


def person_principal(person: Person) -> Principal:
    """The person, with the permissions of the role, as one who asks."""
    return Principal(
        person.organisation,
        person.title,
        person.role.permissions,
        person.actor,
        person.deletion_at_ns,
        person=person,
        teams=_teams_of(person),
    )


def _teams_of(person: Person) -> frozenset[str]:
    """The limit counts for editors: whoever changes settings could give events another team."""
    is_limited = WRITE_SETTINGS not in person.role.permissions
    return frozenset(person.teams) if is_limited else frozenset()
