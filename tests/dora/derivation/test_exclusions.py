"""Commits that settings exclude from lead time, by author or by label."""

import time

import pytest

from dora.derivation.test_lead_time import left_out
from dora.shop import lead_times, shop
from theodora.dora.derivation.name_globs import NameFilter

HISTORY = """
    a  09:00
    b  10:00  <a  author=dependabot[bot] email=1+dependabot[bot]@users.noreply.github.com
    c  11:00  <b  author=Ada email=ada@example.org
"""
DEPLOYMENTS = "d0 09:30 sha=a\nd1 12:00 sha=c\nd2 13:00 sha=c"


@pytest.mark.parametrize(
    ("glob", "excluded"),
    [
        ("*[bot]", "b"),
        ("*[BOT]", "b"),
        ("dependabot?bot?", "b"),
        ("*@users.noreply.github.com", "b"),
        ("ADA@example.org", "c"),
        ("bot", ""),
        ("d", ""),
        ("*example.or", ""),
    ],
)
def test_commits_are_excluded_by_name_or_address_of_their_author(glob: str, excluded: str):
    found = shop(DEPLOYMENTS, commits=HISTORY, exclude_authors=(glob,))
    assert left_out(found["d1"]) == dict.fromkeys(excluded, "author")
    assert lead_times(found["d1"]) == {
        sha: hours for sha, hours in {"c": 1, "b": 2}.items() if sha != excluded
    }
    assert found["d1"].changes.commits_total == 2 - len(excluded)
    # It is shipped all the same.
    assert found["d2"].changes.left_out == ()


def test_nothing_is_excluded_by_default_nor_where_the_author_is_unknown():
    assert left_out(shop(DEPLOYMENTS, commits=HISTORY)["d1"]) == {}
    unknown = "a 09:00\nb 10:00 <a\nc 11:00 <b"
    assert left_out(shop(DEPLOYMENTS, commits=unknown, exclude_authors=("*",))["d1"]) == {}


def test_commits_are_excluded_by_a_label_of_the_first_pull_request_that_has_them():
    pull_requests = """
        #1 merged=11:10 merge=b labels=area/api,Dependencies
        #2 merged=11:20 merge=c commits=b@10:00 labels=release
    """
    given = {"commits": HISTORY, "pull_requests": pull_requests}
    found = shop(DEPLOYMENTS, **given, exclude_labels=("dependencies",))["d1"]
    assert left_out(found) == {"b": "label"}
    assert left_out(shop(DEPLOYMENTS, **given, exclude_labels=("area*",))["d1"]) == {"b": "label"}
    assert left_out(shop(DEPLOYMENTS, **given, exclude_labels=("rel*",))["d1"]) == {"c": "label"}


def test_the_originals_of_a_squash_are_excluded_in_its_place_and_once():
    block = "a 09:00\ns 12:00 <a author=dependabot[bot]\nt 12:10 <s"
    squashed = """
        #1 merged=12:00 merge=s method=squash commits=o1@10:00,o2@11:00 labels=bump
        #2 merged=12:10 merge=t method=squash commits=o2@11:00,o3@11:30
    """
    given = {"commits": block, "pull_requests": squashed}
    deployments = "d0 09:30 sha=a\nd1 13:00 sha=t"
    found = shop(deployments, **given, exclude_labels=("bump",))["d1"]
    assert sorted((each.sha, each.reason) for each in found.changes.left_out) == [
        ("o1", "label"),
        ("o2", "label"),
    ]
    assert lead_times(found) == {"o3": 1.5}
    # The authors of the originals count, and here they are not known.
    assert left_out(shop(deployments, **given, exclude_authors=("*[bot]",))["d1"]) == {
        "o2": "counted"
    }


def test_rules_read_excluded_commits():
    block = HISTORY + 'r 12:10 <c author=revert[bot] | Revert "Change c"'
    found = shop(
        "d0 09:30 sha=a\nd1 12:00 sha=c\nd2 13:00 sha=r", commits=block, exclude_authors=("*[bot]",)
    )
    assert found["d2"].changes.status == "no_new_commits"
    assert [link.failed_id for link in found["d2"].decision.links] == ["d1"]


def test_star_crosses_slashes_and_no_glob_takes_longer_than_the_name_is_long():
    assert NameFilter(["*/ci*"], "exclude_labels").matches(["team/area/ci-cd"])
    slow = NameFilter(["*a" * 60 + "b"], "exclude_labels")
    began = time.thread_time()
    assert not slow.matches(["a" * 100_000])
    assert time.thread_time() - began < 1
