"""`theodora import git`: deployments and commits out of a repository."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest
from click.testing import CliRunner, Result

from actors import TESTER
from repositories import GitRepository, make_repository
from theodora.cli import main
from theodora.cli.invocation import program
from theodora.dora import MetricsQuery, Period
from theodora.events import Deployment
from theodora.query import parse
from theodora.storage import Organisation, Store

URL = "https://github.com/acme/app.git"
ID = "github.com/acme/app"
THREE_DAYS_AGO = 1_693_491_600 - 3 * 86_400


@pytest.fixture
def repository(tmp_path: Path) -> GitRepository:
    repository = make_repository(tmp_path / "repository")
    repository.git("remote", "add", "origin", URL)
    repository.commit("Begin", {"README": "1", "web/app.py": "1"})
    repository.tag("v1")
    repository.commit("Fix the app", {"web/app.py": "2"})
    repository.tag("v2", "-a", "-m", "The second")
    repository.commit("After the last tag", {"README": "2"})
    return repository


def run(folder: Path, *options: object, path: object = None) -> Result:
    arguments = [
        "import",
        "git",
        path or folder / "repository",
        "--service",
        "app",
        "--env",
        "prod",
    ]
    arguments += ["--database", f"sqlite:///{folder / 'theodora.db'}", *options]
    return CliRunner().invoke(main, list(map(str, arguments)))


@contextmanager
def stored(folder: Path) -> Iterator[tuple[Store, Organisation]]:
    with Store(f"sqlite:///{folder / 'theodora.db'}") as store:
        yield store, store.keys.organisation("default")


def deployments(folder: Path) -> dict[str | None, Deployment]:
    with stored(folder) as (store, org):
        return {each.version: each for each in store.deployments.everything(org)}


def test_each_tag_is_a_deployment_and_their_commits_come_along(
    tmp_path: Path, repository: GitRepository
) -> None:
    result = run(tmp_path, "--tags", "v*")
    assert result.exit_code == 0, result.output
    assert "commits: 2 added, 0 replaced, 0 unchanged, 0 rejected" in result.output
    assert "deployments: 2 added, 0 replaced, 0 unchanged, 0 rejected" in result.output
    assert f"`{program()} derive`" in result.stderr
    log = repository.log()
    with stored(tmp_path) as (store, org):
        kept = store.commits.repository(org, ID).commits
    assert kept == {sha: log[sha] for sha in map(repository.sha, ("v1", "v2^{commit}"))}
    made = deployments(tmp_path)["v2"]
    assert (made.service, made.env, made.source) == ("app", "prod", "git")
    assert made.git is not None
    assert (made.git.commit_sha, made.git.repository_id) == (repository.sha("v2^{commit}"), ID)


def test_a_deployment_is_when_its_annotated_tag_was_made_else_its_commit(
    tmp_path: Path, repository: GitRepository
) -> None:
    light_ns = repository.log()[repository.sha("v1")].commit_time_ns
    annotated_ns = repository.tag("v3", "-a", "-m", "The third") * 10**9
    run(tmp_path)
    made = deployments(tmp_path)
    assert made["v1"].started_at_ns == made["v1"].finished_at_ns == light_ns
    assert made["v3"].started_at_ns == made["v3"].finished_at_ns == annotated_ns


def test_importing_again_changes_nothing(tmp_path: Path, repository: GitRepository) -> None:
    run(tmp_path)
    again = run(tmp_path)
    assert "commits: 0 added, 0 replaced, 2 unchanged" in again.output
    assert "deployments: 0 added, 0 replaced, 2 unchanged" in again.output


def test_only_tags_that_match_are_deployments(tmp_path: Path, repository: GitRepository) -> None:
    repository.tag("release/2024/1")
    run(tmp_path, "--tags", "release*")
    assert set(deployments(tmp_path)) == {"release/2024/1"}


def test_several_globs_choose_tags_and_others_leave_some_out(
    tmp_path: Path, repository: GitRepository
) -> None:
    for name in ("v3-rc1", "v3-beta", "v3", "release/3", "nightly"):
        repository.tag(name)
    globs = ("--tags", "v*", "--tags", "release/*")
    run(tmp_path, *globs, "--exclude-tags", "*-rc*", "--exclude-tags", "*-beta")
    assert set(deployments(tmp_path)) == {"v1", "v2", "v3", "release/3"}
    result = run(tmp_path, "--tags", "v3-*", "--exclude-tags", "*-rc*", "--exclude-tags", "*-b*")
    assert 'matches "v3-*" and not "*-rc*" or "*-b*"' in result.output


def test_a_tag_of_a_tag_is_a_deployment_however_deep(
    tmp_path: Path, repository: GitRepository
) -> None:
    made_at = 1_800_000_000
    date = {"GIT_COMMITTER_DATE": f"{made_at} +0000"}
    repository.git("tag", "-m", "Another name", "v2-alias", "v2")
    repository.git("tag", "-m", "And another", "v2-alias-of-alias", "v2-alias", **date)
    result = run(tmp_path)
    assert result.exit_code == 0, result.output
    made = deployments(tmp_path)
    assert set(made) == {"v1", "v2", "v2-alias", "v2-alias-of-alias"}
    assert made["v2-alias-of-alias"].finished_at_ns == made_at * 10**9
    git = made["v2-alias-of-alias"].git
    assert git is not None
    assert git.commit_sha == repository.sha("v2^{commit}")


def test_an_annotated_tag_without_a_date_was_made_when_its_commit_was(
    tmp_path: Path, repository: GitRepository
) -> None:
    inner = f"object {repository.sha('v1')}\ntype commit\ntag old\n\nWithout a tagger\n"
    sha = repository.git("hash-object", "-t", "tag", "-w", "--stdin", stdin=inner.encode())
    outer = f"object {sha.decode().strip()}\ntype tag\ntag older\n\nWithout a tagger\n"
    sha = repository.git("hash-object", "-t", "tag", "-w", "--stdin", stdin=outer.encode())
    repository.git("update-ref", "refs/tags/older", sha.decode().strip())
    run(tmp_path)
    made = deployments(tmp_path)
    assert made["older"].finished_at_ns == made["v1"].finished_at_ns


def test_a_tag_of_something_else_than_a_commit_is_left_out_and_said(
    tmp_path: Path, repository: GitRepository
) -> None:
    repository.git("tag", "tree", "HEAD^{tree}")
    repository.git("tag", "-a", "-m", "x", "annotated-tree", "HEAD^{tree}")
    result = run(tmp_path)
    assert set(deployments(tmp_path)) == {"v1", "v2"}
    assert result.exit_code == 0
    for name in ("tree", "annotated-tree"):
        assert f'tag "{name}" is left out: it points at no commit' in result.stderr


def lead_times(folder: Path) -> dict[str, Any]:
    with stored(folder) as (store, org):
        store.derivations.derive_all_queued(actor=TESTER)
        period = Period(1_690_000_000 * 10**9, 1_700_000_000 * 10**9)
        question = MetricsQuery(period=period, as_of_ns=period.end_ns)
        report = store.metrics.report(org, question, parse(""))
        return msgspec.to_builtins(report.overall.total.change_lead_time)


def shallow_clone(folder: Path, repository: GitRepository, tag: str) -> Path:
    """What CI makes of a tag by default."""
    clone = folder / f"clone of {tag}"
    options = ("--quiet", "--depth", "1", "--branch", tag, "-c", "advice.detachedHead=false")
    repository.git("clone", *options, f"file://{repository.path}", str(clone))
    return clone


def test_shallow_clones_give_no_lead_times_and_the_complete_history_gives_the_right_ones(
    tmp_path: Path,
) -> None:
    """A commit is written three days before its tag; beyond the cut nothing is known of it."""
    repository = make_repository(tmp_path / "repository")
    for version in ("v1", "v2"):
        repository.commit(f"Work on {version}", {"work": version}, author_time=THREE_DAYS_AGO)
        repository.commit(f"Release {version}", {"version": version})
        repository.tag(version)
    for version in ("v1", "v2"):
        clone = shallow_clone(tmp_path, repository, version)
        result = run(tmp_path, "--repository-url", URL, path=clone)
        assert result.exit_code == 0, result.output
        assert f"{clone} is a shallow clone, whose history is cut off at 1 commit" in result.stderr
        assert f"git -C '{clone}' fetch --unshallow --tags" in result.stderr
    assert lead_times(tmp_path)["n"] == 0
    clones = deployments(tmp_path)
    assert (clones["v1"].lead_time_status, clones["v2"].lead_time_status) == ("baseline", "shallow")
    assert clones["v2"].number_of_commits is None
    repository.git("-C", str(clone), "fetch", "--quiet", "--unshallow", "--tags")
    result = run(tmp_path, "--repository-url", URL, path=clone)
    assert "shallow" not in result.stderr
    found = lead_times(tmp_path)
    assert found["n"] == 2
    assert found["p90"] > 2.5 * 86_400
    assert deployments(tmp_path)["v2"].number_of_commits == 2


def undated_commit(repository: GitRepository, dates: str) -> str:
    """A commit on top of the last, with this behind the addresses of author and committer."""
    text = (
        f"tree {repository.sha('HEAD^{tree}')}\nparent {repository.sha('HEAD')}\n"
        f"author A <a@example.org>{dates}\ncommitter A <a@example.org>{dates}\n\nNo date\n"
    )
    made = repository.git(
        *("hash-object", "-t", "commit", "-w", "--stdin", "--literally"), stdin=text.encode()
    )
    return made.decode().strip()


@pytest.mark.parametrize("dates", ["", " 1760000085", " 0 +0000", " tomorrow +0000"])
def test_a_commit_without_a_date_has_no_lead_time_and_counts_for_data_health(
    tmp_path: Path, repository: GitRepository, dates: str
) -> None:
    sha = undated_commit(repository, dates)
    repository.git("update-ref", "refs/heads/main", sha)
    repository.tag("v3", "-a", "-m", "The third")
    assert run(tmp_path).exit_code == 0
    assert lead_times(tmp_path)["n"] == 2
    assert deployments(tmp_path)["v3"].number_of_commits == 2
    with stored(tmp_path) as (store, org):
        assert store.commits.repository(org, ID).commits[sha].author_time_ns is None
        (undated,) = store.health.look(org).undated
        assert undated == (ID, 1, sha)


def test_a_tag_without_a_date_is_left_out_and_said(
    tmp_path: Path, repository: GitRepository
) -> None:
    repository.git("tag", "v4", undated_commit(repository, ""))
    result = run(tmp_path)
    assert "v4: its date cannot be read, or is 0" in result.output
    assert result.exit_code == 1
    assert sorted(map(str, deployments(tmp_path))) == ["v1", "v2"]


def test_a_bare_repository_is_read_too(tmp_path: Path, repository: GitRepository) -> None:
    repository.git("clone", "--quiet", "--bare", str(repository.path), str(tmp_path / "bare"))
    result = run(tmp_path, "--repository-url", URL, path=tmp_path / "bare")
    assert "commits: 2 added" in result.output


def test_a_token_in_the_url_of_the_remote_is_not_stored(
    tmp_path: Path, repository: GitRepository
) -> None:
    repository.git("remote", "set-url", "origin", "https://user:secret@github.com/acme/app.git")
    run(tmp_path)
    (url,) = {each.git.repository_url for each in deployments(tmp_path).values() if each.git}
    assert url == URL


def test_without_a_remote_the_repository_is_named_by_its_path(
    tmp_path: Path, repository: GitRepository
) -> None:
    repository.git("remote", "remove", "origin")
    run(tmp_path)
    with stored(tmp_path) as (store, org):
        (summary,) = store.commits.repositories(org)
    assert summary.repository_id == str(repository.path)


def test_tags_without_a_match_are_an_error(tmp_path: Path, repository: GitRepository) -> None:
    result = run(tmp_path, "--tags", "w*")
    assert result.exit_code == 1
    assert 'matches "w*"' in result.output


def test_a_folder_that_is_no_repository_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "repository").mkdir()
    result = run(tmp_path)
    assert result.exit_code == 1
    assert "not a git repository" in result.output


def test_a_folder_inside_a_repository_is_not_taken_for_it(
    tmp_path: Path, repository: GitRepository
) -> None:
    result = run(tmp_path, path=repository.path / "web")
    assert "not a git repository" in result.output


def test_nothing_that_a_repository_names_is_run(tmp_path: Path, repository: GitRepository) -> None:
    ran = tmp_path / "ran"
    script = tmp_path / "script"
    script.write_text(f"#!/bin/sh\ntouch {ran}\n")
    script.chmod(0o755)
    for name in (
        *("core.fsmonitor", "core.pager", "core.sshCommand", "core.gitProxy", "gpg.program"),
        *("diff.external", "core.editor", "credential.helper", "remote.origin.uploadpack"),
    ):
        repository.git("config", name, str(script))
    repository.git("config", "remote.origin.promisor", "true")
    repository.git("config", "extensions.partialClone", "origin")
    repository.git("config", "core.hooksPath", str(tmp_path))
    repository.git("remote", "set-url", "origin", f"ext::{script}")
    tree = repository.sha("v1^{tree}")
    (repository.path / ".git" / "objects" / tree[:2] / tree[2:]).unlink()
    result = run(tmp_path, "--repository-url", URL)
    assert not ran.exists(), result.output
    with stored(tmp_path) as (store, org):
        assert len(store.commits.repository(org, ID).commits) == 2


def test_the_callers_git_environment_has_no_say(
    tmp_path: Path, repository: GitRepository, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(os.environ, "GIT_DIR", str(tmp_path / "elsewhere"))
    monkeypatch.setitem(os.environ, "GIT_OBJECT_DIRECTORY", str(tmp_path / "elsewhere"))
    assert run(tmp_path).exit_code == 0


def test_git_that_is_not_installed_is_said_plainly(
    tmp_path: Path, repository: GitRepository, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    result = run(tmp_path)
    assert result.exit_code == 1
    assert "git is not installed" in result.output
