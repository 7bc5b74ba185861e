"""The order of deployments, and which ran the same code."""

from itertools import permutations

import pytest

from golden.examples import REPOSITORY, read_commits, read_deployments
from theodora.dora.derivation.commits import Repository
from theodora.dora.derivation.sequence import CodeHistory, in_order


def latest_same(block: str) -> list[int | None]:
    """For each deployment, the last one before with the same code."""
    history, found = CodeHistory(), []
    for position, deployment in enumerate(read_deployments(block)):
        found.append(history.latest_same(deployment))
        history.add(position, deployment)
    return found


def test_deployments_go_by_finish_then_by_id():
    block = "b 11:00\nz 10:00\na 11:00"
    assert [each.id for each in in_order(read_deployments(block))] == ["z", "a", "b"]


GENERATED = "0123456789abcdef"
"""An id as the store makes one: it differs between stores that were sent the same."""


@pytest.mark.parametrize(
    ("block", "expected"),
    [
        ("a 10:00 started=09:59\nb 10:00 started=09:58", ["b", "a"]),
        (f"a{GENERATED[1:]} 10:00 version=2\nb{GENERATED[1:]} 10:00 version=1", ["b", "a"]),
        (f"a{GENERATED[1:]} 10:00 version=1\nb{GENERATED[1:]} 10:00", ["b", "a"]),
        (f"a{GENERATED[1:]} 10:00 sha=2\nb{GENERATED[1:]} 10:00 sha=1", ["b", "a"]),
        ("by-hand 10:00 version=1\na-hand 10:00 version=2", ["a-hand", "by-hand"]),
    ],
    ids=["start", "version", "no version", "commit", "id of the sender"],
)
def test_what_ends_together_goes_by_what_it_is_and_not_by_generated_ids(block, expected):
    found = [each.id.removesuffix(GENERATED[1:]) for each in in_order(read_deployments(block))]
    assert found == expected


COMMITS = """
a 08:00
b 08:01 <a
x 08:02 <a
c 08:03 <b,x
"""


def ordered(block: str, commits: str = COMMITS) -> set[tuple[str, ...]]:
    """The ids in order, for every order of arrival."""
    repository = Repository(commits={each.sha: each for each in read_commits(commits)})
    return {
        tuple(each.id for each in in_order(arrived, {REPOSITORY: repository}))
        for arrived in permutations(read_deployments(block))
    }


def test_of_what_ends_together_ancestors_come_first_whenever_they_began():
    block = "1 10:00 started=09:57 sha=c\n2 10:00 started=09:58 sha=b\n3 10:00 sha=a"
    assert ordered(block) == {("3", "2", "1")}


def test_what_is_neither_ancestor_nor_descendant_goes_by_its_start_between_them():
    block = (
        "1 10:00 started=09:55 sha=c\n2 10:00 started=09:59 sha=x\n3 10:00 started=09:58 sha=b\n"
        "4 10:00 started=09:57 sha=unknown\n5 10:00 started=09:56"
    )
    assert ordered(block) == {("5", "4", "3", "2", "1")}


def test_commits_in_a_circle_have_no_order_among_them():
    circle = "a 08:00 <c\nb 08:01 <a\nc 08:02 <b\nd 08:03 <c"
    block = "1 10:00 sha=d\n2 10:00 sha=b\n3 10:00 sha=a"
    assert ordered(block, circle) == {("2", "3", "1")}


def test_ids_are_compared_as_bytes():
    block = "é 10:00\nz 10:00\nA 10:00\n😀 10:00\nﬀ 10:00"
    ids = [each.id for each in in_order(read_deployments(block))]
    assert ids == sorted(ids, key=str.encode) == ["A", "z", "é", "ﬀ", "😀"]


def test_a_deployment_given_twice_counts_as_given_last():
    given = read_deployments("a 11:00 version=1\na 12:00 version=2")
    assert in_order(given) == [given[1]]


def test_the_same_sha_is_the_same_code_whatever_the_version():
    assert latest_same("1 10:00 sha=a version=x\n2 11:00 sha=a version=y") == [None, 0]


def test_another_sha_is_other_code_though_the_version_is_the_same():
    assert latest_same("1 10:00 sha=a version=latest\n2 11:00 sha=b version=latest") == [None, None]


def test_where_one_has_no_sha_the_version_decides():
    assert latest_same("1 10:00 sha=a version=x\n2 11:00 version=x") == [None, 0]
    assert latest_same("1 10:00 version=x\n2 11:00 sha=a version=x") == [None, 0]


def test_the_latest_of_all_ways_to_be_the_same_is_found():
    block = "1 09:00 sha=a version=x\n2 10:00 version=x\n3 11:00 sha=b\n4 12:00 sha=a version=x"
    assert latest_same(block) == [None, 0, None, 1]


def test_without_sha_and_version_nothing_is_the_same():
    assert latest_same("1 10:00\n2 11:00") == [None, None]
