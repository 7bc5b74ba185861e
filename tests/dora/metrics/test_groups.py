"""Sorting events into groups."""

from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from theodora.dora.metrics.columns import select_deployments, select_incidents
from theodora.dora.metrics.groups import Memberships, grouped, name_of, ranges, value_named
from theodora.dora.metrics.rows import DeploymentRow, IncidentRow


def row(id_: str, **fields) -> DeploymentRow:
    return DeploymentRow(id=id_, **({"service": "web", "finished_at_ns": 0} | fields))


def ids(rows: list[DeploymentRow], keys: list[str]) -> dict[tuple[str, ...], list[str]]:
    selected = select_deployments(rows)
    found = grouped(selected.columns.labels, keys, selected.positions)
    return {group: [rows[at].id for at in events] for group, events in members(found, len(rows))}


def members(found: Memberships, count: int) -> Iterator[tuple[tuple[str, ...], list[int]]]:
    """Of each group the numbers of its events, of which there are so many."""
    events = np.arange(count)[found.events]
    for number, name in enumerate(found.names):
        yield name, events[found.groups == number].tolist()


@given(st.lists(st.tuples(st.integers(0, 50), st.integers(0, 4))))
def test_ranges_are_the_numbers_from_each_start_on(those):
    starts, counts = (np.array([each[at] for each in those], np.int64) for at in (0, 1))
    expected = [start + step for start, count in those for step in range(count)]
    assert ranges(starts, counts).tolist() == expected


def test_without_keys_all_are_one_group():
    assert ids([row("a"), row("b")], []) == {(): ["a", "b"]}


def test_fields_group_by_their_value_and_by_its_absence():
    rows = [row("a", team="x", env="prod"), row("b", env="prod"), row("c", team="x")]
    assert ids(rows, ["team", "env"]) == {
        ("x", "prod"): ["a"],
        ("(none)", "prod"): ["b"],
        ("x", "(none)"): ["c"],
    }


@pytest.mark.parametrize("value", [None, "(none)", '"(none)"', '""(none)', "x", '"x"', '"', ""])
def test_a_group_is_named_so_that_its_value_can_be_told(value):
    assert value_named(name_of(value)) == value


def test_having_no_value_and_a_value_called_so_are_two_groups():
    rows = [row("a", team="(none)"), row("b"), row("c", team='"(none)"')]
    assert ids(rows, ["team"]) == {
        ('"(none)"',): ["a"],
        ("(none)",): ["b"],
        ('""(none)""',): ["c"],
    }


def test_a_repository_is_a_field():
    rows = [row("a", repository_id="example.org/app"), row("b")]
    assert ids(rows, ["repository_id"]) == {
        ("example.org/app",): ["a"],
        ("(none)",): ["b"],
    }


def test_a_tag_of_two_values_is_in_both_groups_once():
    tags = ("region:eu", "region:us", "region:eu", "regional:x")
    assert ids([row("a", custom_tags=tags)], ["region"]) == {
        ("eu",): ["a"],
        ("us",): ["a"],
    }


def test_a_tags_value_may_hold_a_colon():
    assert list(ids([row("a", custom_tags=("url:http://x",))], ["url"])) == [("http://x",)]


def test_two_keys_of_two_values_give_four_groups():
    tags = ("region:eu", "region:us", "tier:1", "tier:2")
    assert len(ids([row("a", custom_tags=tags)], ["region", "tier"])) == 4


def test_a_tag_named_as_a_field_does_not_stand_for_the_field():
    assert list(ids([row("a", custom_tags=("team:y",))], ["team"])) == [("(none)",)]


def test_an_incident_is_in_the_group_of_each_service():
    both = IncidentRow(services=("web", "pay"), started_at_ns=0, is_open=True)
    team = IncidentRow(team="x", started_at_ns=0, is_open=True)
    selected = select_incidents([both, team])
    found = grouped(selected.columns.labels, ["service"], selected.positions)
    assert dict(members(found, 2)) == {("web",): [0], ("pay",): [0], ("(none)",): [1]}
