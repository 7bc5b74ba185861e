"""The handlers of receivers of notifications: added, listed, changed and removed.

No answer has the address of a receiver: it holds secrets.
"""

from collections.abc import Mapping
from functools import partial
from typing import Annotated, Any, Literal

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType

from theodora.errors import Problem
from theodora.events import format_rfc3339
from theodora.events.attributes import wrong_type
from theodora.events.input import MAX_TEXT_CHARACTERS
from theodora.events.json_values import JsonObject, exact_integer, type_name
from theodora.notifications.channels import CHANNELS, MAX_URL_CHARACTERS, check_kind, check_url
from theodora.notifications.schedule import DAY_NAMES
from theodora.notifications.settings import (
    MAX_OPEN_HOURS,
    SENDS,
    read_name,
    read_settings,
    settings_texts,
)
from theodora.report.parameters import Parameters
from theodora.storage.access.notifications import (
    Receiver,
    ReceiverKind,
    ReceiverSettings,
)
from theodora.web.api.wire import (
    Resource,
    decode_attributes,
    decode_body,
    encode_data,
    problems_of_attributes,
    raise_all,
    read_attributes,
    read_text,
)
from theodora.web.http.operations import Pending, Request
from theodora.web.http.responses import Reply

TYPE = "dora_notification_receiver"
_TEXTS = ("name", "team", "timezone", "sends")
_NUMBERS = ("hour", "open_hours")
_ADDABLE = [kind for kind, channel in CHANNELS.items() if channel.hosts is not None]

_Name = Annotated[str, Meta(max_length=MAX_TEXT_CHARACTERS)]
_Url = Annotated[
    str,
    Meta(
        description="Where messages go, at an address of the provider. No answer has it.",
        max_length=MAX_URL_CHARACTERS,
    ),
]
_DayName = Annotated[str, Meta(extra_json_schema={"enum": [*DAY_NAMES]})]
_Sends = Annotated[str, Meta(extra_json_schema={"enum": [*SENDS]})]
Sends = Literal["both", "digests", "alerts"]


class ReceiverPatchInput(Struct, frozen=True):
    """What a receiver is sent, and when. What is left out stays."""

    url: _Url | UnsetType = UNSET
    name: _Name | UnsetType = UNSET
    team: (
        Annotated[_Name, Meta(description="Only about its services; empty for all.")] | UnsetType
    ) = UNSET
    timezone: Annotated[str, Meta(description="An IANA zone; default: UTC.")] | UnsetType = UNSET
    days: (
        Annotated[
            list[_DayName],
            Meta(description="On which it is sent something; default: Monday to Friday."),
        ]
        | UnsetType
    ) = UNSET
    hour: (
        Annotated[int, Meta(ge=0, le=23, description="Of the digest; default: 9.")] | UnsetType
    ) = UNSET
    sends: _Sends | UnsetType = UNSET
    open_hours: (
        Annotated[
            int,
            Meta(
                ge=1,
                le=MAX_OPEN_HOURS,
                description="After which an open failure is alerted; default: 24.",
            ),
        ]
        | UnsetType
    ) = UNSET


ReceiverInput = msgspec.defstruct(
    "ReceiverInput",
    [
        ("kind", Annotated[str, Meta(extra_json_schema={"enum": _ADDABLE})]),
        ("url", _Url),
        *(
            (each.name, each.type, UNSET)
            for each in msgspec.structs.fields(ReceiverPatchInput)
            if each.name != "url"
        ),
    ],
    frozen=True,
    namespace={"__doc__": "A receiver to add: where messages go, and which."},
)


class ReceiverAttributes(Struct, frozen=True):
    """What a receiver is sent, and when; not where to."""

    kind: ReceiverKind
    name: str
    team: str | None
    """Null for all."""
    timezone: str
    days: tuple[str, ...]
    hour: int
    sends: Sends
    open_hours: int
    created_at: str


class ReceiverPath(Struct, frozen=True):
    """The names in the path."""

    id: Annotated[str, Meta(description="The receiver's id.")]


