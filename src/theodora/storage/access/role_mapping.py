"""The mapping of groups, as a sign-in provider names them, to organisations and roles."""

from collections.abc import Collection, Sequence
from typing import NamedTuple

from theodora.errors import UnusableSetting
from theodora.storage.access.permissions import ROLE_NAMES

EVERYBODY = "*"
"""The group that everybody is in."""


_HAS_TEAMS = "editor"


class MappedGroup(NamedTuple):
    """One row: what the people of a group are here."""

    group: str
    organisation: str
    role: str
    team: str = ""
    """Of an editor who changes only what belongs to it; empty for all teams."""


class GrantedRole(NamedTuple):
    """What the groups of a person give."""

    organisation: str
    role: str
    teams: Sequence[str] | None
    """Those of an editor, empty for all; None where no group of the organisation has a team."""


def read_role_mapping(text: str, default_organisation: str) -> Sequence[MappedGroup]:
    """The rows of `GROUP=ROLE,GROUP=ORGANISATION:editor of TEAM`; a group may hold `=` and `:`.

    Raises `UnusableSetting` for a row of another form.
    """
    rows = [part.strip() for part in text.split(",") if part.strip()]
    parts = (row.rpartition("=") for row in rows)
    return tuple(mapped_group(group, role, default_organisation) for group, _, role in parts)


def mapped_group(group: str, role: str, default_organisation: str) -> MappedGroup:
    """The row of a group; `role` may have an organisation before it, and a team of editors after.

    Raises `UnusableSetting` if the group is empty, there is no such role, or it has no teams.
    """
    given, of, team = role.strip().partition(" of ")
    organisation, _, name = given.rpartition(":")
    if not group.strip() or name not in ROLE_NAMES:
        raise UnusableSetting(
            f'"{group}={role}" must be GROUP=ROLE or GROUP=ORGANISATION:ROLE, with a role of '
            f"{' '.join(ROLE_NAMES)}"
        )
    if of and (name != _HAS_TEAMS or not team.strip()):
        raise UnusableSetting(f'"{group}={role}": only {_HAS_TEAMS} of TEAM has a team')
    return MappedGroup(group.strip(), organisation or default_organisation, name, team.strip())


def role_of(groups: Collection[str], mapping: Sequence[MappedGroup]) -> GrantedRole | None:
    """The first row with one of the groups; None if there is no such row.

    An editor of a team is one of every team that further rows with the groups name.
    """
    rows = [row for row in mapping if row.group == EVERYBODY or row.group in groups]
    if not rows:
        return None
    _, organisation, role, team = rows[0]
    if not any(row.team for row in mapping if row.organisation == organisation):
        return GrantedRole(organisation, role, None)
    same = [row.team for row in rows if (row.organisation, row.role) == (organisation, role)]
    return GrantedRole(organisation, role, sorted(set(filter(None, same))) if team else ())


def organisations_left(groups: Collection[str], mapping: Sequence[MappedGroup]) -> Collection[str]:
    """The organisations of the mapping in which none of the groups has a role."""
    stays = {row.organisation for row in mapping if row.group == EVERYBODY or row.group in groups}
    return {row.organisation for row in mapping} - stays
