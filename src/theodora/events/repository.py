"""Repository identity: URLs without credentials, ids, and the keys by which repositories meet.

A URL is first cleaned of credentials, whatever its form. Its id is `host/path`, as the client wrote
the path. Ids of one repository may still differ: `MatchKeys` finds the key that they share.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache

_SCHEME = re.compile(
    # The path of a file begins with the third slash.
    r"file:(?:/{2}|(?=/[^/]))"
    r"|[a-z][a-z0-9+.-]*:/{2,}"
    # Without the second slash a known scheme alone: `host:/path` is a path on an ssh host.
    r"|(?:https?|ssh|ftps?|(?:git|svn|hg)\+[a-z]+):/"
    r"|https?:",
    re.IGNORECASE,
)
_INNER_URL = re.compile(
    r"(?<![a-z0-9+.-])(?:(?:https?|ssh|git|ftps?|(?:git|svn|hg)\+[a-z]+)://+|file://|https?:/+)",
    re.IGNORECASE,
)
"""A URL after something else, such as `scm:git:` or the address of a proxy."""
_PREFIX = re.compile(r"(?:scm:[a-z]+[:|]|[a-z][a-z0-9+.-]*::)+", re.IGNORECASE)
"""Prefixes that Maven and Terraform put before a URL."""
_SSH = re.compile(r"(?:git\+)?ssh(?:\+git)?:", re.IGNORECASE)
_LOCAL = re.compile(r"[/~.]|[a-z]:[/\\]", re.IGNORECASE)
_PATH_OF_SHELL = re.compile(r"\.{1,2}(?:/|$)|~[^/@:]*(?:/|$)|[a-z]:[/\\]", re.IGNORECASE)
_SLASHES = re.compile(r"/{2,}")
_HEAD = re.compile(r"[^/?#\\]*")
_LOGIN = re.compile(r"[^:/@?#\s]+")
"""A plain ssh login."""
_QUERY = re.compile(r"[?#].*", re.DOTALL)
_QUERY_WITHOUT_SCHEME = re.compile(r"\?.*|#[^/]*=.*", re.DOTALL)
_QUERY_OF_PATH = re.compile(r"[?#][^/?#]*=.*", re.DOTALL)

_HOST_PATTERN = (
    r"(?:\[[^\]/@?#]+\]|localhost|(?:[\w-]+\.)+[^\W\d][\w-]*\.?|[0-9]{1,3}(?:\.[0-9]{1,3}){3})"
)
"""A text that is almost certainly a host."""
_HOST_AND_PORT = re.compile(rf"{_HOST_PATTERN}(?::[0-9]*)?")
_HOST_AND_PATH = re.compile(rf"{_HOST_PATTERN}(?::.*)?", re.DOTALL)
_LABEL_AND_PORT = re.compile(r"[\w-]+(?::[0-9]*)?")
_LABEL_AND_PATH = re.compile(r"[\w-]+(?::.*)?", re.DOTALL)
_AT_HOST = re.compile(rf"@(?={_HOST_PATTERN}(?::[^/?#@]*)?[/:]+[^/?#:])")
_AT_ANY = re.compile(r"@(?=(?:\[[^\]/@?#]+\]|[^/?#@:]+)(?::[0-9]+)?[/:]+[^/?#:])")


@lru_cache(maxsize=4096)
def repository_id(url: str) -> str:
    """The identity of the repository at `url`: `host/path`, or a local path.

    Scheme, user, port, query, fragment and `.git` do not take part; the host is in lower
    case, the path as given: `git@GitHub.com:Org/app.git` → `github.com/Org/app`.
    """
    url = without_credentials(url)
    if scheme := _last_scheme(url):
        return _from_authority(url[scheme.end() :])
    if prefix := _PREFIX.match(url):
        url = url[prefix.end() :]
    host, rest = _bracketed(url.rpartition("@")[2])
    if host:
        return _joined(host, rest.removeprefix(":"))
    before_slash = url.split("/", 1)[0]
    host, colon, _ = before_slash.partition(":")
    if colon and len(host) >= 2:
        return _joined(host.rpartition("@")[2], url[len(host) + 1 :])
    if url.startswith(("/", ".", "~")):
        return _tidy(url)
    host, _, path = url.partition("/")
    return _joined(host, path)


@lru_cache(maxsize=4096)
def without_credentials(url: str) -> str:
    """`url` without user information and query, where tokens are.

    A plain ssh login stays (`git@host:path`, `ssh://git@host/path`), of one with a password the
    login. If one of two readings of a text contains a password, that reading applies: an `@` in a
    path is rare, and a token on the disk is worse than a wrong name.
    """
    # What is left may read as a URL with a user again. Each turn removes something.
    while (rest := _without_user(url)) != url:
        url = rest
    return url


def _without_user(url: str) -> str:
    url = url.strip()
    if scheme := _last_scheme(url):
        before = url[: scheme.start()].rpartition("@")[2]
        user, rest = _split(url[scheme.end() :], has_scheme=True)
        kept = user.partition(":")[0] if _SSH.match(scheme[0]) else ""
        return f"{before}{scheme[0]}{_login(kept)}{_QUERY.sub('', rest)}".strip()
    if _LOCAL.match(url) and not _is_url_without_scheme(url):
        return _QUERY_OF_PATH.sub("", url).strip()
    user, rest = _split(url.lstrip("/"), has_scheme=False)
    rest = _QUERY_WITHOUT_SCHEME.sub("", rest)
    is_scp_like = ":" in _authority(rest)
    return f"{_login(user) if is_scp_like else ''}{rest}".strip()


def _last_scheme(url: str) -> re.Match[str] | None:
    """The scheme of the URL that `url` is, or of the last one that it holds."""
    query = re.search(r"[?#]", url)
    inner = list(_INNER_URL.finditer(url, 0, query.start() if query else len(url)))
    return inner[-1] if inner and inner[-1].start() else _SCHEME.match(url)


def _is_url_without_scheme(path: str) -> bool:
    """Whether what looks like a local path is a URL that has lost its scheme: `//x:T@host/a`."""
    if _PATH_OF_SHELL.match(path):
        return False
    rest = path.lstrip("/")
    if not path.startswith("/") or path.startswith("//"):
        return _end_of_user(rest, has_scheme=False) > 0
    authority = _authority(rest)
    return (":" in authority or "@" in authority) and _AT_HOST.search(rest) is not None


def _login(user: str) -> str:
    return f"{user}@" if _LOGIN.fullmatch(user) else ""


def _split(rest: str, *, has_scheme: bool) -> tuple[str, str]:
    """Splits off the user information, which is empty if there is none."""
    end = _end_of_user(rest, has_scheme=has_scheme)
    return rest[: max(end - 1, 0)], rest[end:]


def _end_of_user(rest: str, *, has_scheme: bool) -> int:
    """Where user information ends, with its `@`; 0 where there is none.

    Passwords hold anything, `/`, `?` and `@` too, and paths may hold an `@`. How far to look for
    the last `@` depends on how much the text before the path looks like a host.
    """
    if "@" not in rest or rest.startswith("/"):
        return 0
    authority = _authority(rest)
    inner = _end_in_authority(rest, authority, has_scheme=has_scheme)
    host = authority[inner:]
    certain, plausible = (
        (_HOST_AND_PORT, _LABEL_AND_PORT) if has_scheme else (_HOST_AND_PATH, _LABEL_AND_PATH)
    )
    query = _QUERY.search(rest, len(authority) + 1)
    # A query directly after a host, without a path, is the rest of a password.
    path_end = query.start() if query and rest[len(authority)] not in "?#" else len(rest)
    if certain.fullmatch(host):
        if not inner and ":" not in host:
            return 0
        return max(inner, _last(_AT_HOST, rest, path_end))
    if plausible.fullmatch(host):
        in_path = _last(_AT_ANY, rest, path_end)
        anywhere = _last(_AT_HOST, rest, len(rest)) if inner or ":" in host else 0
        return max(inner, in_path, anywhere)
    return rest.rfind("@") + 1


def _authority(rest: str) -> str:
    head = _HEAD.match(rest)
    return head[0] if head else ""


def _end_in_authority(rest: str, authority: str, *, has_scheme: bool) -> int:
    """The end of the credentials, if the authority has any."""
    if has_scheme:
        return authority.rfind("@") + 1
    # In `git@host:app@v2` the second `@` is in the path of an ssh host.
    return _last(_AT_ANY, rest, len(authority)) or authority.rfind("@") + 1


def _last(pattern: re.Pattern[str], text: str, end: int) -> int:
    """Where the last match that begins before `end` is over; 0 where there is none."""
    return max((match.end() for match in pattern.finditer(text) if match.start() < end), default=0)


def _from_authority(rest: str) -> str:
    authority, _, path = rest.partition("/")
    host, port = _bracketed(authority.rpartition("@")[2])
    if not host:
        host, _, port = authority.rpartition("@")[2].partition(":")
    port = port.removeprefix(":")
    # `ssh://git@host:org/app` is written by mistake, and understood by most tools.
    return _joined(host, path if not port or port.isdecimal() else f"{port}/{path}")


def _bracketed(text: str) -> tuple[str, str]:
    """An IPv6 address in brackets, and what follows it; the first is empty where there is none."""
    address, bracket, rest = text.partition("]")
    return (address + bracket, rest) if bracket and text.startswith("[") else ("", text)


def _joined(host: str, path: str) -> str:
    # The only letter whose lower case has two characters; the second would end a host.
    host = host.replace("İ", "i").lower()
    return _tidy(f"{host}/{path.lstrip('/')}")


def _tidy(path: str) -> str:
    path = _SLASHES.sub("/", path)
    return _without_trailing_slashes(_without_trailing_slashes(path).removesuffix(".git"))


def _without_trailing_slashes(path: str) -> str:
    return path.rstrip("/") or path[:1]


_SAME_HOSTS: Mapping[str, str] = {
    "ssh.github.com": "github.com",
    "www.github.com": "github.com",
    "altssh.gitlab.com": "gitlab.com",
    "www.gitlab.com": "gitlab.com",
    "altssh.bitbucket.org": "bitbucket.org",
    "www.bitbucket.org": "bitbucket.org",
}
_CASELESS_HOSTS = frozenset(("github.com", "gitlab.com", "bitbucket.org", "dev.azure.com"))
"""Hosts known to ignore the case of letters in paths."""
_AZURE, _AZURE_SSH = "dev.azure.com", frozenset(("ssh.dev.azure.com", "vs-ssh.visualstudio.com"))
_AZURE_OLD = ".visualstudio.com"
_SERVER_CONTEXTS = frozenset(("bitbucket", "stash"))
"""Paths below which Bitbucket Server often runs."""


@lru_cache(maxsize=4096)
def match_key(id_: str) -> str:
    """The part that ids of one repository share, for known hosts.

    `ssh.github.com/Org/App` → `github.com/org/app`. Bitbucket Server has `/scm/` in https URLs
    alone, Gerrit `/a/` in those of people who have signed in, Azure DevOps four forms in all.
    """
    host, slash, path = id_.partition("/")
    if not slash or not host:
        return id_
    host = host.rstrip(".")
    host = _SAME_HOSTS.get(host, host)
    if host == _AZURE or host in _AZURE_SSH or host.endswith(_AZURE_OLD):
        return _azure_key(host, path).lower()
    if host in _CASELESS_HOSTS:
        return f"{host}/{path}".lower()
    return f"{host}/{'/'.join(_without_access(path.split('/')))}"


def _without_access(parts: list[str]) -> list[str]:
    """The parts of a path without those for a server's kind of access, such as `scm`."""
    while True:
        if len(parts) == 3 and parts[0] == "scm":
            parts = parts[1:]
        elif len(parts) == 4 and parts[0] in _SERVER_CONTEXTS and parts[1] == "scm":
            parts = parts[2:]
        elif len(parts) >= 2 and parts[0] == "a":
            parts = parts[1:]
        else:
            return parts


