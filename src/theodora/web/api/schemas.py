"""JSON schemas of the API's documents, made from types.

A document is described by a JSON schema with types in place of their schemas. `described` replaces
these by schemas of msgspec's; structs become components that others refer to.
"""

from collections.abc import Callable, Iterator
from typing import Any, Literal

import msgspec

Schema = dict[str, Any]
"""A JSON schema; a part of it may be a type that msgspec knows."""

_REFERENCE = "#/components/schemas/{name}"


def object_of(properties: Schema, *required: str) -> Schema:
    return {"type": "object", "properties": properties, "required": list(required)}


def data(schema: Any) -> Schema:
    """A document with this `data`."""
    return object_of({"data": schema}, "data")


def array(items: Any, **limits: Any) -> Schema:
    return {"type": "array", "items": items, **limits}


def sent(kind: str, attributes: Any) -> Schema:
    """What a request's `data` is."""
    return object_of({"type": _constant(kind), "attributes": attributes}, "type", "attributes")


def identifier(kind: str) -> Schema:
    """A resource without attributes."""
    return object_of({"id": str, "type": _constant(kind)}, "id", "type")


def resource(kind: str, attributes: Any, id_: Any = str) -> Schema:
    """What an answer's `data` is, or an item of it."""
    members = {"id": id_, "type": _constant(kind), "attributes": attributes}
    return object_of(members, *members)


def _constant(value: str) -> Schema:
    return {"type": "string", "enum": [value]}


def parameters_of(struct: type[msgspec.Struct], place: Literal["query", "path"]) -> list[Schema]:
    """The members of a struct as parameters; none of them is a struct."""
    _, components = msgspec.json.schema_components((struct,))
    schema = components[struct.__name__]
    return [
        {
            "name": name,
            "in": place,
            "required": name in schema["required"],
            "description": member.pop("description"),
            "schema": member,
        }
        for name, member in schema["properties"].items()
    ]


def described(documents: Any) -> tuple[Any, dict[str, Schema]]:
    """The documents with schemas instead of types, and the components that these refer to."""
    types: list[Any] = []
    # The first walk only collects the types: msgspec makes all schemas and components at once.
    _replace(documents, types.append)
    schemas, components = msgspec.json.schema_components(types, ref_template=_REFERENCE)
    found: Iterator[Schema] = iter(schemas)
    return _replace(documents, lambda _: next(found)), components


def _replace(part: Any, replaced: Callable[[Any], Any]) -> Any:
    """A part of a document with something else for each type in it, in order."""
    match part:
        case dict():
            return {name: _replace(each, replaced) for name, each in part.items()}
        case list() | tuple():
            return [_replace(each, replaced) for each in part]
        case None | str() | int() | float():
            return part
        case _:
            return replaced(part)
