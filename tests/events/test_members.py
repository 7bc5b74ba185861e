"""Members of documents that no reader looks at."""

import pytest

from theodora.events.attributes import DEPLOYMENT_MEMBERS
from theodora.events.members import MOST_UNKNOWN, likely_meant, shown_name, unknown_members

DOCUMENT = {"data": {"attributes": DEPLOYMENT_MEMBERS}, "meta": None}


def test_members_that_are_not_known_are_found_with_their_places() -> None:
    document = {
        "data": {"attributes": {"sevice": 1, "git": {"sha": 1, "commit_sha": 1}}, "x": 1},
        "meta": {"anything": 1},
    }
    assert unknown_members(document, DOCUMENT) == [
        ("data", "attributes", "sevice"),
        ("data", "attributes", "git", "sha"),
        ("data", "x"),
    ]


def test_items_of_arrays_share_a_place() -> None:
    known = {"commits": {"sha": None}}
    assert unknown_members({"commits": [{"sha": 1, "a": 1}, {"a": 1}, 2]}, known) == [
        ("commits", "*", "a")
    ]


def test_of_one_document_a_bounded_number_is_told() -> None:
    document = {f"m{number}": 1 for number in range(500)}
    assert len(unknown_members(document, DOCUMENT)) == MOST_UNKNOWN


@pytest.mark.parametrize(
    ("place", "meant"),
    [
        (("data", "attributes", "sevice"), ("data", "attributes", "service")),
        (("data", "attributes", "Version"), ("data", "attributes", "version")),
        (("data", "attributes", "commit_sha"), ("data", "attributes", "git", "commit_sha")),
        (("data", "attributes", "git", "env"), ("data", "attributes", "env")),
        (("data", "custom_tag"), ("data", "attributes", "custom_tags")),
        (("data", "attributes", "color"), None),
    ],
)
def test_the_member_that_was_meant_is_suggested(
    place: tuple[str, ...], meant: tuple[str, ...] | None
) -> None:
    assert likely_meant(place, DOCUMENT) == meant


def test_names_are_shown_short_and_without_control_characters() -> None:
    assert shown_name("a\x1b[31m\0\u202eb") == "a�[31m��b"
    assert shown_name("n" * 500) == "n" * 63 + "…"
