"""Bodies and paths as bad as they come: each gets its documented error and changes nothing."""

import gzip
import json
import zlib
from collections.abc import Iterator
from typing import Any

import pytest

from asking import (
    BARE,
    DEPLOYMENT,
    DEPLOYMENTS,
    FAILURE,
    FAILURES,
    SHOPIST,
    Tenant,
    assert_refused,
    crossed,
    make_tenant,
    problem,
    server_in_process,
)
from databases import ON_EACH, ON_SQLITE
from theodora.web.api.routes import OPERATIONS
from theodora.web.http.body import JSON_MEDIA_TYPES

pytestmark = ON_SQLITE

LIMIT_BYTES = 5_242_880
TOO_LARGE = {
    "status": "413",
    "title": "Payload Too Large",
    "detail": f"body must be at most {LIMIT_BYTES} bytes",
    "source": {"header": "Content-Length"},
}

READS_JSON = [
    (operation.method, path.replace("{id}", "0123456789abcdef"))
    for operation in OPERATIONS
    if operation.media_types == JSON_MEDIA_TYPES and operation.name != "SubmitMetrics"
    for path in operation.paths
]


def document(**attributes: Any) -> bytes:
    return json.dumps({"data": {"attributes": {**BARE, **attributes}}}).encode()


def with_number(digits: str) -> bytes:
    """A deployment whose start is written as these digits."""
    return document(started_at="NUMBER").replace(b'"NUMBER"', digits.encode())


def details(answer: Any) -> list[str]:
    assert answer.status_code == 400, answer.text
    return [error["detail"] for error in answer.json()["errors"]]


INVALID = "error decoding body: invalid JSON at line "


def zipped() -> bytes:
    """The same bytes whenever it is asked."""
    return gzip.compress(document(), mtime=0)


NOT_JSON = [
    *(document(**SHOPIST)[:at] for at in (1, 2, 9, 40, 100, -1)),
    document() + b"x",
    document() + document(),
    document().replace(b'"', b"'"),
    document().replace(b"}}", b",}}"),
    b"[" * 100_000,
    b'{"a":' * 100_000,
    b"[" * 65 + b"]" * 65,
    with_number("NaN"),
    with_number("Infinity"),
    with_number("-Infinity"),
    with_number("0x10"),
    with_number("01"),
    with_number("1."),
    with_number("+1"),
    document().decode().encode("utf-16"),
    document().decode().encode("utf-16-le"),
    document().decode().encode("utf-32"),
    document(env="PLACE").replace(b"PLACE", "é".encode("latin-1")),
    document(env="PLACE").replace(b"PLACE", b"\xed\xa0\x80"),
    document(env="PLACE").replace(b"PLACE", b"\xc0\x80"),
    document(env="PLACE").replace(b"PLACE", b"\xf4\x90\x80\x80"),
    document(env="PLACE").replace(b"PLACE", b"\\ud800"),
    document(env="PLACE").replace(b"PLACE", b"\\udc00\\ud800"),
    document(env="PLACE").replace(b"PLACE", b"\\x41"),
    document(env="PLACE").replace(b"PLACE", b"\x00"),
    document(env="PLACE").replace(b"PLACE", b"a\nb"),
    b"\xfe\xff" + document(),
    b"\x1f\x8b" + document(),
    b"<xml/>",
    b"// comment\n" + document(),
]


@pytest.mark.parametrize(
    ("method", "path", "body"),
    crossed(READS_JSON, NOT_JSON),
    ids=lambda value: repr(value[:24]) if isinstance(value, bytes) else value,
)
def test_what_is_not_json_is_refused(tenant: Tenant, method: str, path: str, body: bytes) -> None:
    answer = tenant.ask(method, path, content=body)
    [error] = answer.json()["errors"]
    assert answer.status_code == 400
    assert error["detail"].startswith(INVALID), error
    assert error["source"] == {"pointer": ""}


@ON_EACH
def test_none_of_that_is_kept(tenant: Tenant) -> None:
    for body in (b"[" * 100_000, document()[:-1], with_number("NaN")):
        assert tenant.post_body(body).status_code == 400
    assert tenant.everything() == []


