"""Limits of connections, and counts of the connections that exceeded them."""

import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import structlog

log = structlog.get_logger()

LimitName = Literal[
    "connections",
    "connections of an address",
    "file descriptors",
    "head size",
    "head time",
    "host",
    "pipelined requests",
    "slow body",
    "small pieces",
    "unread answer",
]

_SECONDS_BETWEEN_LINES = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """The limits of one connection."""

    head_bytes: int
    """A request's line and headers together, and whatever else comes around its body."""
    head_seconds: float
    """From the start of the connection, or the first byte of a request, to its last header."""
    idle_seconds: float
    """Between two requests."""
    stall_seconds: float
    """How long a client may send a body or read an answer more slowly than the least."""
    least_bytes_per_second: int
    unread_body_bytes: int
    """The longest rest of a body that is read and dropped; for a longer one the connection ends."""
    linger_seconds: float = 30.0
    """How long a client is heard out that goes on sending on a connection that ends."""


class Alarm:
    """Counts what limits have ended and logs it: the first at once, of a flood some lines."""

    def __init__(self, count: Callable[[LimitName], None]) -> None:
        self._count = count
        self._unsaid: Counter[LimitName] = Counter()
        self._said_at: dict[LimitName, float] = {}

    def ring(self, limit: LimitName, address: str) -> None:
        self._count(limit)
        self._unsaid[limit] += 1
        now = time.monotonic()
        if now - self._said_at.get(limit, -_SECONDS_BETWEEN_LINES) >= _SECONDS_BETWEEN_LINES:
            self._said_at[limit] = now
            times = self._unsaid.pop(limit)
            log.warning("a limit was reached", limit=limit, times=times, last_address=address)
