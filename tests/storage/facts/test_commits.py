"""The commit store: what is known of a commit only grows, and each repository stands alone."""

from functools import partial
from itertools import permutations

import msgspec
import pytest

from actors import TESTER
from theodora.dora import Commit, PullRequest, Repository
from theodora.storage import Organisation, Store

APP = "github.com/acme/app"
SHA = "a" * 40
ROOT = "b" * 40

FULL = Commit(
    sha=SHA,
    parents=(ROOT,),
    author_time_ns=1_693_491_974 * 10**9,
    commit_time_ns=1_693_491_980 * 10**9,
    subject="Fix the door (#12)",
    message="Fix the door (#12)\n\nIt creaked.",
    paths=("web/door.py", "web/with\nline break.py"),
    author_name="Ada Byron",
    author_email="ada@example.org",
)
TOLD = msgspec.structs.replace(
    FULL, message="", paths=None, subject="Fix the door", author_name="", author_email=""
)
PULL_REQUEST = PullRequest(
    number=12,
    title="Fix the door",
    labels=("bug",),
    branch="mend",
    merge_commit_sha=SHA,
    merge_method="squash",
    commits=(FULL,),
    created_at_ns=1,
    ready_at_ns=2,
    last_approved_at_ns=3,
    merged_at_ns=4,
)


def test_commits_come_back_as_they_were_added(store: Store, org: Organisation) -> None:
    root = Commit(sha=ROOT, author_time_ns=1, commit_time_ns=2, paths=())
    store.commits.add_commits(org, APP, [FULL, root], actor=TESTER).result()
    assert store.commits.repository(org, APP) == Repository(commits={SHA: FULL, ROOT: root})


def test_pull_requests_come_back_as_they_were_added(store: Store, org: Organisation) -> None:
    store.commits.add_pull_requests(org, APP, [PULL_REQUEST], actor=TESTER).result()
    assert store.commits.repository(org, APP).pull_requests == (PULL_REQUEST,)


def test_adding_commits_again_changes_nothing(store: Store, org: Organisation) -> None:
    assert store.commits.add_commits(org, APP, [FULL], actor=TESTER).result() == {"added": 1}
    assert store.commits.add_commits(org, APP, [FULL, FULL], actor=TESTER).result() == {
        "unchanged": 2
    }


def test_a_pull_request_sent_again_replaces_what_was_said(store: Store, org: Organisation) -> None:
    renamed = msgspec.structs.replace(PULL_REQUEST, title="Fix both doors")
    add = partial(store.commits.add_pull_requests, actor=TESTER)
    assert add(org, APP, [PULL_REQUEST]).result() == {"added": 1}
    assert add(org, APP, [PULL_REQUEST]).result() == {"unchanged": 1}
    assert add(org, APP, [renamed]).result() == {"replaced": 1}
    assert store.commits.repository(org, APP).pull_requests == (renamed,)


def test_what_a_commit_lacks_comes_back_as_lacking(store: Store, org: Organisation) -> None:
    lacking = msgspec.structs.replace(
        FULL, author_time_ns=None, commit_time_ns=None, is_shallow=True
    )
    store.commits.add_commits(org, APP, [lacking], actor=TESTER).result()
    assert store.commits.repository(org, APP).commits == {SHA: lacking}
    store.commits.add_commits(org, APP, [FULL], actor=TESTER).result()
    known = msgspec.structs.replace(FULL, is_shallow=True)
    assert store.commits.repository(org, APP).commits == {SHA: known}


@pytest.mark.parametrize("order", [*permutations(("told", "uploaded", "with paths"))])
def test_what_is_known_of_a_commit_only_grows(
    store: Store, org: Organisation, order: tuple[str, ...]
) -> None:
    sources = {
        "told": (msgspec.structs.replace(TOLD, parents=()), False),
        "uploaded": (msgspec.structs.replace(FULL, paths=None), True),
        "with paths": (msgspec.structs.replace(TOLD, paths=FULL.paths), False),
    }
    for source in order:
        commit, received = sources[source]
        store.commits.add_commits(org, APP, [commit], received=received, actor=TESTER).result()
    assert store.commits.repository(org, APP).commits == {SHA: FULL}


def test_only_uploaded_commits_are_known(store: Store, org: Organisation) -> None:
    uploaded = Commit(sha=ROOT, author_time_ns=1, commit_time_ns=1)
    store.commits.add_commits(org, APP, [TOLD], actor=TESTER).result()
    store.commits.add_commits(org, APP, [uploaded], received=True, actor=TESTER).result()
    assert store.commits.known(org, APP, [SHA, ROOT, "c" * 40]) == [ROOT]
    assert store.commits.known(org, "github.com/acme/other", [ROOT]) == []


def test_known_commits_are_named_in_the_order_asked(store: Store, org: Organisation) -> None:
    shas = [f"{number:040x}" for number in range(50)]
    commits = [Commit(sha=sha, author_time_ns=1, commit_time_ns=1) for sha in shas]
    store.commits.add_commits(org, APP, commits, received=True, actor=TESTER).result()
    asked = [*reversed(shas), shas[7]]
    assert store.commits.known(org, APP, asked) == asked


def test_uploaded_commits_without_paths_are_found_until_the_paths_come(
    store: Store, org: Organisation
) -> None:
    bare = msgspec.structs.replace(FULL, paths=None)
    store.commits.add_commits(org, APP, [bare], received=True, actor=TESTER).result()
    assert store.commits.without_paths(org, APP, 10) == [SHA]
    store.commits.add_commits(org, APP, [FULL], received=True, actor=TESTER).result()
    assert store.commits.without_paths(org, APP, 10) == []


def test_a_repository_of_which_nothing_is_known_has_no_commit_source(
    store: Store, org: Organisation
) -> None:
    assert store.commits.repository(org, APP) == Repository(has_commit_source=False)


def test_repositories_are_listed_with_what_is_known_of_them(
    store: Store, org: Organisation
) -> None:
    store.commits.add_commits(org, APP, [FULL], actor=TESTER).result()
    store.commits.add_pull_requests(org, "a.example/z", [PULL_REQUEST], actor=TESTER).result()
    assert store.commits.repositories(org) == [("a.example/z", 0, 1), (APP, 1, 0)]


def test_organisations_do_not_see_each_other(store: Store, org: Organisation) -> None:
    other = store.keys.ensure_organisation("other", 1, actor=TESTER).result()
    store.commits.add_commits(org, APP, [FULL], received=True, actor=TESTER).result()
    assert store.commits.known(other, APP, [SHA]) == []
    assert store.commits.repository(other, APP).commits == {}
    assert store.commits.repositories(other) == []
