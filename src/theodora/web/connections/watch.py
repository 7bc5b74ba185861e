"""A watch over a connection's deadlines for the head, the body, the answer and idle time."""

from enum import Enum, auto
from typing import NamedTuple

from theodora.web.connections.limits import Limits


class Phase(Enum):
    """The state of a connection."""

    HEAD = auto()
    BODY = auto()
    ANSWER = auto()
    """For the application: it has deadlines of its own."""
    NEXT = auto()
    """For another request."""
    END = auto()
    """For the client to hear that the connection ends."""


class Late(Enum):
    """The deadline that has passed."""

    HEAD = auto()
    BODY = auto()
    READING = auto()
    """The client's reading of an answer."""
    NEXT = auto()
    END = auto()


class Moved(NamedTuple):
    """Bytes of a connection so far, and whether it is the client who keeps more from moving."""

    received: int
    taken: int
    """By the client, of what was written."""
    has_client_to_send: bool
    has_client_to_take: bool


class Watch:
    """Checks the deadlines; call it repeatedly."""

    def __init__(self, limits: Limits, now: float) -> None:
        self._limits = limits
        self._body = _Pace(limits)
        self._reading = _Pace(limits)
        self.phase = Phase.HEAD
        self._since = now

    def enter(self, phase: Phase, now: float) -> None:
        self.phase, self._since = phase, now

    def late(self, moved: Moved, now: float) -> Late | None:
        # In every phase: a client may send its next request without reading the last answer.
        if self._reading.is_too_slow(moved.taken, now, counts=moved.has_client_to_take):
            return Late.READING
        must_send = self.phase is Phase.BODY and moved.has_client_to_send
        if self._body.is_too_slow(moved.received, now, counts=must_send):
            return Late.BODY
        seconds = now - self._since
        match self.phase:
            case Phase.HEAD if seconds > self._limits.head_seconds:
                return Late.HEAD
            case Phase.NEXT if seconds > self._limits.idle_seconds:
                return Late.NEXT
            case Phase.END if seconds > self._limits.linger_seconds:
                return Late.END
            case _:
                return None


class _Pace:
    """Detects a client that moves fewer bytes a second than the minimum, over some seconds."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._began: tuple[int, float] | None = None
        """What had moved when the span began, and when that was."""

    def is_too_slow(self, moved: int, now: float, *, counts: bool) -> bool:
        """Without `counts` the client does not have to move anything."""
        if not counts:
            self._began = None
            return False
        if self._began is None:
            self._began = moved, now
        moved_before, since = self._began
        seconds = now - since
        if seconds < self._limits.stall_seconds:
            return False
        # Each span is measured alone, so that a fast start cannot pay for a later stall.
        self._began = moved, now
        return moved - moved_before < self._limits.least_bytes_per_second * seconds
