"""Documents about deployments that break rules: each answer's text and place, and nothing kept."""

from typing import Any

import pytest

from asking import (
    BARE,
    DEPLOYMENT,
    DEPLOYMENTS,
    LIST_TYPES,
    PATCH_TYPE,
    SHOPIST,
    Tenant,
    assert_refused,
    crossed,
    problem,
)
from databases import ON_EACH, ON_SQLITE

pytestmark = ON_SQLITE

P = "/data/attributes"
LIST_TYPE = LIST_TYPES[DEPLOYMENTS]
UNITS = "seconds, milliseconds, microseconds or nanoseconds"
SORT_KEYS = (
    "id env team version source started_at finished_at created_at service change_failure "
    "deployment_type recovery_time_sec number_of_commits change_lead_time duration repository_id "
    "avg_time_to_pr_ready avg_review_time avg_merge_time avg_time_to_deploy"
)
GIT: dict[str, Any] = SHOPIST["git"]
TYPES = [(7, "number"), (1.5, "number"), (True, "boolean"), ([], "array"), ({}, "object")]


def required(name: str, *path: str) -> dict[str, Any]:
    return problem(f'attribute "{name}" is required', "/".join((P, *(path or (name,)))))


def wrong_type(name: str, type_: str, *path: str) -> dict[str, Any]:
    pointer = "/".join((P, *(path or (name,))))
    return problem(f'error decoding attribute "{name}": invalid type {type_}', pointer)


# The envelope

BODIES = [
    (b"", "error decoding body: empty"),
    (b" \r\n\t", "error decoding body: empty"),
    (b"\xef\xbb\xbf", "error decoding body: empty"),
    (b"{", "error decoding body: invalid JSON at line 1 column 2"),
    (b'{"data"; 1}', "error decoding body: invalid JSON at line 1 column 8"),
    (b'{\n  "data": \xc3\xa9}', "error decoding body: invalid JSON at line 2 column 11"),
    (b"null", "error decoding body: invalid type null"),
    (b'"data"', "error decoding body: invalid type string"),
    (b"7", "error decoding body: invalid type number"),
    (b"1.5", "error decoding body: invalid type number"),
    (b"true", "error decoding body: invalid type boolean"),
    (b"[]", "error decoding body: invalid type array"),
]
READS_A_DOCUMENT = [
    ("POST", DEPLOYMENT),
    ("POST", DEPLOYMENTS),
    ("PATCH", DEPLOYMENTS),
    ("PATCH", DEPLOYMENT),
    ("PATCH", f"{DEPLOYMENTS}/0123456789abcdef"),
    ("PATCH", f"{DEPLOYMENT}/0123456789abcdef"),
]


@pytest.mark.parametrize(("method", "path", "body", "detail"), crossed(READS_A_DOCUMENT, BODIES))
def test_a_body_that_is_no_object_is_refused(
    tenant: Tenant, method: str, path: str, body: bytes, detail: str
) -> None:
    answer = tenant.ask(method, path, content=body)
    assert_refused(answer, problem(detail, ""))
    assert tenant.everything() == []


NO_DATA = [
    ({}, 'member "data" is required'),
    ({"data": None}, 'member "data" is required'),
    ({"data": []}, 'error decoding member "data": invalid type array'),
    ({"data": "x"}, 'error decoding member "data": invalid type string'),
    ({"data": 1.0}, 'error decoding member "data": invalid type number'),
    ({"data": False}, 'error decoding member "data": invalid type boolean'),
]


@pytest.mark.parametrize(
    ("method", "path", "document", "detail"), crossed(READS_A_DOCUMENT, NO_DATA)
)
def test_data_has_to_be_an_object(
    tenant: Tenant, method: str, path: str, document: Any, detail: str
) -> None:
    assert_refused(tenant.ask(method, path, json=document), problem(detail, "/data"))


