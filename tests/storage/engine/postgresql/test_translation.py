"""Statements in PostgreSQL's form."""

import tracemalloc
from typing import LiteralString

import pytest

from theodora.storage.engine.postgresql.translation import translated

_MIB = 1 << 20
_CONDITION: LiteralString = "version = ? OR service = ?2 OR "


def test_placeholders_are_numbered() -> None:
    assert translated("SELECT ? WHERE a = ?2 OR b = ?") == "SELECT $1 WHERE a = $2 OR b = $3"


@pytest.mark.slow
def test_queries_of_ever_new_shapes_take_bounded_memory() -> None:
    """Each client may send as many as it likes: none of them may stay for ever."""
    tracemalloc.start()
    try:
        for number in range(2_000):
            translated(f"SELECT {number} WHERE {_CONDITION * 100}TRUE")  # type: ignore[arg-type]
        short = tracemalloc.get_traced_memory()[0]
        for number in range(100):
            translated(f"SELECT {number} WHERE {_CONDITION * 4_000}TRUE")  # type: ignore[arg-type]
        long = tracemalloc.get_traced_memory()[0] - short
    finally:
        tracemalloc.stop()
    assert short < 9 * _MIB
    assert long < _MIB
