"""`theodora import commits` and `theodora import pull-requests`."""

import gzip
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from dora.histories import SERVICES, SHARED, sequences
from theodora.cli import main
from theodora.storage import Organisation, Store

SHAS = [f"{number:040x}" for number in range(3)]
COMMITS = [
    {"repository": "github.com/acme/app", "sha": sha, "author_time": 1_693_491_974 + at}
    for at, sha in enumerate(SHAS)
]
PULL_REQUEST = {"repository": "github.com/acme/app", "number": 12, "merge_commit_sha": SHAS[0]}


def run(folder: Path, kind: str, *files: object, input_: str | None = None) -> Result:
    database = f"sqlite:///{folder / 'theodora.db'}"
    return CliRunner().invoke(
        main, ["import", kind, "--database", database, *map(str, files)], input=input_
    )


def lines(*documents: object) -> str:
    return "".join(json.dumps(document) + "\n" for document in documents)


@contextmanager
def stored(folder: Path) -> Iterator[tuple[Store, Organisation]]:
    with Store(f"sqlite:///{folder / 'theodora.db'}") as store:
        yield store, store.keys.organisation("default")


def test_commits_are_stored_by_repository(tmp_path: Path) -> None:
    file = tmp_path / "commits.jsonl"
    file.write_text(lines(*COMMITS, {**COMMITS[0], "repository": "https://gitlab.example/x/y.git"}))
    result = run(tmp_path, "commits", file)
    assert result.exit_code == 0, result.output
    assert "4 added, 0 replaced, 0 unchanged, 0 rejected" in result.output
    with stored(tmp_path) as (store, org):
        assert set(store.commits.repository(org, "github.com/acme/app").commits) == set(SHAS)
        assert set(store.commits.repository(org, "gitlab.example/x/y").commits) == {SHAS[0]}


def test_importing_commits_again_changes_nothing(tmp_path: Path) -> None:
    file = tmp_path / "commits.jsonl.gz"
    file.write_bytes(gzip.compress(lines(*COMMITS).encode()))
    run(tmp_path, "commits", file)
    again = run(tmp_path, "commits", file)
    assert "0 added, 0 replaced, 3 unchanged, 0 rejected" in again.output


def test_commits_are_read_from_standard_input(tmp_path: Path) -> None:
    result = run(tmp_path, "commits", "-", input_=lines(*COMMITS))
    assert "3 added" in result.output


def test_a_bad_line_is_shown_and_kept_out(tmp_path: Path) -> None:
    file = tmp_path / "commits.jsonl"
    file.write_text(lines(COMMITS[0], {**COMMITS[1], "sha": "short"}, COMMITS[2]))
    result = run(tmp_path, "commits", file)
    assert result.exit_code == 1
    assert f"{file}:2: /sha: attribute" in result.output
    assert "2 added, 0 replaced, 0 unchanged, 1 rejected" in result.output


def test_imported_commits_are_not_named_as_uploaded(tmp_path: Path) -> None:
    run(tmp_path, "commits", "-", input_=lines(*COMMITS))
    with stored(tmp_path) as (store, org):
        assert store.commits.known(org, "github.com/acme/app", SHAS) == []


def test_pull_requests_are_stored_and_replaced_by_number(tmp_path: Path) -> None:
    first = run(tmp_path, "pull-requests", "-", input_=lines(PULL_REQUEST))
    assert "1 added" in first.output
    second = run(
        tmp_path, "pull-requests", "-", input_=lines({**PULL_REQUEST, "title": "Fix the door"})
    )
    assert "1 replaced" in second.output
    with stored(tmp_path) as (store, org):
        (kept,) = store.commits.repository(org, "github.com/acme/app").pull_requests
        assert kept.title == "Fix the door"


@pytest.mark.slow
@pytest.mark.skipif(not SHARED.exists(), reason=f"{SHARED} is not there")
def test_the_real_commits_come_back_as_they_are_in_their_files(tmp_path: Path) -> None:
    files = [SHARED / "commits" / f"{service}.jsonl.gz" for service in SERVICES]
    result = run(tmp_path, "commits", *files)
    assert "106,116 added, 0 replaced, 0 unchanged, 0 rejected" in result.output
    with stored(tmp_path) as (store, org):
        for service in SERVICES:
            for sequence in sequences(service).values():
                for repository_id, expected in sequence.repositories.items():
                    assert store.commits.repository(org, repository_id) == expected