def test_nesting_of_sixty_four_is_read_and_of_sixty_five_is_not(tenant: Tenant) -> None:
    def nested(levels: int) -> bytes:
        # Three levels are the document's own.
        return document(x="NEST").replace(b'"NEST"', b"[" * (levels - 3) + b"]" * (levels - 3))

    assert tenant.post_body(nested(64)).status_code == 200
    assert details(tenant.post_body(nested(65)))[0].startswith(INVALID)


def test_brackets_in_strings_are_no_nesting(tenant: Tenant) -> None:
    body = document(x='[{"\\' * 1000)
    assert tenant.post_body(body).status_code == 200


def test_a_byte_order_mark_is_skipped(tenant: Tenant) -> None:
    assert tenant.post_body(b"\xef\xbb\xbf" + document()).status_code == 200


def test_of_duplicate_members_the_last_counts(tenant: Tenant) -> None:
    body = (
        b'{"data":1,"data":{"attributes":{"service":"first","service":"last",'
        b'"started_at":-1,"started_at":1693491974,"finished_at":1693491984}}}'
    )
    assert tenant.post_body(body).status_code == 200
    [resource] = tenant.found()
    assert resource["attributes"]["service"] == "last"


RANGE = (
    'attribute "started_at" must be a Unix timestamp in '
    "seconds, milliseconds, microseconds or nanoseconds"
)
FRACTION = 'attribute "started_at" must be an integer'


@pytest.mark.parametrize(
    ("digits", "expected"),
    [
        ("9223372036854775808", RANGE),
        ("-9223372036854775808", RANGE),
        ("-9223372036854775809", RANGE),
        ("18446744073709551616", RANGE),
        ("1e400", RANGE),
        ("-1e400", RANGE),
        ("1e999999999999", RANGE),
        ("1.5e999999999999999999999", RANGE),
        ("9" * 5_000, RANGE),
        ("-" + "9" * 5_000, RANGE),
        ("0." + "0" * 5_000 + "1", FRACTION),
        ("1." + "0" * 5_000, None),
        ("1693491974." + "0" * 100, None),
        ("1.693491974e9", None),
        ("1693491974e0", None),
        ("16934919740E-1", None),
        ("1693491974.5", FRACTION),
        ("1693491974000000000.1", FRACTION),
        ("1e-400", FRACTION),
        ("0e400", RANGE),
        ("-0", RANGE),
        ("-0.0", RANGE),
    ],
)
def test_numbers_are_read_exactly(tenant: Tenant, digits: str, expected: str | None) -> None:
    answer = tenant.post_body(with_number(digits))
    if expected is None:
        assert answer.status_code == 200, answer.text
        assert len(tenant.ids()) == 1
        return
    found = details(answer)
    # A number of thousands of digits may also be no number at all.
    assert found == [expected] or (len(digits) > 1_000 and found[0].startswith(INVALID))
    assert tenant.ids() == []


@ON_EACH
@pytest.mark.parametrize("unit", [1, 2**53 + 1, 2**63 - 1])
def test_no_integer_goes_through_a_double(tenant: Tenant, unit: int) -> None:
    instant_ns = max(unit, 10**17 + 1)
    id_ = tenant.create({**BARE, "started_at": instant_ns, "finished_at": 2**63 - 1})
    assert tenant.get(id_)["started_at"] == instant_ns
    assert tenant.get(id_)["finished_at"] == 2**63 - 1


# Lengths and encodings


def test_a_body_may_be_as_long_as_the_limit(tenant: Tenant) -> None:
    body = document()
    padded = body + b" " * (LIMIT_BYTES - len(body))
    assert tenant.post_body(padded).status_code == 200
    answer = tenant.post_body(padded + b" ")
    assert answer.status_code == 413
    assert answer.json() == {"errors": [TOO_LARGE]}


@pytest.mark.parametrize(("method", "path"), READS_JSON)
def test_a_longer_body_is_refused(tenant: Tenant, method: str, path: str) -> None:
    answer = tenant.ask(method, path, content=b" " * (LIMIT_BYTES + 1))
    assert (answer.status_code, answer.json()) == (413, {"errors": [TOO_LARGE]})