@pytest.mark.parametrize(
    ("attributes", "detail"),
    [
        (None, 'member "attributes" is required'),
        ([], 'error decoding member "attributes": invalid type array'),
        ("x", 'error decoding member "attributes": invalid type string'),
        (0, 'error decoding member "attributes": invalid type number'),
    ],
)
@pytest.mark.parametrize(
    ("method", "path", "type_"),
    [
        ("POST", DEPLOYMENT, None),
        ("POST", DEPLOYMENTS, LIST_TYPE),
        ("PATCH", DEPLOYMENTS, PATCH_TYPE),
        ("PATCH", f"{DEPLOYMENTS}/0123456789abcdef", PATCH_TYPE),
    ],
)
def test_attributes_have_to_be_an_object(
    tenant: Tenant, method: str, path: str, type_: str | None, attributes: Any, detail: str
) -> None:
    answer = tenant.ask(method, path, json={"data": {"type": type_, "attributes": attributes}})
    assert_refused(answer, problem(detail, P))


@pytest.mark.parametrize(
    ("method", "path", "expected"),
    [
        ("POST", DEPLOYMENTS, LIST_TYPE),
        ("PATCH", DEPLOYMENTS, PATCH_TYPE),
        ("PATCH", f"{DEPLOYMENTS}/0123456789abcdef", PATCH_TYPE),
    ],
)
@pytest.mark.parametrize(
    ("data", "quoted"),
    [
        ({}, ""),
        ({"type": None}, ""),
        ({"type": ""}, ""),
        ({"type": "dora_deployment"}, "dora_deployment"),
        ({"type": "x" * 65}, "x" * 64),
        ({"type": 7}, "7"),
        ({"type": 'a"b'}, 'a"b'),
    ],
)
def test_the_type_of_a_request_has_to_be_its_own(
    tenant: Tenant, method: str, path: str, expected: str, data: dict[str, Any], quoted: str
) -> None:
    detail = f'got type "{quoted}" expected one of "{expected}"'
    answer = tenant.ask(method, path, json={"data": {**data, "attributes": {"limit": "wrong"}}})
    assert_refused(answer, problem(detail, "/data/type"))


def test_the_answer_to_a_list_request_without_type_is_exactly_the_recorded_one(
    tenant: Tenant,
) -> None:
    answer = tenant.post(DEPLOYMENTS, json={"data": {"attributes": {"limit": 10}}})
    assert answer.content == (
        b'{"errors":[{"status":"400","title":"Bad Request",'
        b'"detail":"got type \\"\\" expected one of \\"dora_deployments_list_request\\"",'
        b'"source":{"pointer":"/data/type"}}]}'
    )


def test_every_problem_of_a_patch_envelope_is_listed(tenant: Tenant) -> None:
    answer = tenant.ask("PATCH", f"{DEPLOYMENTS}/0123456789abcdef", json={"data": {"id": "other"}})
    assert_refused(
        answer,
        problem(f'got type "" expected one of "{PATCH_TYPE}"', "/data/type"),
        problem("ID provided in the payload does not match the url parameter", "/data/id"),
        problem('member "attributes" is required', P),
    )


# Creates


