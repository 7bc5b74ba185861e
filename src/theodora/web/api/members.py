"""Operations and the members of their documents as tables for people.

Made from the description in OpenAPI, so that a page cannot differ from it.
"""

from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any, NamedTuple

import msgspec

from theodora.web.api.openapi import openapi_document
from theodora.web.http.operations import Operation

Json = Mapping[str, Any]

_LARGEST = 2**63 - 1


class TypePart(NamedTuple):
    """A part of the name of a type."""

    text: str
    component: str = ""
    """The component that it names, which has a table of its own."""


class DescribedMember(NamedTuple):
    """A member of a document, or a parameter."""

    name: str
    """Its path in the table's object: `data.attributes`, `data[].id`."""
    type: tuple[TypePart, ...]
    is_required: bool
    about: str


class MemberTable(NamedTuple):
    """The members of a document, or of a component that it refers to."""

    component: str
    """Empty for the document itself."""
    about: str
    members: tuple[DescribedMember, ...]


class DescribedBody(NamedTuple):
    """A request's or an answer's body."""

    media_types: tuple[str, ...]
    tables: tuple[MemberTable, ...]
    """The document's own first, which has no members if it is a component, or any JSON or text."""
    example: Any
    """None without one."""


class DescribedAnswer(NamedTuple):
    """One of the possible answers."""

    status: int
    meaning: str
    headers: tuple[DescribedMember, ...]
    """Except for those of every answer."""
    document: DescribedBody | None


class DescribedOperation(NamedTuple):
    """What the description has about an operation."""

    parameters: tuple[DescribedMember, ...]
    request: DescribedBody | None
    answers: tuple[DescribedAnswer, ...]


@cache
def _description() -> Json:
    return msgspec.json.decode(openapi_document(""))


def described_operation(operation: Operation) -> DescribedOperation:
    found = _description()["paths"][operation.paths[0]][operation.method.lower()]
    request = found.get("requestBody")
    return DescribedOperation(
        tuple(
            _member(each["name"], each["schema"], each["required"], each["description"])
            for each in found.get("parameters", ())
        ),
        request and _document(request["content"]),
        tuple(_answer(int(status), each) for status, each in found["responses"].items()),
    )


def _answer(status: int, found: Json) -> DescribedAnswer:
    content = found.get("content")
    headers = tuple(
        _member(name, each["schema"], is_required=False, about=each["description"])
        for name, each in found["headers"].items()
        if not name.startswith("X-RateLimit-")
    )
    return DescribedAnswer(status, found["description"], headers, content and _document(content))


def _document(content: Json) -> DescribedBody:
    first = next(iter(content.values()))
    schema = first["schema"]
    own = MemberTable("", schema.get("description", ""), tuple(_members(schema)))
    components = _description()["components"]["schemas"]
    tables = (
        MemberTable(
            name, components[name].get("description", ""), tuple(_members(components[name]))
        )
        for name in _components(schema)
    )
    return DescribedBody(tuple(content), (own, *tables), first.get("example"))


def _components(schema: Json) -> list[str]:
    """The names of all components that a schema refers to, in the order of their first mention."""
    found: dict[str, None] = {}
    waiting = [schema]
    while waiting:
        for name in _references(waiting.pop(0)):
            if name not in found:
                found[name] = None
                waiting.append(_description()["components"]["schemas"][name])
    return list(found)


def _references(part: Any) -> Iterator[str]:
    match part:
        case {"$ref": str(reference)}:
            yield reference.rpartition("/")[2]
        case dict():
            for each in part.values():
                yield from _references(each)
        case list():
            for each in part:
                yield from _references(each)
        case _:
            pass


def _members(schema: Json, path: str = "") -> Iterator[DescribedMember]:
    """The members of an object, each followed by those of the object that it is."""
    for name, member in schema.get("properties", {}).items():
        yield _member(path + name, member, name in schema.get("required", ()))
        inner = member.get("items") if member.get("type") == "array" else member
        if inner and "properties" in inner:
            yield from _members(inner, f"{path}{name}{'[]' if inner is not member else ''}.")


def _member(name: str, schema: Json, is_required: bool, about: str = "") -> DescribedMember:
    sentences = [about or schema.get("description", "")]
    if schema.get("default") is not None:
        sentences.append(f"Default: `{_json(schema['default'])}`.")
    return DescribedMember(
        name, tuple(_type(schema)), is_required, " ".join(filter(None, sentences))
    )


def _type(schema: Json) -> Iterator[TypePart]:
    match schema:
        case {"$ref": str(reference)}:
            name = reference.rpartition("/")[2]
            yield TypePart(name, name)
        case {"anyOf": kinds} | {"oneOf": kinds}:
            for number, kind in enumerate(kinds):
                yield from (TypePart(" or "),) if number else ()
                yield from _type(kind)
        case {"enum": values}:
            yield TypePart(" or ".join(_json(each) for each in values))
        case {"type": "array", "items": items}:
            yield TypePart("array of ")
            yield from _type(items)
            yield TypePart(_bounds(schema, "Items", "items"))
        case {"additionalProperties": {} as values}:
            yield TypePart("object of ")
            yield from _type(values)
        case {"type": str(name)}:
            bounds = _bounds(schema, "Length", "characters") or _bounds(schema, "imum", "")
            yield TypePart(f"{schema.get('format', name)}{bounds}")
        case _:
            yield TypePart("anything")


def _bounds(schema: Json, of: str, unit: str) -> str:
    """The limits of a length, a number of items or a number; those of 64 bits are none."""
    least, most = schema.get(f"min{of}"), schema.get(f"max{of}", _LARGEST)
    if least is None and most == _LARGEST:
        return ""
    if most == _LARGEST:
        limits = f"at least {least:,}"
    else:
        limits = f"at most {most:,}" if least is None else f"{least:,} to {most:,}"
    return f" ({limits} {unit})" if unit else f" ({limits})"


def _json(value: Any) -> str:
    return msgspec.json.encode(value).decode()
