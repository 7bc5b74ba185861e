"""What cannot go on: a 500 says nothing of the cause to the client and all of it to the log."""

import http.client
import json
import socket
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from urllib.parse import urlsplit

import apsw
import pytest

import serving
from asking import BARE, DEPLOYMENT, DEPLOYMENTS, server_in_process
from forked_serving import forked
from theodora.errors import (
    Forbidden,
    Invalid,
    NotFound,
    OverQuota,
    PayloadTooLarge,
    Problem,
    TooManyRequests,
    Unavailable,
    UnsupportedMediaType,
)
from theodora.web.http.responses import error_reply

DOCUMENT = json.dumps({"data": {"attributes": BARE}}).encode()


@pytest.mark.parametrize(
    ("error", "status", "body"),
    [
        (
            Invalid(Problem("no", ("data", "a/b~c", 0)), Problem("no", parameter="timestamps")),
            400,
            (
                '{"errors":[{"status":"400","title":"Bad Request","detail":"no",'
                '"source":{"pointer":"/data/a~1b~0c/0"}},{"status":"400","title":"Bad Request",'
                '"detail":"no","source":{"parameter":"timestamps"}}]}'
            ),
        ),
        (Forbidden(authenticated=False), 403, '{"errors":["Forbidden"]}'),
        (
            Forbidden(authenticated=True),
            403,
            '{"errors":["Forbidden","Failed permission authorization checks"]}',
        ),
        (OverQuota("no more"), 403, '{"errors":["Forbidden","no more"]}'),
        (NotFound(), 404, '{"errors":[{"status":"404","title":"Not Found"}]}'),
        (
            NotFound("deployment does not exist"),
            404,
            (
                '{"errors":[{"status":"404","title":"Not Found",'
                '"detail":"deployment does not exist"}]}'
            ),
        ),
        (
            PayloadTooLarge(5),
            413,
            (
                '{"errors":[{"status":"413","title":"Payload Too Large",'
                '"detail":"body must be at most 5 bytes","source":{"header":"Content-Length"}}]}'
            ),
        ),
        (
            UnsupportedMediaType("a/b", "c/d"),
            415,
            (
                '{"errors":[{"status":"415","title":"Unsupported Media Type","detail":'
                '"got media type \\"a/b\\" expected one of \\"c/d\\"",'
                '"source":{"header":"Content-Type"}}]}'
            ),
        ),
        (TooManyRequests(), 429, '{"errors":["Too many requests"]}'),
        (
            Unavailable("secret path"),
            503,
            '{"errors":[{"status":"503","title":"Service Unavailable"}]}',
        ),
        (
            ZeroDivisionError("secret cause"),
            500,
            '{"errors":[{"status":"500","title":"Internal Server Error"}]}',
        ),
    ],
)
def test_every_error_has_its_documented_form(error: Exception, status: int, body: str) -> None:
    reply = error_reply(error)
    assert (reply.status, reply.body.decode()) == (status, body)


def test_an_error_nobody_foresaw_is_a_plain_500_and_in_the_log_with_its_request(
    tmp_path: Path,
) -> None:
    with forked(tmp_path, "--log-format", "json") as server:
        with closing(apsw.Connection(str(server.database))) as connection:
            connection.set_busy_timeout(30_000)
            connection.execute("ALTER TABLE deployments RENAME TO lost")
        connection_to = connected(server)
        for method, path, body in (
            ("GET", f"{DEPLOYMENTS}/x", None),
            ("POST", DEPLOYMENT, DOCUMENT),
        ):
            headers = {**serving.KEYS, "X-Request-Id": f"asked-by-{method}"}
            connection_to.request(method, path, body, headers)
            answer = connection_to.getresponse()
            content = answer.read()
            assert answer.status == 500
            assert content == b'{"errors":[{"status":"500","title":"Internal Server Error"}]}'
            assert answer.headers["X-Request-Id"] == f"asked-by-{method}"
            assert int(answer.headers["X-RateLimit-Reset"]) >= 1
        connection_to.request("GET", "/healthz")
        assert connection_to.getresponse().read() == b"alive\n"
        connection_to.close()
        assert server.stop() == 0
    lines = [json.loads(line) for line in (tmp_path / "server.log").read_text().splitlines()]
    for method in ("GET", "POST"):
        [line] = [
            line
            for line in lines
            if line["event"] == "unexpected error" and line["request_id"] == f"asked-by-{method}"
        ]
        assert "no such table" in line["exception"]
        assert line["level"] == "error"


def test_a_database_that_cannot_be_read_is_not_ready(tmp_path: Path) -> None:
    with server_in_process(tmp_path) as (_, client):
        for path in tmp_path.iterdir():
            path.unlink()
        answer = client.get("/readyz")
        assert answer.status_code == 503
        assert answer.text.startswith("not ready: ")
        assert client.get("/healthz").status_code == 200


