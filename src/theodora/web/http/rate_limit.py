"""Rate limits by caller and bucket, in fixed windows of time."""

import math
import time
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import Literal, NamedTuple, get_args

Bucket = Literal["dora_ingest", "dora_read", "dora_write", "unauthenticated"]
BUCKETS: tuple[Bucket, ...] = get_args(Bucket)


@dataclass(frozen=True, slots=True)
class Limit:
    """At most `requests` in each window of `seconds`; windows are aligned to Unix time."""

    bucket: Bucket
    requests: int
    seconds: int


class Quota(NamedTuple):
    """The remaining requests of a caller, and the end of the window."""

    limit: Limit
    remaining: int
    reset_seconds: int
    """Seconds to the window's end, at least 1."""
    exceeded: bool = False

    @property
    def headers(self) -> list[tuple[bytes, bytes]]:
        return [
            (b"x-ratelimit-limit", b"%d" % self.limit.requests),
            (b"x-ratelimit-period", b"%d" % self.limit.seconds),
            (b"x-ratelimit-remaining", b"%d" % self.remaining),
            (b"x-ratelimit-reset", b"%d" % self.reset_seconds),
            (b"x-ratelimit-name", self.limit.bucket.encode()),
        ]


class RateLimiter:
    """Counts requests in this process; each caller has a count for each bucket and window."""

    def __init__(self, limits: dict[Bucket, Limit], clock: Callable[[], float] = time.time) -> None:
        self._limits = limits
        self._clock = clock
        self._windows: dict[Bucket, tuple[int, dict[Hashable, int]]] = {}

    def take(self, bucket: Bucket, caller: Hashable) -> Quota:
        """Counts one request; `Quota.exceeded` is true if it is one too many."""
        return self._quota(bucket, caller, cost=1)

    def peek(self, bucket: Bucket, caller: Hashable) -> Quota:
        """The remaining quota, without counting a request."""
        return self._quota(bucket, caller, cost=0)

    def _quota(self, bucket: Bucket, caller: Hashable, cost: int) -> Quota:
        limit = self._limits[bucket]
        now = self._clock()
        window = int(now // limit.seconds)
        current, counts = self._windows.get(bucket, (-1, {}))
        if current != window:
            # Counts of a window that has passed are forgotten all at once.
            counts = {}
            self._windows[bucket] = (window, counts)
        count = counts.get(caller, 0) + cost
        if cost:
            counts[caller] = min(count, limit.requests + 1)
        reset = max(1, math.ceil((window + 1) * limit.seconds - now))
        return Quota(limit, max(0, limit.requests - count), reset, count > limit.requests)
