"""Bodies of several parts, in every form that clients may write them."""

import time

import pytest

from theodora.errors import Invalid
from theodora.web.api.multipart import read_parts

HEADERS = {"content-type": "multipart/form-data; boundary=limit"}


def part(name: str, content: bytes = b"x", more: str = "") -> bytes:
    disposition = f'Content-Disposition: form-data; name="{name}"{more}'
    return b"--limit\r\n%b\r\n\r\n%b\r\n" % (disposition.encode(), content)


END = b"--limit--\r\n"


def test_parts_have_their_names() -> None:
    body = part("a", b"1") + part("b", b"2", '; filename="c"') + END
    assert read_parts(HEADERS, body) == {"a": b"1", "b": b"2"}


def test_of_several_with_one_name_the_last_counts() -> None:
    assert read_parts(HEADERS, part("a", b"1") + part("a", b"2") + END) == {"a": b"2"}


@pytest.mark.parametrize(
    "content",
    [b"", b"\r\n", b"\r\n\r\n", b"x--limit", b"\r\n--limi", b"\r\n-", b"\0\xff" * 9, b"x\r\n"],
)
def test_a_part_may_hold_anything_but_its_boundary(content: bytes) -> None:
    assert read_parts(HEADERS, part("a", content) + END) == {"a": content}


@pytest.mark.parametrize(
    "body",
    [
        b"before\r\n" + part("a") + END,
        part("a") + END + b"after\r\n--limit\r\n",
        part("a").replace(b"--limit\r\n", b"--limit \t\r\n") + END,
        part("a") + END.rstrip(),
        part("a").replace(b"Content-Disposition", b"X: y\r\ncontent-disposition") + END,
        part("a").replace(b'name="a"', b"name=a") + END,
        part("a").replace(b'; name="a"', b'; filename="name=b"; NAME="a"') + END,
    ],
    ids=["text before", "text after", "white space", "no last line", "headers", "token", "file"],
)
def test_forms_of_a_part(body: bytes) -> None:
    assert read_parts(HEADERS, body) == {"a": b"x"}


@pytest.mark.parametrize(
    ("written", "name"),
    [('a\\"b', 'a"b'), ("a;b", "a;b"), ("é", "é"), ("", ""), ("a b", "a b")],
)
def test_names_in_quotes(written: str, name: str) -> None:
    assert read_parts(HEADERS, part(written) + END) == {name: b"x"}


@pytest.mark.parametrize(
    "content_type",
    [
        'multipart/form-data; boundary="limit"',
        "multipart/form-data;boundary=limit",
        "multipart/form-data; charset=utf-8; BOUNDARY=limit; x=y",
    ],
)
def test_forms_of_the_boundary(content_type: str) -> None:
    assert read_parts({"content-type": content_type}, part("a") + END) == {"a": b"x"}


@pytest.mark.parametrize(
    "content_type", ["multipart/form-data", "multipart/form-data; boundary=", "", "boundary=limit"]
)
def test_without_a_boundary_nothing_is_read(content_type: str) -> None:
    with pytest.raises(Invalid, match="Content-Type has no boundary"):
        read_parts({"content-type": content_type}, part("a") + END)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"x",
        part("a"),
        part("a").rstrip() + END,
        b"--limit\r\n" + END,
        b"--limit\r\nX: y\r\n\r\nx\r\n" + END,
        b"--limitless\r\n" + part("a") + END,
        part("a", more="; x=" + "y" * 3_000) + END,
    ],
)
def test_what_cannot_be_told_apart_is_refused(body: bytes) -> None:
    with pytest.raises(Invalid, match="error decoding body: "):
        read_parts(HEADERS, body)


def test_parts_are_counted() -> None:
    assert len(read_parts(HEADERS, b"".join(map(part, map(str, range(100)))) + END)) == 100
    with pytest.raises(Invalid, match="more than 100 parts"):
        read_parts(HEADERS, part("a") * 101 + END)


@pytest.mark.parametrize(
    "filling",
    [b"\r\n--limi", b"\r\n", b"x--limit", b"-" * 9],
    ids=["almost", "lines", "dashes", "-"],
)
def test_a_long_body_takes_milliseconds_whatever_it_looks_like(filling: bytes) -> None:
    body = part("a", filling * ((8 << 20) // len(filling))) + END
    started = time.thread_time()
    assert len(read_parts(HEADERS, body)) == 1
    assert time.thread_time() - started < 1