def _azure_key(host: str, path: str) -> str:
    """`dev.azure.com/organisation/project/_git/repository`, where the path is one of Azure's."""
    parts = path.replace("%20", " ").split("/")
    if host in _AZURE_SSH and len(parts) == 4 and parts[0].lower() == "v3":
        _, organisation, project, repository = parts
        return f"{_AZURE}/{organisation}/{project}/_git/{repository}"
    if host != _AZURE and host not in _AZURE_SSH:
        parts = [host.removesuffix(_AZURE_OLD), *parts]
        host = _AZURE
    marks = [at for at, part in enumerate(parts) if part.lower() in ("_git", "_ssh")]
    if host != _AZURE or not marks or marks[0] == 0:
        return "/".join((host, *parts))
    organisation, *project = parts[: marks[0]]
    repository = [
        each for each in parts[marks[0] + 1 :] if each.lower() not in ("_full", "_optimized")
    ]
    project = [each for each in project if each.lower() != "defaultcollection"]
    # A repository with the name of its project may leave the project out.
    return "/".join((_AZURE, organisation, *(project or repository[:1]), "_git", *repository))


class MatchKeys:
    """The match keys of repositories in one organisation, after its aliases.

    `aliases` lead from URL or id of a repository to that of the one it is now; chains are followed.
    """

    def __init__(self, aliases: Mapping[str, str] | None = None) -> None:
        self._renamed = {
            match_key(repository_id(old)): match_key(repository_id(new))
            for old, new in (aliases or {}).items()
        }

    def key(self, id_: str) -> str:
        """The key that commits, deployments and pull requests of the repository share."""
        return self._followed(match_key(id_))

    def same(self, id_: str) -> frozenset[str]:
        """The keys, without aliases, that lead to the repository's key."""
        key = self.key(id_)
        olds = (old for old in self._renamed if self._followed(old) == key)
        return frozenset((key, *olds))

    def is_circular(self, id_: str) -> bool:
        """Whether the aliases lead from the repository back to itself."""
        key = match_key(id_)
        return key in self._renamed and key in self._after(key)

    def _followed(self, key: str) -> str:
        return self._after(key)[-1] if key in self._renamed else key

    def _after(self, key: str) -> list[str]:
        """The keys that follow on one, until there is none or one comes again."""
        found: list[str] = []
        while key in self._renamed and self._renamed[key] not in found:
            key = self._renamed[key]
            found.append(key)
        return found


def similar(id_: str, known: Iterable[str]) -> list[str]:
    """Known ids that may be the same repository, the most similar first.

    They differ in host or in case alone, or have the last part of the path in common.
    """
    ranks = ((_rank(id_, other), other) for other in known if match_key(other) != match_key(id_))
    return [other for rank, other in sorted(ranks) if rank < len(_LIKENESSES)]


def _path(id_: str) -> str:
    return match_key(id_).lower().partition("/")[2]


def _last_part(id_: str) -> str:
    return id_.lower().rpartition("/")[2]


_LIKENESSES: tuple[Callable[[str], str], ...] = (str.lower, _path, _last_part)
"""Parts that similar ids share, the most significant first."""


def _rank(id_: str, other: str) -> int:
    """How similar two ids are, 0 for the most."""
    ranks = (at for at, part in enumerate(_LIKENESSES) if part(id_) == part(other) != "")
    return next(ranks, len(_LIKENESSES))
