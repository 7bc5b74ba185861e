"""The mapping of groups, as a sign-in provider names them, to organisations and roles."""

from collections.abc import Collection, Sequence
from typing import NamedTuple

from theodora.errors import UnusableSetting
from theodora.storage.access.permissions import ROLE_NAMES

EVERYBODY = "*"
"""The group that everybody is in."""


class MappedGroup(NamedTuple):
    """One row: what the people of a group are here."""

    group: str
    organisation: str
    role: str


def read_role_mapping(text: str, default_organisation: str) -> Sequence[MappedGroup]:
    """The rows of `GROUP=ROLE,GROUP=ORGANISATION:ROLE`; a group may hold `=` and `:`.

    Raises `UnusableSetting` for a row of another form.
    """
    rows = [part.strip() for part in text.split(",") if part.strip()]
    parts = (row.rpartition("=") for row in rows)
    return tuple(mapped_group(group, role, default_organisation) for group, _, role in parts)


def mapped_group(group: str, role: str, default_organisation: str) -> MappedGroup:
    """The row of a group; `role` may have an organisation before it.

    Raises `UnusableSetting` if the group is empty or there is no such role.
    """
    organisation, _, name = role.strip().rpartition(":")
    if not group.strip() or name not in ROLE_NAMES:
        raise UnusableSetting(
            f'"{group}={role}" must be GROUP=ROLE or GROUP=ORGANISATION:ROLE, with a role of '
            f"{' '.join(ROLE_NAMES)}"
        )
    return MappedGroup(group.strip(), organisation or default_organisation, name)


def role_of(groups: Collection[str], mapping: Sequence[MappedGroup]) -> MappedGroup | None:
    """The first row with one of the groups; None if there is no such row."""
    return next((row for row in mapping if row.group == EVERYBODY or row.group in groups), None)
