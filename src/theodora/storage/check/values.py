"""Values that have to be readable: texts in JSON, hashes, ids, permissions."""

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, LiteralString

import msgspec

from theodora.dora import PullRequest
from theodora.errors import Invalid
from theodora.events import match_key, repository_id
from theodora.events.annotations import Annotation
from theodora.storage.access.key_limits import check_limits, decode_limits
from theodora.storage.access.keys import PERMISSIONS_OF
from theodora.storage.access.people import PersonIdentity
from theodora.storage.access.permissions import ROLE_NAMES
from theodora.storage.check.findings import RESTORE, Findings
from theodora.storage.engine.cursor import Cursor, Row, placeholders

_AT_ONCE = 1_000
_HASH = re.compile(r"[0-9a-f]{64}")
_SHA = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_DAY = re.compile(r"\d{4}-\d\d-\d\d")

Problems = Callable[..., Iterator[str]]
"""Given a row's columns, those of the key first, what is wrong with it."""


def pages(
    cursor: Cursor, table: LiteralString, key: LiteralString, columns: LiteralString
) -> Iterator[list[Row]]:
    """The columns of every row in order of its key, which they begin with."""
    width = key.count(",") + 1
    select: LiteralString = f"SELECT {columns} FROM {table}"
    behind: LiteralString = f"WHERE ({key}) > ({placeholders(width)})"
    after: Row | None = None
    while True:
        page = (
            cursor.execute(f"{select} ORDER BY {key} LIMIT ?", (_AT_ONCE,))
            if after is None
            else cursor.execute(f"{select} {behind} ORDER BY {key} LIMIT ?", (*after, _AT_ONCE))
        ).fetchall()
        if page:
            yield page
        if len(page) < _AT_ONCE:
            return
        after = page[-1][:width]


def check_values(cursor: Cursor, findings: Findings) -> None:
    for (table, key, columns), problems in _TABLES.items():
        width = key.count(",") + 1
        for page in pages(cursor, table, key, f"{key}, {columns}"):
            for row in page:
                for problem in problems(*row):
                    findings.add(table, problem, RESTORE, row[:width])


def _object_of(problem: str) -> Problems:
    """The problem of a row whose last column is no JSON object."""

    def problems(*columns: Any) -> Iterator[str]:
        if not isinstance(_decoded(columns[-1]), dict):
            yield problem

    return problems


_SETTINGS = _object_of("the settings are no JSON object")


def _organisation(_: int, uuid: str, name: str) -> Iterator[str]:
    if not _UUID.fullmatch(uuid):
        yield "the id is no UUID"
    if not name:
        yield "it has no name"


def _key(_: int, __: str, kind: str, hash_: str, permissions: str, limits: str) -> Iterator[str]:
    if not _HASH.fullmatch(hash_):
        yield "the hash is no SHA-256"
    known = next((names for name, names in PERMISSIONS_OF.items() if name == kind), ())
    if not set(permissions.split()) <= set(known):
        yield "there is no such permission"
    try:
        check_limits(decode_limits(limits))
    except (msgspec.MsgspecError, Invalid):
        yield "the limits cannot be used"


def _person(_: int, id_: str, issuer: str, subject: str, role: str, teams: str) -> Iterator[str]:
    if id_ != PersonIdentity(issuer, subject).person_id:
        yield "the id is not that of the issuer and the subject"
    if role not in ROLE_NAMES:
        yield "there is no such role"
    if not _is_texts(teams):
        yield "the teams are no JSON array"


def _session(_: int, __: str, hash_: str, former_hash: str | None) -> Iterator[str]:
    if not _HASH.fullmatch(hash_) or not _HASH.fullmatch(former_hash or hash_):
        yield "the hash is no SHA-256"


def _share_link(_: int, __: str, hash_: str, path: str) -> Iterator[str]:
    if not _HASH.fullmatch(hash_):
        yield "the hash is no SHA-256"
    if not path.startswith("/"):
        yield "the path is none"


def _repository(_: int, __: int, id_: str, key: str | None) -> Iterator[str]:
    if key != match_key(id_):
        yield "it does not meet other forms of its URL"


