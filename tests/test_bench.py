"""The benchmarks import what the source has, and their worlds are as large as they say."""

from importlib import import_module
from pathlib import Path

import pytest
from bench.results import note, read_results, table, with_section
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


def test_repeated_figures_are_one_row_with_the_median_and_the_spread(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "results.jsonl"
    monkeypatch.setenv("THEODORA_BENCH_RESULTS", str(file))
    for ours in (300, 1_000, 250):
        note("lists", 100_000, ours, 1_000, "a second", "bare Starlette")
    note("page", None, 4.5, 9, "ms", "plain SQL")
    assert table(read_results(file)).splitlines()[2:] == [
        "| lists | 100,000 | 300 a second | bare Starlette, 1,000 a second | 0.3 (0.25 to 1) |",
        "| page |  | 4.5 ms | plain SQL, 9 ms | 0.5 |",
    ]


def test_nothing_is_noted_where_nobody_gathers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("THEODORA_BENCH_RESULTS", raising=False)
    note("lists", None, 1, 1, "ms", "itself")


def test_the_page_of_figures_has_a_place_for_the_table() -> None:
    page = (BENCH.parent / "docs" / "performance.md").read_text()
    once = with_section(page, "<1>\n")
    assert "<1>\n" in once
    assert with_section(once, "<2>\n") == once.replace("<1>", "<2>")
    with pytest.raises(SystemExit):
        with_section("no marks", "")
