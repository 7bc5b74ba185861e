"""What ASGI applications share: headers, addresses, sending, and the logging of failures."""

import pytest
from starlette.types import Message
from structlog.testing import capture_logs

from theodora.errors import NotFound, Unavailable
from theodora.web.http.asgi import address_of, headers_of, log_failure, send_reply
from theodora.web.http.responses import Reply


def sent(reply: Reply, **options: object) -> list[Message]:
    messages: list[Message] = []

    async def send(message: Message) -> None:
        messages.append(message)

    # It waits for nothing but `send`, so it needs no event loop.
    with pytest.raises(StopIteration):
        send_reply(send, reply, **options).send(None)  # type: ignore[arg-type]
    return messages


def test_the_last_of_several_headers_counts() -> None:
    scope = {"headers": [(b"accept", b"text/html"), (b"accept", b"text/csv")]}
    assert headers_of(scope) == {"accept": "text/csv"}


def test_a_client_without_an_address_has_an_empty_one() -> None:
    assert address_of({"client": ("192.0.2.7", 5)}) == "192.0.2.7"
    assert address_of({"client": None}) == ""
    assert address_of({}) == ""


def test_a_reply_names_the_length_and_type_of_its_body() -> None:
    start, body = sent(Reply(200, b"{}"), more=[(b"x-quota", b"1")], media_type="application/json")
    assert start["status"] == 200
    assert start["headers"] == [
        (b"x-quota", b"1"),
        (b"content-length", b"2"),
        (b"content-type", b"application/json"),
    ]
    assert body["body"] == b"{}"


def test_a_reply_keeps_the_type_it_names() -> None:
    start, _ = sent(Reply(200, b"a", "text/csv"), media_type="application/json")
    assert (b"content-type", b"text/csv") in start["headers"]


def test_an_empty_reply_has_no_type() -> None:
    start, _ = sent(Reply(204), media_type="application/json")
    assert start["headers"] == [(b"content-length", b"0")]


def test_a_head_request_has_the_length_without_the_body() -> None:
    start, body = sent(Reply(200, b"abc", "text/plain"), with_body=False)
    assert (b"content-length", b"3") in start["headers"]
    assert body["body"] == b""


@pytest.mark.parametrize(
    ("error", "logged"),
    [
        (NotFound(), []),
        (Unavailable("no database"), [("warning", "store unavailable")]),
        (RuntimeError("a defect"), [("error", "unexpected error")]),
    ],
)
def test_only_what_an_operator_must_see_is_logged(
    error: Exception, logged: list[tuple[str, str]]
) -> None:
    with capture_logs() as entries:
        log_failure(error)
    assert [(entry["log_level"], entry["event"]) for entry in entries] == logged
