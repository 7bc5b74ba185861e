"""The pages of webhook sources: what came in, and why something was ignored."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from theodora.errors import Invalid, NotFound
from theodora.events.attributes import CONTROL
from theodora.report.parameters import instants_in
from theodora.sources.webhooks.common_settings import common_settings, followed_settings
from theodora.sources.webhooks.delivery import DEFAULT_SETTINGS
from theodora.sources.webhooks.preview import preview_settings
from theodora.sources.webhooks.read import decode_settings, encode_settings
from theodora.sources.webhooks.settings_lines import lines_from_settings, settings_from_lines
from theodora.sources.webhooks.table import (
    SOURCES,
    InboxKind,
    SourceKind,
    kind_named,
    source_named,
    source_path,
    steps_of,
)
from theodora.storage import InboxQuery, StoredDelivery, WebhookSource
from theodora.storage.access.permissions import WRITE_SETTINGS
from theodora.storage.inbox import DELIVERY_STATES, DeliveryState, SourceCounts
from theodora.web.pages.shell.page import Answer, SeeOther, View, Visit

PATH = "/settings/sources"
MAX_NAME = 200
"""Characters in the name of a source."""

_SHOWN = 50
_SHOWN_CHARACTERS = 20_000
"""Of a body."""
_MAX_SECRET = 500
SHOWN_DIFFERENCES = 100
"""Of a preview."""
CHIPS: Mapping[DeliveryState, str] = {
    "waiting": "pending",
    "done": "ok",
    "ignored": "baseline",
    "failed": "failed",
}
"""The look of each state."""
_SAVED = {
    "settings": "Settings saved. They apply to what comes in from now on.",
    "secret": "Secret stored.",
    "replay": "What came in is being read again.",
    "removed": "Source removed. Its events stay.",
}


class SourceRow(NamedTuple):
    """A source in the list, or the webhooks of one kind that came in with an API key."""

    id: str
    title: str
    name: str
    counts: SourceCounts | None


def show_sources(visit: Visit) -> Answer:
    return View(_list_values(visit))


def add_source(visit: Visit) -> Answer:
    """Adds a source; its secret can be shown in this answer alone, so there is no redirect."""
    row = source_named(visit.form.get("kind", "")) or SOURCES[0]
    name = visit.form.get("name", "").strip()
    given = visit.form.get("settings", "")
    problems: dict[str, str] = {}
    if len(name) > MAX_NAME or CONTROL.search(name):
        problems["name"] = f"A name has at most {MAX_NAME} characters."
    try:
        settings = settings_from_lines(row, given.splitlines())
    except Invalid as invalid:
        settings = DEFAULT_SETTINGS
        problems["settings"] = str(invalid)
    if problems:
        asked = {"asked_kind": row.name, "asked_name": name, "asked_settings": given}
        return View({**_list_values(visit), **asked, "problems": problems}, 400)
    source = visit.store.sources.add(
        visit.organisation,
        row.name,
        name or row.title,
        encode_settings(settings),
        visit.now_ns,
        actor=visit.actor,
    ).result()
    steps = steps_of(row, source, visit.url)
    return View({**_list_values(visit), "made": source, "steps": steps, "made_kind": row})


def show_source(visit: Visit) -> Answer:
    return View(_source_values(visit))


def save_source_settings(visit: Visit) -> Answer:
    """Saves the settings, or shows what they would change."""
    source, row = _owned(visit)
    given = visit.form.get("settings", "")
    try:
        settings = settings_from_lines(row, given.splitlines())
    except Invalid as invalid:
        problems = {"settings": str(invalid)}
        shown = {**_source_values(visit), "settings_text": given, "problems": problems}
        return View(shown, 400)
    if "preview" in visit.form:
        found = preview_settings(visit.store, source, settings)
        values = {"preview": found, "differences": found.differences[:SHOWN_DIFFERENCES]}
        return View({**_source_values(visit), "settings_text": given, **values})
    visit.store.sources.change_settings(
        visit.organisation, source.id, encode_settings(settings), actor=visit.actor
    ).result()
    return _saved(visit, "settings")


def save_source_secret(visit: Visit) -> Answer:
    """Stores the secret that the provider gave."""
    source, _ = _owned(visit)
    secret = visit.form.get("secret", "").strip()
    if not 1 <= len(secret) <= _MAX_SECRET or CONTROL.search(secret):
        problems = {"secret": f"A secret has 1 to {_MAX_SECRET} characters."}
        return View({**_source_values(visit), "problems": problems}, 400)
    visit.store.sources.change_secret(
        visit.organisation, source.id, secret, actor=visit.actor
    ).result()
    return _saved(visit, "secret")


def replay_source(visit: Visit) -> Answer:
    """Has one delivery read again, or all of them."""
    shown = _shown(visit)
    number = _number(visit.form.get("delivery", ""))
    visit.store.inbox.replay(
        visit.organisation, shown.kind.name, shown.source_id, number, actor=visit.actor
    ).result()
    return _saved(visit, "replay")


def remove_source(visit: Visit) -> Answer:
    source, _ = _owned(visit)
    visit.store.sources.remove(visit.organisation, source.id, actor=visit.actor).result()
    return SeeOther(visit.scope.link(PATH, saved="removed"))


class _Shown(NamedTuple):
    """What the page of a source is about."""

    kind: InboxKind
    source: WebhookSource | None
    """None for what came in with an API key."""

    @property
    def source_id(self) -> str:
        return self.source.id if self.source else ""


def _shown(visit: Visit) -> _Shown:
    """The source that the path names by its id; by a kind's name, what came with API keys.

    Raises `NotFound` where there is no such source.
    """
    id_ = visit.path_parameters["id"]
    kind = kind_named(id_)
    if kind is not None and kind.keyed_paths:
        return _Shown(kind, None)
    source = visit.store.sources.get(visit.organisation, id_)
    return _Shown(_row_of(source), source)


def _owned(visit: Visit) -> tuple[WebhookSource, SourceKind]:
    """The source that the path names. Raises `NotFound` for what came in with an API key."""
    source = _shown(visit).source
    if source is None:
        raise NotFound("what comes in with an API key has no settings")
    return source, _row_of(source)


def _row_of(source: WebhookSource) -> SourceKind:
    row = source_named(source.kind)
    if row is None:
        raise NotFound(f'this version knows no source "{source.kind}"')
    return row


def _saved(visit: Visit, what: str) -> Answer:
    return SeeOther(visit.scope.link(f"{PATH}/{visit.path_parameters['id']}", saved=what))


def _number(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 19 else None


def _list_values(visit: Visit) -> dict[str, Any]:
    return {
        "rows": _rows(visit),
        "kinds": SOURCES,
        "asked_kind": SOURCES[0].name,
        "asked_name": "",
        "asked_settings": "",
        "problems": {},
        "common_lines": [*lines_from_settings(common_settings(visit.store, visit.organisation))],
        "made": None,
        "made_kind": None,
        "steps": (),
        "max_name": MAX_NAME,
        "may_write": visit.may(WRITE_SETTINGS),
        "saved": _SAVED.get(visit.query_parameters.get("saved", "")),
    }


def _rows(visit: Visit) -> Sequence[SourceRow]:
    counts = {
        (each.kind, each.source): each for each in visit.store.inbox.counts(visit.organisation)
    }
    rows: list[SourceRow] = []
    for source in visit.store.sources.all_of(visit.organisation):
        counted = counts.pop((source.kind, source.id), None)
        rows.append(SourceRow(source.id, _title(source.kind), source.name, counted))
    by_key = ((kind, counted) for (kind, source), counted in counts.items() if not source)
    rows += (SourceRow(kind, _title(kind), "By API key", counted) for kind, counted in by_key)
    return rows


def _title(kind: str) -> str:
    row = kind_named(kind)
    return row.title if row else kind


def _source_values(visit: Visit) -> dict[str, Any]:
    kind, source = shown = _shown(visit)
    state = _state(visit)
    query = InboxQuery(
        kind.name,
        shown.source_id,
        state,
        _number(visit.query_parameters.get("before", "")),
        _SHOWN + 1,
        _instant(visit, "since"),
        _instant(visit, "until"),
        visit.query_parameters.get("contains", "").strip(),
    )
    found = visit.store.inbox.select(visit.organisation, query)
    settings = decode_settings(source.settings) if source else DEFAULT_SETTINGS
    return {
        "id": visit.path_parameters["id"],
        "path": f"{PATH}/{visit.path_parameters['id']}",
        "kind": kind,
        "source": source,
        "urls": [visit.url + path for path in _paths(shown)],
        "settings_text": "\n".join(lines_from_settings(settings)),
        "common_lines": _common_lines(visit, kind),
        "states": DELIVERY_STATES,
        "chips": CHIPS,
        "state": state,
        "asked": (asked := _asked(visit)),
        "is_search": any(asked.values()),
        "deliveries": found[:_SHOWN],
        "older": found[_SHOWN - 1].number if len(found) > _SHOWN else None,
        **_opened(visit, shown),
        "problems": {},
        "preview": None,
        "may_write": visit.may(WRITE_SETTINGS),
        "saved": _SAVED.get(visit.query_parameters.get("saved", "")),
        "is_leaving": "remove" in visit.query_parameters,
    }


def _common_lines(visit: Visit, kind: InboxKind) -> Sequence[str]:
    """The settings of all sources that this one reads."""
    common = common_settings(visit.store, visit.organisation)
    return [*lines_from_settings(followed_settings(kind.name, DEFAULT_SETTINGS, common))]


def _paths(shown: _Shown) -> Sequence[str]:
    """Where it comes in."""
    return [source_path(shown.source)] if shown.source else shown.kind.keyed_paths


def _state(visit: Visit) -> DeliveryState | None:
    asked = visit.query_parameters.get("state")
    return next((state for state in DELIVERY_STATES if state == asked), None)


def _instant(visit: Visit, name: str) -> int | None:
    """The time in a parameter, in the zone of the page. Raises `Invalid` for one that is none."""
    text = visit.query_parameters.get(name)
    return instants_in(visit.scope.calendar)(text) if text else None


def _asked(visit: Visit) -> Mapping[str, str | None]:
    """The parameters of the search but for the state."""
    names = ("since", "until", "contains")
    return {name: visit.query_parameters.get(name) or None for name in names}


def _opened(visit: Visit, shown: _Shown) -> Mapping[str, Any]:
    """The delivery that is shown with its body; raises `NotFound` for another source's."""
    number = _number(visit.query_parameters.get("delivery", ""))
    if number is None:
        return {"opened": None, "body": ""}
    opened: StoredDelivery = visit.store.inbox.get(visit.organisation, number)
    if (opened.kind, opened.source) != (shown.kind.name, shown.source_id):
        raise NotFound(f"there is no delivery {number}")
    return {"opened": opened, "body": opened.body[:_SHOWN_CHARACTERS]}
