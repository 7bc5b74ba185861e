"""The tables of `docs/search.md`, generated from the tables of the language.

The rest of the page is not generated: `with_tables` replaces what is between `<!-- name -->` and
`<!-- /name -->`.
"""

import re
from collections.abc import Iterable, Mapping, Sequence

from theodora.query.fields import FIELDS, SORT_KEYS, Field, Kind

_MARKED = re.compile(r"(<!-- (\w+) -->\n).*?(<!-- /\2 -->)", re.DOTALL)


def with_tables(page: str, tables: Mapping[str, str]) -> str:
    """`page` with its marked places filled; every place must have its table."""
    return _MARKED.sub(lambda place: f"{place[1]}\n{tables[place[2]]}\n\n{place[3]}", page)


def fields_table() -> str:
    """Every field: its names, its type, which events have it, and what it is."""
    rows = ((_names(field), _type(field), _events(field), field.about) for field in FIELDS)
    return table(("field", "type", "events", "what it is"), rows)


def sort_keys_table() -> str:
    """The sort keys of each list."""
    rows = ((f"{kind.value}s", code(*names)) for kind, names in SORT_KEYS.items())
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
    arrays = [f"array on {kind.value}s" for kind in Kind if _is_array(field, kind)]
    return "; ".join([field.type.value, *arrays])


def _events(field: Field) -> str:
    kinds = [f"{kind.value}s" for kind in Kind if field.source(kind)]
    return "both" if len(kinds) == len(Kind) else ", ".join(kinds)


def _is_array(field: Field, kind: Kind) -> bool:
    source = field.source(kind)
    return source is not None and source.column is None
