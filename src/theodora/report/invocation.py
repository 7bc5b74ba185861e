"""Command lines that pages and `theodora serve` print, as typed on the server's machine."""

from contextlib import suppress
from ipaddress import ip_address
from typing import NamedTuple
from urllib.parse import SplitResult

DEFAULT_ORGANISATION = "default"
"""The default organisation of commands."""
HTTPS_FLAGS = "--tls-cert .theodora/tls/server.pem --tls-key .theodora/tls/server-key.pem"


class Invocation(NamedTuple):
    """The program, and the program with whatever names the server's database."""

    program: str = "theodora"
    command: str = "theodora"
    serve_https: str = f"theodora serve {HTTPS_FLAGS}"
    """Starts the server again with the certificate that `theodora tls init` makes."""


PLAIN = Invocation()


def datadog_site(url: SplitResult) -> str:
    """What `DD_SITE` has to be for datadog-ci to reach the server at `url`.

    datadog-ci asks `https://api.` and the site, whose port and path it keeps. An address has no
    name beneath it, so a name that it could get is used instead.
    """
    host = (url.hostname or "localhost").removeprefix("api.")
    with suppress(ValueError):
        host = "localhost" if ip_address(host).is_loopback else "dora.internal"
    port = f":{url.port}" if url.port else ""
    return f"{host}{port}{url.path.rstrip('/')}"