class _Given(Struct, frozen=True):
    """A receiver that has been read."""

    kind: ReceiverKind
    name: str
    url: str | None
    settings: ReceiverSettings


def list_receivers(request: Request) -> Reply:
    found = request.store.notifications.receivers(request.organisation)
    return Reply(200, encode_data([_resource(each) for each in found]))


def add_receiver(request: Request) -> Pending:
    given = decode_attributes(request.body, _read_new, TYPE)
    written = request.store.notifications.add(
        request.organisation,
        *(given.kind, given.name, given.url or "", given.settings, request.now_ns),
        actor=request.actor,
    )
    return Pending(written, lambda made: Reply(200, encode_data(_resource(made))))


def change_receiver(request: Request) -> Pending:
    """Raises `NotFound` for none of the organisation."""
    id_ = request.path_parameters["id"]
    document = decode_body(request.body)
    found = request.store.notifications.receiver(request.organisation, id_)
    given = read_attributes(document, partial(_read_change, found), TYPE, found.id)
    written = request.store.notifications.change(
        *(request.organisation, found.id, given.name, given.settings, given.url),
        actor=request.actor,
    )
    changed = found._replace(name=given.name, settings=given.settings)
    return Pending(written, lambda _: Reply(200, encode_data(_resource(changed))))


def delete_receiver(request: Request) -> Pending:
    id_ = request.path_parameters["id"]
    written = request.store.notifications.remove(request.organisation, id_, actor=request.actor)
    return Pending(written, lambda _: Reply(202))


def _read_new(attributes: JsonObject) -> _Given:
    problems: list[Problem] = []
    texts = _texts(attributes, problems)
    kind, url = (read_text(attributes, name, problems) or "" for name in ("kind", "url"))
    raise_all(problems)
    with problems_of_attributes():
        known = check_kind(kind)
        # As on the page: an organisation must not make the server ask any URL.
        check_url(known, url, from_page=True)
        return _given(known, url, texts)


def _read_change(found: Receiver, attributes: JsonObject) -> _Given:
    problems: list[Problem] = []
    texts = _texts(attributes, problems)
    url = read_text(attributes, "url", problems)
    raise_all(problems)
    with problems_of_attributes():
        if url is not None:
            check_url(found.kind, url, from_page=True)
        return _given(found.kind, url, {**settings_texts(found), **texts})


def _given(kind: ReceiverKind, url: str | None, texts: Mapping[str, str]) -> _Given:
    parameters = Parameters(texts)
    name = parameters.read("name", read_name, "")
    parameters.check()
    return _Given(kind, name, url, read_settings(texts))


def _texts(attributes: JsonObject, problems: list[Problem]) -> dict[str, str]:
    """The attributes that are there, as `read_settings` reads them."""
    texts = {
        name: read_text(attributes, name, problems) or ""
        for name in _TEXTS
        if attributes.get(name) is not None
    }
    for name in _NUMBERS:
        value = attributes.get(name)
        if value is not None:
            texts[name] = _integer(name, value, problems)
    days: Any = attributes.get("days")
    if days is not None:
        if not isinstance(days, list) or not all(isinstance(day, str) for day in days):
            problems.append(wrong_type("days", days))
        else:
            # No day at all is none of the names either, unlike an empty text.
            texts["days"] = " ".join(days) or "none"
    return texts


def _integer(name: str, value: Any, problems: list[Problem]) -> str:
    number = exact_integer(value) if type_name(value) == "number" else None
    if number is None:
        problems.append(wrong_type(name, value))
    return str(number)


def _resource(receiver: Receiver) -> Resource:
    texts, settings = settings_texts(receiver), receiver.settings
    sends: Any = texts["sends"]
    attributes = ReceiverAttributes(
        kind=receiver.kind,
        name=receiver.name,
        team=settings.team or None,
        timezone=settings.timezone,
        days=tuple(DAY_NAMES[day] for day in settings.days),
        hour=settings.hour,
        sends=sends,
        open_hours=settings.open_hours,
        created_at=format_rfc3339(receiver.created_at_ns),
    )
    return Resource(receiver.id, TYPE, attributes)
