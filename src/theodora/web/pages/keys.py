"""The keys of the organisation: made here, shown once, and revoked for good."""

from collections.abc import Mapping
from typing import NamedTuple

from theodora.events.attributes import CONTROL
from theodora.storage import Key
from theodora.storage.access.key_secrets import KEY_KINDS, KeyKind, new_secret
from theodora.storage.access.keys import PERMISSIONS_OF
from theodora.storage.access.permissions import PERMISSIONS, WRITE_SETTINGS
from theodora.web.pages.shell.page import Answer, SeeOther, View, Visit

PATH = "/settings/keys"
MAX_NAME = 200
"""Characters in the name of a key."""

_SHOWN = 100
"""Most revoked keys that are listed, newest first; valid keys are all listed."""


class Asked(NamedTuple):
    """The values of the form for a new key."""

    kind: KeyKind = "api"
    name: str = ""
    permissions: frozenset[str] = frozenset()


_NOTHING_ASKED = Asked()


def show_keys(visit: Visit) -> Answer:
    return View(_values(visit))


def make_key(visit: Visit) -> Answer:
    """Makes a key; it can be shown in this answer alone, so that there is no redirect.

    Raises `NotPermitted` for a permission that the key signed in with does not have itself.
    """
    asked = _read(visit)
    if asked.kind == "application":
        for permission in sorted(asked.permissions):
            visit.require(permission)
    problems = dict(_problems(asked))
    if problems:
        return View(_values(visit, asked=asked, problems=problems), 400)
    secret = new_secret(asked.kind)
    key = visit.store.keys.add(
        visit.organisation.name,
        asked.kind,
        secret,
        name=asked.name,
        permissions=asked.permissions,
        now_ns=visit.now_ns,
        actor=visit.actor,
    ).result()
    return View(_values(visit, made=key, secret=secret))


def revoke_key(visit: Visit) -> Answer:
    """Raises `NotFound` for the id of no key of this organisation."""
    id_ = visit.form.get("id", "")
    visit.store.keys.revoke(visit.organisation.name, id_, visit.now_ns, actor=visit.actor).result()
    return SeeOther(visit.scope.link(PATH, saved="revoked"))


def _read(visit: Visit) -> Asked:
    kind = visit.form.get("kind", "")
    known = kind if kind in KEY_KINDS else "api"
    permissions = (
        frozenset(PERMISSIONS_OF["api"])
        if known == "api"
        else frozenset(visit.form.getlist("permission")) & frozenset(PERMISSIONS_OF[known])
    )
    return Asked(known, visit.form.get("name", "").strip(), permissions)


def _problems(asked: Asked) -> Mapping[str, str]:
    found: dict[str, str] = {}
    if not 1 <= len(asked.name) <= MAX_NAME or CONTROL.search(asked.name):
        found["name"] = (
            f"A key needs a name of 1 to {MAX_NAME} characters that identifies who or what uses it."
        )
    if not asked.permissions:
        found["permission"] = "An application key needs at least one permission."
    return found


def _values(
    visit: Visit,
    *,
    asked: Asked = _NOTHING_ASKED,
    problems: Mapping[str, str] | None = None,
    made: Key | None = None,
    secret: str = "",
) -> dict[str, object]:
    keys = visit.store.keys.all_of(visit.organisation.name)
    held = [key for key in reversed(keys) if key.revoked_at_ns is None]
    revoked = [key for key in reversed(keys) if key.revoked_at_ns is not None]
    to_revoke = visit.query_parameters.get("revoke", "")
    may_write = visit.may(WRITE_SETTINGS)
    own = visit.principal.key
    return {
        "asked": asked,
        "problems": problems or {},
        "made": made,
        "own_id": own.id if own else "",
        "is_revoked": visit.query_parameters.get("saved") == "revoked",
        "secret": secret,
        "held": held,
        "revoked": revoked[:_SHOWN],
        "may_write": may_write,
        "to_revoke": next((key for key in held if may_write and key.id == to_revoke), None),
        "grantable": [name for name in PERMISSIONS_OF["application"] if visit.may(name)],
        "permission_words": {row.name: row.may for row in PERMISSIONS},
        "max_name": MAX_NAME,
    }
