"""A sentence about metrics or about what needs attention, and what it is made from."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from theodora.dora.metrics.groups import value_named
from theodora.dora.metrics.metrics import Metrics
from theodora.dora.metrics.table import (
    Metric,
)
from theodora.events import Deployment, Failure
from theodora.report import wording
from theodora.report.deployment_sources import DeploymentSource
from theodora.report.metric_words import FAILED
from theodora.report.wording import Tone
from theodora.storage.derivation.undeployed import UndeployedCommits

OPEN = "_missing_:finished_at"
UNFIXED = f"{FAILED} _missing_:recovery_time_sec"
PENDING = "_missing_:change_failure"


class Comparison(NamedTuple):
    """The numbers of a sentence about a change."""

    metric: Metric[Any]
    now: Metrics
    before: Metrics
    p_value: float


@dataclass(frozen=True, slots=True)
class Insight:
    """A sentence, and the page that shows what it reports."""

    kind: str
    """The name of a metric, or of a row of `NEEDS`."""
    group: str | None
    """The name of the group that it is about; None for everything."""
    subject: str
    words: str
    link: str
    tone: Tone = ""
    comparison: Comparison | None = None

    @property
    def text(self) -> str:
        """The sentence in a line of text."""
        return f"{wording.plain(self.subject)}: {self.words}"


@dataclass(frozen=True, slots=True, kw_only=True)
class InsightFacts:
    """What is known besides metrics."""

    open_failures: Sequence[Failure] = ()
    """The longest open first."""
    has_more_open: bool = False
    """Whether those are not all."""
    unfixed: Deployment | None = None
    """The oldest failed deployment of the period without a fix, if it is known."""
    not_derived: int = 0
    """Services and environments that could not be derived."""
    silent: Sequence[DeploymentSource] = ()
    """The longest silent first."""
    undeployed: Sequence[UndeployedCommits] = ()
    """Of production environments; the longest waiting first."""
    begins_ns: int = 0
    """When the oldest deployment of the organisation finished."""


def group_words(name: str, key: str) -> str:
    """The name of a group in words: `Team search`, `No team`; a service by its name."""
    if value_named(name) is None:
        return f"No {key}"
    return name if key == "service" else f"Team {name}"
