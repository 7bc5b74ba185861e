"""The version, its commit and the changelog agree."""

import json
import re
import subprocess
from pathlib import Path

import pytest

from commands import run
from theodora import __version__, version

TOP = Path(__file__).parents[1]
_SECTION = re.compile(r"^## (?:(Unreleased)|(\d+\.\d+\.\d+) – \d{4}-\d\d-\d\d)$")


def git(folder: Path, *arguments: str) -> str:
    command = ["git", "-c", "user.name=a", "-c", "user.email=a", *arguments]
    return subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True).stdout


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    git(tmp_path, "init", "--quiet")
    (tmp_path / "file").write_text("1")
    git(tmp_path, "add", "file")
    git(tmp_path, "commit", "--quiet", "--message", "1")
    git(tmp_path, "tag", "v9.9.9")
    return tmp_path


def test_a_checkout_shows_its_commit(checkout: Path) -> None:
    commit = git(checkout, "rev-parse", "--short=12", "HEAD").strip()
    assert version.commit_of(checkout) == commit
    (checkout / "file").write_text("2")
    assert version.commit_of(checkout) == f"{commit}-dirty"


def test_the_commit_of_another_repository_around_it_is_not_shown(checkout: Path) -> None:
    (checkout / "inside").mkdir()
    assert version.commit_of(checkout / "inside") == "unknown"


def test_a_build_records_its_commit_and_its_time(
    checkout: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1800000000")
    record = json.loads(version.build_record(checkout))
    assert record == {"commit": version.commit_of(checkout), "built": "2027-01-15T08:00:00Z"}
    monkeypatch.setenv("THEODORA_BUILD_COMMIT", "0123456789ab")
    assert json.loads(version.build_record(checkout))["commit"] == "0123456789ab"


def test_the_command_shows_what_a_build_recorded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(version, "_FOLDER", tmp_path)
    (tmp_path / version.RECORD).write_text('{"commit": "0123456789ab", "built": "2027-01-15"}')
    shown = run("--version").output
    assert shown == f"theodora {__version__} (commit 0123456789ab, built 2027-01-15)\n"


def test_the_command_of_a_checkout_shows_its_commit() -> None:
    shown = run("--version").output
    commit = version.commit_of(TOP)
    assert shown == f"theodora {__version__} (commit {commit}, run from a checkout)\n"


def test_the_changelog_ends_in_this_version() -> None:
    """Its first section is this version, or it is unreleased and newer than the first version."""
    headings = [
        line for line in (TOP / "CHANGELOG.md").read_text().splitlines() if line[:3] == "## "
    ]
    found = [_SECTION.match(heading) for heading in headings]
    assert all(found), headings
    released = [match[2] for match in found if match and match[2]]
    assert [*map(_parts, released)] == sorted(map(_parts, released), reverse=True)
    if headings[0] == "## Unreleased":
        assert not released or _parts(__version__) > _parts(released[0])
    else:
        assert released[0] == __version__


def test_every_file_names_this_version() -> None:
    """In examples of the documentation, and for the image."""
    files = [TOP / "docs/install.md", *sorted((TOP / "deploy/compose").rglob("compose.yaml"))]
    for file in files:
        named = re.findall(r"\btheodora[-:](\d+\.\d+\.\d+)", file.read_text())
        # The programs that watch a server name none.
        expected = set() if file.parent.name == "monitoring" else {__version__}
        assert set(named) == expected, file
    chart = (TOP / "deploy/helm/theodora/Chart.yaml").read_text()
    assert (
        re.findall(r'^(?:version|appVersion): "?([^"\n]+)', chart, re.MULTILINE)
        == [__version__] * 2
    )


def _parts(number: str) -> list[int]:
    return [int(part) for part in number.split(".")]
