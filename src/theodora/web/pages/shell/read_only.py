"""The HTML of a page that is only to be read: without links, forms and scripts."""

from html import escape
from html.parser import HTMLParser

_REMOVED = frozenset({"form", "nav", "script", "button", "select", "textarea", "label", "input"})
_REMOVED_CLASSES = frozenset({"skip", "crumb", "acts", "api", "menu", "more", "links"})
"""Of elements that consist of links and requests."""
_KEPT_ATTRIBUTES = ("class", "title")
_VOID = frozenset({"input", "meta", "link", "br", "img", "hr", "wbr", "col"})


def read_only(html: str, *, is_live: bool = False) -> str:
    """The same page, in which a link is its text; one that is live keeps its script."""
    reader = _LinkRemover(_REMOVED - {"script"} if is_live else _REMOVED)
    reader.feed(html)
    reader.close()
    return "".join(reader.parts)


class _LinkRemover(HTMLParser):
    def __init__(self, elements: frozenset[str]) -> None:
        """`elements` are removed, with what is in them."""
        super().__init__(convert_charrefs=False)
        self._elements = elements
        self.parts: list[str] = []
        self._removed = ""
        """The element that is being removed, with everything in it."""
        self._depth = 0
        self._svgs = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if self._removed:
            self._depth += tag == self._removed
            return
        classes = frozenset((dict(attrs).get("class") or "").split())
        if tag in self._elements or classes & _REMOVED_CLASSES:
            if tag not in _VOID:
                self._removed, self._depth = tag, 1
            return
        self._svgs += tag == "svg"
        if tag == "a":
            kept = (
                f' {name}="{escape(text or "")}"'
                for name, text in attrs
                if name in _KEPT_ATTRIBUTES
            )
            self.parts.append(f"<{self._plain}{''.join(kept)}>")
        else:
            self.parts.append(self.get_starttag_text() or "")

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if not self._removed and tag not in self._elements:
            self.parts.append(self.get_starttag_text() or "")

    def handle_endtag(self, tag: str) -> None:
        if self._removed:
            self._depth -= tag == self._removed
            if not self._depth:
                self._removed = ""
            return
        self.parts.append(f"</{self._plain if tag == 'a' else tag}>")
        self._svgs -= tag == "svg"

    def handle_data(self, data: str) -> None:
        self._add(data)

    def handle_entityref(self, name: str) -> None:
        self._add(f"&{name};")

    def handle_charref(self, name: str) -> None:
        self._add(f"&#{name};")

    def handle_decl(self, decl: str) -> None:
        self._add(f"<!{decl}>")

    @property
    def _plain(self) -> str:
        """The element instead of a link."""
        return "g" if self._svgs else "span"

    def _add(self, text: str) -> None:
        if not self._removed:
            self.parts.append(text)
