"""The walk over a commit graph."""

from golden.examples import read_commits
from theodora.dora.derivation.commits import Shipped


def shipped(block: str) -> Shipped:
    return Shipped({commit.sha: commit for commit in read_commits(block)})


def shas(commits) -> set[str]:
    return {commit.sha for commit in commits}


def test_the_first_deployment_takes_all_ancestors():
    assert shas(shipped("a 09:00\nb 10:00 <a\nc 11:00 <b").take("b")) == {"a", "b"}


def test_the_next_takes_what_was_not_taken():
    history = shipped("a 09:00\nb 10:00 <a\nc 11:00 <a\nm 12:00 <b,c")
    history.take("b")
    assert shas(history.take("m")) == {"c", "m"}


def test_going_back_takes_nothing_and_going_forth_again_neither():
    history = shipped("a 09:00\nb 10:00 <a")
    history.take("b")
    assert history.take("a") == []
    assert history.take("b") == []


def test_the_graph_ends_where_a_parent_is_missing():
    assert shas(shipped("b 10:00 <a\nc 11:00 <b").take("c")) == {"b", "c"}


def test_an_unknown_commit_takes_nothing():
    assert shipped("a 09:00").take("z") == []


def test_a_history_of_any_length_is_walked_without_recursion():
    block = "\n".join(["c0 09:00", *(f"c{n} 09:00 <c{n - 1}" for n in range(1, 5_000))])
    assert len(shipped(block).take("c4999")) == 5_000
