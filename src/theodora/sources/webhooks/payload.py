"""Members of payloads: looked up by a path, checked by type, and cleaned."""

from collections.abc import Iterator, Mapping

from theodora.errors import Invalid, Problem
from theodora.events.attributes import CONTROL
from theodora.events.json_values import JsonObject, JsonValue, is_object, type_name
from theodora.events.timestamps import nanoseconds_from_json


def value_at(payload: JsonObject, *path: str) -> JsonValue:
    """The value at the end of a path; None where a step of it is missing."""
    value: JsonValue = payload
    for name in path:
        if not is_object(value):
            return None
        value = value.get(name)
    return value


def object_at(payload: JsonObject, *path: str) -> JsonObject:
    """The object there; an empty one where there is none."""
    value = value_at(payload, *path)
    return value if is_object(value) else {}


def text_at(payload: JsonObject, *path: str, most: int | None = None) -> str | None:
    """The text there, on one line; None where there is none, or an empty one.

    A provider's name may be longer than an event's: `most` cuts it off.
    """
    value = value_at(payload, *path)
    if not isinstance(value, str):
        return None
    text = CONTROL.sub(" ", value).strip()
    return text[:most].strip() or None


def lines_at(payload: JsonObject, *path: str) -> str:
    """The text there with its line breaks; empty where there is none."""
    value = value_at(payload, *path)
    return value.replace("\0", "").strip() if isinstance(value, str) else ""


def needed_text(payload: JsonObject, *path: str) -> str:
    """The text there; raises `Invalid` where there is none."""
    text = text_at(payload, *path)
    if text is None:
        raise Invalid(Problem(_missing("text", payload, path), path))
    return text


def number_at(payload: JsonObject, *path: str) -> int:
    """The whole number there, such as an id; raises `Invalid` where there is none."""
    value = value_at(payload, *path)
    if isinstance(value, bool) or not isinstance(value, int):
        raise Invalid(Problem(_missing("number", payload, path), path))
    return value


def count_at(payload: JsonObject, *path: str) -> int:
    """The number there, if it counts something; else 0."""
    value = value_at(payload, *path)
    is_count = isinstance(value, int) and not isinstance(value, bool) and 0 < value < 2**31
    return value if is_count else 0


def known_count_at(payload: JsonObject, *path: str) -> int | None:
    """The same; None if there is none."""
    return None if value_at(payload, *path) is None else count_at(payload, *path)


def instant_at(payload: JsonObject, *path: str) -> int | None:
    """Nanoseconds of the time there; None where there is none that can be read."""
    value = value_at(payload, *path)
    instant_ns = nanoseconds_from_json(value) if isinstance(value, str | int) else None
    return instant_ns if instant_ns and instant_ns > 0 else None


def needed_instant(payload: JsonObject, *path: str) -> int:
    """The time there; raises `Invalid` where there is none."""
    instant_ns = instant_at(payload, *path)
    if instant_ns is None:
        raise Invalid(Problem(_missing("time", payload, path), path))
    return instant_ns


def objects_at(payload: JsonObject, *path: str) -> Iterator[JsonObject]:
    """The objects of the array there."""
    value = value_at(payload, *path)
    if isinstance(value, list):
        yield from (item for item in value if is_object(item))


def texts_at(payload: JsonObject, *path: str) -> tuple[str, ...]:
    """The texts of the array there."""
    value = value_at(payload, *path)
    if not isinstance(value, list):
        return ()
    cleaned = (CONTROL.sub(" ", item).strip() for item in value if isinstance(item, str))
    return tuple(text for text in cleaned if text)


def known_members(members: Mapping[str, object]) -> dict[str, object]:
    """Members that have a value."""
    return {name: value for name, value in members.items() if value not in (None, "", ())}


def _missing(kind: str, payload: JsonObject, path: tuple[str, ...]) -> str:
    value = value_at(payload, *path)
    found = "" if value is None else f", got {type_name(value)}"
    return f'a {kind} is expected at "{".".join(path)}"{found}'
