"""Names that are markup, turn text around, are endless or climb paths: pages show them as text."""

from typing import Any
from urllib.parse import quote

import pytest

from browsing import NARROW, WIDE
from worlds import TRAPS, World


@pytest.mark.parametrize("width", [WIDE, pytest.param(NARROW, marks=pytest.mark.slow)])
def test_every_page_shows_them_as_text(signed_in: Any, traps: World, width: int) -> None:
    """Every page there is, and that of each failure and service."""
    with signed_in(traps, width=width) as window:
        listed = [
            link.get_attribute("href")
            for path in ("/", "/failures")
            for link in window.go(path).locator("main table.big tbody th a").all()
        ]
        assert len(listed) == 2 * len(TRAPS)
        for path in dict.fromkeys([*traps.paths(), *map(str, listed)]):
            page = window.go(path)
            assert page.title() != "run", path
            assert page.locator("img, main script").count() == 0, path
            assert window.overflow_px == 0, path


def test_each_of_them_can_be_followed_from_the_overview(signed_in: Any, traps: World) -> None:
    """The link of every service leads to the page of that very service."""
    with signed_in(traps) as window:
        page = window.go("/")
        links = page.locator("main table.big tbody th a")
        targets = [each.get_attribute("href") for each in links.all()]
        assert len(targets) == len(TRAPS)
        headings = {window.go(str(path)).locator("h1").inner_text() for path in targets}
        assert len(headings) == len(TRAPS)


@pytest.mark.parametrize(
    ("query", "status"),
    [
        pytest.param("service:" + "w" * 4000, 200, id="a long word"),
        pytest.param(" OR ".join(f"service:s{n}" for n in range(200)), 200, id="many words"),
        pytest.param("(" * 2000, 400, id="brackets"),
        pytest.param("<script>alert(1)</script>\u202e", 400, id="markup"),
        pytest.param('"><img src=x onerror=alert(1)>', 400, id="a broken attribute"),
    ],
)
def test_searches_are_shown_as_text(signed_in: Any, traps: World, query: str, status: int) -> None:
    """Understood or not, the box has the text again and the page keeps its width."""
    with signed_in(traps, width=NARROW) as window:
        page = window.go(f"/?query={quote(query)}", status)
        assert page.locator("#query").input_value() == query
        assert page.locator("img, main script").count() == 0
        assert window.overflow_px == 0
