"""What holds of every page there is, in both themes, wide and narrow, with script and without."""

from typing import Any

import pytest

from browsing import NARROW, WIDE, axe_source
from worlds import World

LOOKS = [
    pytest.param({"color_scheme": scheme, "width": width, "java_script_enabled": script}, id=name)
    for name, scheme, width, script in (
        ("light, wide", "light", WIDE, True),
        ("dark, narrow", "dark", NARROW, True),
        ("dark, wide, no script", "dark", WIDE, False),
        ("light, narrow, no script", "light", NARROW, False),
        ("light, as narrow as phones are", "light", 320, True),
    )
]
AXE_TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
_RUN_AXE = """async (tags) => {
  const found = await axe.run(document, {runOnly: tags, resultTypes: ["violations"]});
  return found.violations.map((one) => ({
    rule: one.id, impact: one.impact, where: one.nodes.map((node) => node.html.slice(0, 160))}));
}"""


@pytest.mark.parametrize("look", LOOKS)
def test_pages_hold_together(signed_in: Any, company: World, look: dict[str, Any]) -> None:
    """They answer, have one heading, cannot be scrolled sideways and ask nobody else."""
    with signed_in(company, **look) as window:
        for path in company.paths():
            page = window.go(path)
            assert page.locator("h1").count() == 1, path
            assert window.overflow_px == 0, path


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [WIDE, NARROW])
def test_pages_are_accessible(signed_in: Any, company: World, scheme: str, width: int) -> None:
    """axe-core finds nothing against WCAG 2.2 AA and its own best practices."""
    source = axe_source()
    found = []
    with signed_in(company, color_scheme=scheme, width=width) as window:
        for path in company.paths():
            page = window.go(path)
            # Through the debugger, which the policy of the page does not bind.
            page.evaluate(source)
            found += [(path, each) for each in page.evaluate(_RUN_AXE, AXE_TAGS)]
    assert found == []


def test_text_of_twice_the_size_fits(signed_in: Any, company: World) -> None:
    """WCAG 1.4.4: at 200 % in a window of 1280 nothing is scrolled sideways."""
    with signed_in(company, width=1280) as window:
        for path in company.paths():
            page = window.go(path)
            page.evaluate("document.documentElement.style.fontSize = '200%'")
            assert window.overflow_px == 0, path


_FOCUS = """() => {
  const at = document.activeElement;
  if (at === document.body) return null;
  const look = getComputedStyle(at), box = at.getBoundingClientRect();
  const own = look.outlineStyle !== "none" && parseFloat(look.outlineWidth) >= 2;
  const around = at.closest(".box:focus-within, .quick:focus-within");
  const outer = around && getComputedStyle(around).outlineStyle !== "none";
  return {what: at.outerHTML.slice(0, 120), ring: own || Boolean(outer),
    seen: box.width > 0 && box.height > 0};
}"""
_MOST_STOPS = 400


def test_the_tab_key_reaches_everything_and_shows_where_it_is(
    signed_in: Any, company: World
) -> None:
    """Each stop has a ring of at least 2 px, is not hidden, and the tour comes to an end."""
    with signed_in(company) as window:
        for path in ("/", "/preferences", "/help/keyboard"):
            page = window.go(path)
            stops = []
            page.keyboard.press("Tab")
            while (stop := page.evaluate(_FOCUS)) and len(stops) < _MOST_STOPS:
                stops.append(stop)
                page.keyboard.press("Tab")
            assert stops[0]["what"].startswith('<a class="skip"'), path
            assert 5 < len(stops) < _MOST_STOPS, path
            assert [each for each in stops if not (each["ring"] and each["seen"])] == [], path


def test_paper_has_light_colours_and_nothing_to_click(signed_in: Any, company: World) -> None:
    with signed_in(company, color_scheme="dark") as window:
        for path in ("/", *[path for path in company.paths() if path.startswith("/services/")]):
            page = window.go(path)
            page.emulate_media(media="print")
            ground = page.evaluate("getComputedStyle(document.body).backgroundColor")
            assert ground in {"rgb(255, 255, 255)", "rgba(0, 0, 0, 0)"}, path
            assert not page.locator("header nav").is_visible(), path
            assert not page.locator("form.scope button").is_visible(), path
            assert page.locator(".paper").is_visible(), path