def chunks(body: bytes, size: int = 7) -> Iterator[bytes]:
    for start in range(0, len(body), size):
        yield body[start : start + size]


def test_a_body_in_chunks_is_read(tenant: Tenant) -> None:
    assert tenant.ask("POST", DEPLOYMENT, content=chunks(document())).status_code == 200


def test_a_body_in_chunks_has_the_same_limit(tenant: Tenant) -> None:
    answer = tenant.ask("POST", DEPLOYMENT, content=chunks(b" " * (LIMIT_BYTES + 1), 65_536))
    assert (answer.status_code, answer.json()) == (413, {"errors": [TOO_LARGE]})


def raw_deflate(body: bytes) -> bytes:
    compressor = zlib.compressobj(wbits=-15)
    return compressor.compress(body) + compressor.flush()


@pytest.mark.parametrize(
    ("encoding", "compressed"),
    [
        ("gzip", zipped()),
        ("GZIP", zipped()),
        ("x-gzip", zipped()),
        ("deflate", zlib.compress(document())),
        ("deflate", raw_deflate(document())),
        ("identity", document()),
    ],
)
def test_compressed_bodies_are_read(tenant: Tenant, encoding: str, compressed: bytes) -> None:
    answer = tenant.post_body(compressed, Content_Encoding=encoding)
    assert answer.status_code == 200, answer.text
    assert len(tenant.ids()) == 1


@pytest.mark.parametrize(
    ("encoding", "body", "detail"),
    [
        ("gzip", document(), "error decoding body: invalid gzip data"),
        (
            "gzip",
            zipped()[:-9],
            "error decoding body: truncated gzip data",
        ),
        (
            "gzip",
            zipped()[:5],
            "error decoding body: truncated gzip data",
        ),
        (
            "gzip",
            zipped()[:-8] + bytes(8),
            "error decoding body: invalid gzip data",
        ),
        ("deflate", document(), "error decoding body: invalid deflate data"),
        ("deflate", zlib.compress(document())[:-5], "error decoding body: truncated deflate data"),
        ("gzip", b"", "error decoding body: empty"),
        ("gzip", gzip.compress(b"", mtime=0), "error decoding body: empty"),
        ("br", document(), 'error decoding body: unknown content encoding "br"'),
        (
            "gzip, gzip",
            document(),
            'error decoding body: unknown content encoding "gzip, gzip"',
        ),
    ],
)
def test_what_cannot_be_decompressed_is_refused(
    tenant: Tenant, encoding: str, body: bytes, detail: str
) -> None:
    assert_refused(tenant.post_body(body, Content_Encoding=encoding), problem(detail, ""))
    assert tenant.everything() == []


@pytest.mark.parametrize("encoding", ["gzip", "deflate"])
def test_a_bomb_is_refused_once_it_is_too_long(tenant: Tenant, encoding: str) -> None:
    compress = gzip.compress if encoding == "gzip" else zlib.compress
    bomb = compress(b" " * (100 * 1024 * 1024))
    assert len(bomb) < 200_000
    answer = tenant.post_body(bomb, Content_Encoding=encoding)
    assert (answer.status_code, answer.json()) == (413, {"errors": [TOO_LARGE]})


def test_a_length_that_lies_upwards_is_refused_before_the_body_comes(tenant: Tenant) -> None:
    answer = tenant.post_body(document(), Content_Length=str(10**30))
    assert answer.status_code == 413


# Media types


@pytest.mark.parametrize(
    "media_type",
    [
        "application/json",
        "application/vnd.api+json",
        "application/json; charset=utf-8",
        "Application/JSON;charset=UTF-8",
        'application/vnd.api+json;ext="https://example.com/ext"',
    ],
)
def test_json_media_types_are_read(tenant: Tenant, media_type: str) -> None:
    assert tenant.post_body(document(), Content_Type=media_type).status_code == 200


def test_a_missing_media_type_is_taken_as_json(tenant: Tenant) -> None:
    assert tenant.ask("POST", DEPLOYMENT, content=document()).status_code == 200


