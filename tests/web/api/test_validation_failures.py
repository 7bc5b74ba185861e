"""What a failure may break, each rule with its text and its pointer."""

import pytest

from asking import FAILURE, FAILURES, LIST_TYPES, Tenant, assert_refused, problem
from databases import ON_SQLITE

pytestmark = ON_SQLITE

NOW = 1707842944
P = "/data/attributes"
VALID = {"services": ["shopist"], "started_at": NOW}
UNITS = "seconds, milliseconds, microseconds or nanoseconds"
NEITHER = 'attribute "services" is required when attribute "team" is not given'
SHA = "66adc9350f2cc9b250b69abddab733dd55e1a588"
SORT_KEYS = (
    "id env team version source started_at finished_at created_at name severity time_to_restore"
)
URL = "https://github.com/organization/example-repository"


def required(name: str) -> str:
    return f'attribute "{name}" is required'


def wrong_type(name: str, type_: str) -> str:
    return f'error decoding attribute "{name}": invalid type {type_}'


def too_long(name: str, characters: int) -> str:
    return f'attribute "{name}" must be at most {characters} characters'


def control(name: str) -> str:
    return f'attribute "{name}" must not contain control characters'


def not_a_time(name: str) -> str:
    return f'attribute "{name}" must be a Unix timestamp in {UNITS}'


@pytest.mark.parametrize("url", [FAILURE, "/api/v2/dora/incident"])
@pytest.mark.parametrize(
    ("attributes", "detail", "pointer"),
    [
        # 9
        ({"services": "shopist"}, wrong_type("services", "string"), "/services"),
        ({"services": {}}, wrong_type("services", "object"), "/services"),
        ({"services": ["shopist", 7]}, wrong_type("services", "number"), "/services/1"),
        ({"services": None, "service": 7}, wrong_type("service", "number"), "/service"),
        # 10
        ({"services": None}, NEITHER, "/services"),
        ({"services": []}, NEITHER, "/services"),
        ({"services": None, "team": ""}, NEITHER, "/services"),
        ({"services": None, "service": "  "}, NEITHER, "/services"),
        # 11
        (
            {"services": ["shopist", " "]},
            'attribute "services" must have items that are not empty',
            "/services/1",
        ),
        (
            {"services": [f"s{n}" for n in range(101)]},
            'attribute "services" must have at most 100 items',
            "/services",
        ),
        # 12
        ({"started_at": None}, required("started_at"), "/started_at"),
        ({"started_at": "now"}, wrong_type("started_at", "string"), "/started_at"),
        ({"finished_at": True}, wrong_type("finished_at", "boolean"), "/finished_at"),
        # 13
        ({"started_at": NOW + 0.5}, 'attribute "started_at" must be an integer', "/started_at"),
        # 14
        ({"started_at": 0}, not_a_time("started_at"), "/started_at"),
        ({"finished_at": -NOW}, not_a_time("finished_at"), "/finished_at"),
        ({"started_at": 9223372037}, not_a_time("started_at"), "/started_at"),
        ({"started_at": 2**63}, not_a_time("started_at"), "/started_at"),
        # 15
        (
            {"finished_at": NOW - 1},
            'attribute "finished_at" must not be before attribute "started_at"',
            "/finished_at",
        ),
        # 16
        *(
            (
                {"id": id_},
                'attribute "id" must be 16 to 128 characters of a-z A-Z 0-9 - _ . :',
                "/id",
            )
            for id_ in ("abc", "x" * 129, "0123456789abcde/")
        ),
        ({"id": 1}, wrong_type("id", "number"), "/id"),
        # 17, 18, 19
        *(
            ({name: 1}, wrong_type(name, "number"), f"/{name}")
            for name in ("env", "team", "version", "name", "severity")
        ),
        *(
            ({name: "x" * 256}, too_long(name, 255), f"/{name}")
            for name in ("env", "team", "version", "severity")
        ),
        ({"name": "x" * 1025}, too_long("name", 1024), "/name"),
        ({"services": ["x" * 256]}, too_long("services", 255), "/services/0"),
        ({"services": None, "service": "x" * 256}, too_long("service", 255), "/service"),
        *(
            ({name: "a\tb"}, control(name), f"/{name}")
            for name in ("env", "team", "version", "name", "severity")
        ),
        ({"services": ["a\x00b"]}, control("services"), "/services/0"),
        # 20, 21, 22
        ({"git": "main"}, wrong_type("git", "string"), "/git"),
        ({"git": {"repository_url": URL}}, required("commit_sha"), "/git/commit_sha"),
        ({"git": {"commit_sha": SHA}}, required("repository_url"), "/git/repository_url"),
        (
            {"git": {"commit_sha": 1, "repository_url": URL}},
            wrong_type("commit_sha", "number"),
            "/git/commit_sha",
        ),
        (
            {"git": {"commit_sha": SHA[:7], "repository_url": URL}},
            'attribute "commit_sha" must be 40 to 64 hexadecimal characters',
            "/git/commit_sha",
        ),
        (
            {"git": {"commit_sha": SHA, "repository_url": URL + "x" * 2048}},
            too_long("repository_url", 2048),
            "/git/repository_url",
        ),
        # 23, 24, 25
        ({"custom_tags": "a:b"}, wrong_type("custom_tags", "string"), "/custom_tags"),
        ({"custom_tags": ["a:b", 1]}, wrong_type("custom_tags", "number"), "/custom_tags/1"),
        (
            {"custom_tags": [f"k:{n}" for n in range(101)]},
            'attribute "custom_tags" must have at most 100 items',
            "/custom_tags",
        ),
        *(
            (
                {"custom_tags": ["a:b", tag]},
                'attribute "custom_tags" must have items of the form "key:value"',
                "/custom_tags/1",
            )
            for tag in ("tag", ":b", "a:", "")
        ),
        (
            {"custom_tags": ["k:" + "x" * 199]},
            'attribute "custom_tags" must have items of at most 200 characters',
            "/custom_tags/0",
        ),
    ],
)
def test_an_attribute_that_breaks_a_rule_is_named(
    tenant: Tenant, url: str, attributes: dict[str, object], detail: str, pointer: str
) -> None:
    answer = tenant.send({**VALID, **attributes}, url)

    assert_refused(answer, problem(detail, P + pointer))


