"""The page of notifications: who receives digests and alerts, a preview, and what was sent."""

import uuid
from collections.abc import Mapping
from typing import Any

from theodora.errors import Invalid, NotFound
from theodora.notifications.channels import CHANNELS, MAX_URL_CHARACTERS, check_kind, check_url
from theodora.notifications.digest import digest_text, sample_message
from theodora.notifications.schedule import DAY_NAMES, day_words, last_week
from theodora.notifications.settings import SENDS, read_name, read_settings, settings_texts
from theodora.storage.access.notifications import WORKING_DAYS, Receiver
from theodora.storage.access.permissions import WRITE_SETTINGS
from theodora.web.pages.shell.page import Answer, SeeOther, View, Visit

PATH = "/settings/notifications"
_LOGGED = 50
_TEXTS = ("kind", "name", "url", "team", "timezone", "hour", "open_hours", "sends")
_DONE: Mapping[str, str] = {
    "added": "Added. Send a test to see whether messages arrive.",
    "changed": "Changed. What is queued goes to where it is sent now.",
    "removed": "Removed, with its messages.",
    "test": "A test message is queued. Its state is in the log below: reload this page.",
    "again": "The message is queued again.",
}


def show_notifications(visit: Visit) -> Answer:
    """With `preview`, the digest of last week for a receiver, with `edit` its settings in the form.

    Raises `NotFound` for an unknown one.
    """
    return View(_values(visit))


def save_receiver(visit: Visit) -> Answer:
    """Adds a receiver, or changes the one that the form names.

    At an address of its provider: a page must not name any URL. Without one, a receiver keeps its
    own. Raises `NotFound` for an unknown receiver.
    """
    org, notifications = visit.organisation, visit.store.notifications
    id_ = visit.form.get("id", "")
    edited = notifications.receiver(org, id_) if id_ else None
    fields = {name: visit.form.get(name, "").strip() for name in _TEXTS}
    fields["days"] = " ".join(visit.form.getlist("days"))
    try:
        kind = edited.kind if edited else check_kind(fields["kind"])
        url = fields["url"] or None
        if url or edited is None:
            check_url(kind, fields["url"], from_page=True)
        settings, name = read_settings(fields), read_name(fields["name"])
        if edited:
            notifications.change(org, id_, name, settings, url, actor=visit.actor).result()
        else:
            given = kind, name, fields["url"], settings, visit.now_ns
            notifications.add(org, *given, actor=visit.actor).result()
    except Invalid as invalid:
        problems = {problem.parameter or "name": problem.detail for problem in invalid.problems}
        return View(_values(visit, fields, problems, edited), 400)
    return SeeOther(visit.scope.link(PATH, done="changed" if edited else "added"))


def change_receiver(visit: Visit) -> Answer:
    """Does what the button says. Raises `NotFound` for an unknown receiver or message."""
    act, id_ = visit.path_parameters["act"], visit.form.get("id", "")
    org, notifications = visit.organisation, visit.store.notifications
    match act:
        case "removed":
            notifications.remove(org, id_, actor=visit.actor).result()
        case "test":
            message = sample_message(id_, str(uuid.uuid4()))
            notifications.test(org, message, visit.now_ns, actor=visit.actor).result()
        case "again":
            key = visit.form.get("key", "")
            notifications.retry(org, id_, key, actor=visit.actor).result()
        case _:
            raise NotFound
    return SeeOther(visit.scope.link(PATH, done=act))


def _values(
    visit: Visit,
    fields: Mapping[str, str] | None = None,
    problems: Mapping[str, str] | None = None,
    edited: Receiver | None = None,
) -> Mapping[str, Any]:
    asked = visit.query_parameters.get("edit")
    if asked and visit.may(WRITE_SETTINGS):
        edited = visit.store.notifications.receiver(visit.organisation, asked)
        fields = settings_texts(edited)
    receivers = visit.store.notifications.receivers(visit.organisation)
    names = {each.id: each.name or CHANNELS[each.kind].label for each in receivers}
    empty = {**dict.fromkeys(_TEXTS, ""), "kind": "slack", "days": day_words(WORKING_DAYS)}
    log = visit.store.notifications.log(visit.organisation, _LOGGED)
    teams = visit.store.settings.teams(visit.organisation)
    return {
        "channels": CHANNELS,
        "on_page": [kind for kind, each in CHANNELS.items() if each.hosts is not None],
        "receivers": receivers,
        "names": names,
        "log": log,
        "preview": _preview(visit),
        "edited": edited,
        "fields": fields or empty,
        "problems": problems or {},
        "day_names": DAY_NAMES,
        "sends": SENDS,
        "teams": sorted(set(teams.values())),
        "max_url": MAX_URL_CHARACTERS,
        "may_write": visit.may(WRITE_SETTINGS),
        "done": _DONE.get(visit.query_parameters.get("done", "")),
    }


def _preview(visit: Visit) -> tuple[str, str] | None:
    """The title and the body of a digest."""
    id_ = visit.query_parameters.get("preview")
    if not id_:
        return None
    settings = visit.store.notifications.receiver(visit.organisation, id_).settings
    week = last_week(settings, visit.now_ns)
    return digest_text(visit.store, visit.organisation, settings, week, visit.now_ns, visit.url)
