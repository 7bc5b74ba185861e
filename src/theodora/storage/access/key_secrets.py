"""The form of keys: a prefix that scanners of secrets know, random characters and a checksum.

`thd_api_` or `thd_app_`, 26 random letters and digits, and 6 that are the CRC-32 of all before
them: whoever finds such a text knows without asking a server that it is a key.
"""

import hashlib
import re
import secrets
import string
import zlib
from typing import Literal, get_args

KeyKind = Literal["api", "application"]
KEY_KINDS: tuple[KeyKind, ...] = get_args(KeyKind)
KeyForm = Literal["theodora", "datadog"]
KEY_FORMS: tuple[KeyForm, ...] = get_args(KeyForm)

PATTERN = "thd_(?:api|app)_[0-9A-Za-z]{32}"
"""What scanners look for; see also `has_checksum`."""

_MARKS: dict[KeyKind, str] = {"api": "thd_api_", "application": "thd_app_"}
_ALPHABET = string.digits + string.ascii_uppercase + string.ascii_lowercase
_RANDOM_CHARACTERS = 26
_CHECKSUM_CHARACTERS = 6
_HEXADECIMAL_BYTES: dict[KeyKind, int] = {"api": 16, "application": 20}
_SHOWN_CHARACTERS = 6
_PATTERN = re.compile(PATTERN)


def new_secret(kind: KeyKind, form: KeyForm = "theodora") -> str:
    """A fresh random key; in Datadog's form 32 (API) or 40 (application) hexadecimal digits."""
    if form == "datadog":
        return secrets.token_hex(_HEXADECIMAL_BYTES[kind])
    drawn = "".join(secrets.choice(_ALPHABET) for _ in range(_RANDOM_CHARACTERS))
    return _checked(_MARKS[kind] + drawn)


def has_checksum(text: str) -> bool:
    """Whether the text is a key of our form, and not only similar to one."""
    return bool(_PATTERN.fullmatch(text)) and _checked(text[:-_CHECKSUM_CHARACTERS]) == text


def beginning_of(secret: str) -> str:
    """The characters that are stored and shown, by which a key that was found is recognised.

    Six characters after the mark, if it has one: too few to help in a guess.
    """
    mark = next((each for each in _MARKS.values() if secret.startswith(each)), "")
    return secret[: len(mark) + _SHOWN_CHARACTERS]


def _checked(text: str) -> str:
    rest, digits = zlib.crc32(text.encode()), ""
    for _ in range(_CHECKSUM_CHARACTERS):
        rest, digit = divmod(rest, len(_ALPHABET))
        digits = _ALPHABET[digit] + digits
    return text + digits


def hash_of(secret: str) -> str:
    """The hash that is stored of a secret, which is long and random: no salt is needed."""
    return hashlib.sha256(secret.encode()).hexdigest()
