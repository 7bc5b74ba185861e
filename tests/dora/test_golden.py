"""The forty worked examples, through the pure functions."""

from pathlib import Path

import pytest

from golden import examples, shared
from golden.compare import differences
from golden.derived import derive_all, observe
from golden.examples import Example

SHARED = Path(__file__).parents[3] / "shared" / "data" / "golden_metrics.json"

needs_shared = pytest.mark.skipif(not SHARED.exists(), reason=f"{SHARED} is not there")


@pytest.mark.parametrize("example", examples.load(), ids=str)
def test_an_example_comes_out_as_worked_by_hand(example: Example):
    assert list(differences(example.expect, observe(example), example.id)) == []


def test_there_are_forty_examples():
    assert [example.id for example in examples.load()] == [f"G{n:02}" for n in range(1, 41)]


@pytest.mark.parametrize(
    ("example", "arrival"),
    [(example, arrival) for example in examples.load() for arrival in example.arrival_orders],
    ids=str,
)
def test_every_order_of_arrival_comes_out_the_same(example: Example, arrival: tuple[str, ...]):
    assert derive_all(example, arrival) == derive_all(example)


@needs_shared
def test_the_shared_form_comes_out_as_worked_by_hand():
    found = [
        difference
        for example in shared.load(SHARED)
        for difference in differences(example.expect, observe(example), example.id)
    ]
    assert found == []


@needs_shared
def test_both_forms_tell_the_same_facts():
    assert list(shared.load(SHARED)) == list(examples.load())
