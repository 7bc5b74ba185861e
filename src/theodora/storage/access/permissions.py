"""Permissions and roles: one table of each, which code, pages, help and documentation read."""

from typing import NamedTuple

INGEST = "dora_ingest"
READ = "dora_metrics_read"
WRITE = "dora_metrics_write"
WRITE_SETTINGS = "dora_settings_write"
READ_AUDIT = "dora_audit_read"
WRITE_ORGANISATION = "dora_organisation_write"


class Permission(NamedTuple):
    """One row of the table."""

    name: str
    may: str
    """What it allows, after "can"."""
    detail: str
    """The same in full."""


PERMISSIONS: tuple[Permission, ...] = (
    Permission(INGEST, "send events", "sends deployments, failures, commits and webhooks"),
    Permission(
        READ,
        "see metrics, deployments and failures",
        "reads everything but keys' secrets and the audit log",
    ),
    Permission(
        WRITE,
        "correct verdicts, close failures and annotate charts",
        "corrects verdicts, closes and links failures, annotates charts, changes and deletes "
        "events",
    ),
    Permission(
        WRITE_SETTINGS, "change settings", "changes settings, rules, keys, sources and forwarding"
    ),
    Permission(READ_AUDIT, "read the audit log", "reads who changed what, and when"),
    Permission(
        WRITE_ORGANISATION,
        "change people, retention and the organisation",
        "changes people and retention, and deletes the organisation",
    ),
)


def may(name: str) -> str:
    """What a permission allows, after "can"; raises `KeyError` for one that does not exist."""
    return _MAY[name]


_MAY = {row.name: row.may for row in PERMISSIONS}


class Role(NamedTuple):
    """A set of permissions that people are given together."""

    name: str
    is_for: str
    """Whom it is for."""
    permissions: frozenset[str]


_VIEWER = frozenset({READ})
_EDITOR = _VIEWER | {WRITE}
_ADMIN = _EDITOR | {WRITE_SETTINGS, READ_AUDIT}
_OWNER = _ADMIN | {WRITE_ORGANISATION}

ROLES: tuple[Role, ...] = (
    Role("viewer", "everybody who looks at the numbers", _VIEWER),
    Role("editor", "teams that correct what was detected", _EDITOR),
    Role("admin", "those who run the integrations", _ADMIN),
    Role("owner", "those who answer for people and data", _OWNER),
)
"""From the one that may do least to the one that may do everything."""

ROLE_NAMES: tuple[str, ...] = tuple(role.name for role in ROLES)


def role_named(name: str) -> Role:
    """Raises `KeyError` if there is none of that name."""
    return _ROLES[name]


_ROLES = {role.name: role for role in ROLES}
