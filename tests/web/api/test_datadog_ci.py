"""What `datadog-ci` sends besides events: the list of tracked files, and telemetry."""

import gzip
import json

import pytest

from asking import Tenant
from databases import ON_SQLITE

pytestmark = ON_SQLITE

SRCMAP = "/api/v2/srcmap"
EVENT = {
    "cli_version": "5.25.0",
    "git_commit_sha": "66adc9350f2cc9b250b69abddab733dd55e1a588",
    "git_repository_url": "https://github.com/organization/example-repository",
    "type": "repository",
}
REPOSITORY = {
    "data": [
        {
            "files": ["README.md", "src/main.py"],
            "hash": "66adc9350f2cc9b250b69abddab733dd55e1a588",
            "repository_url": "https://github.com/organization/example-repository",
        }
    ],
    "version": 1,
}


def parts(**documents: object) -> dict[str, tuple[str, str, str]]:
    """Parts as the command sends them: each with a file name and a type of its own."""
    return {
        name: (name, document if isinstance(document, str) else json.dumps(document), "text/plain")
        for name, document in documents.items()
    }


def problems(tenant: Tenant, **documents: object) -> list[tuple[str, dict[str, str]]]:
    answer = tenant.post(SRCMAP, files=parts(**documents))
    assert answer.status_code == 400, answer.text
    return [(error["detail"], error["source"]) for error in answer.json()["errors"]]


def test_a_list_of_tracked_files_is_acknowledged(tenant: Tenant) -> None:
    answer = tenant.post(SRCMAP, files=parts(event=EVENT, repository=REPOSITORY))

    assert (answer.status_code, answer.content) == (202, b"")
    assert answer.headers["x-ratelimit-name"] == "dora_ingest"


def test_parts_without_file_names_are_read_too(tenant: Tenant) -> None:
    fields = {
        "event": (None, json.dumps(EVENT)),
        "repository": (None, json.dumps(REPOSITORY)),
    }

    assert tenant.post(SRCMAP, files=fields).status_code == 202


def test_a_list_may_come_compressed_and_in_pieces(tenant: Tenant) -> None:
    body = (
        b'--limit\r\nContent-Disposition: form-data; name="event"; filename="event"\r\n\r\n{}\r\n'
        b'--limit\r\nContent-Disposition: form-data; name="repository"\r\n\r\n{"data":[]}\r\n'
        b"--limit--\r\n"
    )
    compressed = gzip.compress(body)

    answer = tenant.post(
        SRCMAP,
        content=(compressed[at : at + 10] for at in range(0, len(compressed), 10)),
        headers={
            "Content-Type": 'multipart/form-data; boundary="limit"',
            "Content-Encoding": "gzip",
        },
    )

    assert answer.status_code == 202


@pytest.mark.parametrize(
    ("documents", "part", "detail"),
    [
        ({"event": EVENT}, "repository", 'part "repository" is required'),
        ({"repository": REPOSITORY}, "event", 'part "event" is required'),
        (
            {"event": "{", "repository": REPOSITORY},
            "event",
            'error decoding part "event": invalid JSON at line 1 column 2',
        ),
        (
            {"event": "[]", "repository": REPOSITORY},
            "event",
            'error decoding part "event": invalid type array',
        ),
        (
            {"event": EVENT, "repository": ""},
            "repository",
            'error decoding part "repository": empty',
        ),
        (
            {"event": EVENT, "repository": {"data": {}}},
            "repository",
            'error decoding part "repository": error decoding member "data": invalid type object',
        ),
    ],
)
def test_a_part_that_is_missing_or_unreadable_is_named(
    tenant: Tenant, documents: dict[str, object], part: str, detail: str
) -> None:
    assert problems(tenant, **documents) == [(detail, {"parameter": part})]


def test_the_problems_of_both_parts_are_listed(tenant: Tenant) -> None:
    assert problems(tenant, other="{}") == [
        ('part "event" is required', {"parameter": "event"}),
        ('part "repository" is required', {"parameter": "repository"}),
    ]


@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        ("multipart/form-data", b"--limit--\r\n"),
        ("multipart/form-data; boundary=limit", b"no parts at all"),
        ("multipart/form-data; boundary=limit", b"--limit\r\nContent-Disposition: form-data\r\n"),
        (
            "multipart/form-data; boundary=limit",
            b'--limit\r\nContent-Disposition: form-data; name="event"\r\n\r\n{}',
        ),
    ],
    ids=["no boundary", "no parts", "no end of headers", "no end of a part"],
)
def test_a_body_that_is_not_made_of_parts_is_refused(
    tenant: Tenant, content_type: str, body: bytes
) -> None:
    answer = tenant.post(SRCMAP, content=body, headers={"Content-Type": content_type})

    assert answer.status_code == 400
    (error,) = answer.json()["errors"]
    assert error["detail"].startswith("error decoding body: ")
    assert error["source"] == {"pointer": ""}


@pytest.mark.parametrize("content_type", ["application/json", None])
def test_a_body_of_another_media_type_is_refused(tenant: Tenant, content_type: str | None) -> None:
    headers = {"Content-Type": content_type} if content_type else {}
    detail = f'got media type "{content_type or ""}" expected one of "multipart/form-data"'

    answer = tenant.post(SRCMAP, content=b"{}", headers=headers)

    assert answer.status_code == 415
    assert answer.json()["errors"] == [
        {
            "status": "415",
            "title": "Unsupported Media Type",
            "detail": detail,
            "source": {"header": "Content-Type"},
        }
    ]


@pytest.mark.parametrize("body", [b"", b"{}", b"not JSON"])
def test_telemetry_is_acknowledged_unread(tenant: Tenant, body: bytes) -> None:
    answer = tenant.post("/api/v1/series", content=body)

    assert (answer.status_code, answer.content) == (202, b'{"status":"ok"}')
    assert answer.headers["content-type"] == "application/json"


def test_telemetry_may_have_its_key_in_the_url(tenant: Tenant) -> None:
    def status(key: str) -> int:
        query = {"api_key": key}
        answer = tenant.post("/api/v1/series", params=query, json={}, headers={"DD-API-KEY": ""})
        assert answer.headers["content-type"] == "application/json"
        return answer.status_code

    assert status(tenant.keys["DD-API-KEY"]) == 202
    assert status("unknown") == 403
    assert status("") == 403


def test_no_other_operation_takes_a_key_from_the_url(tenant: Tenant) -> None:
    url = f"/api/v1/validate?api_key={tenant.keys['DD-API-KEY']}"

    answer = tenant.ask("GET", url, headers={"DD-API-KEY": ""})

    assert answer.status_code == 403


@pytest.mark.parametrize(
    ("method", "path"), [("GET", "/api/v1/unknown"), ("POST", "/api/v1/validate")]
)
def test_an_unknown_route_of_version_1_is_answered_in_plain_json(
    tenant: Tenant, method: str, path: str
) -> None:
    answer = tenant.ask(method, path)

    assert answer.status_code == 404
    assert answer.headers["content-type"] == "application/json"
    assert answer.json() == {"errors": [{"status": "404", "title": "Not Found"}]}
