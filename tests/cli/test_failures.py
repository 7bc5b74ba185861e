"""`theodora import failures` and `theodora export failures`."""

import gzip
import json
from pathlib import Path

from click.testing import CliRunner, Result

from theodora.cli import main

OPEN = {"services": ["web", "api"], "env": "production", "started_at": 1707842944}
ENDED = {
    "id": "INC-1",
    "services": ["search"],
    "team": "backend",
    "name": "Search is slow",
    "severity": "SEV-3",
    "started_at": 1707842944500,
    "finished_at": 1707846544500,
    "commit_sha": "66adc9350f2cc9b250b69abddab733dd55e1a588",
    "repository_url": "https://github.com/organization/example-repository",
    "custom_tags": ["region:us-east-1"],
    "source": "pagerduty",
}


def run(folder: Path, *arguments: str, database: str = "theodora.db") -> Result:
    url = f"sqlite:///{folder / database}"
    return CliRunner().invoke(main, [*arguments, "--database", url])


def write(file: Path, *lines: object) -> str:
    text = "\n".join(line if isinstance(line, str) else json.dumps(line) for line in lines)
    file.write_bytes(gzip.compress(text.encode()) if file.suffix == ".gz" else text.encode())
    return str(file)


def test_failures_are_brought_in_and_written_out_again(tmp_path: Path) -> None:
    file = write(tmp_path / "failures.jsonl.gz", OPEN, ENDED)

    done = run(tmp_path, "import", "failures", file)
    first, second = run(tmp_path, "export", "failures").stdout.splitlines()

    assert "2 added, 0 replaced, 0 unchanged, 0 rejected" in done.stdout
    assert json.loads(first)["services"] == ["web", "api"]
    seen = json.loads(second)
    assert seen.pop("created_at") > 0
    assert seen == {
        **ENDED,
        "started_at": 1707842944500000000,
        "finished_at": 1707846544500000000,
    }


def test_bringing_them_in_again_changes_nothing(tmp_path: Path) -> None:
    file = write(tmp_path / "failures.jsonl", OPEN, ENDED)
    run(tmp_path, "import", "failures", file)

    assert "0 added, 0 replaced, 2 unchanged" in run(tmp_path, "import", "failures", file).stdout


def test_a_failure_that_has_ended_since_is_replaced(tmp_path: Path) -> None:
    run(tmp_path, "import", "failures", write(tmp_path / "before.jsonl", OPEN))
    ended = write(tmp_path / "after.jsonl", {**OPEN, "finished_at": 1707846544})

    assert "0 added, 1 replaced" in run(tmp_path, "import", "failures", ended).stdout


def test_an_export_brought_into_another_database_is_the_same(tmp_path: Path) -> None:
    run(tmp_path, "import", "failures", write(tmp_path / "failures.jsonl", OPEN, ENDED))
    exported = run(tmp_path, "export", "failures").stdout
    file = tmp_path / "exported.jsonl"
    file.write_text(exported)

    run(tmp_path, "import", "failures", str(file), database="other.db")

    assert run(tmp_path, "export", "failures", database="other.db").stdout == exported


def test_lines_that_break_rules_are_named_and_kept_out(tmp_path: Path) -> None:
    file = write(
        tmp_path / "failures.jsonl", OPEN, {"started_at": 1}, "not JSON", {**OPEN, "env": 1}
    )

    done = run(tmp_path, "import", "failures", file)

    assert done.exit_code == 1
    assert "1 added, 0 replaced, 0 unchanged, 3 rejected" in done.stdout
    shown = done.stderr
    assert f'{file}:2: /services: attribute "services" is required' in shown
    assert f"{file}:3: not JSON" in shown
    assert f'{file}:4: /env: error decoding attribute "env": invalid type number' in shown
