"""What holds of every page there is, in both themes, wide and narrow, with script and without."""

from itertools import cycle
from typing import Any

import pytest

from browsing import NARROW, WIDE, axe_source
from worlds import World

AXE_TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
# Without selectors, which take axe longer than its rules, and which nobody reads here.
_RUN_AXE = """async ([tags, unread]) => {
  const options = {runOnly: tags, resultTypes: ["violations"], selectors: false, elementRef: false};
  const found = await axe.run({include: [["html"]], exclude: unread}, options);
  return found.violations.map((one) => ({
    rule: one.id, impact: one.impact, where: one.nodes.map((node) => node.html.slice(0, 160))}));
}"""
_ROWS_LIKE_THOSE_BEFORE = [["tbody > tr:nth-child(n+9)"], ["svg a:nth-of-type(n+9)"]]
"""Rows after the eighth of a table, and of a chart: most of what is on a page."""


def test_pages_hold_together_without_script(signed_in: Any, company: World) -> None:
    """They answer, have one heading, cannot be scrolled sideways and ask nobody else.

    One visit to each page is for both widths and themes, as a visit takes longer than a look. It
    begins as the visit before it has ended.
    """
    looks = cycle([("dark", WIDE), ("light", NARROW)])
    options = {"color_scheme": "light", "width": NARROW, "java_script_enabled": False}
    with signed_in(company, **options) as window:
        for path in company.paths():
            assert_whole(window, path)
            scheme, width = next(looks)
            window.page.emulate_media(color_scheme=scheme)
            window.page.set_viewport_size({"width": width, "height": 900})
            assert window.overflow_px == 0, path
            assert window.cut_tables == [], path


def assert_whole(window: Any, path: str) -> None:
    page = window.go(path)
    assert page.locator("h1").count() == 1, path
    assert window.overflow_px == 0, path


@pytest.mark.parametrize(
    ("scheme", "width", "unread"),
    [
        ("light", WIDE, _ROWS_LIKE_THOSE_BEFORE),
        pytest.param("dark", NARROW, [], marks=pytest.mark.slow),
    ],
)
def test_pages_are_accessible_enlarged_and_on_paper(
    signed_in: Any, company: World, scheme: str, width: int, unread: list[list[str]]
) -> None:
    """axe-core finds nothing against WCAG 2.2 AA and its own best practices.

    One visit to each page is for all, as a visit takes longer than what is looked at. In
    `make slow` axe reads the pages to their ends.
    """
    source = axe_source()
    found = []
    with signed_in(company, color_scheme=scheme, width=width) as window:
        for path in company.paths():
            assert_whole(window, path)
            # Through the debugger, which the policy of the page does not bind.
            window.page.evaluate(source)
            found += [(path, each) for each in window.page.evaluate(_RUN_AXE, [AXE_TAGS, unread])]
            if scheme == "light":
                assert_enlarged(window, path)
            else:
                assert_on_paper(window, path)
            window.page.set_viewport_size({"width": width, "height": 900})
    assert found == []


def assert_enlarged(window: Any, path: str) -> None:
    """Nothing is scrolled sideways at 400 % (WCAG 1.4.10) or with text of twice the size (1.4.4).

    A window of 320 pixels is one of 1280 at 400 %.
    """
    window.page.set_viewport_size({"width": 320, "height": 900})
    assert window.overflow_px == 0, path
    window.page.set_viewport_size({"width": 1280, "height": 900})
    window.page.evaluate("document.documentElement.style.fontSize = '200%'")
    assert window.overflow_px == 0, path


def assert_on_paper(window: Any, path: str) -> None:
    """Light colours and nothing to click; with numbers, the search and the dates they are of.

    Tables are not cut at the edge of a sheet of A4. No sheet is left empty by a grid, which would
    begin on the next one.
    """
    page = window.page
    page.set_viewport_size({"width": A4_PX, "height": 900})
    page.emulate_media(media="print")
    ground = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert ground in {"rgb(255, 255, 255)", "rgba(0, 0, 0, 0)"}, path
    assert window.overflow_px == 0, path
    assert not page.locator("header nav, form button").locator("visible=true").count(), path
    assert page.locator(".paper:visible").count() == page.locator("form.scope").count(), path
    assert page.evaluate(_CUT_TABLES) == [], path
    assert set(page.evaluate(_DISPLAY_OF_HALVES)) <= {"block"}, path
    page.emulate_media(media="screen")