OTHER_MEDIA_TYPES = [
    ("text/plain", "text/plain"),
    ("text/json; charset=utf-8", "text/json"),
    ("application/x-www-form-urlencoded", "application/x-www-form-urlencoded"),
    ("multipart/form-data; boundary=x", "multipart/form-data"),
    ("application/jsonx", "application/jsonx"),
    ("json", "json"),
    ("", ""),
    ("x/" + "y" * 100, "x/" + "y" * 62),
]


@pytest.mark.parametrize(
    ("method", "path", "media_type", "shown"), crossed(READS_JSON, OTHER_MEDIA_TYPES)
)
def test_other_media_types_are_refused(
    tenant: Tenant, method: str, path: str, media_type: str, shown: str
) -> None:
    answer = tenant.ask(method, path, content=document(), headers={"Content-Type": media_type})
    assert answer.status_code == 415
    assert answer.json() == {
        "errors": [
            {
                "status": "415",
                "title": "Unsupported Media Type",
                "detail": f'got media type "{shown}" expected one of '
                '"application/json application/vnd.api+json"',
                "source": {"header": "Content-Type"},
            }
        ]
    }


@pytest.mark.parametrize("accept", ["text/html", "application/xml;q=1", "nonsense"])
def test_what_the_client_accepts_does_not_matter(tenant: Tenant, accept: str) -> None:
    answer = tenant.search({}, headers={"Accept": accept})
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/vnd.api+json"


# The order of the checks


def test_checks_come_in_the_documented_order(tenant: Tenant) -> None:
    huge, wrong_type = b" " * (LIMIT_BYTES + 1), {"Content-Type": "text/plain"}
    nobody = {"DD-API-KEY": "nobody"}
    ask = tenant.ask
    assert ask("POST", "/nowhere", content=huge, headers=nobody).status_code == 404
    assert (
        ask("POST", DEPLOYMENT, content=huge, headers={**wrong_type, **nobody}).status_code == 403
    )
    assert ask("POST", DEPLOYMENT, content=huge, headers=wrong_type).status_code == 415
    assert ask("POST", DEPLOYMENT, content=huge).status_code == 413
    unknown = f"{DEPLOYMENTS}/unknown"
    assert ask("PATCH", unknown, content=b"{").status_code == 400
    assert tenant.patch("unknown", {}).status_code == 404


# Paths and methods

KNOWN = {
    path.replace("{id}", "x"): {
        operation.method
        for operation in OPERATIONS
        for other in operation.paths
        if other.replace("{id}", "x") == path.replace("{id}", "x")
    }
    for operation in OPERATIONS
    for path in operation.paths
}
METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "PROPFIND")
NO_ROUTE = {"errors": [{"status": "404", "title": "Not Found"}]}


def test_a_method_that_a_path_does_not_know_is_not_found(tenant: Tenant) -> None:
    """All in one test, as a tenant takes longer than a request."""
    answers = {
        (method, path): tenant.ask(method, path)
        for path in KNOWN
        for method in METHODS
        if method not in KNOWN[path]
    }
    assert len(answers) > 200
    assert {asked: answer.status_code for asked, answer in answers.items()} == dict.fromkeys(
        answers, 404
    )
    assert {asked: answer.json() for asked, answer in answers.items()} == dict.fromkeys(
        answers, NO_ROUTE
    )


@pytest.mark.parametrize(
    "path",
    [
        "/nowhere",
        "/api",
        "/api/v2",
        "/api/v2/dora",
        "/api/v2/dora/Deployment",
        "/api/v3/dora/deployment",
        "/api/v2/dora/deployments/a/b",
        "/api/v2/dora/deployments/a%2Fb/c",
        "/api/v2/dora/%64eployment/x/y",
        "/api/v1/nowhere",
        "/api/v2//dora/deployments",
    ],
)
@pytest.mark.parametrize("headers", [{}, {"DD-API-KEY": "nobody"}])
def test_an_unknown_path_is_not_found_whoever_asks(
    tenant: Tenant, path: str, headers: dict[str, str]
) -> None:
    answer = tenant.client.request("GET", path, headers=headers)
    assert answer.status_code == 404
    assert answer.json() == NO_ROUTE
    media_type = "application/json" if path.startswith("/api/v1/") else "application/vnd.api+json"
    assert answer.headers["content-type"] == media_type


