"""The page of a share link."""

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from starlette.datastructures import QueryParams

from theodora.storage import Session, Store
from theodora.storage.access.sessions import NOWHERE, passing_session
from theodora.storage.access.share_links import ShareLink
from theodora.web.http.shareable import shareable_route
from theodora.web.pages.shell.page import Page

SHARED_PATH = "/shared/{secret}"


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


def open_link(store: Store, pages: Iterable[Page], secret: str, now_ns: int) -> SharedPage | None:
    """The page of the link with this secret; None if there is none that is good."""
    link = store.share_links.find(secret, now_ns)
    route = shareable_route(link.path) if link else None
    if link is None or route is None:
        return None
    path, path_parameters = route
    page = next(each for each in pages if each.path == path and each.method == "GET")
    if link.is_due_to_be_noted(now_ns):
        store.share_links.note_used(link, now_ns, actor=link.reader.actor)
    return SharedPage(link, page, path_parameters)