A4_PX = 703
"""The width of an upright sheet without its margins."""
_DISPLAY_OF_HALVES = """() => [...document.querySelectorAll(".two, .two > *")]
  .map((one) => getComputedStyle(one).display)"""
_CUT_TABLES = """() => [...document.querySelectorAll("table")]
  .filter((one) => one.checkVisibility() && one.getBoundingClientRect().right > innerWidth + 1)
  .map((one) => one.className)"""

_WATCH_FOCUS = """() => {
  const can = "a[href], button, input:not([type=hidden]), select, textarea, summary, pre";
  window.visible = [...document.querySelectorAll(can)].filter((one) =>
    one.tabIndex >= 0 && one.checkVisibility({visibilityProperty: true}) && !one.disabled);
  window.stops = [];
  window.over = false;
  document.addEventListener("focusin", ({target}) => {
    window.over ||= target === stops[0]?.at;
    if (over) return;
    const look = getComputedStyle(target), box = target.getBoundingClientRect();
    const own = look.outlineStyle !== "none" && parseFloat(look.outlineWidth) >= 2;
    const around = target.closest(".box:focus-within, .quick:focus-within");
    const outer = around && getComputedStyle(around).outlineStyle !== "none";
    stops.push({at: target, good: (own || outer) && box.width > 0 && box.height > 0});
  });
  // Day, month, year, hour, minute, half of the day and the calendar are stops within the field.
  const times = visible.filter((one) => one.type === "datetime-local");
  return visible.length + 6 * times.length;
}"""
_FOCUSED = """() => {
  const said = (one) => one.outerHTML.slice(0, 120);
  const groups = new Set(visible.filter((one) => one.type === "radio").map((one) => one.name));
  const seen = new Set(stops.map((stop) => stop.at));
  const after = Node.DOCUMENT_POSITION_FOLLOWING;
  return {
    first: stops[0].at.className,
    bad: stops.filter((stop) => !stop.good).map((stop) => said(stop.at)),
    missed: visible.filter((one) => !seen.has(one) && !groups.has(one.name)).map(said),
    back: stops.slice(1).filter((stop, index) =>
      !(stops[index].at.compareDocumentPosition(stop.at) & after)).map((stop) => said(stop.at)),
  };
}"""
_MOST_SCROLLED = 8


@pytest.mark.slow
def test_the_tab_key_reaches_everything_in_order_and_shows_where_it_is(
    signed_in: Any, company: World
) -> None:
    """Each stop has a ring of at least 2 px and is not hidden; nothing holds the focus back.

    The page to sign in begins in its one field.
    """
    with signed_in(company) as window:
        for path in company.paths():
            if path == "/sign-in":
                continue
            page = window.go(path)
            # What scrolls is a stop as well, where nothing in it is one.
            for _ in range(page.evaluate(_WATCH_FOCUS) + _MOST_SCROLLED):
                page.keyboard.press("Tab")
            told = page.evaluate(_FOCUSED)
            assert told == {"first": "skip", "bad": [], "missed": [], "back": []}, path


@pytest.mark.parametrize("script", [True, False])
def test_charts_of_many_intervals_lead_where_their_table_does(
    signed_in: Any, company: World, script: bool
) -> None:
    """With the script each slot has the words and the link of its row; without, the table has."""
    with signed_in(company, java_script_enabled=script) as window:
        page = window.go("/?range=26w")
        rows = page.locator("table.mini tbody a")
        slots = page.locator("figure .hit").first.locator("a")
        assert rows.count() == 26
        assert slots.count() == (26 if script else 0)
        if script:
            assert slots.first.get_attribute("href") == rows.first.get_attribute("href")
            title = slots.first.locator("title").text_content() or ""
            assert title.startswith(f"{rows.first.text_content()}: deployments ")
