"""The parsers of who comes in and what they did, and of files of event columns.

Tokens and keys of sign-in providers, groups, searches of the audit log.
"""

import json
from tempfile import TemporaryFile
from typing import Any

import numpy as np
from joserfc import jws

from fuzz.parsers import Parser
from openid import key
from theodora.dora.metrics.calendar import UTC_CALENDAR
from theodora.errors import Invalid, Problem
from theodora.report.audit_table import AUDIT_FILTERS, read_audit_filters
from theodora.report.parameters import Parameters
from theodora.storage.access.audit_search import entry_matches
from theodora.storage.access.role_mapping import organisations_left, read_role_mapping, role_of
from theodora.storage.engine.actor import Actor
from theodora.storage.engine.audit import AuditEntry
from theodora.storage.events.change_log import HistoryMark
from theodora.storage.metrics.column_file import (
    FileHead,
    StoredEvents,
    Stretch,
    UnusableFile,
    map_columns,
    write_columns,
)
from theodora.web.oidc.id_token import check_access_token, check_id_token
from theodora.web.oidc.provider import IdentityProvider
from theodora.web.oidc.signatures import UnknownKey, read_keys, verified

_NOW_SEC = 1_693_491_974
_PROVIDER = IdentityProvider(name="p", label="P", issuer="https://id.example", client_id="us")
_CLAIMS = {
    "iss": "https://id.example",
    "aud": ["us"],
    "azp": "us",
    "sub": "ada",
    "iat": _NOW_SEC,
    "exp": _NOW_SEC + 300,
    "nonce": "n",
}
_SIGNER = key("EC")
_KEYS = read_keys({"keys": [_SIGNER.as_dict(private=False)]})
_ENTRY = AuditEntry(
    *(1, 1, _NOW_SEC * 10**9, Actor("key", "alice", "1", "192.0.2.1"), "key.created", "CI"),
    *('{"a":1}', "", "done", "because", "0" * 64),
)
_PROGRAM = "fuzz"


def _text(data: bytes) -> str:
    return data.decode(errors="surrogateescape")


def _audit_search(data: bytes) -> None:
    """Parameters of the audit log, each on a line of its own."""
    pairs = (line.partition("=") for line in _text(data).split("\n"))
    parameters = Parameters({name: value for name, _, value in pairs if name in AUDIT_FILTERS})
    search = read_audit_filters(parameters, UTC_CALENDAR).search
    parameters.check()
    if search is not None:
        entry_matches(search, _ENTRY)


def _groups(data: bytes) -> None:
    mapping = read_role_mapping(_text(data), "default")
    groups = [row.group for row in mapping[1:]]
    role_of(groups, mapping)
    organisations_left(groups, mapping)


def _object(data: bytes) -> dict[str, Any]:
    """As providers' answers and the claims of signed tokens are read."""
    try:
        found = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise Invalid(Problem("no JSON")) from error
    if not isinstance(found, dict):
        raise Invalid(Problem("no object"))
    return found


def _claims(data: bytes) -> None:
    claims = _object(data)
    check_id_token(claims, _PROVIDER, "n", _NOW_SEC)
    check_access_token(claims, "ES256", "token")


def _key_set(data: bytes) -> None:
    read_keys(_object(data))


def _column_file(data: bytes) -> None:
    with TemporaryFile() as file:
        file.write(data)
        file.flush()
        file.seek(0)
        map_columns(file, _PROGRAM)


def _stored() -> bytes:
    """A file of columns."""
    times = Stretch(np.arange(3, dtype=np.int64), 3)
    events = StoredEvents({"started": times}, {"service": ("web",)}, 3)
    with TemporaryFile() as file:
        write_columns(file, _PROGRAM, FileHead("org", 1, HistoryMark(1, 2), 3, 1), {"d": events})
        file.seek(0)
        return file.read()


def _token(**header: Any) -> bytes:
    claims = json.dumps(_CLAIMS).encode()
    return jws.serialize_compact({"alg": "ES256", **header}, claims, _SIGNER).encode()


ACCESS_PARSERS = (
    Parser(
        "audit search",
        _audit_search,
        (
            b"query=action:key.* -actor:alice\nfrom=2026-01-01\nto=1693491974\noutcome=refused",
            b"query=(address:192.0.2.* OR before:*a*) number:[1 TO 9]\nactor=a",
        ),
        (b" AND ", b" OR ", b" NOT ", b"_exists_:", b"at:>=", b"is:production", b"\nfrom=", b"*"),
    ),
    Parser(
        "role mapping",
        _groups,
        (b"team-a=viewer,ops=acme:admin,web=editor of web,*=viewer",),
        (b"=", b",", b":", b" of ", b"*=viewer", b"owner"),
    ),
    Parser(
        "token claims",
        _claims,
        (json.dumps(_CLAIMS).encode(), json.dumps({**_CLAIMS, "at_hash": "x"}).encode()),
        (b'"\\ud800"', b"NaN", b"1e999", b"[]", b"null", b'"nbf":'),
    ),
    Parser(
        "token",
        lambda data: verified(_text(data), _KEYS),
        (_token(), _token(kid=_SIGNER.kid, typ="JWT")),
        (b".", b"eyJhbGciOiJub25lIn0", b"e30", b"=", b"_-"),
        (UnknownKey, *Parser.errors),
    ),
    Parser(
        "token keys",
        _key_set,
        [
            json.dumps({"keys": [each.as_dict(private=False) for each in (one, _SIGNER)]}).encode()
            for one in (key("RSA"), key("OKP"))
        ],
        (b'"kty":"OKP"', b'"crv":"P-256"', b'"use":"sig"', b"null", b'"\\ud800"'),
    ),
    Parser("column file", _column_file, (_stored(),), (), (UnusableFile,)),
)
