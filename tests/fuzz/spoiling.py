"""Sound inputs, spoilt at random; what was accepted is spoilt further."""

from collections.abc import Callable, Iterable, Sequence
from random import Random

MAX_BYTES = 20_000
_KEPT = 300
"""Accepted inputs that are kept to be spoilt further."""

Change = Callable[[bytes, Random, Sequence[bytes]], bytes]

_AWKWARD = (
    *(b"\x00", b"\xff", b"\xed\xa0\x80", b"\xef\xbb\xbf", b"\r\n", b"\n", b"\t", b" ", b"'", b'"'),
    *(b"\\", b"/", b"%00", b"%2F", b"\\ud800", b"\\u0000", b"[", b"]", b"{", b"}", b"(", b")"),
    *(b",", b";", b":", b"=", b"&", b"-", b"*", b"?", b"@", b"~", b"^", b"|", b".."),
    *(b"0", b"-1", b"1e999", b"NaN", b"9223372036854775808", b"-9223372036854775809", b"1" * 400),
    *(b"null", b"true", b"[]", b"{}", b'""', "é".encode(), "İ".encode(), "日本".encode()),
    *("\u202e".encode(), "\U0010ffff".encode(), "٣".encode()),
)


class Spoiler:
    """Makes inputs from examples of one kind."""

    def __init__(self, rng: Random, examples: Iterable[bytes], pieces: Iterable[bytes]) -> None:
        self._rng = rng
        self._examples = list(examples)
        self._accepted: list[bytes] = []
        self._pieces = (*pieces, *_AWKWARD)

    def next(self) -> bytes:
        rng = self._rng
        known = self._accepted if self._accepted and rng.random() < 0.5 else self._examples
        data = rng.choice(known)
        for _ in range(rng.choice((1, 1, 1, 2, 3, 5, 9))):
            change = rng.choice(_CHANGES)
            data = change(data, rng, (*self._pieces, rng.choice(self._examples)))
        return data[:MAX_BYTES]

    def accept(self, data: bytes) -> None:
        """Keeps an input that was accepted, in the place of another once there are many."""
        if len(self._accepted) < _KEPT:
            self._accepted.append(data)
        else:
            self._accepted[self._rng.randrange(_KEPT)] = data


def _insert(data: bytes, rng: Random, pieces: Sequence[bytes]) -> bytes:
    at = rng.randrange(len(data) + 1)
    return data[:at] + rng.choice(pieces) + data[at:]


def _replace(data: bytes, rng: Random, pieces: Sequence[bytes]) -> bytes:
    start, end = _slice(data, rng)
    return data[:start] + rng.choice(pieces) + data[end:]


def _remove(data: bytes, rng: Random, _: Sequence[bytes]) -> bytes:
    start, end = _slice(data, rng)
    return data[:start] + data[end:]


def _repeat(data: bytes, rng: Random, _: Sequence[bytes]) -> bytes:
    start, end = _slice(data, rng)
    times = rng.choice((2, 2, 3, 10, 1_000))
    return (data[:start] + data[start:end] * times + data[end:])[:MAX_BYTES]


def _move(data: bytes, rng: Random, _: Sequence[bytes]) -> bytes:
    start, end = _slice(data, rng)
    rest = data[:start] + data[end:]
    at = rng.randrange(len(rest) + 1)
    return rest[:at] + data[start:end] + rest[at:]


def _flip(data: bytes, rng: Random, _: Sequence[bytes]) -> bytes:
    if not data:
        return data
    at = rng.randrange(len(data))
    return data[:at] + bytes([data[at] ^ 1 << rng.randrange(8)]) + data[at + 1 :]


def _slice(data: bytes, rng: Random) -> tuple[int, int]:
    """A short slice mostly; the beginning and the end of it."""
    start = rng.randrange(len(data) + 1)
    return start, min(len(data), start + rng.choice((1, 1, 2, 4, 9, len(data))))


_CHANGES: tuple[Change, ...] = (_insert, _insert, _replace, _remove, _repeat, _move, _flip)


def shortest(data: bytes, fails: Callable[[bytes], bool]) -> bytes:
    """The input with as much left out as possible without making it pass."""
    size = len(data) // 2
    while size:
        at = 0
        while at < len(data):
            shorter = data[:at] + data[at + size :]
            if fails(shorter):
                data = shorter
            else:
                at += size
        size //= 2
    return data
