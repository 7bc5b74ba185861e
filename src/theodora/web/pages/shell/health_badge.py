"""The badge of data health on every page."""

from collections import OrderedDict
from contextlib import suppress
from typing import NamedTuple

from theodora.errors import Unavailable
from theodora.events.values import DAY_NS, SECOND_NS
from theodora.report.deployment_sources import DeploymentSource, sources_of
from theodora.storage import Organisation, Store
from theodora.storage.access.key_usage import IgnoredMember, Refusal


class Attention(NamedTuple):
    """The findings that need attention."""

    silent: tuple[DeploymentSource, ...] = ()
    """Sources that have not sent anything for longer than is usual for them."""
    failed_mirrors: int = 0
    """Repositories that the server could not fetch from."""
    refused: int = 0
    """Reasons for which requests were refused within a day."""

    ignored: int = 0
    """Members that were sent within a day and that nobody reads."""
    unmarked: tuple[tuple[str, ...], ...] = ()
    """The services of failures that name a deployment and mark none: a choice, and no fault."""

    parked: int = 0
    """Services and environments that could not be derived."""

    quotas: int = 0
    """Quotas that are nearly used up, or are."""

    @property
    def things(self) -> int:
        counts = (self.failed_mirrors, self.refused, self.ignored, self.parked, self.quotas)
        return len(self.silent) + sum(counts)


class HealthMonitor:
    """Checks an organisation's data at most once a minute, when a page is shown.

    Memory is bounded: whoever has not been looked at for longest is forgotten first.
    """

    LOOKS_AFTER_NS = 60 * SECOND_NS
    REMEMBERED = 1_024

    def __init__(self) -> None:
        self._seen: OrderedDict[int, tuple[int, Attention]] = OrderedDict()
        """By organisation: when, and what was found."""

    def of(self, store: Store, org: Organisation, now_ns: int) -> Attention:
        seen_at_ns, found = self._seen.get(org.key, (None, Attention()))
        if seen_at_ns is None or not 0 <= now_ns - seen_at_ns < self.LOOKS_AFTER_NS:
            with suppress(Unavailable):  # Without the badge, the page reports the problem itself.
                found = _look(store, org, now_ns)
            self._seen[org.key] = now_ns, found
            self._seen.move_to_end(org.key)
            while len(self._seen) > self.REMEMBERED:
                self._seen.popitem(last=False)
        return found


def _look(store: Store, org: Organisation, now_ns: int) -> Attention:
    health = store.health.look(org)
    sources = sources_of(health.deployments, now_ns)
    silent = tuple(source for source in sources if source.is_stale)
    refused = sum(is_recent(refusal, now_ns) for refusal in health.refusals)
    ignored = sum(is_recent(member, now_ns) for member in health.ignored)
    unmarked = tuple(failure.services for failure in health.unmarked)
    parked, mirrors = len(health.parked), len(health.failed_mirrors)
    return Attention(silent, mirrors, refused, ignored, unmarked, parked, len(health.quotas))


def is_recent(counted: Refusal | IgnoredMember, now_ns: int) -> bool:
    """Whether it needs attention: within a day, by a key that is still valid."""
    return not counted.is_revoked and now_ns - counted.last_at_ns < DAY_NS
