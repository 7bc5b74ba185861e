"""`theodora export --format parquet`: typed columns with the same values as the lines."""

import json
import sys
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner, Result

from actors import TESTER
from theodora.cli import export_parquet, main
from theodora.dora import Commit
from theodora.events import Deployment, Failure, Git
from theodora.storage import Store

START_NS = 1_693_491_974_000_000_001
GIT = Git("66adc9350f2cc9b250b69abddab733dd55e1a588", "https://github.com/acme/shop")
INSTANT = pa.timestamp("ns", tz="UTC")
TEXTS = pa.list_(pa.string())


@pytest.fixture
def url(tmp_path: Path) -> str:
    """Deployments of which one was undone, two failures and two commits."""
    url = f"sqlite:///{tmp_path / 'theodora.db'}"
    with Store(url) as store:
        org = store.keys.ensure_organisation("default", 1, actor=TESTER).result()
        for number, version in enumerate(("v1", "v2", "v1", "é")):
            event = Deployment(
                service="web",
                version=version,
                started_at_ns=START_NS + number * 10**12,
                finished_at_ns=START_NS + number * 10**12 + 10**10,
                git=GIT if number == 3 else None,
                custom_tags=("a:1", "b:2")[:number],
            )
            store.deployments.add(org, event, START_NS, actor=TESTER).result()
        for end in (None, START_NS + 10**10):
            failure = Failure(services=("web", "pay"), started_at_ns=START_NS, finished_at_ns=end)
            store.failures.add(org, failure, START_NS, actor=TESTER)
        commits = [
            Commit(
                sha=digit * 40,
                parents=("0" * 40,),
                author_time_ns=START_NS,
                commit_time_ns=START_NS + 1,
                subject="Fix\tthe door",
                paths=("a", "b") if digit == "1" else None,
                author_name="Ada" if digit == "1" else "",
            )
            for digit in "12"
        ]
        store.commits.add_commits(org, "github.com/acme/shop", commits, actor=TESTER).result()
        store.derivations.derive_all_queued(actor=TESTER)
    return url


def export(url: str, kind: str, form: str, output: Path, *more: str) -> Result:
    arguments = ["export", kind, "--format", form, "--output", str(output), "--database", url]
    return CliRunner().invoke(main, [*arguments, *more])


def read(url: str, kind: str, folder: Path) -> tuple[pa.Table, list[dict[str, Any]]]:
    """The table, and what the lines have."""
    files = folder / "events.parquet", folder / "events.jsonl"
    for form, file in zip(("parquet", "jsonl"), files, strict=True):
        done = export(url, kind, form, file)
        assert done.exit_code == 0, done.output
    lines = [json.loads(line) for line in files[1].read_text().splitlines()]
    return pq.read_table(files[0]), lines


def known(row: dict[str, Any]) -> dict[str, Any]:
    """What a row says, instants as nanoseconds, as lines have it."""
    return {
        name: value.value if hasattr(value, "value") else value
        for name, value in row.items()
        if value not in (None, [])
    }


def as_line(row: dict[str, Any]) -> dict[str, Any]:
    """A row of events without what lines leave to be worked out."""
    found = {name: value for name, value in known(row).items() if name != "repository_id"}
    remediation = {
        name: found.pop(f"remediation_{name}")
        for name in ("id", "type")
        if f"remediation_{name}" in found
    }
    for name in ("duration", "time_to_restore"):
        found.pop(name, None)
    return found | ({"remediation": remediation} if remediation else {})


@pytest.mark.parametrize("kind", ["deployments", "failures"])
def test_rows_have_what_lines_have(url: str, kind: str, tmp_path: Path):
    table, lines = read(url, kind, tmp_path)
    assert len(lines) == {"deployments": 4, "failures": 1}[kind]
    assert [as_line(row) for row in table.to_pylist()] == lines


def test_columns_of_deployments_are_typed(url: str, tmp_path: Path):
    table, _ = read(url, "deployments", tmp_path)
    types = {field.name: field.type for field in table.schema}
    assert {types[name] for name in ("started_at", "finished_at", "created_at")} == {INSTANT}
    assert types["custom_tags"] == TEXTS
    assert types["change_failure"] == pa.bool_()
    assert {types[name] for name in ("duration", "recovery_time_sec")} == {pa.int64()}
    assert table.column("change_failure").to_pylist() == [False, True, False, None]
    assert table.column("recovery_time_sec").to_pylist() == [None, 1000, None, None]
    assert table.column("repository_id").to_pylist()[-1] == "github.com/acme/shop"
    assert table.column("duration").to_pylist() == [10] * 4


def test_commits_are_exported_as_lines_and_columns(url: str, tmp_path: Path):
    table, lines = read(url, "commits", tmp_path)
    first, second = table.to_pylist()
    assert (first["sha"], second["paths"], first["paths"]) == ("1" * 40, None, ["a", "b"])
    assert table.schema.field("author_time").type == INSTANT
    assert first["author_time"].value == START_NS
    assert [line["sha"] for line in lines] == ["1" * 40, "2" * 40]
    assert lines[0]["author_time"] == "2023-08-31T14:26:14.000000001Z"
    assert first["author_name"] == lines[0]["author_name"] == "Ada"
    assert "author_name" not in lines[1]


def test_exported_commits_are_imported_as_they_were(url: str, tmp_path: Path):
    file = tmp_path / "commits.jsonl"
    assert export(url, "commits", "jsonl", file).exit_code == 0
    again = CliRunner().invoke(main, ["import", "commits", str(file), "--database", url])
    assert again.output.splitlines()[-1] == "0 added, 0 replaced, 2 unchanged, 0 rejected"


def test_a_group_of_rows_is_written_at_a_time(
    url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(export_parquet, "ROWS_AT_ONCE", 3)
    file = tmp_path / "events.parquet"
    assert export(url, "deployments", "parquet", file).exit_code == 0
    metadata = pq.ParquetFile(file).metadata
    assert [metadata.row_group(at).num_rows for at in range(metadata.num_row_groups)] == [3, 1]


def test_nothing_is_a_file_too(tmp_path: Path):
    url, file = f"sqlite:///{tmp_path / 'empty.db'}", tmp_path / "events.parquet"
    with Store(url) as store:
        store.keys.ensure_organisation("default", 1, actor=TESTER).result()
    assert export(url, "failures", "parquet", file).exit_code == 0
    assert pq.read_table(file).num_rows == 0


def test_without_pyarrow_it_is_said_how_to_get_it(
    url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    monkeypatch.setattr(export_parquet, "find_spec", lambda _: None)
    done = export(url, "deployments", "parquet", tmp_path / "events.parquet")
    assert done.exit_code == 1
    assert 'pip install "theodora[parquet]"' in done.output
