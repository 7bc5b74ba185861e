"""The reader of request bodies, which checks media type and size and decompresses."""

import asyncio
import zlib
from collections.abc import Mapping, Sequence
from concurrent.futures import Executor

from starlette.requests import ClientDisconnect
from starlette.types import Receive

from theodora.errors import Invalid, PayloadTooLarge, Problem, UnsupportedMediaType

JSON_MEDIA_TYPES = ("application/json", "application/vnd.api+json")
MULTIPART_MEDIA_TYPES = ("multipart/form-data",)
WEBHOOK_MEDIA_TYPES = (
    *(*JSON_MEDIA_TYPES, "application/cloudevents+json", "application/x-www-form-urlencoded"),
    "text/plain",
)
"""What providers send; some call their JSON plain text."""

_WINDOW_BITS = {"gzip": 31, "x-gzip": 31, "deflate": 15}
_RAW_DEFLATE = -15


def check_media_type(headers: Mapping[str, str], expected: Sequence[str]) -> None:
    """Raises `UnsupportedMediaType`; a missing Content-Type is taken as JSON."""
    sent = headers.get("content-type")
    if sent is None and "application/json" in expected:
        return
    media_type = (sent or "").split(";", 1)[0].strip().lower()
    if media_type not in expected:
        raise UnsupportedMediaType(media_type[:64], " ".join(expected))


async def read_body(
    headers: Mapping[str, str], receive: Receive, limit_bytes: int, executor: Executor
) -> bytes:
    """The body without its Content-Encoding, decompressed on a thread of `executor`.

    Raises `PayloadTooLarge` as soon as more than `limit_bytes` are known to come out, and
    `Invalid` for what cannot be decompressed.
    """
    encoding = headers.get("content-encoding", "identity").strip().lower()
    if encoding not in {"identity", "", *_WINDOW_BITS}:
        raise Invalid(Problem(f'error decoding body: unknown content encoding "{encoding[:64]}"'))
    length = headers.get("content-length", "")
    if length.isascii() and length.isdigit() and int(length) > limit_bytes:
        raise PayloadTooLarge(limit_bytes)
    sent = await _receive_all(receive, limit_bytes)
    if encoding not in _WINDOW_BITS or not sent:
        return sent
    # A few kilobytes can be many megabytes decompressed: no other request should wait for that.
    loop = asyncio.get_running_loop()
    return await loop.run_in_executor(executor, _decompress, sent, encoding, limit_bytes)


async def _receive_all(receive: Receive, limit_bytes: int) -> bytes:
    chunks: list[bytes] = []
    received = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientDisconnect
        chunk: bytes = message.get("body", b"")
        received += len(chunk)
        # Counted as well: Content-Length may be absent, with chunks, or a lie.
        if received > limit_bytes:
            raise PayloadTooLarge(limit_bytes)
        chunks.append(chunk)
        if not message.get("more_body"):
            return chunks[0] if len(chunks) == 1 else b"".join(chunks)


def _decompress(sent: bytes, encoding: str, limit_bytes: int) -> bytes:
    bits = _WINDOW_BITS[encoding]
    if encoding == "deflate" and not _has_zlib_header(sent):
        bits = _RAW_DEFLATE
    decompressor = zlib.decompressobj(bits)
    try:
        # One byte more than allowed shows that there is more, without decompressing all of it.
        body = decompressor.decompress(sent, limit_bytes + 1)
    except zlib.error:
        raise Invalid(Problem(f"error decoding body: invalid {encoding} data")) from None
    if len(body) > limit_bytes:
        raise PayloadTooLarge(limit_bytes)
    if not decompressor.eof:
        raise Invalid(Problem(f"error decoding body: truncated {encoding} data"))
    return body


def _has_zlib_header(sent: bytes) -> bool:
    """`deflate` means zlib's format; some clients send the bare stream instead."""
    return sent[0] & 0x0F == 8 and int.from_bytes(sent[:2], "big") % 31 == 0