@pytest.mark.parametrize(
    ("attributes", "problems"),
    [
        ({"service": None}, [required("service")]),
        ({"service": ""}, [required("service")]),
        ({"service": " \t"}, [required("service")]),
        *(({"service": value}, [wrong_type("service", type_)]) for value, type_ in TYPES),
        *(
            ({name: value}, [wrong_type(name, type_)])
            for name in ("started_at", "finished_at")
            for value, type_ in [("1", "string"), ("", "string"), *TYPES[2:]]
        ),
        (
            {"started_at": None, "finished_at": None},
            [*map(required, ("started_at", "finished_at"))],
        ),
        *(
            (
                {"started_at": value},
                [problem('attribute "started_at" must be an integer', f"{P}/started_at")],
            )
            for value in (1.5, 1693491974.000001, 1e-7)
        ),
        *(
            (
                {name: value},
                [problem(f'attribute "{name}" must be a Unix timestamp in {UNITS}', f"{P}/{name}")],
            )
            for name in ("started_at", "finished_at")
            for value in (0, -1, 9223372037, 10**11 - 1, 2**63, 10**400, -(10**400))
        ),
        (
            {"finished_at": 1693491973},
            [
                problem(
                    'attribute "finished_at" must not be before attribute "started_at"',
                    f"{P}/finished_at",
                )
            ],
        ),
        (
            {"started_at": 1693491984001},
            [
                problem(
                    'attribute "finished_at" must not be before attribute "started_at"',
                    f"{P}/finished_at",
                )
            ],
        ),
        *(
            (
                {"id": value},
                [
                    problem(
                        'attribute "id" must be 16 to 128 characters of a-z A-Z 0-9 - _ . :',
                        f"{P}/id",
                    )
                ],
            )
            for value in (
                "a",
                "x" * 15,
                "x" * 129,
                "x" * 15 + "/",
                "x" * 15 + "é",
                "x" * 8 + " " + "x" * 8,
            )
        ),
        *(
            ({name: value}, [wrong_type(name, type_)])
            for name in ("id", "env", "team", "version")
            for value, type_ in TYPES
        ),
        *(
            (
                {name: "x" * 256},
                [problem(f'attribute "{name}" must be at most 255 characters', f"{P}/{name}")],
            )
            for name in ("service", "env", "team", "version")
        ),
        *(
            (
                {name: f"a{control}b"},
                [problem(f'attribute "{name}" must not contain control characters', f"{P}/{name}")],
            )
            for name in ("service", "env", "team", "version")
            for control in ("\x00", "\n", "\x1f", "\x7f", "\x85", "\x9f")
        ),
        *(
            ({"git": value}, [wrong_type("git", type_)])
            for value, type_ in [("x", "string"), *TYPES[:4]]
        ),
        (
            {"git": {}},
            [
                required("commit_sha", "git", "commit_sha"),
                required("repository_url", "git", "repository_url"),
            ],
        ),
        (
            {"git": {"commit_sha": 5, "repository_url": []}},
            [
                wrong_type("commit_sha", "number", "git", "commit_sha"),
                wrong_type("repository_url", "array", "git", "repository_url"),
            ],
        ),
        ({"git": {**GIT, "commit_sha": " "}}, [required("commit_sha", "git", "commit_sha")]),
        *(
            (
                {"git": {**GIT, "commit_sha": sha}},
                [
                    problem(
                        'attribute "commit_sha" must be 40 to 64 hexadecimal characters',
                        f"{P}/git/commit_sha",
                    )
                ],
            )
            for sha in ("a" * 39, "a" * 65, "g" * 40, "66adc93", "é" * 40)
        ),
        (
            {"git": {**GIT, "repository_url": "https://example.com/" + "x" * 2029}},
            [
                problem(
                    'attribute "repository_url" must be at most 2048 characters',
                    f"{P}/git/repository_url",
                )
            ],
        ),
        (
            {"git": {**GIT, "repository_url": "https://example.com/\x01"}},
            [
                problem(
                    'attribute "repository_url" must not contain control characters',
                    f"{P}/git/repository_url",
                )
            ],
        ),
        *(
            ({"custom_tags": value}, [wrong_type("custom_tags", type_)])
            for value, type_ in [("a:b", "string"), *TYPES[:3], TYPES[4]]
        ),
        (
            {"custom_tags": ["a:b", None, 1, {}]},
            [
                wrong_type("custom_tags", type_, "custom_tags", str(at))
                for at, type_ in [(1, "null"), (2, "number"), (3, "object")]
            ],
        ),
        (
            {"custom_tags": [f"k:{n}" for n in range(101)]},
            [problem('attribute "custom_tags" must have at most 100 items', f"{P}/custom_tags")],
        ),
        (
            {"custom_tags": ["", "a", ":b", "a:", " a: ", "ok:1"]},
            [
                problem(
                    'attribute "custom_tags" must have items of the form "key:value"',
                    f"{P}/custom_tags/{at}",
                )
                for at in range(5)
            ],
        ),
        (
            {"custom_tags": ["a:b", "k:" + "v" * 199]},
            [
                problem(
                    'attribute "custom_tags" must have items of at most 200 characters',
                    f"{P}/custom_tags/1",
                )
            ],
        ),
        (
            {"custom_tags": ["k:\x00"]},
            [
                problem(
                    'attribute "custom_tags" must not contain control characters',
                    f"{P}/custom_tags/0",
                )
            ],
        ),
    ],
)
def test_a_deployment_that_breaks_a_rule_is_refused(
    tenant: Tenant, attributes: dict[str, Any], problems: list[dict[str, Any]]
) -> None:
    assert_refused(tenant.send({**BARE, **attributes}), *problems)
    assert tenant.everything() == []


