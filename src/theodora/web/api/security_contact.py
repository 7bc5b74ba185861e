"""`/.well-known/security.txt` of RFC 9116: where to report a vulnerability of this server."""

import time
from typing import NamedTuple

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from theodora.events.timestamps import format_second
from theodora.events.values import SECOND_NS
from theodora.web.http.observe import note_operation

SECURITY_PATH = "/.well-known/security.txt"
_DAY_NS = 86_400 * SECOND_NS
_GOOD_DAYS = 365
"""The RFC recommends less than a year; it is counted from the start of the day."""


class SecurityContact(NamedTuple):
    """Whom to write to, and where the file is found."""

    contact: str
    """A URI, `mailto:` or `https:`; empty if nobody is named, and there is no file."""
    public_url: str
    """Without the prefix; empty if it is not known."""


def security_text(security: SecurityContact, path_prefix: str, now_ns: int) -> str:
    """The file; the same for all of a day (UTC)."""
    expires_ns = (now_ns // _DAY_NS + _GOOD_DAYS) * _DAY_NS
    lines = [f"Contact: {security.contact}", f"Expires: {format_second(expires_ns)}"]
    if security.public_url:
        places = dict.fromkeys((SECURITY_PATH, path_prefix + SECURITY_PATH))
        lines += [f"Canonical: {security.public_url}{place}" for place in places]
    return "".join(f"{line}\n" for line in lines)


def security_route(security: SecurityContact, path_prefix: str) -> Route:
    """The route of the file; 404 if there is none."""

    async def answer(request: Request) -> Response:
        note_operation(request.scope, SECURITY_PATH)
        if not security.contact:
            return PlainTextResponse("not found\n", status_code=404)
        return PlainTextResponse(security_text(security, path_prefix, time.time_ns()))

    return Route(SECURITY_PATH, answer)
