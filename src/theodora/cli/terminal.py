"""Texts of others, printed without control characters that act on a terminal."""

import re

import msgspec

from theodora.report.wording import TURNING, visible

_RAW_IN_JSON = re.compile(f"[\x7f-\x9f{TURNING}]")
"""What acts although JSON need not escape it."""


def safe_lines(text: str) -> str:
    """The text with pictures in place of control characters, except line ends."""
    return "\n".join(map(visible, text.split("\n")))


def safe_json(encoded: bytes | str) -> str:
    """JSON with escapes in place of control characters."""
    text = encoded if isinstance(encoded, str) else encoded.decode()
    return _RAW_IN_JSON.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def json_text(value: object) -> str:
    """A value as JSON in lines, for people to read."""
    return safe_json(msgspec.json.format(msgspec.json.encode(value)))