@ON_EACH
@pytest.mark.parametrize(
    "attributes",
    [
        {"service": "s" * 255, "env": "é" * 255, "team": "日" * 255, "version": "😀" * 255},
        {"id": "x" * 16},
        {"id": "aZ09-_.:" * 16},
        {"git": {**GIT, "commit_sha": "A" * 64}},
        {"git": {**GIT, "repository_url": "https://example.com/" + "x" * 2028}},
        {"custom_tags": [f"k:{n}" for n in range(100)]},
        {"custom_tags": [f"k:{n % 100}" for n in range(300)]},
        {"custom_tags": ["k:" + "v" * 198, "url:https://a:b", "a b: c d"]},
        {"started_at": 1, "finished_at": 9223372036},
        {"started_at": 2**63 - 1, "finished_at": 2**63 - 1},
        {"started_at": 1693491974, "finished_at": 1693491974000},
        {"started_at": 4102444800, "finished_at": 4102444801},
        {"env": "", "team": None, "version": "  ", "git": None, "custom_tags": None, "id": ""},
        {"unheard_of": [{"anything": 1.5}], "type": 7},
    ],
)
def test_a_deployment_at_the_edge_of_the_rules_is_taken(
    tenant: Tenant, attributes: dict[str, Any]
) -> None:
    id_ = tenant.create({**BARE, **attributes})
    assert tenant.ids() == [id_]


def test_every_problem_is_listed_in_the_order_of_the_rules(tenant: Tenant) -> None:
    answer = tenant.send(
        {
            "custom_tags": ["novalue", 7],
            "git": {"commit_sha": "abc"},
            "version": "a\x00b",
            "team": "t" * 256,
            "env": {},
            "id": "short",
            "started_at": 1.5,
        }
    )
    assert [error["source"]["pointer"] for error in answer.json()["errors"]] == [
        *(f"{P}/service", f"{P}/finished_at", f"{P}/started_at", f"{P}/id", f"{P}/env"),
        *(f"{P}/team", f"{P}/version", f"{P}/git/repository_url", f"{P}/git/commit_sha"),
        *(f"{P}/custom_tags/1", f"{P}/custom_tags/0"),
    ]
    assert tenant.everything() == []


def test_fifty_problems_are_listed_at_the_most(tenant: Tenant) -> None:
    errors = tenant.send({**BARE, "custom_tags": [1] * 200}).json()["errors"]
    assert [error["source"]["pointer"] for error in errors] == [
        f"{P}/custom_tags/{at}" for at in range(50)
    ]


def test_members_of_the_envelope_that_creates_do_not_know_are_ignored(tenant: Tenant) -> None:
    answer = tenant.post(
        DEPLOYMENT,
        json={
            "jsonapi": {"version": "1.1"},
            "meta": [],
            "data": {"type": 7, "id": {}, "attributes": BARE},
        },
    )
    assert answer.status_code == 200


# Lists


