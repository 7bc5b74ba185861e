"""Help: how each number is computed, how to search, and the keyboard."""

import re
from collections.abc import Iterator
from typing import NamedTuple

from markupsafe import Markup, escape

from theodora.query import FIELDS, Field, Kind
from theodora.report.benchmark import PARAMETER, choices
from theodora.web.pages.shell.navigation import ENTRIES
from theodora.web.pages.shell.page import Answer, View, Visit

_CODE = re.compile(r"`([^`]+)`")

CONSTRUCTS = (
    ("env:production", "a field has exactly this value"),
    ("is:production", "in any environment that the settings call production"),
    ('version:"v1 (beta)"', "a value with spaces or signs in quotes"),
    ("service:web team:storefront", "both; AND may stand between"),
    ("env:staging OR env:production", "either"),
    ("service:(web OR search)", "one of several values"),
    ("-team:payments", "not; NOT may stand before instead"),
    ("service:api*", "* is any run of characters, ? exactly one"),
    ("@duration:>5m", "more than; also >= < <="),
    ("started_at:[2026-01-01 TO 2026-01-31]", "a range with its ends; { } without"),
    ("change_failure:true", "failed deployments; neither true nor false while pending"),
    ("_missing_:team", "has no value; _exists_ has one"),
    ("language:java", "a custom tag with the key language"),
    ("webserver down", "free text, in any case"),
)
"""Examples of each construct of the search language, and what each means."""

SHORTCUTS = (
    ("/", "Search"),
    ("?", "This page"),
    *((f"g {entry.shortcut}", entry.label) for entry in ENTRIES),
    ("[", "Previous period"),
    ("]", "Next period"),
    ("j", "Next row"),
    ("k", "Previous row"),
    ("Enter", "Open the row"),
    ("Esc", "Close what is open"),
)


class FieldRow(NamedTuple):
    """A searchable field as the page shows it."""

    name: str
    also: tuple[str, ...]
    type: str
    events: str
    about: Markup


def show_metrics_help(visit: Visit) -> Answer:
    """Beside the definitions, what the overview may be compared with, and from where that is."""
    kept = (visit.query_parameters.get(name) for name in _OF_OVERVIEW)
    own = {name: text for name, text in zip(_OF_OVERVIEW, kept, strict=True) if text}
    return View(
        {
            "benchmarks": tuple(choices()),
            "chosen": visit.query_parameters.get(PARAMETER, ""),
            "kept": {**visit.scope.given, **own},
        }
    )


_OF_OVERVIEW = ("group_by", "sort")
"""The overview's own parameters, which it has again when something else is chosen."""


def show_search_help(_: Visit) -> Answer:
    return View({"constructs": CONSTRUCTS, "fields": tuple(field_rows())})


def show_keyboard_help(_: Visit) -> Answer:
    return View({"shortcuts": SHORTCUTS})


def field_rows() -> Iterator[FieldRow]:
    for field in FIELDS:
        yield FieldRow(
            field.name, field.aliases, field.type.value, _events(field), _marked(field.about)
        )


def _events(field: Field) -> str:
    kinds = [f"{kind.value}s" for kind in Kind if field.source(kind)]
    return "both" if len(kinds) == len(Kind) else kinds[0]


def _marked(text: str) -> Markup:
    """What stands between backticks as code."""
    return Markup(_CODE.sub(r"<code>\1</code>", str(escape(text))))  # noqa: S704 - escaped first
