"""All metrics of a set of events, in the order of the table of metrics.

Every figure pools its events: a group's median is a median of its commits, a total's rate
counts every deployment once. A value without events is None, never 0.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import cached_property, partial
from typing import Annotated, Any, TypeVar, cast

import msgspec

from theodora.dora.metrics.durations import Cells
from theodora.dora.metrics.shapes import Change, F, Observed, Sample
from theodora.dora.metrics.table import METRICS, Counted, Metric
from theodora.dora.metrics.tally import Tally

S = TypeVar("S", bound=msgspec.Struct)

_GROUPS_AT_ONCE = 32
"""Of so many groups are metrics made together: each time costs, and all at once take memory."""


def with_fields(fields: Mapping[str, Any]) -> Callable[[type[S]], type[S]]:
    """Decorator: a struct with these fields behind its own, or before those that are keywords."""

    def extend(struct: type[S]) -> type[S]:
        extended = msgspec.defstruct(
            struct.__name__,
            list(fields.items()),
            bases=(struct,),
            frozen=True,
            gc=struct.__struct_config__.gc,
            module=struct.__module__,
            namespace={"__doc__": struct.__doc__},
        )
        return cast("type[S]", extended)

    return extend


OF_EACH_METRIC: Mapping[str, Any] = {
    each.name: Annotated[each.struct, msgspec.Meta(description=each.about)] for each in METRICS
}
"""A member for each metric."""


@with_fields(OF_EACH_METRIC)
class Metrics(msgspec.Struct, frozen=True, gc=False):
    """The metrics of one set of events, under the names they have everywhere."""

    def __getitem__(self, metric: Metric[F]) -> F:
        figures: F = getattr(self, metric.name)
        return figures


class CellMetrics:
    """The metrics of every cell; counted when they are read first."""

    def __init__(self, tally: Tally) -> None:
        self._tally = tally
        self._made: tuple[int, list[Metrics]] = (-1, [])
        """The number of the groups that were made last, and their metrics."""
        self._others: dict[int, Cells | None] = {}
        """Independent durations, by the place of the metric."""

    def of_group(self, group: int) -> list[Metrics]:
        """The metrics of a group, period by period."""
        width = len(self._tally.periods)
        number, place = divmod(group, _GROUPS_AT_ONCE)
        if self._made[0] != number:
            several = _GROUPS_AT_ONCE * width
            self._made = (number, self._of(slice(number * several, (number + 1) * several)))
        return self._made[1][place * width : (place + 1) * width]

    @cached_property
    def totals(self) -> list[Metrics]:
        """The metrics of each group in the only period."""
        return self._of(slice(None))

    def sample(self, metric: Metric[Any], group: int) -> Sample[Any]:
        """A metric of a group's only period, to be compared with another period."""
        (days,) = self._tally.periods.days
        durations = self._counted[METRICS.index(metric)].durations
        return Sample(
            self.totals[group][metric], days, None if durations is None else durations[group]
        )

    def observed(self, metric: Metric[Any], group: int) -> Observed:
        """The independent observations of a group in the only period."""
        place = METRICS.index(metric)
        durations = self._independent(place)
        return Observed(
            self.totals[group][metric],
            self._tally.periods.days[0],
            partial(self._tally.deployments_in_parts, group),
            None if durations is None else durations[group],
        )

    def _independent(self, place: int) -> Cells | None:
        if place not in self._others:
            counted = self._counted[place]
            make = counted.independent
            self._others[place] = counted.durations if make is None else make()
        return self._others[place]

    @cached_property
    def _counted(self) -> Sequence[Counted]:
        return [metric.count(self._tally) for metric in METRICS]

    def _of(self, part: slice) -> list[Metrics]:
        figures = [
            map(metric.struct, *(column[part] for column in counted.columns))
            for metric, counted in zip(METRICS, self._counted, strict=True)
        ]
        return list(map(Metrics, *figures))


def change(metric: Metric[Any], now: CellMetrics, before: CellMetrics, group: int) -> Change:
    """How a metric of a group differs from the previous period."""
    return metric.shape.compare(now.sample(metric, group), before.sample(metric, group))


def p_value(metric: Metric[Any], now: CellMetrics, before: CellMetrics, group: int) -> float:
    """How likely chance alone makes a metric of a group differ so from the previous period."""
    return metric.shape.p_value(now.observed(metric, group), before.observed(metric, group))
