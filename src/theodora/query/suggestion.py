"""A suggestion for a query that cannot be parsed."""

from collections.abc import Iterator

from theodora.errors import Invalid
from theodora.query.parser import parse


def suggested_query(text: str, position: int) -> str:
    """The first small change at `position`, counted from 1, that makes a query; else empty."""
    for candidate in _candidates(text, position - 1):
        if candidate.strip() and _is_query(candidate):
            return candidate.strip()
    return ""


def _candidates(text: str, at: int) -> Iterator[str]:
    """Closes what is open, drops what is too much, escapes a sign."""
    for closer in (")", '"', "]", '")', "))", "*"):
        yield text.rstrip() + closer
    yield text[:at] + text[at + 1 :]
    yield f"{text[:at]}\\{text[at:]}"
    yield text[:at].rstrip()
    yield text[:at].rpartition(" ")[0]


def _is_query(text: str) -> bool:
    try:
        parse(text)
    except Invalid:
        return False
    return True
