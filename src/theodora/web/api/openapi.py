"""The description of the API in OpenAPI 3.1, made from the route table and its documents."""

import re
from collections import defaultdict
from functools import cache
from typing import Any

import msgspec

from theodora import __version__
from theodora.web.api.documents import DOCUMENTS, Documents, NamedResource
from theodora.web.api.routes import ANY_STATUS, OPERATIONS
from theodora.web.api.schemas import described, parameters_of
from theodora.web.http.body import JSON_MEDIA_TYPES
from theodora.web.http.operations import Operation
from theodora.web.http.responses import TITLES, ObjectErrors, StringErrors
from theodora.web.http.security import Credential

Json = dict[str, Any]

REFERENCE_PATH = "/help/api"
"""The path of the page that shows this description to people."""

_BODY_STATUS = (413, 415)
_REASONS = {
    200: "OK",
    202: "Accepted",
    204: "No Content",
    403: "Not Authorized",
    429: "Too many requests",
    **TITLES,
}
_SECURITY: dict[Credential, list[Json]] = {
    Credential.API_KEY: [{"apiKeyAuth": []}],
    Credential.BOTH_KEYS: [{"apiKeyAuth": [], "appKeyAuth": []}, {"bearerAuth": []}],
    # The header and what it is computed from depend on the source.
    Credential.SIGNATURE: [],
    # The parameter is described with the operation.
    Credential.BADGE: [],
}
_SECURITY_SCHEMES: Json = {
    "apiKeyAuth": {"type": "apiKey", "in": "header", "name": "DD-API-KEY"},
    "appKeyAuth": {"type": "apiKey", "in": "header", "name": "DD-APPLICATION-KEY"},
    "bearerAuth": {"type": "http", "scheme": "bearer"},
}
_IN_BRACES = re.compile(r"\{(\w+)\}")
_RATE_LIMIT_HEADERS = {
    f"X-RateLimit-{name}": {"description": about, "schema": {"type": "integer"}}
    for name, about in {
        "Limit": "Requests in a window.",
        "Period": "Seconds of a window.",
        "Remaining": "Requests left in this window.",
        "Reset": "Seconds to the end of this window.",
    }.items()
}


@cache
def openapi_document(path_prefix: str) -> bytes:
    """The description, as JSON; paths are beneath the prefix."""
    paths: dict[str, Json] = defaultdict(dict)
    for operation in OPERATIONS:
        for number, path in enumerate(operation.paths):
            paths[path][operation.method.lower()] = _operation(operation, number)
    document, schemas = described(
        {
            "openapi": "3.1.0",
            "info": {
                "title": "Theodora",
                "version": __version__,
                "summary": "DORA metrics, on the wire as in Datadog's DORA Metrics API v2.",
                "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
            },
            "externalDocs": {
                "description": "The same for people, with a curl command for each operation.",
                "url": path_prefix + REFERENCE_PATH,
            },
            "servers": [{"url": path_prefix or "/"}],
            "paths": paths,
        }
    )
    components = {"schemas": schemas, "securitySchemes": _SECURITY_SCHEMES}
    return msgspec.json.encode({**document, "components": components})


def _operation(operation: Operation, number: int) -> Json:
    """One operation; on paths other than the first it is a synonym with an id of its own."""
    documents = DOCUMENTS[operation.name]
    found: Json = {
        "operationId": operation.name + (f"_{number + 1}" if number else ""),
        "summary": operation.summary,
        "security": _SECURITY[operation.access.credential],
        "responses": {
            str(status): _response(operation, documents, status) for status in _statuses(operation)
        },
    }
    if operation.access.permission:
        found["description"] = f"Needs the permission `{operation.access.permission}`."
    if asked := _parameters(operation.paths[number], documents):
        found["parameters"] = asked
    if documents.request is not None:
        found["requestBody"] = {"required": True, "content": _request(operation, documents)}
    return found


def _parameters(path: str, documents: Documents) -> list[Json]:
    names = _IN_BRACES.findall(path)
    in_path = parameters_of(documents.path_parameters, "path")
    in_query = documents.parameters and parameters_of(documents.parameters, "query")
    return [*(each for each in in_path if each["name"] in names), *(in_query or ())]


def _statuses(operation: Operation) -> list[int]:
    with_body = _BODY_STATUS if operation.media_types else ()
    return sorted({*operation.statuses, *ANY_STATUS, *with_body})


def _request(operation: Operation, documents: Documents) -> Json:
    media_types = operation.media_types
    if media_types == JSON_MEDIA_TYPES:
        media_types = media_types[:1]
    content = {"schema": documents.request, **_example(documents.example.request)}
    return dict.fromkeys(media_types, content)


def _example(example: Any) -> Json:
    return {} if example is None else {"example": example}


def _response(operation: Operation, documents: Documents, status: int) -> Json:
    headers: Json = {**_RATE_LIMIT_HEADERS, **(documents.headers if status == 200 else {})}
    response: Json = {"description": _REASONS[status], "headers": headers}
    if content := _content(operation, documents, status):
        response["content"] = content
    if status < 300 and (links := _links(operation, documents)):
        response["links"] = links
    return response


def _links(operation: Operation, documents: Documents) -> Json:
    """What to ask next: operations on the resource that it names, or that its own path names."""
    links: Json = {name: {"operationId": name} for name in documents.leads_to}
    named = documents.names or _named_in(operation)
    if named is None:
        return links
    (parameter,) = _IN_BRACES.findall(named.path)
    for other in OPERATIONS:
        if other is not operation and any(path.startswith(named.path) for path in other.paths):
            parameters = {parameter: named.expression}
            links[other.name] = {"operationId": other.name, "parameters": parameters}
    return links


def _named_in(operation: Operation) -> NamedResource | None:
    """The resource that an operation's path names, and that is still there."""
    path = operation.paths[0]
    found = None if operation.method == "DELETE" else _IN_BRACES.search(path)
    return found and NamedResource(path[: found.end()], f"$request.path.{found[1]}")


def _content(operation: Operation, documents: Documents, status: int) -> Json:
    """The possible content of an answer, by media type."""
    media_type = operation.reply_media_type
    if status in {403, 429}:
        return {media_type: {"schema": StringErrors}}
    if status in TITLES:
        return {media_type: {"schema": ObjectErrors}}
    texts: Json = {each: {"schema": {"type": "string"}} for each in operation.text_media_types}
    if documents.answer is None:
        return texts
    answer = {"schema": documents.answer, **_example(documents.example.answer)}
    return {media_type: answer, **texts}
