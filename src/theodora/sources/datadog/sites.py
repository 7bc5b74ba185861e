"""Datadog's sites and the URLs of their APIs."""

import re
from urllib.parse import urlsplit

from theodora.errors import Invalid, Problem

SITES = (
    "datadoghq.com",
    "us3.datadoghq.com",
    "us5.datadoghq.com",
    "datadoghq.eu",
    "ap1.datadoghq.com",
    "ap2.datadoghq.com",
    "ddog-gov.com",
    "us2.ddog-gov.com",
    "uk1.datadoghq.com",
)

_URL = re.compile(r"https?://[A-Za-z0-9.:\[\]_-]+(/[A-Za-z0-9._~/-]*)?")


def api_url(site: str) -> str:
    """The URL of the API of a site, or of a server that a URL names.

    `app.` in front of a site is ignored, as is what follows in an address copied from a browser.
    Raises `Invalid` for anything else.
    """
    text = site.strip()
    host = (urlsplit(text).hostname or "") if "//" in text else text.lower().rstrip("/")
    host = host.removeprefix("app.").removeprefix("api.")
    if host in SITES:
        return f"https://api.{host}"
    if _URL.fullmatch(text) and urlsplit(text).hostname:
        return text.rstrip("/")
    raise Invalid(
        Problem(
            f'"{text[:100]}" is not a site of Datadog: write one of {", ".join(SITES)}, '
            "or the URL of another server"
        )
    )
