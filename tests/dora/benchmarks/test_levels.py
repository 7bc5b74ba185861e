"""Tables of levels, scores and survey means."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from theodora.dora.benchmarks.levels import (
    DAY,
    DORA_2021,
    DORA_2022,
    HOUR,
    LEVEL_TABLES,
    levels_of,
)
from theodora.dora.benchmarks.quick_check import scores_of
from theodora.dora.benchmarks.surveys import SURVEYS

BENCHMARKS = Path(__file__).parents[4] / "shared" / "data" / "benchmarks"

needs_shared = pytest.mark.skipif(not BENCHMARKS.exists(), reason=f"{BENCHMARKS} is not there")


@pytest.mark.parametrize(
    ("metric", "value", "level"),
    [
        ("change_lead_time", HOUR - 1, "elite"),
        ("change_lead_time", HOUR, "high"),
        ("change_lead_time", 7 * DAY, "high"),
        ("change_lead_time", 8 * DAY, "medium"),
        ("change_lead_time", 181 * DAY, "low"),
        ("deployment_frequency", 2, "elite"),
        ("deployment_frequency", 1, "high"),
        ("deployment_frequency", 1 / 31, "medium"),
        ("deployment_frequency", 0, "low"),
        ("change_failure_rate", 0.15, "elite"),
        ("change_failure_rate", 0.2, "high-to-low"),
        ("change_failure_rate", 0.31, "low"),
        ("failed_deployment_recovery_time", HOUR, "high"),
        ("failed_deployment_recovery_time", DAY, "medium"),
        ("failed_deployment_recovery_time", 8 * DAY, "low"),
    ],
)
def test_a_value_takes_the_best_level_whose_worst_edge_it_meets(metric, value, level):
    assert DORA_2021.level(metric, value) == level


def test_without_a_value_there_is_no_level():
    assert set(levels_of(DORA_2022, {}).values()) == {None}


def test_a_table_has_no_level_of_a_metric_it_lacks():
    assert DORA_2021.level("deployment_rework_rate", 0.1) is None
    assert "deployment_rework_rate" not in levels_of(DORA_2021, {"deployment_rework_rate": 0.1})


def test_every_table_tells_its_year_and_source():
    assert all(str(table.year) in table.id and table.source for table in LEVEL_TABLES)


@pytest.mark.parametrize(
    ("seconds", "score"),
    [
        (0, 10),
        (HOUR, 8),
        (DAY, 6),
        (7 * DAY, 4),
        (30 * DAY, 2),
        (180 * DAY, 0),
        (900 * DAY, 0),
    ],
)
def test_durations_are_scored_by_band(seconds, score):
    found = scores_of({"change_lead_time": seconds, "failed_deployment_recovery_time": seconds})
    assert found.change_lead_time == found.failed_deployment_recovery_time == score


@pytest.mark.parametrize(
    ("per_day", "score"),
    [(9, 10), (2, 10), (1, 8), (1 / 7, 6), (1 / 30, 4), (1 / 180, 2), (0, 0)],
)
def test_frequency_is_scored_by_band(per_day, score):
    assert scores_of({"deployment_frequency": per_day}).deployment_frequency == score


@given(st.floats(0, 1))
def test_rates_are_scored_by_their_distance_from_one(rate):
    found = scores_of({"change_failure_rate": rate, "deployment_rework_rate": rate})
    assert found.stability == pytest.approx(10 - 10 * rate)


def test_a_mean_of_scores_needs_all_of_them():
    found = scores_of({"change_lead_time": 1, "deployment_frequency": 1})
    assert (found.throughput, found.stability, found.overall) == (None, None, None)


def test_every_survey_has_everybody():
    assert all("all" in survey.segments and survey.source for survey in SURVEYS)


def test_means_of_2025_add_up_to_the_overall_score():
    assert SURVEYS[0].segments["all"].overall == pytest.approx(6.72)
    assert SURVEYS[2].segments["all"].overall is None


def test_recovery_by_size_is_turned_the_way_of_recovery_by_industry():
    name = "failed_deployment_recovery_time"
    by_industry, by_size = (survey.segments["all"] for survey in SURVEYS[:2])
    assert by_industry.means[name] == by_size.means[name]


PUBLISHED = {
    "change_lead_time": "leadtime",
    "deployment_frequency": "deployfreq",
    "failed_deployment_recovery_time": "failurerecovery",
    "change_failure_rate": "changefailure",
    "deployment_rework_rate": "rework",
    "throughput": "software_delivery_throughput",
    "stability": "software_delivery_instability",
}
LOW_IS_GOOD = {"change_failure_rate", "deployment_rework_rate", "stability"}
RENAMED = {
    "fewer_than_00002": "solo",
    "fewer_than_010": "fewer_than_10",
    "fewer_than_020": "fewer_than_20",
}


@needs_shared
@pytest.mark.parametrize("survey", SURVEYS, ids=lambda survey: survey.id)
def test_means_are_those_published(survey):
    kind = "organization_size" if survey.id.endswith("size") else "industry"
    name = f"dora_quickcheck_{survey.year}_{kind}_metrics.json"
    published = json.loads((BENCHMARKS / name).read_text("utf-8"))
    upside_down = (
        {"failed_deployment_recovery_time"} if survey.id == "quickcheck-2025-size" else set()
    )
    assert {RENAMED.get(key, key) for key in published} == set(survey.segments)
    for key, figures in published.items():
        segment = survey.segments[RENAMED.get(key, key)]
        for ours, theirs in PUBLISHED.items():
            if theirs in figures:
                mean = figures[theirs]["mean"]
                turned = 10 - mean if ours in LOW_IS_GOOD | upside_down else mean
                assert segment.means[ours].mean == pytest.approx(turned)
                assert segment.means[ours].std == figures[theirs]["std"]
            else:
                assert ours not in segment.means
