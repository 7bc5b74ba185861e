"""Limits of a key: what an API key may send, from which addresses, and how long it is valid."""

from collections.abc import Iterable, Sequence
from functools import lru_cache
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from typing import Literal, NamedTuple

import msgspec

from theodora.dora.derivation.name_globs import NameFilter
from theodora.errors import Invalid, KeyLimited, Problem
from theodora.events import Deployment, Failure, match_key

KeyOperation = Literal[
    "deployments", "failures", "commits", "webhooks", "correlations", "ai_activity"
]
NamedLimit = Literal["services", "environments", "repositories"]

MAX_PATTERNS = 50
"""Most patterns of one limit, and most networks."""
MAX_PATTERN_CHARACTERS = 255


class KeyOperationRow(NamedTuple):
    """What an API key can be allowed to send."""

    name: KeyOperation
    may: str
    """What it allows, after "can"."""
    checks: frozenset[NamedLimit]
    """The limits that its requests can be compared with."""


_EVENT: frozenset[NamedLimit] = frozenset({"services", "environments", "repositories"})
_NOTHING: frozenset[NamedLimit] = frozenset()

KEY_OPERATIONS: tuple[KeyOperationRow, ...] = (
    KeyOperationRow("deployments", "send deployments", _EVENT),
    KeyOperationRow("failures", "send failures", _EVENT),
    KeyOperationRow("commits", "upload commits", frozenset({"repositories"})),
    KeyOperationRow("webhooks", "send webhooks", _NOTHING),
    KeyOperationRow("correlations", "correlate commits and tag CI jobs", _NOTHING),
    KeyOperationRow("ai_activity", "send the use of AI coding tools", _NOTHING),
)
OPERATION_NAMES: tuple[KeyOperation, ...] = tuple(row.name for row in KEY_OPERATIONS)
NAMED_LIMITS: tuple[NamedLimit, ...] = ("services", "environments", "repositories")


class KeyLimits(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a key is limited to; an empty limit is none."""

    services: tuple[str, ...] = ()
    """Names or globs, as those of `repositories` and `environments`."""
    environments: tuple[str, ...] = ()
    repositories: tuple[str, ...] = ()
    """Of their ids, such as `github.com/acme/*`."""
    operations: tuple[KeyOperation, ...] = ()
    networks: tuple[str, ...] = ()
    """Addresses or networks (CIDR) that requests may come from."""

    def require(self, operation: KeyOperation) -> None:
        """Raises `KeyLimited` if the key may not send this at all.

        A key with a limit that such requests cannot be compared with may not send them: they could
        be about anything.
        """
        if self.operations and operation not in self.operations:
            raise KeyLimited(f"operations {_quoted(self.operations)}")
        checks = _CHECKS[operation]
        limited = [name for name in NAMED_LIMITS if getattr(self, name)]
        if limited and not any(name in checks for name in limited):
            name = limited[0]
            raise KeyLimited(
                f"{name} {_quoted(getattr(self, name))}, and {_LACKS[operation]} name none"
            )

    def require_event(self, event: Deployment | Failure) -> None:
        """Raises `KeyLimited` unless the event is only about what the key is limited to."""
        services = (event.service,) if isinstance(event, Deployment) else event.services
        self._require("services", services)
        self._require("environments", (event.env,) if event.env else ())
        if event.git is not None:
            self.require_repository(event.git.repository_id)

    def require_repository(self, repository_id: str) -> None:
        """Raises `KeyLimited` for one that the key is not limited to."""
        # As repositories meet in the store, so that no other spelling is another repository.
        self._require("repositories", (match_key(repository_id),))

    def admits(self, address: str) -> bool:
        """Whether requests may come from this address."""
        return not self.networks or _is_within(self.networks, address)

    @property
    def is_about_events(self) -> bool:
        """Whether events have to be compared with it."""
        return bool(self.services or self.environments or self.repositories)

    def _require(self, name: NamedLimit, names: Sequence[str]) -> None:
        patterns: tuple[str, ...] = getattr(self, name)
        if not patterns:
            return
        found = _filter(patterns, name)
        if not names or not all(found.matches((each,)) for each in names):
            raise KeyLimited(f"{name} {_quoted(patterns)}")


NO_LIMITS = KeyLimits()

_CHECKS = {row.name: row.checks for row in KEY_OPERATIONS}
_LACKS: dict[KeyOperation, str] = {
    "commits": "uploads of commits",
    "webhooks": "webhooks",
    "correlations": "correlations",
    "ai_activity": "AI activities",
}
_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(KeyLimits).decode


def encode_limits(limits: KeyLimits) -> str:
    """As they are stored."""
    return _encode(limits).decode()


@lru_cache(maxsize=4096)
def decode_limits(text: str) -> KeyLimits:
    """Raises `msgspec.ValidationError` for what `encode_limits` has not written."""
    return NO_LIMITS if text == "{}" else _decode(text)


def check_limits(limits: KeyLimits) -> None:
    """Raises `Invalid` with every problem of the values."""
    problems = [
        Problem(f"{name} must have patterns of 1 to {MAX_PATTERN_CHARACTERS} characters", (name,))
        for name in NAMED_LIMITS
        if not all(0 < len(each) <= MAX_PATTERN_CHARACTERS for each in getattr(limits, name))
    ]
    problems += (
        Problem(f"{name} must have at most {MAX_PATTERNS} items", (name,))
        for name in (*NAMED_LIMITS, "networks")
        if len(getattr(limits, name)) > MAX_PATTERNS
    )
    problems += _unusable(limits)
    problems += (
        Problem(f'"{each}" must be one of "{" ".join(OPERATION_NAMES)}"', ("operations",))
        for each in limits.operations
        if each not in OPERATION_NAMES
    )
    problems += (
        Problem(f'"{each}" must be an address or a network, such as 192.0.2.0/24', ("networks",))
        for each in limits.networks
        if _network(each) is None
    )
    if problems:
        raise Invalid(*problems)


def _unusable(limits: KeyLimits) -> list[Problem]:
    """Patterns that are too many and too long altogether."""
    found: list[Problem] = []
    for name in NAMED_LIMITS:
        try:
            _filter(getattr(limits, name), name)
        except Invalid as invalid:
            found += invalid.problems
    return found


def _quoted(names: Iterable[str]) -> str:
    return ", ".join(f'"{name}"' for name in names)


@lru_cache(maxsize=1024)
def _filter(patterns: tuple[str, ...], name: NamedLimit) -> NameFilter:
    # Two services may differ in case alone, while hosts and most of their paths do not.
    return NameFilter(patterns, name, is_case_sensitive=name != "repositories")


@lru_cache(maxsize=4096)
def _is_within(networks: tuple[str, ...], address: str) -> bool:
    try:
        ip = ip_address(address)
    except ValueError:
        return False
    found = (_network(each) for each in networks)
    mapped = getattr(ip, "ipv4_mapped", None) or ip
    return any(each is not None and mapped in each for each in found)


def _network(text: str) -> IPv4Network | IPv6Network | None:
    try:
        return ip_network(text, strict=False)
    except ValueError:
        return None
