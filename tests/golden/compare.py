"""What of an expectation is not so. Only what the expectation names is compared."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

TOLERANCE = 1e-6


def differences(expected: Any, observed: Any, place: str = "") -> Iterator[str]:
    match expected, observed:
        case Mapping(), Mapping():
            for name, value in expected.items():
                yield from differences(value, observed.get(name), f"{place}.{name}")
        case (list() | tuple(), list() | tuple()) if len(expected) == len(observed):
            for index, pair in enumerate(zip(expected, observed, strict=True)):
                yield from differences(*pair, f"{place}[{index}]")
        case _ if not _equal(expected, observed):
            yield f"{place}: expected {expected!r}, got {observed!r}"
        case _:
            pass


def _equal(expected: Any, observed: Any) -> bool:
    if isinstance(expected, float | int) and isinstance(observed, float | int):
        same_kind = isinstance(expected, bool) == isinstance(observed, bool)
        return same_kind and abs(expected - observed) <= TOLERANCE
    if isinstance(expected, Sequence) and isinstance(observed, Sequence):
        return list(expected) == list(observed)
    return expected == observed
