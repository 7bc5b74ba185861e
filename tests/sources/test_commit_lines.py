"""Commits and pull requests as lines of JSON."""

import json
from typing import Any

import pytest

from theodora.dora import Commit, PullRequest
from theodora.errors import Invalid
from theodora.sources.commit_lines import (
    commit_from_line,
    line_from_commit,
    pull_request_from_line,
)

SHA = "AB" * 20
PARENT = "cd" * 20
SECONDS = 1_693_491_974

COMMIT = {"repository": "git@GitHub.com:acme/app.git", "sha": SHA, "author_time": SECONDS}
PULL_REQUEST = {"repository": "github.com/acme/app", "number": 12}


def line(document: dict[str, Any], **more: Any) -> bytes:
    return json.dumps({**document, **more}).encode()


def test_a_commit_is_read_with_all_its_members() -> None:
    text = line(
        COMMIT,
        parents=[PARENT],
        commit_time=SECONDS + 6,
        subject="Fix the door ",
        message="Fix the door\n\nIt creaked.\n",
        paths=["web/door.py"],
        author_name=" Ada ",
        author_email="ada@example.org",
        is_merge=False,
    )
    assert commit_from_line(text) == (
        "github.com/acme/app",
        Commit(
            sha=SHA.lower(),
            parents=(PARENT,),
            author_time_ns=SECONDS * 10**9,
            commit_time_ns=(SECONDS + 6) * 10**9,
            subject="Fix the door ",
            message="Fix the door\n\nIt creaked.\n",
            paths=("web/door.py",),
            author_name="Ada",
            author_email="ada@example.org",
        ),
    )


def test_a_commit_without_a_commit_time_has_the_authors() -> None:
    assert commit_from_line(line(COMMIT)).commit.commit_time_ns == SECONDS * 10**9


@pytest.mark.parametrize("written", [0, "1970-01-01T00:00:00Z"])
def test_a_commit_may_have_no_date_that_can_be_read(written: object) -> None:
    commit = commit_from_line(line(COMMIT, author_time=written)).commit
    assert (commit.author_time_ns, commit.commit_time_ns) == (None, None)
    commit = commit_from_line(line(COMMIT, commit_time=written)).commit
    assert (commit.author_time_ns, commit.commit_time_ns) == (SECONDS * 10**9, None)
    original = {"sha": PARENT, "author_time": written}
    request = pull_request_from_line(line(PULL_REQUEST, commits=[original])).pull_request
    assert request.commits[0].author_time_ns is None


@pytest.mark.parametrize("members", [{"author_time": 0}, {"commit_time": 0}, {"shallow": True}])
def test_a_commit_without_a_date_or_its_parents_is_written_out_as_it_was(
    members: dict[str, Any],
) -> None:
    read = commit_from_line(line(COMMIT, parents=[PARENT], **members))
    assert commit_from_line(line_from_commit(read)) == read


def test_no_paths_are_something_else_than_unknown_paths() -> None:
    assert commit_from_line(line(COMMIT)).commit.paths is None
    assert commit_from_line(line(COMMIT, paths=[])).commit.paths == ()


@pytest.mark.parametrize(
    "written",
    [SECONDS, SECONDS * 1000, SECONDS * 10**9, "2023-08-31T14:26:14Z", "2023-08-31T16:26:14+02:00"],
)
def test_instants_are_integers_of_any_unit_or_date_times(written: object) -> None:
    commit = commit_from_line(line(COMMIT, author_time=written)).commit
    assert commit.author_time_ns == SECONDS * 10**9


def test_a_pull_request_is_read_with_all_its_members() -> None:
    text = line(
        PULL_REQUEST,
        title="Fix the door",
        labels=["bug", "urgent"],
        branch="mend",
        merge_commit_sha=SHA,
        merge_method="squash",
        commits=[{"sha": PARENT, "author_time": SECONDS}],
        created_at=SECONDS,
        ready_at="2023-08-31T14:26:15Z",
        last_approved_at=SECONDS + 2,
        merged_at=SECONDS + 3,
        author="ada",
        base="main",
        url="https://github.com/acme/app/pull/12",
        draft=False,
        first_reviewed_at=SECONDS + 1,
        closed_at=SECONDS + 4,
        reviewers=["bo"],
        additions=7,
        deletions=0,
    )
    at_ns = SECONDS * 10**9
    assert pull_request_from_line(text) == (
        "github.com/acme/app",
        PullRequest(
            number=12,
            title="Fix the door",
            labels=("bug", "urgent"),
            branch="mend",
            merge_commit_sha=SHA.lower(),
            merge_method="squash",
            commits=(Commit(sha=PARENT, author_time_ns=at_ns, commit_time_ns=at_ns),),
            created_at_ns=at_ns,
            ready_at_ns=at_ns + 10**9,
            last_approved_at_ns=at_ns + 2 * 10**9,
            merged_at_ns=at_ns + 3 * 10**9,
            author="ada",
            base="main",
            url="https://github.com/acme/app/pull/12",
            first_reviewed_at_ns=at_ns + 10**9,
            closed_at_ns=at_ns + 4 * 10**9,
            reviewers=("bo",),
            additions=7,
            deletions=0,
        ),
    )


