"""The sources of deployments, and which of them are silent."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from itertools import pairwise
from statistics import median
from typing import NamedTuple

from theodora.events.values import DAY_NS, SECOND_NS
from theodora.storage.health import Received, Seen

_FEWEST_FOR_A_GAP = 4
"""The fewest deployments of a source that show its usual gap."""
_STALE_AFTER_GAPS = 3


class DeploymentSource(NamedTuple):
    """A source of deployments."""

    name: str
    deployments: int
    last_ns: int
    """When the last one was received."""
    gap_sec: float | None
    """The median time between one and the next; None where there are too few."""
    per_day: float | None
    """None where those known were received within one day."""
    is_stale: bool


def sources_of(deployments: Iterable[Seen | Received], now_ns: int) -> list[DeploymentSource]:
    """The sources of deployments, longest silent first."""
    received: dict[str, list[int]] = defaultdict(list)
    for each in deployments:
        received[each.source].append(each.created_at_ns)
    sources = [_source(name, sorted(instants), now_ns) for name, instants in received.items()]
    return sorted(sources, key=lambda source: source.last_ns)


def _source(name: str, instants_ns: Sequence[int], now_ns: int) -> DeploymentSource:
    first_ns, last_ns = instants_ns[0], instants_ns[-1]
    if len(instants_ns) < _FEWEST_FOR_A_GAP or last_ns == first_ns:
        return DeploymentSource(name, len(instants_ns), last_ns, None, None, is_stale=False)
    gap_ns = median(after - before for before, after in pairwise(instants_ns))
    span_ns = last_ns - first_ns
    per_day = (len(instants_ns) - 1) * DAY_NS / span_ns if span_ns >= DAY_NS else None
    is_stale = now_ns - last_ns > max(_STALE_AFTER_GAPS * gap_ns, DAY_NS)
    return DeploymentSource(name, len(instants_ns), last_ns, gap_ns / SECOND_NS, per_day, is_stale)
