"""Decoded JSON values: type names and exact integers."""

from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from typing import Any, TypeAlias, TypeGuard

JsonValue: TypeAlias = Any
"""None, str, bool, int, `Decimal` (a number with a fraction or an exponent), list or dict."""

JsonObject: TypeAlias = Mapping[str, JsonValue]

_TYPE_NAMES: Mapping[type, str] = {
    type(None): "null",
    str: "string",
    bool: "boolean",
    int: "number",
    Decimal: "number",
    dict: "object",
    list: "array",
    tuple: "array",
}

_BEYOND_INT64 = 10**30


def type_name(value: JsonValue) -> str:
    """The JSON name of the type of `value`."""
    return _TYPE_NAMES[type(value)]


def decimal_number(text: str) -> Decimal:
    """A JSON number exactly; one with an exponent beyond all use becomes an infinity."""
    try:
        return Decimal(text)
    except InvalidOperation:
        return Decimal("-Infinity" if text.startswith("-") else "Infinity")


def exact_integer(value: int | Decimal) -> int | None:
    """The integer that a JSON number is, a zero fraction or an exponent allowed.

    None for a fraction. A number far outside int64 becomes some number outside int64, since
    `1e999999999` need not be written out to be refused.
    """
    if isinstance(value, int):
        return value
    if not value.is_finite() or value.adjusted() > 30:
        return -_BEYOND_INT64 if value.is_signed() else _BEYOND_INT64
    return int(value) if value == value.to_integral_value() else None


def is_object(value: JsonValue) -> TypeGuard[JsonObject]:
    return isinstance(value, dict)
