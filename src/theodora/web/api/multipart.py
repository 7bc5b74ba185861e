"""Bodies of several parts: multipart/form-data, and the JSON documents that are its parts."""

from collections.abc import Mapping
from email.message import Message

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import Field, File, FormParser

from theodora.errors import Invalid, Problem
from theodora.events.json_values import JsonObject
from theodora.web.api.wire import decode_body

_IN_MEMORY = {"MAX_MEMORY_FILE_SIZE": float("inf")}
"""The body is in memory and has a limit of its own, so no part need be written to a file."""


def read_parts(headers: Mapping[str, str], body: bytes) -> dict[str, bytes]:
    """The parts by name; of several with one name the last. `Invalid` where they cannot be told."""
    parts: dict[str, bytes] = {}
    ended = False

    def on_field(field: Field) -> None:
        parts[_text(field.field_name)] = field.value or b""

    def on_file(file: File) -> None:
        file.file_object.seek(0)
        parts[_text(file.field_name)] = file.file_object.read()

    def on_end() -> None:
        nonlocal ended
        ended = True

    try:
        parser = FormParser(
            "multipart/form-data", on_field, on_file, on_end, _boundary(headers), config=_IN_MEMORY
        )
        parser.write(body)
    except FormParserError as error:
        raise Invalid(Problem(f"error decoding body: {error}")) from None
    if not ended:
        raise Invalid(Problem("error decoding body: the last part has no end"))
    return parts


def read_json_part(parts: dict[str, bytes], name: str, problems: list[Problem]) -> JsonObject:
    """The object that a part is; empty where there is none, which is then a problem more."""
    part = parts.get(name)
    if part is None:
        problems.append(Problem(f'part "{name}" is required', parameter=name))
        return {}
    try:
        return decode_body(part)
    except Invalid as invalid:
        reason = str(invalid).removeprefix("error decoding body: ")
        problems.append(unreadable_part(name, reason))
        return {}


def unreadable_part(name: str, reason: str) -> Problem:
    """The problem of a part that is there and cannot be used."""
    return Problem(f'error decoding part "{name}": {reason}', parameter=name)


def _boundary(headers: Mapping[str, str]) -> str:
    message = Message()
    message["content-type"] = headers.get("content-type", "")
    boundary = message.get_param("boundary")
    if not isinstance(boundary, str) or not boundary:
        raise Invalid(Problem("error decoding body: Content-Type has no boundary"))
    return boundary


def _text(name: bytes | None) -> str:
    return (name or b"").decode(errors="replace")
