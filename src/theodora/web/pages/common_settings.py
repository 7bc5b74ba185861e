"""The page of the settings that all sources of the organisation follow."""

from collections.abc import Sequence
from typing import Any

from theodora.errors import Invalid
from theodora.sources.webhooks.common_settings import COMMON_SETTINGS, common_settings
from theodora.sources.webhooks.preview import preview_common_settings
from theodora.sources.webhooks.read import encode_settings
from theodora.sources.webhooks.settings_lines import lines_from_settings, settings_from_lines
from theodora.storage.access.permissions import WRITE_SETTINGS
from theodora.storage.inbox import DELIVERY_STATES
from theodora.web.pages.shell.page import Answer, SeeOther, View, Visit
from theodora.web.pages.sources import CHIPS, PATH, SHOWN_DIFFERENCES


def show_common_settings(visit: Visit) -> Answer:
    settings = common_settings(visit.store, visit.organisation)
    return View(_values(visit, [*lines_from_settings(settings)]))


def save_common_settings(visit: Visit) -> Answer:
    """Saves the settings, or shows what they would change."""
    given = visit.form.get("settings", "").splitlines()
    try:
        settings = settings_from_lines(None, given)
    except Invalid as invalid:
        return View({**_values(visit, given), "problems": {"settings": str(invalid)}}, 400)
    if "preview" in visit.form:
        found = preview_common_settings(visit.store, visit.organisation, settings)
        values = {"preview": found, "differences": found.differences[:SHOWN_DIFFERENCES]}
        return View({**_values(visit, given), **values})
    visit.store.sources.change_common_settings(
        visit.organisation, encode_settings(settings), actor=visit.actor
    ).result()
    return SeeOther(visit.scope.link(f"{PATH}/all", saved="settings"))


def _values(visit: Visit, lines: Sequence[str]) -> dict[str, Any]:
    is_saved = visit.query_parameters.get("saved") == "settings"
    return {
        "settings_text": "\n".join(lines),
        "names": COMMON_SETTINGS,
        "states": DELIVERY_STATES,
        "chips": CHIPS,
        "preview": None,
        "differences": (),
        "problems": {},
        "may_write": visit.may(WRITE_SETTINGS),
        "saved": "Settings saved. They apply to what comes in from now on." if is_saved else None,
    }
