"""Annotations as they are sent."""

from typing import Any

import pytest

from theodora.errors import Invalid
from theodora.events.annotations import Annotation, read_annotation

NOW_NS = 1_700_000_000 * 10**9


def test_without_a_time_it_happened_now_and_concerns_all() -> None:
    assert read_annotation({"text": " Moved "}, NOW_NS) == Annotation(at_ns=NOW_NS, text="Moved")


def test_a_time_is_read_as_everywhere() -> None:
    times = ("2023-11-14T22:13:20Z", "2023-11-14T23:13:20+01:00", 1_700_000_000)
    assert {read_annotation({"text": "x", "at": at}, 1).at_ns for at in times} == {NOW_NS}


def test_its_id_is_that_of_its_content() -> None:
    one = Annotation(at_ns=1, text="Moved", service="web")
    others = [
        Annotation(at_ns=2, text="Moved", service="web"),
        Annotation(at_ns=1, text="Moved back", service="web"),
        Annotation(at_ns=1, text="Moved", team="web"),
        Annotation(at_ns=1, text="Moved", env="web"),
    ]
    assert one.id == Annotation(at_ns=1, text="Moved", service="web").id
    assert len({one.id, *(each.id for each in others)}) == 5


@pytest.mark.parametrize(
    ("attributes", "detail"),
    [
        ({}, 'attribute "text" is required'),
        ({"text": "  "}, 'attribute "text" is required'),
        ({"text": "x" * 201}, 'attribute "text" must be at most 200 characters'),
        ({"text": "x\ny"}, 'attribute "text" must not contain control characters'),
        ({"text": "x", "service": "x" * 256}, 'attribute "service" must be at most 255 characters'),
        ({"text": "x", "team": 1}, 'error decoding attribute "team"'),
        ({"text": "x", "at": "yesterday"}, 'attribute "at" must be'),
        ({"text": "x", "at": "1960-01-01T00:00:00Z"}, 'attribute "at" must be'),
    ],
)
def test_what_cannot_be_one_is_named(attributes: dict[str, Any], detail: str) -> None:
    with pytest.raises(Invalid) as raised:
        read_annotation(attributes, NOW_NS)
    assert [each.detail[: len(detail)] for each in raised.value.problems] == [detail]
