"""Who is asking, and what they may do: API keys, application keys and bearer tokens."""

from dataclasses import dataclass
from enum import Enum
from typing import NamedTuple

from starlette.datastructures import Headers

from theodora.errors import Forbidden
from theodora.storage import Key, Organisation, Store

READ = "dora_metrics_read"
WRITE = "dora_metrics_write"


class Credential(Enum):
    """What an operation asks for."""

    NONE = "no key"
    API_KEY = "API key"
    BOTH_KEYS = "API key and application key"


@dataclass(frozen=True, slots=True)
class Access:
    """The credential and the permission that an operation needs."""

    credential: Credential
    permission: str | None = None
    """Of the application key; an API key alone has no permissions to choose from."""


class Caller(NamedTuple):
    """Who was let in."""

    organisation: Organisation
    api_key: Key | None
    """None with a bearer token alone."""


def authenticate(store: Store, headers: Headers, access: Access) -> Caller:
    """The caller, if the headers hold what `access` asks for; else `Forbidden`."""
    api_key = _api_key(store, headers)
    if access.credential is Credential.API_KEY:
        if api_key is None:
            raise Forbidden(authenticated=False)
        return Caller(api_key.organisation, api_key)
    application_key = _application_key(store, headers, api_key)
    if access.permission is not None and access.permission not in application_key.permissions:
        raise Forbidden(authenticated=True)
    return Caller(application_key.organisation, api_key)


def _api_key(store: Store, headers: Headers) -> Key | None:
    """The API key sent, or None without one; `Forbidden` for one that is not valid."""
    secret = headers.get("dd-api-key")
    if not secret:
        return None
    key = store.keys.find("api", secret)
    if key is None:
        raise Forbidden(authenticated=False)
    return key


def _application_key(store: Store, headers: Headers, api_key: Key | None) -> Key:
    secret = headers.get("dd-application-key")
    if api_key is None and (secret or not _bearer_token(headers)):
        raise Forbidden(authenticated=False)
    secret = secret or _bearer_token(headers)
    key = store.keys.find("application", secret) if secret else None
    if key is None or (api_key and api_key.organisation != key.organisation):
        raise Forbidden(authenticated=api_key is not None)
    return key


def _bearer_token(headers: Headers) -> str | None:
    scheme, _, token = headers.get("authorization", "").partition(" ")
    return token.strip() or None if scheme.lower() == "bearer" else None
