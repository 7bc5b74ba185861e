"""The benchmarks import what the source has, and their worlds are as large as they say."""

from importlib import import_module
from pathlib import Path

import pytest
from bench.world import stored

from theodora.storage import Store

BENCH = Path(__file__).parents[1] / "bench"


@pytest.mark.parametrize("name", sorted(each.stem for each in BENCH.glob("[a-z]*.py")))
def test_a_benchmark_finds_what_it_imports(name: str) -> None:
    try:
        import_module(f"bench.{name}")
    except ModuleNotFoundError as error:
        if str(error.name).startswith(("bench", "theodora")):
            raise
        pytest.skip(f"needs {error.name}, which make bench installs")


def test_a_world_has_as_many_deployments_as_were_asked_for(tmp_path: Path) -> None:
    with Store(f"sqlite:///{stored(1_100, tmp_path)}") as store:
        assert store.deployments.count() == 1_100
