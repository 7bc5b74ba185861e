"""`theodora people` and `theodora sessions`: who may sign in, as what, and who is signed in."""

import time
from collections.abc import Sequence

import click

from theodora.app import session_limits
from theodora.cli.invocation import command_actor
from theodora.cli.options import config_from, organisation_option, setting_options
from theodora.cli.stores import existing_store
from theodora.events import format_second
from theodora.report.text_table import aligned
from theodora.storage import Person, Session
from theodora.storage.access.people import read_teams
from theodora.storage.access.permissions import ROLE_NAMES

_BY_GROUPS = "groups"
_database = setting_options(["database"])
_times = setting_options(["database", "session_idle_minutes", "session_max_hours"])


@click.group()
def people() -> None:
    """List people, change their roles and teams, and switch them off."""


@people.command("list")
@organisation_option
@_database
def list_people(org: str, **flags: str | None) -> None:
    """List everybody who has signed in to an organisation."""
    with existing_store(flags) as store:
        rows = [_person_row(each) for each in store.people.all_of(store.keys.organisation(org))]
    _show(("ID", "NAME", "EMAIL", "ROLE", "TEAMS", "LAST SEEN", "STATE"), rows)


@people.command()
@click.argument("person_id")
@click.argument("role", type=click.Choice([*ROLE_NAMES, _BY_GROUPS]))
@organisation_option
@_database
def role(person_id: str, role: str, org: str, **flags: str | None) -> None:
    """Give a person ROLE from now on; "groups" has the next sign-in give it again."""
    given = None if role == _BY_GROUPS else role
    with existing_store(flags) as store:
        org_ = store.keys.organisation(org)
        person = store.people.set_role(org_, person_id, given, actor=command_actor()).result()
    click.echo(f"{person.title} is {person.role.name}")


@people.command()
@click.argument("person_id")
@click.argument("teams")
@organisation_option
@_database
def teams(person_id: str, teams: str, org: str, **flags: str | None) -> None:
    """Have an editor change events of TEAMS alone, with commas between; "" is all teams."""
    named = read_teams(teams)
    with existing_store(flags) as store:
        org_ = store.keys.organisation(org)
        person = store.people.set_teams(org_, person_id, named, actor=command_actor()).result()
    click.echo(f"{person.title} changes what belongs to {', '.join(person.teams) or 'all teams'}")


@people.command()
@click.argument("person_id")
@organisation_option
@_database
def disable(person_id: str, org: str, **flags: str | None) -> None:
    """Sign a person out everywhere at once, and let the person in no more."""
    with existing_store(flags) as store:
        org_ = store.keys.organisation(org)
        store.people.disable(org_, person_id, time.time_ns(), actor=command_actor()).result()
    click.echo(f"switched off {person_id}")


@people.command()
@click.argument("person_id")
@organisation_option
@_database
def enable(person_id: str, org: str, **flags: str | None) -> None:
    """Let a person in again."""
    with existing_store(flags) as store:
        org_ = store.keys.organisation(org)
        store.people.enable(org_, person_id, actor=command_actor()).result()
    click.echo(f"switched on {person_id}")


@click.group()
def sessions() -> None:
    """List and end sessions of the dashboard."""


@sessions.command("list")
@organisation_option
@_times
def list_sessions(org: str, **flags: str | None) -> None:
    """List who is signed in, with a session of this server, the last seen first."""
    limits = session_limits(config_from(flags))
    with existing_store(flags) as store:
        found = store.sessions.all_of(store.keys.organisation(org), time.time_ns(), limits)
    head = ("ID", "WHO", "NAME", "SIGNED IN", "LAST SEEN", "ADDRESS", "BROWSER")
    _show(head, [_session_row(each) for each in found])


@sessions.command()
@click.argument("session_id")
@organisation_option
@_database
def end(session_id: str, org: str, **flags: str | None) -> None:
    """End the session with this id at once."""
    with existing_store(flags) as store:
        org_ = store.keys.organisation(org)
        store.sessions.end_by_id(org_, session_id, actor=command_actor()).result()
    click.echo(f"ended {session_id}")


def _person_row(person: Person) -> tuple[str, ...]:
    role = f"{person.role.name}{'' if person.is_role_set else ' (groups)'}"
    state = "switched off" if person.disabled_at_ns else "active"
    seen = format_second(person.last_seen_at_ns)
    teams = ",".join(person.teams) or "all"
    return (person.id, person.title, person.email, role, teams, seen, state)


def _session_row(session: Session) -> tuple[str, ...]:
    kind = "key" if session.principal.key else "person"
    times = (format_second(session.signed_in_at_ns), format_second(session.seen_at_ns))
    return (session.id, kind, session.principal.name, *times, *session.place)


def _show(head: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> None:
    for line in aligned([head, *rows]):
        click.echo(line)
