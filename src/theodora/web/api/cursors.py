"""Cursors of lists: an opaque text for the position where a page ended.

A cursor is base64url of a JSON array: a digest of the list it belongs to, and the sort value and
id of the page's last event. It carries no secret and grants nothing: whoever makes one up only
chooses where a page of their own list begins.
"""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from functools import lru_cache
from hashlib import blake2b

import msgspec

from theodora.events.values import INT64
from theodora.query import Kind, Query, Type, to_text
from theodora.storage import Position, Selection

NEXT_CURSOR = "X-Next-Cursor"
"""The header that a page of a list has if there is more to come."""

_DIGEST_BYTES = 9


class _CursorContent(msgspec.Struct, frozen=True, array_like=True):
    list_digest: str
    value: str | int | None
    id: str


_decode = msgspec.json.Decoder(_CursorContent).decode
_encode = msgspec.json.Encoder().encode


class UnreadableCursor(ValueError):
    """A text that is not a cursor."""


class ForeignCursor(ValueError):
    """A cursor of a list with another query, window or sort."""


def encode_cursor(kind: Kind, selection: Selection, end: Position) -> str:
    """The cursor for what comes after `end` in the list that `selection` asks for."""
    cursor = _CursorContent(_digest_of(kind, selection), end.value, end.id)
    return urlsafe_b64encode(_encode(cursor)).decode().rstrip("=")


def decode_cursor(text: str, kind: Kind, selection: Selection) -> Position:
    """The place that a cursor names in the list that `selection` asks for.

    Raises `UnreadableCursor` and `ForeignCursor`.
    """
    try:
        padded = text.encode("ascii") + b"=" * (-len(text) % 4)
        cursor = _decode(urlsafe_b64decode(padded))
    except (ValueError, msgspec.DecodeError):
        raise UnreadableCursor from None
    if cursor.list_digest != _digest_of(kind, selection):
        raise ForeignCursor
    if not _may_be_sorted_by(cursor.value, selection) or "\0" in cursor.id:
        raise UnreadableCursor
    return Position(cursor.value, cursor.id)


def _may_be_sorted_by(value: str | int | None, selection: Selection) -> bool:
    """Whether the store can compare the value with those of the field; a NUL it cannot take."""
    match value:
        case None:
            return True
        case str():
            return selection.sort.type is Type.TEXT and "\0" not in value
        case int():
            return selection.sort.type is not Type.TEXT and INT64[0] <= value <= INT64[1]


def _digest_of(kind: Kind, selection: Selection) -> str:
    window = selection.from_ns, selection.to_ns
    return _digest(kind, selection.query, *window, selection.sort.name, selection.descending)


@lru_cache(maxsize=512)
def _digest(
    kind: Kind, query: Query, from_ns: int | None, to_ns: int | None, sort: str, descending: bool
) -> str:
    asked = kind.value, to_text(query), from_ns, to_ns, sort, descending
    return blake2b(_encode(asked), digest_size=_DIGEST_BYTES).hexdigest()
