"""The table of parsers: how each reads an input, what it may raise, and examples of its language.

A parser that writes as well is asked to read what it wrote: that has to be the same.
"""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from hashlib import sha1
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import theodora.dora.derivation.expressions as expressions
from cases.search import CASES
from repositories import commit_data, make_pack, object_sha
from theodora.config import SETTINGS, load
from theodora.dora.derivation.name_globs import NameFilter
from theodora.dora.derivation.path_globs import PathFilter, glob_problem
from theodora.dora.derivation.settings_input import MEMBERS, read_settings
from theodora.errors import TheodoraError
from theodora.events.repository import match_key, repository_id, without_credentials
from theodora.events.timestamps import format_rfc3339, nanoseconds_from_rfc3339
from theodora.git import PackStore
from theodora.query import Kind, parse, sort_key, to_text
from theodora.query.completion import complete
from theodora.sources import csv_tables, json_lines
from theodora.sources.commit_lines import (
    commit_from_line,
    line_from_commit,
    pull_request_from_line,
)
from theodora.sources.csv_tables import Table
from theodora.sources.verdict_lines import act_from_document
from theodora.storage import Selection
from theodora.storage.search.planner import Position
from theodora.web.api.cursors import ForeignCursor, UnreadableCursor, decode_cursor, encode_cursor
from theodora.web.api.multipart import read_json_part, read_parts
from theodora.web.api.wire import decode_body
from theodora.web.http.exposition import prefers_openmetrics
from theodora.web.pages.shell.cookies import read_cookies, read_preferences

FOUND = Path(__file__).parent / "found"
"""Inputs that have failed once, in a folder for each parser."""


@dataclass(frozen=True)
class Parser:
    """Something that reads what others wrote."""

    name: str
    read: Callable[[bytes], Any]
    examples: Sequence[bytes]
    pieces: Sequence[bytes] = ()
    """What its language is made of."""
    errors: tuple[type[Exception], ...] = (TheodoraError,)

    def accepts(self, data: bytes) -> bool:
        """Whether the input is sound; anything but an error of the project is raised."""
        try:
            self.read(data)
        except self.errors:
            return False
        return True

    def found(self) -> list[bytes]:
        folder = FOUND / self.name.replace(" ", "-")
        return [file.read_bytes() for file in sorted(folder.glob("*"))]


def _text(data: bytes) -> str:
    """Bytes that are no UTF-8 become surrogates, as in arguments of a command."""
    return data.decode(errors="surrogateescape")


