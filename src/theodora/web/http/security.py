"""Authentication and permissions: API keys, application keys and bearer tokens."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from hmac import compare_digest
from typing import NamedTuple

from starlette.datastructures import QueryParams

from theodora.errors import Forbidden, KeyUnusable, NotFound, NotSigned
from theodora.sources.webhooks.signatures import is_signed
from theodora.sources.webhooks.table import source_named
from theodora.storage import Key, Organisation, Principal, Store, WebhookSource
from theodora.storage.access.keys import KeysNow
from theodora.storage.engine.organisations import being_deleted

_NOT_AN_API_KEY = (
    "an application key was sent in place of an API key: put an API key into "
    "DD-API-KEY or DD_API_KEY"
)
_NOT_AN_APPLICATION_KEY = (
    "an API key was sent in place of an application key: put an application key "
    "into DD-APPLICATION-KEY or DD_APP_KEY"
)
_OF_TWO_ORGANISATIONS = "the API key and the application key are of two organisations"


class LacksPermission(Forbidden):
    """A valid key without the permission that the operation needs."""

    def __init__(self, key: Key, permission: str) -> None:
        super().__init__(authenticated=True)
        self.key = key
        self.permission = permission

    @property
    def refusal(self) -> str:
        """For the audit log, after who it was."""
        return f"it lacks {self.permission}"


class UnusableKey(KeyUnusable):
    """A key that is right, but has expired or comes from elsewhere than it may."""

    def __init__(self, key: Key, reason: str) -> None:
        super().__init__(reason)
        self.key = key

    @property
    def refusal(self) -> str:
        return self.reason


class Credential(Enum):
    """The kind of credential that an operation needs."""

    NONE = "no key"
    API_KEY = "API key"
    BOTH_KEYS = "API key and application key"
    SIGNATURE = "signature of the source"
    BADGE = "token of the organisation's badges"


@dataclass(frozen=True, slots=True)
class Access:
    """The credential and the permission that an operation needs."""

    credential: Credential
    permission: str | None = None
    """Of the application key; an API key alone has no permissions to choose from."""
    api_key_in_query: bool = False
    """Whether the API key may also be the query parameter `api_key`."""


class Credentials(NamedTuple):
    """The secrets that a request shows."""

    api_key: str | None
    application_key: str | None
    bearer_token: str | None
    """An application key in another header; one in its own goes before it."""


class Caller(NamedTuple):
    """The authenticated caller."""

    organisation: Organisation
    api_key: Key | None
    """None with a bearer token alone."""
    application_key: Key | None = None
    """None where an API key is enough."""
    source: WebhookSource | None = None
    """Where a webhook comes from; its signature is checked once its body is there."""


def read_credentials(
    headers: Mapping[str, str], query_string: bytes, access: Access
) -> Credentials:
    api_key = headers.get("dd-api-key")
    if not api_key and access.api_key_in_query:
        api_key = QueryParams(query_string).get("api_key")
    return Credentials(
        api_key or None, headers.get("dd-application-key") or None, _bearer_token(headers)
    )


def authenticate(
    keys: KeysNow, credentials: Credentials, access: Access, address: str, now_ns: int
) -> Caller:
    """The caller, if the credentials are what `access` asks for; else `Forbidden`.

    `address` is where the request comes from, which its keys must be usable from now.
    Raises `BeingDeleted` if nobody can use the organisation any more.
    """
    caller = _caller(keys, credentials, access)
    for key in (caller.application_key, caller.api_key):
        if key is not None:
            refuse_if_deleted(key)
            try:
                key.require_usable(address, now_ns)
            except KeyUnusable as error:
                raise UnusableKey(key, error.reason) from error
    return caller


def refuse_if_deleted(caller: Key | Principal) -> None:
    """Raises `BeingDeleted` for one of an organisation that is to be deleted."""
    if caller.deletion_at_ns is not None:
        raise being_deleted(caller.organisation.name, caller.deletion_at_ns)


def _caller(keys: KeysNow, credentials: Credentials, access: Access) -> Caller:
    api_key = _api_key(keys, credentials)
    if access.credential is Credential.API_KEY:
        if api_key is None:
            raise Forbidden(authenticated=False)
        return Caller(api_key.organisation, api_key)
    application_key = _application_key(keys, credentials, api_key)
    if access.permission is not None and access.permission not in application_key.permissions:
        raise LacksPermission(application_key, access.permission)
    return Caller(application_key.organisation, api_key, application_key)


def find_source(store: Store, path_parameters: Mapping[str, str]) -> Caller:
    """The caller that a webhook's path names; raises `NotFound` where there is no such source."""
    source = store.sources.find(path_parameters["id"])
    if source is None or source.kind != path_parameters["source"]:
        raise NotFound("there is no such source")
    return Caller(source.organisation, None, source=source)


def find_by_badge(store: Store, badges: Sequence[tuple[str, str]], query_string: bytes) -> Caller:
    """The organisation whose token the query has; raises `NotFound` without one."""
    token = (QueryParams(query_string).get("token") or "").encode()
    names = [name for name, secret in badges if compare_digest(secret.encode(), token)]
    if not names:
        raise NotFound("there is no such badge")
    return Caller(store.keys.organisation(names[0]), None)


def check_signature(
    source: WebhookSource, headers: Mapping[str, str], body: bytes, now_sec: int
) -> None:
    """Raises `NotSigned` unless the body carries the signature of its source."""
    row = source_named(source.kind)
    if row is None or not is_signed(row.scheme, source.secret, headers, body, now_sec):
        raise NotSigned


def _api_key(keys: KeysNow, credentials: Credentials) -> Key | None:
    """The API key sent, or None without one; `Forbidden` for one that is not valid."""
    if credentials.api_key is None:
        return None
    key = keys.find("api", credentials.api_key)
    if key is None:
        # Mixing up the two keys is a common mistake: the log names it, the answer must not.
        is_other = keys.find("application", credentials.api_key) is not None
        raise Forbidden(authenticated=False, cause=_NOT_AN_API_KEY if is_other else "")
    return key


def _application_key(keys: KeysNow, credentials: Credentials, api_key: Key | None) -> Key:
    if api_key is None and (credentials.application_key or not credentials.bearer_token):
        raise Forbidden(authenticated=False)
    secret = credentials.application_key or credentials.bearer_token
    key = keys.find("application", secret) if secret else None
    if key is None:
        is_other = secret is not None and keys.find("api", secret) is not None
        cause = _NOT_AN_APPLICATION_KEY if is_other else ""
        raise Forbidden(authenticated=api_key is not None, cause=cause)
    # Such keys were mixed up, and it would be unclear whose data is meant.
    if api_key and api_key.organisation != key.organisation:
        raise Forbidden(authenticated=True, cause=_OF_TWO_ORGANISATIONS)
    return key


def _bearer_token(headers: Mapping[str, str]) -> str | None:
    scheme, _, token = headers.get("authorization", "").partition(" ")
    return token.strip() or None if scheme.lower() == "bearer" else None
