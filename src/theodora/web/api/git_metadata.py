"""The handlers of `datadog-ci git-metadata upload`: known commits, and packs of new ones.

A client leaves out the commits that are named as known and everything reachable from them, so
only commits that were uploaded themselves are named.
"""

import re
from typing import Annotated, Literal, NamedTuple

import msgspec
from msgspec import Meta

from theodora.errors import Invalid, Problem
from theodora.events import match_key, repository_id
from theodora.events.attributes import MAX_PROBLEMS
from theodora.events.json_values import JsonObject, JsonValue, is_object, type_name
from theodora.web.api.multipart import read_json_part, read_parts, unreadable_part
from theodora.web.api.wire import decode_body, quoted
from theodora.web.http.operations import Pending, Request
from theodora.web.http.responses import Reply

_SHA = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
_URL = ("meta", "repository_url")
_MAX_URL_CHARACTERS = 2_048
_INCOMPLETE = 20_000
"""Most commits of earlier packs that are checked again with a later one."""

_STORED = Reply(204)


class CommitIdentifier(msgspec.Struct, frozen=True):
    """A commit by its SHA."""

    id: Annotated[str, Meta(description="The commit's SHA.", pattern=f"^({_SHA.pattern})$")]
    type: Literal["commit"]


class KnownCommits(msgspec.Struct, frozen=True):
    """Commits that have been uploaded."""

    data: tuple[CommitIdentifier, ...]


class SearchedRepository(msgspec.Struct, frozen=True):
    """The repository of commits."""

    repository_url: Annotated[
        str,
        Meta(
            description="The repository, however written.",
            min_length=1,
            max_length=_MAX_URL_CHARACTERS,
        ),
    ]


class CommitSearch(msgspec.Struct, frozen=True):
    """The commits that a client would upload."""

    meta: SearchedRepository
    data: tuple[CommitIdentifier, ...]


class PackParts(msgspec.Struct, frozen=True, rename={"pushed_sha": "pushedSha"}):
    """The parts of an upload."""

    pushed_sha: Annotated[
        str, Meta(description="JSON: the newest commit, and the repository's URL.")
    ]
    packfile: Annotated[
        str,
        Meta(
            description="A pack of version 2, of commits and trees.",
            extra_json_schema={"format": "binary"},
        ),
    ]


class _Pack(NamedTuple):
    """The parts of an upload."""

    repository_id: str
    head: str
    pack: bytes


def search_commits(request: Request) -> Reply:
    repository, shas = decode_search(request.body)
    request.limits.require_repository(repository)
    known = request.store.commits.known(request.organisation, repository, shas)
    return Reply(200, encode_commits(known))


def upload_packfile(request: Request) -> Pending:
    repository, head, pack = _decode_upload(request)
    request.limits.require_repository(repository)
    store, org = request.store.commits, request.organisation
    store.check_quota(org, repository)
    incomplete = store.without_paths(org, repository, _INCOMPLETE)
    try:
        commits = request.packs.receive(org.uuid, match_key(repository), head, pack, incomplete)
    except Invalid as invalid:
        raise Invalid(unreadable_part("packfile", str(invalid))) from invalid
    written = store.add_commits(org, repository, commits, received=True, actor=request.actor)
    return Pending(written, lambda _: _STORED)


def decode_search(body: bytes) -> tuple[str, list[str]]:
    """The repository and the SHAs that a search asks for, in its order."""
    document = decode_body(body)
    problems: list[Problem] = []
    repository = _repository(document, problems)
    shas = _commits(document, problems)
    if problems:
        raise Invalid(*problems[:MAX_PROBLEMS])
    return repository, shas


def encode_commits(shas: list[str]) -> bytes:
    return msgspec.json.encode(KnownCommits(tuple(CommitIdentifier(sha, "commit") for sha in shas)))


def _decode_upload(request: Request) -> _Pack:
    parts = read_parts(request.headers, request.body)
    problems: list[Problem] = []
    pushed = read_json_part(parts, "pushedSha", problems)
    of_part: list[Problem] = []
    repository = head = ""
    if not problems:
        repository = _repository(pushed, of_part)
        head = _commit(pushed.get("data"), (), of_part)
    problems += (unreadable_part("pushedSha", problem.detail) for problem in of_part)
    if "packfile" not in parts:
        problems.append(Problem('part "packfile" is required', parameter="packfile"))
    if problems:
        raise Invalid(*problems)
    return _Pack(repository, head, parts["packfile"])


def _repository(document: JsonObject, problems: list[Problem]) -> str:
    """The id of the repository that `meta` names; empty where it names none."""
    meta = document.get("meta")
    if meta is not None and not is_object(meta):
        problems.append(_wrong_type("meta", meta, "meta"))
        return ""
    url = (meta or {}).get("repository_url")
    if url is not None and not isinstance(url, str):
        problems.append(_wrong_type("repository_url", url, *_URL))
    elif not url or not url.strip():
        problems.append(Problem('member "repository_url" is required', _URL))
    elif len(url) > _MAX_URL_CHARACTERS:
        detail = f'member "repository_url" must be at most {_MAX_URL_CHARACTERS} characters'
        problems.append(Problem(detail, _URL))
    else:
        return repository_id(url)
    return ""


def _commits(document: JsonObject, problems: list[Problem]) -> list[str]:
    items = document.get("data")
    if items is None:
        problems.append(Problem('member "data" is required', ("data",)))
    elif not isinstance(items, list):
        problems.append(_wrong_type("data", items, "data"))
    else:
        return [_commit(item, ("data", at), problems) for at, item in enumerate(items)]
    return []


def _commit(item: JsonValue, path: tuple[str | int, ...], problems: list[Problem]) -> str:
    """The SHA of a commit's resource; empty for what is no such resource."""
    if not is_object(item):
        problems.append(_wrong_type("data", item, *path))
        return ""
    if item.get("type") != "commit":
        detail = f'got type "{quoted(item.get("type"))}" expected one of "commit"'
        problems.append(Problem(detail, (*path, "type")))
    sha = item.get("id")
    if not isinstance(sha, str) or not _SHA.fullmatch(sha):
        problems.append(Problem('member "id" must be a commit SHA', (*path, "id")))
        return ""
    return sha


def _wrong_type(name: str, value: JsonValue, *path: str | int) -> Problem:
    return Problem(f'error decoding member "{name}": invalid type {type_name(value)}', path)
