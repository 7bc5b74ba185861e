"""The operations of `/mcp`: streamable HTTP without sessions, one reply to each message."""

from functools import partial
from urllib.parse import urlsplit

from theodora.errors import NotFound
from theodora.storage.access.permissions import READ
from theodora.web.http.operations import Operation, Request
from theodora.web.http.responses import JSON, Reply
from theodora.web.http.security import Access, Credential
from theodora.web.mcp.caller import ToolCaller
from theodora.web.mcp.protocol import NOT_INSTALLED, exchange, is_installed

PATH = "/mcp"

_READ = Access(Credential.BOTH_KEYS, READ)
_FORBIDDEN = b'{"jsonrpc":"2.0","id":null,"error":{"code":-32600,"message":"forbidden origin"}}'


def mcp_operations(public_url: str, path_prefix: str) -> tuple[Operation, ...]:
    """Both operations; `public_url` is empty if it is not known."""
    return (
        Operation(
            name="SendMCPMessage",
            summary="Send a message of the Model Context Protocol",
            method="POST",
            paths=(PATH,),
            handler=partial(send_message, public_url=public_url, path_prefix=path_prefix),
            access=_READ,
            bucket="dora_read",
            statuses=(200, 202, 400, 404, 406),
            media_types=(JSON,),
            is_brief=False,
            reply_media_type=JSON,
        ),
        Operation(
            name="OpenMCPStream",
            summary="405: the server sends nothing unasked",
            method="GET",
            paths=(PATH,),
            handler=refuse_stream,
            access=_READ,
            bucket="dora_read",
            statuses=(404, 405),
            media_types=(),
            reply_media_type=JSON,
        ),
    )


def send_message(request: Request, *, public_url: str, path_prefix: str) -> Reply:
    _require_sdk()
    if not _may_come_from(request.headers.get("origin", ""), public_url):
        return Reply(403, _FORBIDDEN)
    url = public_url + path_prefix if public_url else ""
    return exchange(request, ToolCaller(request.store, request.organisation, request.now_ns, url))


def refuse_stream(_: Request) -> Reply:
    _require_sdk()
    return Reply(405, headers=((b"allow", b"POST"),))


def _require_sdk() -> None:
    if not is_installed():
        raise NotFound(NOT_INSTALLED)


def _may_come_from(origin: str, public_url: str) -> bool:
    """Whether a program sends the message, or a page of this server: never one of another site.

    Browsers add the origin to what scripts of pages send. Programs made of a browser have
    origins of their own, which no page has.
    """
    if not origin or origin == _origin_of(public_url):
        return True
    return origin != "null" and urlsplit(origin).scheme not in {"http", "https"}


def _origin_of(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"
