"""The same-origin check of forms."""

from collections.abc import Mapping

_DEFAULT_PORTS = {"http": ":80", "https": ":443"}


def is_same_origin(headers: Mapping[str, str]) -> bool:
    """Whether a request that changes something comes from a page of this server, or no page.

    The rules are those of Go's `http.CrossOriginProtection`. Browsers send `Sec-Fetch-Site` to
    https and localhost, and `Origin` with every POST; a page can set neither. A request with
    neither header comes from a program, which has no cookies but those that it was given.
    """
    site = headers.get("sec-fetch-site", "")
    if site:
        return site in {"same-origin", "none"}
    origin = headers.get("origin", "")
    return not origin or _is_own(origin, headers)


def _is_own(origin: str, headers: Mapping[str, str]) -> bool:
    scheme, _, host = origin.partition("://")
    # A proxy may send its own name for this server as Host. A page cannot forge the other
    # header: a form has no headers, and a script is first asked whether this server allows it.
    names = (headers.get("host", ""), headers.get("x-forwarded-host", "").partition(",")[0])
    default_port = _DEFAULT_PORTS.get(scheme, "")
    return bool(host) and host in {
        name.strip().lower().removesuffix(default_port) for name in names
    }