# Over a real connection


@pytest.fixture(scope="module")
def own_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[serving.Server]:
    with forked(tmp_path_factory.mktemp("connections")) as server:
        yield server


def connected(server: serving.Server) -> http.client.HTTPConnection:
    address = urlsplit(server.url)
    assert address.hostname
    return http.client.HTTPConnection(address.hostname, address.port, timeout=30)


def raw(server: serving.Server, sent: bytes, *, breaks_off: bool = False) -> bytes:
    """What comes back on a connection on which these bytes are sent, until it is closed."""
    address = urlsplit(server.url)
    with socket.create_connection((address.hostname, address.port), timeout=30) as connection:
        connection.sendall(sent)
        if breaks_off:
            connection.shutdown(socket.SHUT_WR)
        return b"".join(iter(lambda: connection.recv(65_536), b""))


def head(*headers: str) -> bytes:
    lines = (
        f"POST {DEPLOYMENT} HTTP/1.1",
        "Host: x",
        f"DD-API-KEY: {serving.API_KEY}",
        "Content-Type: application/json",
        *headers,
    )
    return "\r\n".join((*lines, "", "")).encode()


def stored(server: serving.Server) -> int:
    connection = connected(server)
    document = {"data": {"type": "dora_deployments_list_request", "attributes": {"limit": 1000}}}
    connection.request("POST", DEPLOYMENTS, json.dumps(document), serving.KEYS)
    found = json.loads(connection.getresponse().read())["data"]
    connection.close()
    return len(found)


def test_a_body_that_breaks_off_changes_nothing(own_server: serving.Server) -> None:
    before = stored(own_server)
    half = len(DOCUMENT) // 2
    for headers, body in (
        ([f"Content-Length: {len(DOCUMENT)}"], DOCUMENT[:half]),
        (["Content-Length: 100000"], DOCUMENT),
        (["Transfer-Encoding: chunked"], b"%x\r\n%s\r\n" % (len(DOCUMENT), DOCUMENT)),
        (["Transfer-Encoding: chunked"], b"%x\r\n%s" % (len(DOCUMENT), DOCUMENT[:half])),
    ):
        answer = raw(own_server, head(*headers) + body, breaks_off=True)
        assert not answer.startswith(b"HTTP/1.1 2")
    assert stored(own_server) == before


@pytest.mark.parametrize(
    "request_",
    [
        b"nonsense\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"POST /api/v2/dora/deployment HTTP/1.1\r\nContent-Length: -5\r\n\r\n",
        b"POST /api/v2/dora/deployment HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(100),
    ],
)
def test_what_is_not_http_does_no_harm(own_server: serving.Server, request_: bytes) -> None:
    assert not raw(own_server, request_, breaks_off=True).startswith(b"HTTP/1.1 2")
    connection = connected(own_server)
    connection.request("GET", "/readyz")
    assert connection.getresponse().read() == b"ready\n"
    connection.close()


def test_a_chunked_body_is_read_from_a_real_connection(own_server: serving.Server) -> None:
    chunks = [DOCUMENT[at : at + 11] for at in range(0, len(DOCUMENT), 11)]
    body = b"".join(b"%x\r\n%s\r\n" % (len(chunk), chunk) for chunk in chunks) + b"0\r\n\r\n"
    answer = raw(own_server, head("Transfer-Encoding: chunked", "Connection: close") + body)
    assert answer.startswith(b"HTTP/1.1 200 ")


@pytest.mark.parametrize("length", [6_000_000, 80_000_000])
def test_a_client_that_sends_far_too_much_gets_to_read_why(
    own_server: serving.Server, length: int
) -> None:
    connection = connected(own_server)
    headers = {**serving.KEYS, "Content-Type": "application/json"}
    connection.request("POST", DEPLOYMENT, b" " * length, headers)
    answer = connection.getresponse()
    assert answer.status == 413
    assert answer.read().startswith(b'{"errors":[{"status":"413"')
    connection.close()


def test_requests_sent_in_one_go_are_answered_in_order(own_server: serving.Server) -> None:
    asked = [
        f"GET {DEPLOYMENTS}/{n} HTTP/1.1\r\nHost: x\r\nX-Request-Id: number-{n}\r\n"
        f"DD-API-KEY: {serving.API_KEY}\r\nDD-APPLICATION-KEY: {serving.APPLICATION_KEY}\r\n"
        + ("Connection: close\r\n\r\n" if n == 9 else "\r\n")
        for n in range(10)
    ]
    answer = raw(own_server, "".join(asked).encode())
    ids = [line for line in answer.decode().split("\r\n") if line.startswith("x-request-id")]
    assert ids == [f"x-request-id: number-{n}" for n in range(10)]
