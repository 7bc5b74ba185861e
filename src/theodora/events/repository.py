"""Repository identity: one name for a repository, however its URL is written."""

import re
from functools import lru_cache

_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://")
_SLASHES = re.compile(r"/{2,}")
_LOCAL_PATH = ("/", ".", "~")


@lru_cache(maxsize=4096)
def repository_id(url: str) -> str:
    """The identity of the repository at `url`: `host/path`, or a local path.

    Scheme, user, port, query, fragment and `.git` do not take part; the host is in lower
    case, the path as given: `git@GitHub.com:Org/app.git` → `github.com/Org/app`.
    """
    url = url.strip()
    if scheme := _SCHEME.match(url):
        return _from_authority(re.split(r"[?#]", url[scheme.end() :], maxsplit=1)[0])
    before_slash = url.split("/", 1)[0]
    host, colon, _ = before_slash.partition(":")
    if colon and len(host) >= 2:
        path = url[len(host) + 1 :]
        return _joined(host.rpartition("@")[2], path)
    if url.startswith(_LOCAL_PATH):
        return _tidy(url)
    host, _, path = url.partition("/")
    return _joined(host, path)


def without_credentials(url: str) -> str:
    """`url` without the user information that may hold a token; for `ssh` without the password."""
    scheme = _SCHEME.match(url)
    if not scheme:
        return url
    authority, slash, path = url[scheme.end() :].partition("/")
    user, at, host = authority.rpartition("@")
    if not at:
        return url
    kept = user.partition(":")[0] + "@" if scheme[1].lower() == "ssh" else ""
    return f"{scheme[0]}{kept}{host}{slash}{path}"


def _from_authority(rest: str) -> str:
    authority, _, path = rest.partition("/")
    host = authority.rpartition("@")[2]
    return _joined(re.sub(r":\d*$", "", host), path)


def _joined(host: str, path: str) -> str:
    return _tidy(f"{host.lower()}/{path.lstrip('/')}")


def _tidy(path: str) -> str:
    path = _SLASHES.sub("/", path)
    return _without_trailing_slashes(_without_trailing_slashes(path).removesuffix(".git"))


def _without_trailing_slashes(path: str) -> str:
    return path.rstrip("/") or path[:1]
