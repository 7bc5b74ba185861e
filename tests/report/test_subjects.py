"""Whether a search may be about the subject of an annotation."""

import pytest

from theodora.events.annotations import Annotation
from theodora.query import parse
from theodora.query.production import ProductionEnvs
from theodora.report.subjects import may_concern

PRODUCTION = ProductionEnvs(by_service={"cart": ("live",)})
TEAMS = {"web": "shop"}
CASES = [
    ({}, "service:web env:production team:x", None),
    ({}, "*", True),
    ({"service": "web"}, "service:web", True),
    ({"service": "web"}, "service:cart", False),
    ({"service": "web"}, "-service:web", False),
    ({"service": "web"}, "service:w*", True),
    ({"service": "web"}, "env:staging", None),
    ({"service": "web"}, "region:eu OR service:web", True),
    ({"service": "web"}, "region:eu OR service:cart", None),
    ({"service": "web"}, "region:eu service:cart", False),
    ({"service": "web"}, "some words", None),
    ({"service": "web"}, "team:shop", True),
    ({"service": "web"}, "team:other", False),
    ({"service": "cart"}, "team:shop", None),
    ({"team": "other", "service": "web"}, "team:other", True),
    ({"team": "shop"}, "service:web", None),
    ({"team": "shop"}, "team:other", False),
    ({"env": "staging"}, "is:production", False),
    ({"env": "Production"}, "is:production", True),
    ({"env": "live", "service": "cart"}, "is:production", True),
    ({"env": "production", "service": "cart"}, "is:production", False),
    ({"service": "cart"}, "is:production", None),
]


@pytest.mark.parametrize(("about", "query", "expected"), CASES)
def test_a_search_that_is_about_something_else_excludes_it(
    about: dict[str, str], query: str, expected: bool | None
) -> None:
    content = Annotation(at_ns=1, text="Moved", **about)
    assert may_concern(parse(query), content, PRODUCTION, TEAMS) is expected
