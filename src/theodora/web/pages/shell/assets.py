"""Static files with fingerprints in their names, so that browsers may cache them for ever.

The stylesheet is made of the files of `static/css`, the script of those of `static/js`, each
in the order of their names; a part of the script sees nothing of the others.
"""

import hashlib
import re
from collections.abc import Iterable, Mapping
from functools import cache
from importlib import resources
from typing import NamedTuple

_FOLDER = resources.files("theodora.web").joinpath("static")
_TYPES = {
    "css": "text/css; charset=utf-8",
    "js": "text/javascript; charset=utf-8",
    "svg": "image/svg+xml",
}
_BETWEEN_LINES = re.compile(r"\s*\n\s*")
_CSS_COMMENT = re.compile(r"/\*.*?\*/", re.DOTALL)


class Asset(NamedTuple):
    """A file as it is served."""

    name: str
    """With a fingerprint: `theodora.3f2a9c1d.css`."""
    body: bytes
    media_type: str


@cache
def assets() -> Mapping[str, Asset]:
    """By plain name: `theodora.css`."""
    return {
        "theodora.css": _asset("theodora.css", _stylesheet(_parts("css"))),
        "theodora.js": _asset("theodora.js", _script(_parts("js"))),
        "mark.svg": _asset("mark.svg", _FOLDER.joinpath("mark.svg").read_text("utf-8")),
    }


@cache
def assets_by_name() -> Mapping[str, Asset]:
    """By the name with the fingerprint."""
    return {asset.name: asset for asset in assets().values()}


def _parts(kind: str) -> list[str]:
    files = sorted(_FOLDER.joinpath(kind).iterdir(), key=lambda file: file.name)
    return [file.read_text("utf-8") for file in files if file.name.endswith(f".{kind}")]


def _stylesheet(parts: Iterable[str]) -> str:
    """Without comments and lines, which readers of the source alone need."""
    return _BETWEEN_LINES.sub("", _CSS_COMMENT.sub("", "\n".join(parts)))


def _script(parts: Iterable[str]) -> str:
    return "".join(f"{{\n{part}}}\n" for part in parts)


def _asset(name: str, text: str) -> Asset:
    body = text.encode()
    stem, _, kind = name.rpartition(".")
    fingerprint = hashlib.sha256(body).hexdigest()[:8]
    return Asset(f"{stem}.{fingerprint}.{kind}", body, _TYPES[kind])
