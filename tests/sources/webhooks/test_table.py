"""The table of webhook sources, and docs/sources.md, which says what it says.

When it lags, write it again:
PYTHONPATH=tests .venv/bin/python tests/sources/webhooks/test_table.py
"""

from pathlib import Path

import msgspec
import pytest

from theodora.query.reference import code, table, with_tables
from theodora.sources.webhooks.delivery import SourceSettings
from theodora.sources.webhooks.signatures import SCHEMES
from theodora.sources.webhooks.table import SOURCES, SourceKind, source_named

PAGE = Path(__file__).parents[3] / "docs" / "sources.md"

every_source = pytest.mark.parametrize("source", SOURCES, ids=lambda source: source.name)


def sources_table() -> str:
    rows = (
        (
            f"[{source.title}]({source.provider_page})",
            code(source.name),
            SCHEMES[source.scheme].about,
            ", ".join(map(code, source.events)),
            ", ".join(map(code, source.settings)),
        )
        for source in SOURCES
    )
    return table(("source", "name", "verified by", "events", "settings"), rows)


def written() -> str:
    return with_tables(PAGE.read_text(), {"sources": sources_table()})


def test_the_page_has_the_sources_of_today() -> None:
    assert PAGE.read_text() == written()


@every_source
def test_a_row_names_what_there_is(source: SourceKind) -> None:
    assert source_named(source.name) is source
    assert set(source.settings) <= set(SourceSettings.__struct_fields__)
    assert source.events
    assert source.provider_page.startswith("https://")
    assert any("{url}" in step for step in source.steps)
    assert source.gives_secret or any("{secret}" in step for step in source.steps)
    assert all(name == name.lower() for name in source.headers)


def test_names_are_given_once() -> None:
    assert len({source.name for source in SOURCES}) == len(SOURCES)
    assert msgspec.structs.asdict(SourceSettings()).keys() == set(SourceSettings.__struct_fields__)


if __name__ == "__main__":
    PAGE.write_text(written())