def _query(data: bytes) -> None:
    text = _text(data)
    complete(text, len(text) // 2)
    tree = parse(text)
    assert parse(to_text(tree)) == tree


def _repository(data: bytes) -> None:
    text = _text(data)
    without_credentials(text)
    match_key(repository_id(text))


def _timestamp(data: bytes) -> None:
    instant_ns = nanoseconds_from_rfc3339(_text(data))
    if instant_ns is not None:
        assert nanoseconds_from_rfc3339(format_rfc3339(instant_ns)) == instant_ns


def _deployment(line: bytes) -> None:
    event = json_lines.deployment_from_line(line)
    if event.started_at_ns >= _SURELY_NANOSECONDS:
        assert json_lines.deployment_from_line(json_lines.line_from_event(event)) == event


def _failure(line: bytes) -> None:
    event = json_lines.failure_from_line(line)
    if event.started_at_ns >= _SURELY_NANOSECONDS:
        assert json_lines.failure_from_line(json_lines.line_from_event(event)) == event


def _commit(line: bytes) -> None:
    commit = commit_from_line(line)
    # An id that ends in .git twice loses one more when it is read as a URL.
    id_ = repository_id(commit.repository_id)
    assert commit_from_line(line_from_commit(commit)) == commit._replace(repository_id=id_)


_TABLES = (
    *(csv_tables.DEPLOYMENTS, csv_tables.FAILURES),
    *(csv_tables.COMMITS, csv_tables.PULL_REQUESTS),
)


def _table(data: bytes) -> None:
    kind, _, text = data.partition(b"\n")
    kinds = (
        csv_tables.DEPLOYMENTS,
        csv_tables.FAILURES,
        csv_tables.COMMITS,
        csv_tables.PULL_REQUESTS,
    )
    columns = kinds[kind[0] % len(kinds) if kind else 0]
    for _ in Table(_text(text).splitlines(keepends=True), columns).rows():
        pass


def _parts(data: bytes) -> None:
    content_type, _, body = data.partition(b"\n")
    parts = read_parts({"content-type": content_type.decode("latin-1")}, body)
    for name in ("pushedSha", "repository", *parts):
        read_json_part(parts, name, [])


def _settings_document(data: bytes) -> None:
    given = decode_body(data)
    checked = read_settings(given)
    assert read_settings({name: given[name] for name in checked}) == checked


def _environment(data: bytes) -> None:
    pairs = (line.partition("=") for line in _text(data).replace("\0", "").split("\n"))
    load({name: value for name, _, value in pairs if not name.endswith("_FILE")}, {})


def _globs(data: bytes) -> None:
    globs = _text(data).split("\n")
    for glob in globs:
        glob_problem(glob)
    PathFilter(globs).matches(["web/a.ts", "", "é/..", "a/" * 500])
    NameFilter(globs, "exclude_authors").matches(["dependabot[bot]", "", "é@x.org", "a/" * 500])


def _expression(data: bytes) -> None:
    text = _text(data)
    found = expressions.Expression(text, ignore_case=len(text) % 2 == 0)
    found.is_found_in("Revert “Add cart” (#12)" * 20)


def _pack(data: bytes) -> None:
    """Its checksum is made right, so that git reads it."""
    pack = data[:-20] + sha1(data[:-20]).digest()
    with TemporaryDirectory() as folder:
        PackStore(Path(folder)).receive("default", "github.com/acme/shop", "0" * 40, pack)


_start = sort_key("started_at", Kind.DEPLOYMENT)
assert _start is not None
_LIST = Selection(sort=_start, limit=10)


def _documents(*documents: object) -> list[bytes]:
    return [json.dumps(each).encode() for each in documents]


_SURELY_NANOSECONDS = 10**17
"""Smaller integers are read as seconds, milliseconds or microseconds."""
_EVENT = {
    "id": "0123456789abcdef",
    "env": "production",
    "team": "backend",
    "version": "v1",
    "started_at": 1693491974000000000,
    "finished_at": "2023-08-31T14:26:24.5+02:00",
    "custom_tags": ["language:java", "k:v"],
    "source": "import",
    "created_at": 1693491984000000000,
}
_GIT = {"commit_sha": "6" * 40, "repository_url": "https://github.com/acme/shop.git"}
_DEPLOYMENTS = _documents(
    _EVENT | {"service": "web", "git": _GIT},
    _EVENT | {"service": "web"} | _GIT,
    {"service": "a", "started_at": 1, "finished_at": 2, "change_failure": True}
    | {"remediation": {"id": "x" * 16, "type": "rollback"}, "deployment_type": "standard"},
)
_FAILURES = _documents(
    _EVENT | {"services": ["web", "pay"], "name": "down", "severity": "SEV-1", "git": _GIT},
    {"team": "a", "started_at": 1_693_491_974},
    {"services": ["a"], "started_at": 10**18, "finished_at": 3 * 10**18}
    | {"active_periods": [{"started_at": 10**18, "finished_at": 2 * 10**18}]},
)
_COMMIT = {
    "repository": "github.com/acme/app",
    "sha": "0" * 40,
    "parents": ["1" * 40],
    "author_time": 1_693_491_974,
    "commit_time": "2023-08-31T14:26:14Z",
    "subject": "Add cart (#12)",
    "paths": ["web/a.ts"],
}
_PULL_REQUEST = {
    "repository": "github.com/acme/app",
    "number": 12,
    "title": "Add cart",
    "labels": ["Hotfix"],
    "merge_commit_sha": "0" * 40,
    "merge_method": "squash",
    "commits": [_COMMIT],
    "merged_at": 1_693_491_974,
}
_SETTINGS = {
    "detect_rollbacks": True,
    "rollback_lookback": 5,
    "sequence_tag": "region",
    "lead_time_gap_days": 60,
    "lead_time_clock": "author_time",
    "path_globs": ["web/**", "!docs/*.md"],
    "exclude_authors": ["*[bot]"],
    "linked_rules": [{"id": "r", "fields": ["version"], "pattern": 'Revert "$pr_title"|hotfix.*'}],
    "static_rules": [{"id": "s", "fields": ["pr_title"], "pattern": "hotfix"}],
    "repository_aliases": {"github.com/a/b": "github.com/c/d"},
    "production_envs": ["production", "prod*"],
}
_MULTIPART = (
    b'multipart/form-data; boundary="b"\n--b\r\nContent-Disposition: form-data; name="pushedSha"; '
    b'filename="x"\r\nContent-Type: application/json\r\n\r\n{"data":{"id":"1"}}\r\n--b\r\n'
    b"Content-Disposition: form-data; name=repository\r\n\r\n{}\r\n--b--\r\n"
)
_URLS = (
    *(
        b"https://github.com/acme/shop.git",
        b"git@github.com:acme/shop.git",
        b"ssh://a:b@[::1]:22/x",
    ),
    *(b"https://user:p%40ss@host:8443//a/../b/", b"file:///srv/x.git", b"C:\\src\\x", b"host:a@v2"),
    *(b"git+ssh://ssh.dev.azure.com/v3/org/project/repo", b"https://x@dev.azure.com/o/p/_git/r"),
)

PARSERS = (
    Parser(
        "query",
        _query,
        [case.query.encode() for case in CASES],
        (b" AND ", b" OR ", b" NOT ", b" TO ", b"_exists_:", b"is:production", b">=", b'"a b"'),
    ),
    Parser("repository", _repository, _URLS, (b"://", b"@", b"/", b":", b".git", b"[::1]", b"//")),
    Parser(
        "timestamp",
        _timestamp,
        (b"2023-08-31T14:26:14Z", b"1970-01-01T00:00:00.000000001+23:59", b"2262-04-11 23:47:16Z"),
        (b"T", b"Z", b"+14:00", b".999999999", b"-00:00"),
    ),
    Parser("deployment line", _deployment, _DEPLOYMENTS),
    Parser("failure line", _failure, _FAILURES),
    Parser("commit line", _commit, _documents(_COMMIT)),
    Parser("pull request line", pull_request_from_line, _documents(_PULL_REQUEST)),
    Parser(
        "verdict line",
        lambda line: act_from_document(json_lines.read_document(line)),
        _documents(
            {"deployment": "0" * 16, "at": 10**18, "by": "ann", "change_failure": True}
            | {"remediation": {"id": "1" * 16, "type": "rollback"}, "reason": "x"}
        ),
    ),
    Parser(
        "CSV table",
        _table,
        (
            b'0\nservice,started_at,finished_at,tags\nweb,2023-08-31 14:26,1693491984,"a:b;c:d"\n',
            b'1\nservices;started_at;team\n"[""a""]";1693491974;x\n',
            b"2\nrepository\tsha\tauthor_time\tparents\ng/a/b\t" + b"0" * 40 + b"\t1\t\n",
            b'3\nrepository,number,labels\ng/a/b,12,"a,b"\n',
        ),
    ),
    Parser(
        "cookies",
        lambda data: read_preferences(read_cookies(data.decode("latin-1"))),
        (b'a=b; g_state={"i_l":0}; flag; x="q"', b"theodora_preferences=theme%3Ddark%26keys%3Doff"),
    ),
    Parser(
        "accept",
        lambda data: prefers_openmetrics(data.decode("latin-1")),
        (b"application/openmetrics-text;version=1.0.0;q=0.75,text/plain;version=0.0.4;q=0.5",),
        (b";q=", b";version=", b",", b'"1.0.0"', b"="),
    ),
    Parser("multipart", _parts, (_MULTIPART,), (b"\r\n--b", b"--", b"\r\n\r\n", b"; name=")),
    Parser(
        "settings",
        _settings_document,
        _documents(_SETTINGS, *({name: value} for name, value in _SETTINGS.items())),
        [f'"{name}":'.encode() for name in MEMBERS],
    ),
    Parser(
        "environment",
        _environment,
        [f"{each.variable}={each.default}".encode() for each in SETTINGS],
        (b"=", b"0x10", b"1_000", b"yes", b"60/60", b"sqlite:///", b"postgresql://"),
    ),
    Parser(
        "globs", _globs, (b"web/**\n!docs/*.md", b"**/a?/**", b"a/./b/../c"), (b"**/", b"**", b"?")
    ),
    Parser(
        "rule",
        _expression,
        (rb'Revert "(?P<pr_title>.+)"', rb"(?i)hot[-_ ]?fix\b", rb"^v\d+(\.\d+){2}$|\p{Lu}"),
        (b"(?:", b"{2,9}", b"*?", b"[^", rb"\Q", rb"\E", b"(?=", b"|", b"+", rb"\x{10FFFF}"),
        (expressions.Unusable,),
    ),
    Parser(
        "pack",
        _pack,
        (
            make_pack([("commit", commit_data(object_sha("tree", b""))), ("tree", b"")]),
            make_pack([("tree", b""), ("ref_delta", b"\x07" * 20 + b"\x01\x01\x01a")]),
        ),
        (b"PACK", b"\x00\x00\x00\x02", b"\x78\x9c", b"\x90\x20"),
    ),
    Parser(
        "cursor",
        lambda data: decode_cursor(_text(data), Kind.DEPLOYMENT, _LIST),
        [
            encode_cursor(Kind.DEPLOYMENT, _LIST, Position(value, id_)).encode()
            for value, id_ in ((1_693_491_974 * 10**9, "0" * 16), (1, "é"))
        ],
        errors=(UnreadableCursor, ForeignCursor),
    ),
)