def test_head_is_no_method_of_the_api(tenant: Tenant) -> None:
    assert tenant.ask("HEAD", DEPLOYMENTS).status_code == 404


@ON_EACH
@pytest.mark.parametrize("slashes", ["/", "//"])
def test_slashes_at_the_end_of_a_path_are_tolerated(tenant: Tenant, slashes: str) -> None:
    answer = tenant.send(SHOPIST, DEPLOYMENT + slashes)
    assert answer.status_code == 200
    id_ = answer.json()["data"]["id"]
    assert tenant.ask("GET", f"{DEPLOYMENTS}/{id_}{slashes}").status_code == 200
    assert tenant.search({}).json()["data"][0]["id"] == id_
    assert tenant.ask("GET", f"/api/v2/validate{slashes}").status_code == 200
    assert tenant.ask("DELETE", f"{DEPLOYMENT}/{id_}{slashes}").status_code == 202


@ON_EACH
def test_ids_in_paths_are_percent_decoded(tenant: Tenant) -> None:
    id_ = tenant.create({**SHOPIST, "id": "release:2023-08-31_a.b"})
    for written in ("release%3A2023-08-31_a.b", "%72elease:2023%2D08-31_a%2eb"):
        answer = tenant.ask("GET", f"{DEPLOYMENTS}/{written}")
        assert answer.status_code == 200
        assert answer.json()["data"]["id"] == id_


UNKNOWN_IDS = [
    *("x", "RELEASE:2023-08-31_a.b", "release:2023-08-31_a.b%20", "%2e%2e", "*", "%ff%fe"),
    *("%F0%9F%98%80", "'%20OR%201=1--", "a%25b", "x" * 2_000, "%252e", "%C3%28", "%00"),
]
TAKES_AN_ID = [
    ("GET", DEPLOYMENTS, "deployment"),
    ("DELETE", DEPLOYMENT, "deployment"),
    ("DELETE", DEPLOYMENTS, "deployment"),
    ("GET", FAILURES, "failure"),
    ("DELETE", FAILURE, "failure"),
    ("DELETE", FAILURES, "failure"),
]


@ON_EACH
@pytest.mark.parametrize(("method", "path", "kind", "id_"), crossed(TAKES_AN_ID, UNKNOWN_IDS))
def test_an_id_that_is_not_stored_is_not_found(
    tenant: Tenant, method: str, path: str, kind: str, id_: str
) -> None:
    tenant.create({**SHOPIST, "id": "release:2023-08-31_a.b"})
    answer = tenant.ask(method, f"{path}/{id_}")
    assert answer.status_code == 404
    assert answer.json() == {
        "errors": [{"status": "404", "title": "Not Found", "detail": f"{kind} does not exist"}]
    }
    assert len(tenant.ids()) == 1


@pytest.fixture(scope="module")
def beneath(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tenant]:
    with server_in_process(tmp_path_factory.mktemp("prefix"), path_prefix="/some/where") as server:
        yield make_tenant(*server)


def test_everything_is_served_beneath_the_prefix(beneath: Tenant) -> None:
    answer = beneath.send(SHOPIST, f"/some/where{DEPLOYMENT}")
    assert answer.status_code == 200
    id_ = answer.json()["data"]["id"]
    assert beneath.ask("GET", f"/some/where{DEPLOYMENTS}/{id_}/").status_code == 200
    for path in ("/healthz", "/readyz", "/metrics", "/openapi.json", "/api/v1/validate"):
        assert beneath.ask("GET", f"/some/where{path}").status_code == 200


@pytest.mark.parametrize("path", ["/", "/some", "/some/wherever", "/some/where/nowhere"])
def test_nothing_is_served_beside_the_prefix(beneath: Tenant, path: str) -> None:
    answer = beneath.ask("GET", path)
    assert answer.status_code == 404
    assert answer.json() == NO_ROUTE


def test_a_prefix_does_not_open_the_plain_path(beneath: Tenant) -> None:
    assert beneath.send(SHOPIST).status_code == 404