@pytest.mark.parametrize(
    ("body", "detail", "pointer"),
    [
        ([], "error decoding body: invalid type array", ""),
        ({}, 'member "data" is required', "/data"),
        ({"data": 1}, 'error decoding member "data": invalid type number', "/data"),
        ({"data": {}}, 'member "attributes" is required', P),
        (
            {"data": {"attributes": []}},
            'error decoding member "attributes": invalid type array',
            P,
        ),
    ],
)
def test_an_envelope_that_breaks_a_rule_is_named(
    tenant: Tenant, body: object, detail: str, pointer: str
) -> None:
    assert_refused(tenant.post(FAILURE, json=body), problem(detail, pointer))


def test_every_problem_is_listed_in_the_order_of_the_rules(tenant: Tenant) -> None:
    attributes = {
        "custom_tags": ["tag", "k:" + "x" * 199],
        "git": {"commit_sha": "short"},
        "severity": 1,
        "env": 1,
        "name": "a\x01b",
        "id": "short",
        "finished_at": 1.5,
        "services": ["", 1],
    }

    answer = tenant.send(attributes, FAILURE)

    expected = [
        (wrong_type("services", "number"), f"{P}/services/1"),
        ('attribute "services" must have items that are not empty', f"{P}/services/0"),
        (required("started_at"), f"{P}/started_at"),
        ('attribute "finished_at" must be an integer', f"{P}/finished_at"),
        ('attribute "id" must be 16 to 128 characters of a-z A-Z 0-9 - _ . :', f"{P}/id"),
        (wrong_type("env", "number"), f"{P}/env"),
        (wrong_type("severity", "number"), f"{P}/severity"),
        (control("name"), f"{P}/name"),
        (required("repository_url"), f"{P}/git/repository_url"),
        ('attribute "commit_sha" must be 40 to 64 hexadecimal characters', f"{P}/git/commit_sha"),
        ('attribute "custom_tags" must have items of the form "key:value"', f"{P}/custom_tags/0"),
        (
            'attribute "custom_tags" must have items of at most 200 characters',
            f"{P}/custom_tags/1",
        ),
    ]
    assert_refused(answer, *(problem(*each) for each in expected))


@pytest.mark.parametrize(
    ("attributes", "detail", "pointer"),
    [
        ({"from": 1.5}, wrong_type("from", "number"), "/from"),
        (
            {"to": 0},
            f'attribute "to" must be a Unix timestamp in {UNITS}',
            "/to",
        ),
        ({"to": "noon"}, 'error decoding attribute "to": invalid date-time "noon"', "/to"),
        ({"limit": "1"}, wrong_type("limit", "string"), "/limit"),
        ({"limit": 1.5}, 'attribute "limit" must be an integer', "/limit"),
        ({"limit": 0}, 'attribute "limit" must be between 1 and 1000', "/limit"),
        ({"limit": 1001}, 'attribute "limit" must be between 1 and 1000', "/limit"),
        ({"sort": []}, wrong_type("sort", "array"), "/sort"),
        (
            {"sort": "change_failure"},
            f'attribute "sort" must be one of "{SORT_KEYS}"',
            "/sort",
        ),
        (
            {"query": "a)"},
            'error parsing attribute "query": unexpected ")" at position 2',
            "/query",
        ),
    ],
)
def test_a_list_request_that_breaks_a_rule_is_told_so(
    tenant: Tenant, attributes: dict[str, object], detail: str, pointer: str
) -> None:
    assert_refused(tenant.search(attributes, FAILURES), problem(detail, P + pointer))


@pytest.mark.parametrize("type_", [None, "dora_deployments_list_request"])
def test_a_list_request_of_another_type_is_told_so(tenant: Tenant, type_: str | None) -> None:
    body = {"data": {"type": type_, "attributes": {}}}
    detail = f'got type "{type_ or ""}" expected one of "{LIST_TYPES[FAILURES]}"'

    assert_refused(tenant.post(FAILURES, json=body), problem(detail, "/data/type"))
