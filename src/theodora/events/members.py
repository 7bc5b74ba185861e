"""Unknown members of documents, such as a misspelt or misplaced name."""

from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from typing import TypeAlias

from theodora.events.json_values import JsonObject, JsonValue, is_object

Members: TypeAlias = "Mapping[str, Members | None]"
"""The names that an object may have; for those that hold objects, the names of these."""

Place: TypeAlias = tuple[str, ...]
"""The path to a member; `*` is any item of an array."""

MOST_UNKNOWN = 20
"""Most unknown members reported for one document."""
_ITEMS = "*"
_ALIKE = 0.75


def unknown_members(document: JsonObject, known: Members) -> list[Place]:
    """The places of members of `document` that are not `known`, each once."""
    found: dict[Place, None] = {}
    _find_unknown(document, known, (), found)
    return list(found)


def likely_meant(place: Place, known: Members) -> Place | None:
    """The known member that was probably meant by an unknown one.

    A name that is right in another place was misplaced; else the most similar name is meant,
    one of the same object before others.
    """
    *parents, name = place
    elsewhere = {each[-1]: each for each in _places(known, ())}
    if name in elsewhere:
        return elsewhere[name]
    beside = _names_at(tuple(parents), known)
    for names in (beside, elsewhere):
        if alike := get_close_matches(name.lower(), names, n=1, cutoff=_ALIKE):
            return (*parents, alike[0]) if names is beside else elsewhere[alike[0]]
    return None


def shown_name(name: str) -> str:
    """A name that a client made up, without control characters and of bounded length."""
    clean = "".join(
        each if each.isprintable() else "\N{REPLACEMENT CHARACTER}" for each in name[:65]
    )
    return clean if len(clean) <= 64 else clean[:63] + "…"


# Every create comes here, so nothing is made for members that are known but the path.
def _find_unknown(
    document: JsonObject, known: Members, path: Place, found: dict[Place, None]
) -> None:
    for name, value in document.items():
        if len(found) == MOST_UNKNOWN:
            return
        if name not in known:
            found[*path, name] = None
        elif inner := known[name]:
            _find_within(value, inner, (*path, name), found)


def _find_within(value: JsonValue, known: Members, path: Place, found: dict[Place, None]) -> None:
    if is_object(value):
        _find_unknown(value, known, path, found)
    elif isinstance(value, list):
        for item in value:
            if is_object(item):
                _find_unknown(item, known, (*path, _ITEMS), found)


def _places(known: Members, path: Place) -> Iterator[Place]:
    for name, inner in known.items():
        yield (*path, name)
        yield from _places(inner or {}, (*path, name))


def _names_at(path: Place, known: Members) -> Members:
    for step in path:
        known = known if step == _ITEMS else known.get(step) or {}
    return known
