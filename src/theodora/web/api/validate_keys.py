"""The handlers that validate keys, for clients and commands before they send data.

Requests that reach these handlers have valid keys.
"""

from theodora.web.api.wire import Resource, encode_data
from theodora.web.http.operations import Request
from theodora.web.http.responses import Reply

_VALID = Reply(200, b'{"valid":true}')
_OK = Reply(200, b'{"status":"ok"}')


def validate(_: Request) -> Reply:
    return _VALID


def validate_v2(request: Request) -> Reply:
    key = request.api_key
    assert key is not None, "the operation asks for an API key"
    attributes = {
        "api_key_id": key.id,
        "api_key_scopes": sorted(key.permissions),
        "valid": True,
    }
    resource = Resource(request.organisation.uuid, "validate_v2", attributes)
    return Reply(200, encode_data(resource))


def validate_keys(_: Request) -> Reply:
    return _OK