def _commit(_: int, __: int, sha: str, parents: str, paths: str | None) -> Iterator[str]:
    if not all(_SHA.fullmatch(each) for each in (sha, *parents.split())):
        yield "the SHA of it or of a parent is none"
    if paths is not None and not _is_texts(paths):
        yield "the changed paths are no JSON array"


def _pull_request(_: int, __: int, number: int, document: str) -> Iterator[str]:
    try:
        request = msgspec.json.decode(document, type=PullRequest)
    except msgspec.DecodeError:
        yield "the document cannot be read"
        return
    if request.number != number:
        yield "the document is of another number"


def _mirror(_: int, id_: str, url: str) -> Iterator[str]:
    if not id_ or not url:
        yield "it has no URL or id"


def _source(_: int, __: str, secret: str, settings: str) -> Iterator[str]:
    if not secret:
        yield "it has no secret"
    yield from _SETTINGS(settings)


def _change(_: int, __: int, operation: str, document: str) -> Iterator[str]:
    if operation != "delete" and not isinstance(_decoded(document), dict):
        yield "the document is no JSON object"


def _forwarding(_: int, url: str, api_key: str, app_key: str) -> Iterator[str]:
    if not (url and api_key and app_key):
        yield "it has no URL or a key is missing"


def _linked_failures(_: int, __: int, failure_ids: str | None) -> Iterator[str]:
    if failure_ids is not None and not _is_texts(failure_ids):
        yield "the linked failures are no JSON array"


def _correlation(_: int, __: str, id_: str, repository_url: str, commit_sha: str) -> Iterator[str]:
    if repository_id(repository_url) != id_:
        yield "the repository's id is not that of its URL"
    if not _SHA.fullmatch(commit_sha):
        yield "the commit is none"


def _annotation(
    _: int, id_: str, at_ns: int, text: str, service: str, team: str, env: str
) -> Iterator[str]:
    content = Annotation(at_ns=at_ns, text=text, service=service, team=team, env=env)
    if not text or id_ != content.id:
        yield "the id is not that of its content"


def _activity(_: int, day: str, __: str, ___: str, models: str | None) -> Iterator[str]:
    if not _DAY.fullmatch(day):
        yield "the day is none"
    if models is not None and not _is_texts(models):
        yield "the models are no JSON array"


_TABLES: Mapping[tuple[LiteralString, LiteralString, LiteralString], Problems] = {
    ("organisations", "org", "uuid, name"): _organisation,
    ("keys", "org, id", "kind, hash, permissions, limits"): _key,
    ("people", "org, id", "issuer, subject, role, teams"): _person,
    ("sessions", "org, id", "hash, former_hash"): _session,
    ("share_links", "org, id", "hash, path"): _share_link,
    ("settings", "org, service", "document"): _SETTINGS,
    ("repositories", "org, key", "repository_id, match_key"): _repository,
    ("commits", "org, repository, sha", "parents, paths"): _commit,
    ("pull_requests", "org, repository, number", "document"): _pull_request,
    ("mirrors", "org, repository_id", "url"): _mirror,
    ("sources", "org, id", "secret, settings"): _source,
    ("common_source_settings", "org", "settings"): _SETTINGS,
    ("inbox", "org, number", "headers"): _object_of("the headers are no JSON object"),
    ("outbox", "org, number", "operation, document"): _change,
    ("forwarding", "org", "url, api_key, app_key"): _forwarding,
    ("source_facts", "org, kind, thing, digest", "document"): _object_of(
        "the fact is no JSON object"
    ),
    ("verdicts", "org, deployment", "failure_ids"): _linked_failures,
    ("verdict_acts", "org, number", "failure_ids"): _linked_failures,
    ("correlations", "org, key, repository_id", "repository_url, commit_sha"): _correlation,
    ("user_activity", "org, day, user_email, tool", "models"): _activity,
    ("annotations", "org, id", "at_ns, text, service, team, env"): _annotation,
}


def _decoded(text: str) -> Any:
    try:
        return msgspec.json.decode(text)
    except msgspec.DecodeError:
        return None


def _is_texts(text: str) -> bool:
    found = _decoded(text)
    return isinstance(found, list) and all(isinstance(each, str) for each in found)
