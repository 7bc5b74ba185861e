"""The pages that can be shared, and the page of a share link."""

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple
from urllib.parse import unquote

from starlette.datastructures import QueryParams
from starlette.routing import compile_path

from theodora.storage import Session, Store
from theodora.storage.access.sessions import NOWHERE, passing_session
from theodora.storage.access.share_links import ShareLink
from theodora.web.pages.shell.page import Page

SHARED_PATH = "/shared/{secret}"
SHAREABLE = ("/", "/now", "/services/{service:path}", "/deployments", "/failures")
"""The paths of the pages that show figures or lists."""
_COMPILED = [(path, compile_path(path)) for path in SHAREABLE]


class SharedPage(NamedTuple):
    """A good share link, with the page that it opens."""

    link: ShareLink
    page: Page
    path_parameters: Mapping[str, str]

    @property
    def query_parameters(self) -> QueryParams:
        return QueryParams(self.link.query)

    def session(self, now_ns: int) -> Session:
        """Of this request alone."""
        return passing_session(self.link.reader, NOWHERE, now_ns)


def is_shareable(path: str) -> bool:
    """Whether the page at this path, quoted as in an address, can be shared."""
    return _route_of(path) is not None


def open_link(store: Store, pages: Iterable[Page], secret: str, now_ns: int) -> SharedPage | None:
    """The page of the link with this secret; None if there is none that is good."""
    link = store.share_links.find(secret, now_ns)
    route = _route_of(link.path) if link else None
    if link is None or route is None:
        return None
    path, path_parameters = route
    page = next(each for each in pages if each.path == path and each.method == "GET")
    if link.is_due_to_be_noted(now_ns):
        store.share_links.note_used(link, now_ns, actor=link.reader.actor)
    return SharedPage(link, page, path_parameters)


def _route_of(path: str) -> tuple[str, dict[str, str]] | None:
    plain = unquote(path)
    for route, (pattern, _, convertors) in _COMPILED:
        found = pattern.match(plain)
        if found:
            values: dict[str, Any] = found.groupdict()
            return route, {name: convertors[name].convert(text) for name, text in values.items()}
    return None
