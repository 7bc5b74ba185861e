"""How tests visit pages: a browser without a window, and what is found on a page."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from html.parser import HTMLParser
from typing import Any

from starlette.testclient import TestClient

from asking import Tenant, make_key

VOID = frozenset({"br", "input", "link", "meta", "hr", "img"})
DRAWN = frozenset({"path", "rect", "circle", "line", "use", "stop", "polygon", "ellipse"})


@dataclass
class Element:
    """A part of a page."""

    tag: str
    attributes: dict[str, str]
    children: "list[Element | str]" = field(default_factory=list)

    @property
    def text(self) -> str:
        """All text in it, white space collapsed."""
        return " ".join("".join(self._texts()).split())

    def _texts(self) -> Iterator[str]:
        for child in self.children:
            if isinstance(child, str):
                yield child
            elif child.tag not in {"script", "style"}:
                yield from child._texts()

    def everything(self) -> "Iterator[Element]":
        for child in self.children:
            if isinstance(child, Element):
                yield child
                yield from child.everything()

    def all(self, tag: str = "", **attributes: str) -> "list[Element]":
        """Those of this tag and with these attributes (`class_` holds one of its words)."""
        wanted = {name.rstrip("_").replace("_", "-"): value for name, value in attributes.items()}
        return [
            each
            for each in self.everything()
            if tag in {"", each.tag} and all(each._has(*one) for one in wanted.items())
        ]

    def one(self, tag: str = "", **attributes: str) -> "Element":
        found = self.all(tag, **attributes)
        assert len(found) == 1, f"{len(found)} of {tag} {attributes}"
        return found[0]

    def _has(self, name: str, value: str) -> bool:
        own = self.attributes.get(name)
        return own is not None and (own == value or (name == "class" and value in own.split()))

    def __getitem__(self, name: str) -> str:
        return self.attributes[name]


class _Reader(HTMLParser):
    """Strict where browsers forgive: every element is closed, in order."""

    def __init__(self) -> None:
        super().__init__()
        self.open = [Element("", {})]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert len(dict(attrs)) == len(attrs), f"an attribute twice: {tag} {attrs}"
        element = Element(tag, {name: value or "" for name, value in attrs})
        self.open[-1].children.append(element)
        if tag not in VOID:
            self.open.append(element)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self.handle_endtag(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open[-1].tag == tag, f"</{tag}> closes <{self.open[-1].tag}>"
        self.open.pop()

    def handle_data(self, data: str) -> None:
        self.open[-1].children.append(data)


def read_page(html: str) -> Element:
    reader = _Reader()
    reader.feed(html)
    reader.close()
    assert len(reader.open) == 1, f"<{reader.open[-1].tag}> is never closed"
    return reader.open[0]


FROM_ELSEWHERE = {"Sec-Fetch-Site": "cross-site", "Origin": "https://elsewhere.example"}
"""Headers of a form that a page of another server has sent."""


class Browser:
    """Keeps cookies, follows no redirect, and sends forms as a page has them."""

    def __init__(self, client: TestClient) -> None:
        self.client = TestClient(
            client.app, raise_server_exceptions=False, headers={"Accept": "text/html"}
        )
        # The server that `client` has started answers.
        self.client.portal = client.portal

    def get(self, path: str, **options: Any) -> Any:
        return self.client.get(path, follow_redirects=False, **options)

    def page(self, path: str, status: int = 200) -> Element:
        """The page at `path`, if the answer has this status."""
        answer = self.get(path)
        assert answer.status_code == status, (answer.status_code, answer.text)
        return read_page(answer.text)

    def post(self, path: str, fields: dict[str, Any] | None = None, **options: Any) -> Any:
        """Sends a form as a page of the server does."""
        headers = {"Sec-Fetch-Site": "same-origin"}
        return self.client.post(
            path, data=fields, follow_redirects=False, **{"headers": headers, **options}
        )


def sign_in(tenant: Tenant, *permissions: str) -> Browser:
    """A browser signed in with a new key; it may do everything unless permissions are named."""
    browser = Browser(tenant.client)
    key = make_key(tenant.built, tenant.organisation, "application", *permissions)
    answer = browser.post("/sign-in", {"key": key})
    assert answer.status_code == 303, answer.text
    return browser
