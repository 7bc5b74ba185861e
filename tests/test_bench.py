"""The benchmarks import what the source has."""

from importlib import import_module
from pathlib import Path

import pytest

BENCH = Path(__file__).parents[1] / "bench"


@pytest.mark.parametrize("name", sorted(each.stem for each in BENCH.glob("[a-z]*.py")))
def test_a_benchmark_finds_what_it_imports(name: str) -> None:
    try:
        import_module(f"bench.{name}")
    except ModuleNotFoundError as error:
        if str(error.name).startswith(("bench", "theodora")):
            raise
        pytest.skip(f"needs {error.name}, which make bench installs")
