"""The handlers that validate keys, for clients and commands before they send data.

Requests that reach these handlers have valid keys.
"""

from typing import Annotated

import msgspec
from msgspec import Meta

from theodora.web.api.wire import Resource, encode_data
from theodora.web.http.operations import Request
from theodora.web.http.responses import Reply

TYPE = "validate_v2"

_UUID = {"format": "uuid"}
OrganisationId = Annotated[
    str, Meta(description="The organisation's UUID.", extra_json_schema=_UUID)
]


class Validity(msgspec.Struct, frozen=True):
    """Whether a key is valid; other keys are refused."""

    valid: bool


class Status(msgspec.Struct, frozen=True):
    """That all is well."""

    status: str


class KeyAttributes(msgspec.Struct, frozen=True):
    """An API key."""

    api_key_id: Annotated[str, Meta(extra_json_schema=_UUID)]
    api_key_scopes: tuple[str, ...]
    valid: bool


_VALID = Reply(200, msgspec.json.encode(Validity(valid=True)))
OK = msgspec.json.encode(Status("ok"))
_OK = Reply(200, OK)


def validate(_: Request) -> Reply:
    return _VALID


def validate_v2(request: Request) -> Reply:
    key = request.api_key
    assert key is not None, "the operation asks for an API key"
    attributes = KeyAttributes(key.id, tuple(sorted(key.permissions)), valid=True)
    resource = Resource(request.organisation.uuid, TYPE, attributes)
    return Reply(200, encode_data(resource))


def validate_keys(_: Request) -> Reply:
    return _OK
