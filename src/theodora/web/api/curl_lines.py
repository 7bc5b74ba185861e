"""A curl command for each operation, to paste into a shell that has the keys in its environment."""

import re
from shlex import quote
from typing import Any

import msgspec

from theodora.web.api.documents import DOCUMENTS
from theodora.web.http.body import JSON_MEDIA_TYPES, MULTIPART_MEDIA_TYPES
from theodora.web.http.operations import Operation
from theodora.web.http.security import Credential

_IN_BRACES = re.compile(r"\{(\w+)\}")
_IDS = {
    "/deployment": "64f25434490ef9c7",
    "/pull_requests": "github.com:acme:shop:1",
    "/failure": "3b8f1948-30ae-5811-8c4a-81cf3f597a0c",
    "/annotations": "5ee62598173083678595fa0a35e4ba0d",
    "/goals": "a2c24a081479062f9809a9b1157e2764",
    "/saved_views": "792c5aa97c729dd2bd47bd5e90014e9f",
    "/notification_receivers": "5f2b8c1d9e3a4f6b7c8d9e0f",
}
"""What the examples are about, by a part of the path."""
_KEYS = {
    Credential.API_KEY: ("DD-API-KEY: $DD_API_KEY",),
    Credential.BOTH_KEYS: ("DD-API-KEY: $DD_API_KEY", "DD-APPLICATION-KEY: $DD_APP_KEY"),
    Credential.BADGE: (),
}


def curl_command(operation: Operation, url: str) -> str:
    """Empty for webhooks, whose provider signs them. Parts of a form come from files."""
    access = operation.access
    if access.credential not in _KEYS:
        return ""
    path = operation.paths[0]
    named = {
        "id": next((id_ for part, id_ in _IDS.items() if part in path), ""),
        "service": "shopist",
        "metric": "change_lead_time",
    }
    path = _IN_BRACES.sub(lambda found: named[found[1]], path)
    query = "?token=$TOKEN" if access.credential is Credential.BADGE else ""
    method = "" if operation.method == "GET" else f"-X {operation.method} "
    lines = [
        f'curl {method}"{url}{path}{query}"',
        *(f'-H "{header}"' for header in _KEYS[access.credential]),
        *_body(operation),
    ]
    return " \\\n  ".join(lines)


def _body(operation: Operation) -> list[str]:
    documents = DOCUMENTS[operation.name]
    if documents.request is None:
        return []
    if operation.media_types == MULTIPART_MEDIA_TYPES:
        return [f"-F {each.encode_name}=@{each.encode_name}" for each in _parts(documents.request)]
    example: Any = documents.example.request
    text = msgspec.json.format(msgspec.json.encode(example), indent=2).decode()
    return [f'-H "Content-Type: {JSON_MEDIA_TYPES[0]}"', f"-d {quote(text)}"]


def _parts(parts: type[msgspec.Struct]) -> tuple[msgspec.structs.FieldInfo, ...]:
    return msgspec.structs.fields(parts)
