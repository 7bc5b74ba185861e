"""The words of pages and documents: plain English, one word for one thing."""

import re
from collections.abc import Mapping
from pathlib import Path

import pytest

TOP = Path(__file__).parents[1]
PAGES = [
    *TOP.glob("*.md"),
    *TOP.glob("docs/*.md"),
    *TOP.glob("src/theodora/web/templates/*.html"),
]

INSTEAD: Mapping[str, str] = {
    r"mend(s|ed|ing)?": "fix, repair",
    r"anew": "again",
    r"judged": "evaluated; marked failed or OK",
    r"kept out": "rejected",
    r"put out": "release, deploy",
    r"none of (its|their) own": "no … of its own",
    r"said of": "applies to",
    r"tells? (why|how|which|what|that)": "show, report",
    r"as far as": "at most, up to",
    r"hold(s)? for": "apply to",
    r"be(ing)? whole|is whole|in whole": "complete",
}
"""Words that are not used, as patterns, and what to write instead."""

EXCEPTIONS: Mapping[tuple[str, str], str] = {
    ("CHANGELOG.md", "called `kept out`"): "quotes an earlier version",
}
"""Passages, by file, that are used all the same, and why."""

_GENERATED = re.compile(r"<!-- (\w+) -->.*?<!-- /\1 -->", re.DOTALL)
_ATTRIBUTE = re.compile(r"\{[%#{].*?[%#}]\}", re.DOTALL)


def unplain(page: Path) -> list[str]:
    """The words of a page that another word should replace."""
    text = _ATTRIBUTE.sub(" ", _GENERATED.sub(" ", page.read_text()))
    for name, passage in EXCEPTIONS:
        if name == page.name:
            text = text.replace(passage, "")
    return [
        f"{found[0]!r}: write {instead}"
        for pattern, instead in INSTEAD.items()
        for found in re.finditer(rf"(?i)\b({pattern})\b", text)
    ]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_a_page_is_in_plain_english(page: Path) -> None:
    assert unplain(page) == []


def test_every_exception_is_still_needed() -> None:
    texts = {page.name: page.read_text() for page in PAGES}
    assert [each for each in EXCEPTIONS if each[1] not in texts[each[0]]] == []


def test_a_word_that_is_not_plain_is_found(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("Run it anew.\n")
    assert unplain(page) == ["'anew': write again"]