@pytest.mark.parametrize(
    ("attributes", "problems"),
    [
        *(
            ({name: value}, [wrong_type(name, type_)])
            for name in ("sort", "query")
            for value, type_ in TYPES
        ),
        *(
            ({name: value}, [wrong_type(name, type_)])
            for name in ("from", "to")
            for value, type_ in TYPES[1:]
        ),
        *(
            (
                {name: value},
                [problem(f'attribute "{name}" must be a Unix timestamp in {UNITS}', f"{P}/{name}")],
            )
            for name in ("from", "to")
            for value in (0, -1693491974, 9_223_372_037, 2**63, -(2**63) - 1, 1e300)
        ),
        *(
            (
                {name: text},
                [
                    problem(
                        f'error decoding attribute "{name}": invalid date-time "{text[:64]}"',
                        f"{P}/{name}",
                    )
                ],
            )
            for name in ("from", "to")
            for text in ("yesterday", "2023-08-31", "2023-08-31T14:26:14", "1693491974", "x" * 70)
        ),
        *(
            ({"limit": value}, [wrong_type("limit", type_)])
            for value, type_ in [("10", "string"), *TYPES[2:]]
        ),
        ({"limit": 1.5}, [problem('attribute "limit" must be an integer', f"{P}/limit")]),
        *(
            (
                {"limit": value},
                [problem('attribute "limit" must be between 1 and 1000', f"{P}/limit")],
            )
            for value in (0, -1, 1001, 2**63, -(2**63) - 1)
        ),
        *(
            (
                {"sort": value},
                [problem(f'attribute "sort" must be one of "{SORT_KEYS}"', f"{P}/sort")],
            )
            for value in ("name", "-severity", "--service", "+env", "Service", "-", "@")
        ),
        (
            {"query": "a)"},
            [
                problem(
                    'error parsing attribute "query": unexpected ")" at position 2', f"{P}/query"
                )
            ],
        ),
        (
            {"query": "x" * 4097},
            [problem('attribute "query" must be at most 4096 characters', f"{P}/query")],
        ),
        (
            {"query": "(a", "sort": 1, "limit": "x", "to": "x", "from": 5.5},
            [
                wrong_type("from", "number"),
                problem('error decoding attribute "to": invalid date-time "x"', f"{P}/to"),
                wrong_type("limit", "string"),
                wrong_type("sort", "number"),
                problem('error parsing attribute "query": missing ")" at position 1', f"{P}/query"),
            ],
        ),
    ],
)
def test_a_list_request_that_breaks_a_rule_is_refused(
    tenant: Tenant, attributes: dict[str, Any], problems: list[dict[str, Any]]
) -> None:
    assert_refused(tenant.search(attributes), *problems)


@pytest.mark.parametrize(
    "attributes",
    [
        {},
        {"from": None, "to": "", "limit": None, "sort": " ", "query": "  "},
        {"limit": 1},
        {"limit": 1000},
        {"limit": 1e3},
        {"sort": "-@duration"},
        {"query": "*"},
        {"unheard_of": 1},
    ],
)
def test_a_list_request_may_leave_out_everything(
    tenant: Tenant, attributes: dict[str, Any]
) -> None:
    answer = tenant.search(attributes)
    assert answer.status_code == 200
    assert answer.content == b'{"data":[]}'


@pytest.mark.parametrize("value", ["rfc", "", "UNIX_NS", "unix_ns "])
@pytest.mark.parametrize("path", [DEPLOYMENTS, f"{DEPLOYMENTS}/0123456789abcdef"])
def test_an_unknown_form_of_timestamps_is_refused(tenant: Tenant, path: str, value: str) -> None:
    expected = {
        "status": "400",
        "title": "Bad Request",
        "detail": 'parameter "timestamps" must be one of "auto unix_ns rfc3339"',
        "source": {"parameter": "timestamps"},
    }
    if path == DEPLOYMENTS:
        answer = tenant.search({}, params={"timestamps": value})
    else:
        answer = tenant.ask("GET", path, params={"timestamps": value})
    assert_refused(answer, expected)


