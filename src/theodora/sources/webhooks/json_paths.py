"""JSONPath queries (RFC 9535) of settings, tried on payloads.

The library is loaded with the first path: most servers have none, and it takes a twentieth of the
time of a start.
"""

from collections.abc import Iterator
from functools import cache, lru_cache
from typing import Any

from theodora.events.json_values import JsonObject, JsonValue


@cache
def _environment() -> Any:
    """Without regular expressions: theirs may take exponential time, and hold up the worker."""
    from jsonpath import JSONPathEnvironment  # noqa: PLC0415

    environment = JSONPathEnvironment(strict=True)
    for name in ("match", "search"):
        del environment.function_extensions[name]
    return environment


_MOST_STEPS = 64
"""The library takes some levels of Python's stack for each."""


def check_path(path: str) -> None:
    """Raises `ValueError` with what is wrong with a path.

    One filter and one step to all descendants take a time that grows with the square of a
    payload's size at most.
    """
    from jsonpath.exceptions import JSONPathError  # noqa: PLC0415

    if sum(map(path.count, ".[(!")) > _MOST_STEPS:
        raise ValueError(f"a JSONPath has at most {_MOST_STEPS} steps and parentheses")
    try:
        _compiled(path)
    except (JSONPathError, OverflowError) as error:
        raise ValueError(f"no JSONPath: {str(error).partition(chr(10))[0]}") from None
    if path.count("?") > 1 or path.count("..") > 1:
        raise ValueError('a JSONPath has at most one filter "?" and one ".."')


def values_at(payload: JsonObject, path: str) -> Iterator[JsonValue]:
    """What a path finds, in order."""
    return (match.obj for match in _compiled(path).finditer(payload))


@lru_cache(maxsize=1024)
def _compiled(path: str) -> Any:
    return _environment().compile(path)
