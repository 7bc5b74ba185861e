"""The parser of multipart/form-data bodies.

The body is in memory, so parts are found by searching for the boundary. Nothing is looked at byte
by byte: an upload of many megabytes takes milliseconds.
"""

import re
from collections.abc import Iterator, Mapping

from theodora.errors import Invalid, Problem
from theodora.events.json_values import JsonObject
from theodora.web.api.wire import decode_body

_MAX_PARTS = 100
_MAX_PART_HEADER_BYTES = 2_048
_BOUNDARY = re.compile(r'(?i);\s*boundary=(?:"([^"]{1,70})"|([^\s;"]{1,70}))\s*(?:;|$)')
_DISPOSITION = re.compile(rb"(?im)^content-disposition:\s*form-data\s*(;[^\r\n]*)")
_NAME = re.compile(rb'(?i);\s*name=(?:"((?:[^"\\]|\\.)*)"|([^\s;"]+))')


def read_parts(headers: Mapping[str, str], body: bytes) -> dict[str, bytes]:
    """The parts by name, of several with one name the last. Raises `Invalid`."""
    delimiter = b"\r\n--" + _boundary(headers)
    parts: dict[str, bytes] = {}
    for number, part in enumerate(_split(b"\r\n" + body, delimiter), start=1):
        if number > _MAX_PARTS:
            raise _undecodable(f"more than {_MAX_PARTS} parts")
        header, blank, content = part.partition(b"\r\n\r\n")
        if not blank or len(header) > _MAX_PART_HEADER_BYTES:
            raise _undecodable("a part has no headers, or too long ones")
        parts[_name(header)] = content
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


def _boundary(headers: Mapping[str, str]) -> bytes:
    found = _BOUNDARY.search(headers.get("content-type", ""))
    if not found:
        raise _undecodable("Content-Type has no boundary")
    return (found[1] or found[2]).encode("latin-1")


def _split(body: bytes, delimiter: bytes) -> Iterator[bytes]:
    """The bytes between each delimiter and the next, up to the last one."""
    at = body.find(delimiter)
    while at >= 0:
        start = at + len(delimiter)
        if body.startswith(b"--", start):
            return
        line_end = body.find(b"\r\n", start)
        if line_end < 0 or body[start:line_end].strip(b" \t"):
            break
        at = body.find(delimiter, line_end)
        if at >= 0:
            yield body[line_end + 2 : at]
    raise _undecodable("the last part has no end")


def _name(header: bytes) -> str:
    disposition = _DISPOSITION.search(header)
    name = disposition and _NAME.search(disposition[1])
    if not name:
        raise _undecodable("a part has no name")
    quoted: bytes | None = name[1]
    text = name[2] if quoted is None else re.sub(rb"\\(.)", rb"\1", quoted)
    return text.decode(errors="replace")


def _undecodable(reason: str) -> Invalid:
    return Invalid(Problem(f"error decoding body: {reason}"))
