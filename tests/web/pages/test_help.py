"""Help is made of what the language, the metrics and the navigation are made of."""

import pytest

from asking import Tenant
from databases import ON_SQLITE
from theodora.dora.benchmarks.levels import DAY, HOUR
from theodora.dora.benchmarks.quick_check import DURATION_EDGES, PER_DAY_EDGES, scores_of
from theodora.dora.metrics.table import METRICS
from theodora.query import FIELDS, parse
from theodora.web.pages.help import CONSTRUCTS, SHORTCUTS
from visiting import sign_in

pytestmark = ON_SQLITE


def test_every_field_is_explained(tenant: Tenant) -> None:
    page = sign_in(tenant).page("/help/search")
    named = {code.text for code in page.one("section", id="fields").all("code")}
    assert named >= {field.name for field in FIELDS}


@pytest.mark.parametrize("example", [example for example, _ in CONSTRUCTS])
def test_every_example_is_a_query(example: str) -> None:
    parse(example)


def test_every_shortcut_is_listed(tenant: Tenant) -> None:
    page = sign_in(tenant).page("/help/keyboard")
    assert len(page.one("tbody").all("tr")) == len(SHORTCUTS)


def test_scores_are_explained_with_the_edges_they_have() -> None:
    """The page says these in words; should they change, it has to."""
    assert DURATION_EDGES == (HOUR, DAY, 7 * DAY, 30 * DAY, 180 * DAY)
    assert PER_DAY_EDGES == (2, 1, 1 / 7, 1 / 30, 1 / 180)
    assert scores_of({"change_lead_time": HOUR - 1}).change_lead_time == 10
    assert scores_of({"change_lead_time": 200 * DAY}).change_lead_time == 0


def test_every_metric_is_explained(tenant: Tenant) -> None:
    page = sign_in(tenant).page("/help/metrics")
    for metric in METRICS:
        heading = page.one("h2", id=metric.name)
        assert heading.text == metric.full_title
    page.one("h2", id="score")
