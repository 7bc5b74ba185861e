"""The keys of the organisation: made here, shown once, rotated, and revoked for good."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from theodora.errors import Invalid, NotFound
from theodora.events.attributes import CONTROL
from theodora.events.values import DAY_NS
from theodora.storage import Key
from theodora.storage.access.key_limits import (
    KEY_OPERATIONS,
    NAMED_LIMITS,
    NO_LIMITS,
    OPERATION_NAMES,
    KeyLimits,
    KeyOperation,
    check_limits,
)
from theodora.storage.access.key_secrets import KEY_KINDS, KeyKind, new_secret
from theodora.storage.access.keys import PERMISSIONS_OF
from theodora.storage.access.permissions import PERMISSIONS, WRITE_SETTINGS
from theodora.web.pages.shell.page import Answer, KeyIsLimited, SeeOther, View, Visit

PATH = "/settings/keys"
MAX_NAME = 200
"""Characters in the name of a key."""

_SHOWN = 100
"""Most revoked keys that are listed, newest first; valid keys are all listed."""


UNUSED_DAYS = 90
"""A key that nobody has used for longer is marked."""
OVERLAP_DAYS = 7
"""How long the old key stays valid after a rotation, unless something else is asked for."""
_LIFETIMES = (30, 90, 365)
"""Days that can be chosen; keys may also last for ever."""
_OVERLAPS = ("1", "7", "30")
_TEXT_LIMITS = (*NAMED_LIMITS, "networks")


class Asked(NamedTuple):
    """The values of the form for a new key."""

    kind: KeyKind = "api"
    name: str = ""
    permissions: frozenset[str] = frozenset()
    limits: KeyLimits = NO_LIMITS
    lifetime_days: int | None = None
    """None for a key that does not expire."""


_NOTHING_ASKED = Asked()


def show_keys(visit: Visit) -> Answer:
    return View(_values(visit))


def make_key(visit: Visit) -> Answer:
    """Makes a key; it can be shown in this answer alone, so that there is no redirect.

    Raises `NotPermitted` for a permission that the key signed in with does not have itself, and
    `KeyIsLimited` if that one is limited in time or place.
    """
    require_lasting(visit)
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
        limits=asked.limits,
        expires_at_ns=(
            visit.now_ns + asked.lifetime_days * DAY_NS if asked.lifetime_days else None
        ),
        now_ns=visit.now_ns,
        actor=visit.actor,
    ).result()
    return View(_values(visit, made=key, secret=secret))


def rotate_key(visit: Visit) -> Answer:
    """Makes the successor of a key, which can be shown in this answer alone.

    Raises `NotFound` for the id of no valid key of this organisation, and `NotPermitted` for a key
    that may do more than the one signed in with, or `KeyIsLimited` for another key if that one is
    limited in time or place.
    """
    id_, days = visit.form.get("id", ""), visit.form.get("overlap", "")
    own = visit.principal.key
    if own is None or own.id != id_:
        require_lasting(visit)
    old = next((key for key in _all_keys(visit) if key.id == id_), None)
    if old is None:
        raise NotFound("there is no such key")
    if old.kind == "application":
        for permission in sorted(old.permissions):
            visit.require(permission)
    overlap_days = int(days) if days in _OVERLAPS else OVERLAP_DAYS
    secret = new_secret(old.kind)
    key = visit.store.keys.rotate(
        visit.organisation.name,
        id_,
        secret,
        overlap_days * DAY_NS,
        visit.now_ns,
        actor=visit.actor,
    ).result()
    return View(_values(visit, made=key, secret=secret))


def revoke_key(visit: Visit) -> Answer:
    """Raises `NotFound` for the id of no key of this organisation."""
    id_ = visit.form.get("id", "")
    visit.store.keys.revoke(visit.organisation.name, id_, visit.now_ns, actor=visit.actor).result()
    return SeeOther(visit.scope.link(PATH, saved="revoked"))


def require_lasting(visit: Visit) -> None:
    """Raises `KeyIsLimited` for a key whose own keys would be without its limits."""
    if not visit.principal.may_make_keys:
        raise KeyIsLimited(visit.principal)


def _read(visit: Visit) -> Asked:
    kind = visit.form.get("kind", "")
    known = kind if kind in KEY_KINDS else "api"
    permissions = (
        frozenset(PERMISSIONS_OF["api"])
        if known == "api"
        else frozenset(visit.form.getlist("permission")) & frozenset(PERMISSIONS_OF[known])
    )
    days = visit.form.get("lifetime", "")
    lifetime = int(days) if days in map(str, _LIFETIMES) else None
    name = visit.form.get("name", "").strip()
    return Asked(known, name, permissions, _read_limits(visit, known), lifetime)


def _read_limits(visit: Visit, kind: KeyKind) -> KeyLimits:
    """Of an application key the networks alone; a field has names with white space or commas."""
    services, environments, repositories, networks = (
        _names(visit.form.get(name, "")) for name in _TEXT_LIMITS
    )
    if kind == "application":
        return KeyLimits(networks=networks)
    sent = visit.form.getlist("operation")
    operations: tuple[KeyOperation, ...] = tuple(x for x in OPERATION_NAMES if x in sent)
    # Everything ticked is no limit, also for what later versions add.
    if len(operations) == len(OPERATION_NAMES):
        operations = ()
    return KeyLimits(services, environments, repositories, operations, networks)


def _names(text: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(text.replace(",", " ").split()))


def _problems(asked: Asked) -> Mapping[str, str]:
    found: dict[str, str] = {}
    if not 1 <= len(asked.name) <= MAX_NAME or CONTROL.search(asked.name):
        found["name"] = (
            f"A key needs a name of 1 to {MAX_NAME} characters that identifies who or what uses it."
        )
    if not asked.permissions:
        found["permission"] = "An application key needs at least one permission."
    try:
        check_limits(asked.limits)
    except Invalid as invalid:
        for problem in invalid.problems:
            found.setdefault(str(problem.path[0]), f"{problem.detail}.")
    return found


def _values(
    visit: Visit,
    *,
    asked: Asked = _NOTHING_ASKED,
    problems: Mapping[str, str] | None = None,
    made: Key | None = None,
    secret: str = "",
) -> dict[str, object]:
    keys = _all_keys(visit)
    held = [key for key in reversed(keys) if key.revoked_at_ns is None]
    revoked = [key for key in reversed(keys) if key.revoked_at_ns is not None]
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
        "may_write": visit.may(WRITE_SETTINGS),
        "to_revoke": _chosen(visit, held, "revoke"),
        "to_rotate": _chosen(visit, held, "rotate"),
        "addresses": visit.store.keys.addresses(visit.organisation),
        "unused": {key.id for key in held if _is_unused(key, visit.now_ns)},
        "unused_days": UNUSED_DAYS,
        "overlaps": _OVERLAPS,
        "overlap_days": str(OVERLAP_DAYS),
        "lifetimes": _LIFETIMES,
        "text_limits": _TEXT_LIMITS,
        "operations": KEY_OPERATIONS,
        "grantable": [name for name in PERMISSIONS_OF["application"] if visit.may(name)],
        "permission_words": {row.name: row.may for row in PERMISSIONS},
        "max_name": MAX_NAME,
    }


def _chosen(visit: Visit, held: Sequence[Key], act: str) -> Key | None:
    """The key that the page asks about before it does something to it; None without any."""
    if not visit.may(WRITE_SETTINGS):
        return None
    id_ = visit.query_parameters.get(act, "")
    return next((key for key in held if key.id == id_), None)


def _all_keys(visit: Visit) -> list[Key]:
    return visit.store.keys.all_of(visit.organisation.name)


def _is_unused(key: Key, now_ns: int) -> bool:
    return now_ns - (key.last_used_at_ns or key.created_at_ns) > UNUSED_DAYS * DAY_NS
