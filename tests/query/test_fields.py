"""The table of fields lacks nothing, and says what the contract says."""

import re

import pytest

from theodora.events import Deployment, Failure
from theodora.query import (
    FIELDS,
    SORT_KEYS,
    Event,
    Field,
    Kind,
    Tag,
    Type,
    matches,
    parse,
    resolve,
    sort_key,
)
from theodora.query.ast import Exists
from theodora.query.pull_request_fields import (
    PULL_REQUEST_FIELDS,
    resolve_in_pull_requests,
    sort_field,
    sort_keys_of,
)

EVENTS: dict[Kind, Event] = {
    Kind.DEPLOYMENT: Deployment(service="web", started_at_ns=1, finished_at_ns=1),
    Kind.FAILURE: Failure(started_at_ns=1),
}
NAMES = [name for field in FIELDS for name in (field.name, *field.aliases)]


@pytest.mark.parametrize("field", FIELDS, ids=repr)
class TestEveryField:
    def test_is_described_in_a_sentence(self, field: Field) -> None:
        assert field.about.endswith(".")
        assert "\n" not in field.about

    def test_belongs_to_a_kind_of_event(self, field: Field) -> None:
        assert any(field.source(kind) for kind in Kind)

    def test_can_be_read_from_every_event(self, field: Field) -> None:
        for kind, event in EVENTS.items():
            values = field.values(event)
            assert values == () or field.source(kind)
            assert field.texts(event) == tuple(map(field.text_form, values))

    def test_has_a_column_that_can_stand_in_sql_or_a_side_table(self, field: Field) -> None:
        columns = [source.column for kind in Kind if (source := field.source(kind))]
        assert all(column is None or re.fullmatch("[a-z][a-z0-9_]*", column) for column in columns)
        if None in columns:
            assert field.name in {"service", "tags"} or field.pull_request

    def test_says_its_unit_in_the_column_of_a_time(self, field: Field) -> None:
        source = field.deployment or field.failure
        assert source is not None
        assert (field.type is Type.TIME) == (source.column or "").endswith("_ns")

    def test_is_found_by_all_its_names_with_an_at_sign_and_without(self, field: Field) -> None:
        for name in (field.name, *field.aliases):
            assert resolve(name) is resolve(f"@{name}") is field

    def test_can_be_asked_for_in_a_query(self, field: Field) -> None:
        for event in EVENTS.values():
            assert matches(parse(f"_exists_:{field.name}"), event) == bool(field.values(event))


def test_names_of_pull_requests_are_tags_of_events() -> None:
    """So that a search of events means what it meant before there were pull requests."""
    for field in PULL_REQUEST_FIELDS:
        for name in (field.name, *field.aliases):
            assert resolve_in_pull_requests(f"@{name}") is field
            assert parse(f"_exists_:{name}", Kind.PULL_REQUEST) == Exists(field)
    own = {"number_of_commits", "created_at"}
    names = {name for each in PULL_REQUEST_FIELDS for name in (each.name, *each.aliases)}
    assert {name for name in names if resolve(name) != Tag(name)} == own
    assert resolve_in_pull_requests("service") is resolve("service")


def test_no_two_fields_share_a_name() -> None:
    assert len(set(NAMES)) == len(NAMES)


def test_any_other_name_is_the_key_of_a_tag() -> None:
    assert resolve("language") == resolve("@language") == Tag("language")
    assert resolve("Service") == Tag("Service")
    assert resolve("@") == Tag("@")


def test_free_text_is_sought_in_the_fields_of_the_contract() -> None:
    assert {field.name for field in FIELDS if field.in_free_text} == {
        *("service", "env", "team", "version", "name", "severity"),
        *("repository_id", "commit_sha", "id", "tags"),
    }


def test_an_array_has_a_value_for_each_element() -> None:
    event = Failure(services=("a", "b"), started_at_ns=1, custom_tags=("k:v", "k:w:x"))
    assert FIELDS[0].values(event) == ("a", "b")
    assert Tag("k").values(event) == ("v", "w:x")


def test_values_have_a_text_form() -> None:
    texts = {field.name: field.text_form for field in FIELDS}
    assert texts["change_failure"](value=True) == "true"
    assert texts["number_of_commits"](12) == "12"
    assert texts["started_at"](1_693_491_974_500_000_000) == "2023-08-31T14:26:14.500Z"


class TestSortKeys:
    def test_are_those_of_the_contract_in_its_order(self) -> None:
        both = "id env team version source started_at finished_at created_at"
        assert " ".join(SORT_KEYS[Kind.DEPLOYMENT]) == (
            f"{both} service change_failure deployment_type recovery_time_sec number_of_commits"
            " change_lead_time duration repository_id"
            " avg_time_to_pr_ready avg_review_time avg_merge_time avg_time_to_deploy"
        )
        assert " ".join(SORT_KEYS[Kind.FAILURE]) == f"{both} name severity time_to_restore"

    @pytest.mark.parametrize("kind", Kind)
    def test_are_fields_with_a_column(self, kind: Kind) -> None:
        for name in sort_keys_of(kind):
            field = sort_field(name, kind)
            assert field is not None
            source = field.source(kind)
            assert source is not None
            assert source.column is not None

    @pytest.mark.parametrize("name", ["@started_at", "timestamp", "@timestamp"])
    def test_may_be_written_with_an_at_sign_and_as_aliases(self, name: str) -> None:
        assert sort_key(name, Kind.FAILURE) is resolve("started_at")

    @pytest.mark.parametrize("name", ["", "-id", "language", "tags", "service", "Env", "duration"])
    def test_are_no_other_names(self, name: str) -> None:
        assert sort_key(name, Kind.FAILURE) is None
