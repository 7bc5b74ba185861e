"""The paths of the pages that can be shared and saved, and the content of a saved view."""

from typing import Any
from urllib.parse import parse_qsl, unquote, urlencode

from starlette.routing import compile_path

from theodora.errors import Invalid, Problem
from theodora.notifications.settings import read_name
from theodora.storage.saved_views import SavedView

SHAREABLE = ("/", "/now", "/services/{service:path}", "/deployments", "/failures")
"""The paths of the pages that show figures or lists."""
MAX_TARGET_CHARACTERS = 4_000
_COMPILED = [(path, compile_path(path)) for path in SHAREABLE]


def shareable_route(path: str) -> tuple[str, dict[str, str]] | None:
    """The route of the page at this path, quoted as in an address, with the names in it.

    None for a page that cannot be shared.
    """
    plain = unquote(path)
    for route, (pattern, _, convertors) in _COMPILED:
        found = pattern.match(plain)
        if found:
            values: dict[str, Any] = found.groupdict()
            return route, {name: convertors[name].convert(text) for name, text in values.items()}
    return None


def is_shareable(path: str) -> bool:
    """Whether the page at this path, quoted as in an address, can be shared."""
    return shareable_route(path) is not None


def read_saved_view(owner: str, name: str, target: str, *, is_start: bool) -> SavedView:
    """The view of a page with its parameters, as forms and documents give it. Raises `Invalid`."""
    path, _, query = target.partition("?")
    if not name:
        raise Invalid(Problem("give the view a name", parameter="name"))
    try:
        read_name(name)
    except Invalid as invalid:
        raise Invalid(*(Problem(p.detail, parameter="name") for p in invalid.problems)) from None
    if not is_shareable(path) or len(target) > MAX_TARGET_CHARACTERS:
        raise Invalid(Problem("this page cannot be saved", parameter="page"))
    kept = urlencode(parse_qsl(query, keep_blank_values=True))
    return SavedView(owner, name, path, kept, is_start)