def test_a_pull_request_needs_a_repository_and_a_number_only() -> None:
    assert pull_request_from_line(line(PULL_REQUEST)).pull_request == PullRequest(number=12)


@pytest.mark.parametrize(
    ("more", "problem"),
    [
        ({"repository": " "}, '/repository: attribute "repository" is required'),
        ({"sha": "abc"}, '/sha: attribute "sha" must be 40 to 64 hexadecimal characters'),
        ({"sha": None}, '/sha: attribute "sha" is required'),
        (
            {"parents": [PARENT, "x"]},
            '/parents/1: attribute "parents" must be 40 to 64 hexadecimal characters',
        ),
        ({"parents": PARENT}, '/parents: error decoding attribute "parents": invalid type string'),
        ({"author_time": None}, '/author_time: attribute "author_time" is required'),
        (
            {"author_time": "yesterday"},
            '/author_time: attribute "author_time" must be a Unix timestamp or a date-time',
        ),
        (
            {"commit_time": -5},
            '/commit_time: attribute "commit_time" must be a Unix timestamp or a date-time',
        ),
        ({"paths": [1]}, '/paths/0: error decoding attribute "paths": invalid type number'),
        ({"subject": "a\0b"}, '/subject: attribute "subject" must not contain NUL'),
    ],
)
def test_a_commit_that_breaks_a_rule_is_refused(more: dict[str, Any], problem: str) -> None:
    with pytest.raises(Invalid) as refused:
        commit_from_line(line(COMMIT, **more))
    assert str(refused.value) == problem


@pytest.mark.parametrize(
    ("more", "problem"),
    [
        ({"number": None}, '/number: attribute "number" is required'),
        ({"number": 0}, '/number: attribute "number" must be a positive integer'),
        ({"number": "12"}, '/number: error decoding attribute "number": invalid type string'),
        (
            {"merge_method": "octopus"},
            '/merge_method: attribute "merge_method" must be one of "merge squash rebase"',
        ),
        (
            {"commits": [{"sha": PARENT}]},
            '/commits/0/author_time: attribute "author_time" is required',
        ),
        ({"commits": [7]}, '/commits/0: error decoding attribute "commits": invalid type number'),
    ],
)
def test_a_pull_request_that_breaks_a_rule_is_refused(more: dict[str, Any], problem: str) -> None:
    with pytest.raises(Invalid) as refused:
        pull_request_from_line(line(PULL_REQUEST, **more))
    assert str(refused.value) == problem


@pytest.mark.parametrize("text", [b"{", b"[]", b"\xff", b'"x"'])
def test_a_line_that_is_no_object_is_refused(text: bytes) -> None:
    with pytest.raises(Invalid):
        commit_from_line(text)


def test_every_problem_of_a_line_is_told() -> None:
    with pytest.raises(Invalid) as refused:
        commit_from_line(b'{"sha": "x"}')
    pointers = {problem.pointer for problem in refused.value.problems}
    assert pointers == {"/repository", "/sha", "/author_time"}


@pytest.mark.parametrize(
    ("written", "minutes"),
    [
        ("2023-08-31T16:26:14+02:00", 120),
        ("2023-08-31T10:26:14-04:00", -240),
        ("2023-08-31T14:26:14+00:00", 0),
        ("2023-08-31T14:26:14Z", None),
        (SECONDS, None),
    ],
)
def test_the_clock_of_an_author_comes_back(written: object, minutes: int | None) -> None:
    read = commit_from_line(line(COMMIT, author_time=written))
    assert read.commit.author_offset_minutes == minutes
    assert commit_from_line(line_from_commit(read)) == read