def test_problems_of_the_body_come_before_that_of_the_parameter(tenant: Tenant) -> None:
    errors = tenant.search({"limit": 0}, params={"timestamps": "x"}).json()["errors"]
    assert [error["source"] for error in errors] == [
        {"pointer": f"{P}/limit"},
        {"parameter": "timestamps"},
    ]


# Patches


REMEDIATION = [
    *(
        ({"remediation": value}, [wrong_type("remediation", type_)])
        for value, type_ in [("x", "string"), *TYPES[:4]]
    ),
    (
        {"remediation": {}},
        [
            required("type", "remediation", "type"),
            problem('attribute "id" or attribute "version" is required', f"{P}/remediation"),
        ],
    ),
    (
        {"remediation": {"type": 5, "id": "x"}},
        [wrong_type("type", "number", "remediation", "type")],
    ),
    (
        {"remediation": {"type": "", "id": "x"}},
        [required("type", "remediation", "type")],
    ),
    *(
        (
            {"remediation": {"type": value, "id": "x"}},
            [
                problem(
                    'attribute "type" must be one of "rollback rollforward"',
                    f"{P}/remediation/type",
                )
            ],
        )
        for value in ("revert", "Rollback", "rollback rollforward")
    ),
    *(
        (
            {"remediation": {"type": "rollback", **target}},
            [problem('attribute "id" or attribute "version" is required', f"{P}/remediation")],
        )
        for target in ({}, {"id": None}, {"id": " ", "version": ""})
    ),
    (
        {"remediation": {"type": "rollback", "id": "x", "version": "y"}},
        [
            problem(
                'attribute "id" must not be given together with attribute "version"',
                f"{P}/remediation",
            )
        ],
    ),
    (
        {"remediation": {"type": "rollback", "id": 5}},
        [wrong_type("id", "number", "remediation", "id")],
    ),
    (
        {"remediation": {"type": "rollback", "version": []}},
        [wrong_type("version", "array", "remediation", "version")],
    ),
]
CHANGE_FAILURE = [
    ({"change_failure": value}, [wrong_type("change_failure", type_)])
    for value, type_ in [("true", "string"), (0, "number"), ([], "array"), ({}, "object")]
]


@pytest.mark.parametrize(("attributes", "problems"), [*CHANGE_FAILURE, *REMEDIATION])
def test_a_patch_that_breaks_a_rule_is_refused(
    tenant: Tenant, attributes: dict[str, Any], problems: list[dict[str, Any]]
) -> None:
    id_ = tenant.create(SHOPIST)
    assert tenant.patch(id_, {"change_failure": True}).status_code == 202
    before = tenant.everything()
    assert_refused(tenant.patch(id_, attributes), *problems)
    assert tenant.everything() == before


BY_VERSION = {
    "service": "shopist",
    "env": "production",
    "version": "v1.12.07",
    "change_failure": True,
}


@pytest.mark.parametrize(
    ("attributes", "problems"),
    [
        *(({name: None}, [required(name)]) for name in BY_VERSION),
        *(({name: " "}, [required(name)]) for name in ("service", "env", "version")),
        *(
            ({name: value}, [wrong_type(name, type_)])
            for name in ("service", "env", "version")
            for value, type_ in TYPES
        ),
        *CHANGE_FAILURE,
        *REMEDIATION,
        (
            {"service": None, "env": 1, "version": "", "change_failure": "no", "remediation": 1},
            [
                required("service"),
                wrong_type("env", "number"),
                required("version"),
                wrong_type("change_failure", "string"),
                wrong_type("remediation", "number"),
            ],
        ),
    ],
)
def test_a_patch_by_version_that_breaks_a_rule_is_refused(
    tenant: Tenant, attributes: dict[str, Any], problems: list[dict[str, Any]]
) -> None:
    id_ = tenant.create(SHOPIST)
    assert tenant.patch(id_, {"change_failure": False}).status_code == 202
    before = tenant.everything()
    assert_refused(tenant.patch_by_version({**BY_VERSION, **attributes}), *problems)
    assert tenant.everything() == before
