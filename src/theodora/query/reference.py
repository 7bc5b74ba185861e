"""The tables of `docs/search.md`, generated from the tables of the language.

The rest of the page is not generated: `with_tables` replaces what is between `<!-- name -->` and
`<!-- /name -->`.
"""

import re
from collections.abc import Iterable, Mapping, Sequence

from theodora.query.fields import EVENT_KINDS, FIELDS, SORT_KEYS, Field, Kind
from theodora.query.pull_request_fields import ALL_PULL_REQUEST_FIELDS, PULL_REQUEST_SORT_KEYS

_MARKED = re.compile(r"(<!-- (\w+) -->\n).*?(<!-- /\2 -->)", re.DOTALL)


def with_tables(page: str, tables: Mapping[str, str]) -> str:
    """`page` with its marked places filled; every place must have its table."""
    return _MARKED.sub(lambda place: f"{place[1]}\n{tables[place[2]]}\n\n{place[3]}", page)


def fields_table() -> str:
    """Every field: its names, its type, which events have it, and what it is."""
    rows = ((_names(field), _type(field), _events(field), field.about) for field in FIELDS)
    return table(("field", "type", "events", "what it is"), rows)


def pull_request_fields_table() -> str:
    """The same of the fields of pull requests."""
    rows = ((_names(each), each.type.value, each.about) for each in ALL_PULL_REQUEST_FIELDS)
    return table(("field", "type", "what it is"), rows)


def sort_keys_table() -> str:
    """The sort keys of each list."""
    keys = {**SORT_KEYS, Kind.PULL_REQUEST: PULL_REQUEST_SORT_KEYS}
    rows = ((f"{kind.words}s", code(*names)) for kind, names in keys.items())
    return table(("list", "sort keys"), rows)


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A Markdown table; a bar inside a cell is escaped."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(map(_cell, line))} |" for line in lines)


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def code(*texts: str) -> str:
    """Each text as code."""
    return ", ".join(f"`{text}`" for text in texts)


def _names(field: Field) -> str:
    aliases = f" (also {code(*field.aliases)})" if field.aliases else ""
    return code(field.name) + aliases


def _type(field: Field) -> str:
    arrays = [f"array on {kind.value}s" for kind in EVENT_KINDS if _is_array(field, kind)]
    return "; ".join([field.type.value, *arrays])


def _events(field: Field) -> str:
    kinds = [f"{kind.value}s" for kind in EVENT_KINDS if field.source(kind)]
    return "both" if len(kinds) == len(EVENT_KINDS) else ", ".join(kinds)


def _is_array(field: Field, kind: Kind) -> bool:
    source = field.source(kind)
    return source is not None and source.column is None
