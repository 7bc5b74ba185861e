"""The order of deployments, and which ran the same code."""

from golden.examples import read_deployments
from theodora.dora.sequence import CodeHistory, in_order


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
