"""Names that are markup, turn text around, are endless or climb paths: pages show them as text."""

import html
from typing import Any
from urllib.parse import quote

import pytest

from browsing import NARROW, WIDE
from worlds import TRAPS, World

SHORTEST_SHOWN = 8
"""Characters of a name that a page shows at least."""


@pytest.mark.parametrize("width", [WIDE, pytest.param(NARROW, marks=pytest.mark.slow)])
def test_every_page_shows_them_as_text(signed_in: Any, traps: World, width: int) -> None:
    """Every page there is that shows one, and that of each failure and service.

    The links of the overview lead to a page of each service.
    """
    with signed_in(traps, width=width) as window:
        services, failures = listed(window, "/"), listed(window, "/failures")
        headings = set()
        for path in dict.fromkeys([*shown(window, traps), *services, *failures]):
            page = window.go(path)
            assert page.title() != "run", path
            assert page.locator("img, main script").count() == 0, path
            assert window.overflow_px == 0, path
            assert window.cut_tables == [], path
            if path in services:
                headings.add(page.locator("h1").inner_text())
        assert len(headings) == len(TRAPS)


def listed(window: Any, path: str) -> list[str]:
    """Where the rows of the page's large table lead, one for each trap."""
    links = window.go(path).locator("main table.big tbody th a").all()
    assert len(links) == len(TRAPS)
    return [str(link.get_attribute("href")) for link in links]


def shown(window: Any, traps: World) -> list[str]:
    """The pages with the name of a trap, as the server sends them: a visit takes much longer."""
    found = []
    for path in traps.paths():
        text = html.unescape(window.page.request.get(traps.url + path).text())
        if any(name[:SHORTEST_SHOWN] in text for name in TRAPS.values()):
            found.append(path)
    return found


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
