"""The table of metrics is complete, and no two of its rows get in each other's way."""

from itertools import chain

import msgspec
import pytest

from pooling import pooled
from theodora.dora.metrics.metrics import Metrics
from theodora.dora.metrics.table import DORA_METRICS, IN_DORAS_ORDER, METRICS, Metric

EACH = pytest.mark.parametrize("metric", METRICS, ids=lambda metric: metric.name)


@EACH
def test_figures_are_the_members_of_the_json(metric: Metric):
    found = msgspec.to_builtins(pooled(stages=True))[metric.name]
    assert list(found) == [figure.name for figure in metric.figures]


@EACH
def test_every_figure_says_what_it_is(metric: Metric):
    """Only the headline has the metric's own definition."""
    silent = [figure.name for figure in metric.figures if not figure.about]
    assert silent in ([], ["value"])
    assert metric.about.endswith(".")


@EACH
def test_gauges_and_columns_are_of_figures(metric: Metric):
    names = {figure.name for figure in metric.figures}
    assert {*metric.gauges, *metric.columns} <= names
    assert set(metric.brief) <= set(metric.columns)


@EACH
def test_a_figure_is_read_by_its_name(metric: Metric):
    figures = pooled()[metric]
    for name, value in msgspec.to_builtins(figures).items():
        assert metric.read(figures, name) == value


def test_schemas_say_what_figures_are():
    _, schemas = msgspec.json.schema_components([Metrics])
    for metric in METRICS:
        members = schemas[metric.struct.__name__]["properties"]
        for figure in metric.figures:
            assert members[figure.name]["description"] == metric.about_figure(figure.name)


def test_no_name_is_taken_twice():
    for names in (
        [metric.name for metric in METRICS],
        [metric.key for metric in METRICS],
        [*chain.from_iterable(metric.gauges.values() for metric in METRICS)],
        [*chain.from_iterable(metric.columns.values() for metric in METRICS)],
    ):
        assert len(set(names)) == len(names)


def test_people_see_throughput_before_instability_before_what_is_not_doras():
    assert [each.family for each in DORA_METRICS] == ["throughput"] * 3 + ["instability"] * 2
    assert IN_DORAS_ORDER[: len(DORA_METRICS)] == DORA_METRICS
    assert set(IN_DORAS_ORDER) == set(METRICS)
