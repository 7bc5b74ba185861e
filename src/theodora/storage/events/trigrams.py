"""Trigrams of words, as numbers, and bitmaps of the blocks of events that have them.

A trigram is three characters of a text of words with a space on either side of each. Characters
become one of 64 symbols. Rare characters share some, so a code may be that of several trigrams.
"""

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

Codes = NDArray[np.int32]

BLOCK = 16
"""Events that share a bit."""
SEGMENT = 64 * BLOCK
"""The most events of a segment: a bitmap has 64 bits."""
BUCKETS = 251
"""The parts in which a segment's trigrams are stored, by their remainder; a prime."""

ENTRY = np.dtype([("rest", "<u2"), ("blocks", "<u8")])
"""A trigram of a bucket, which is its number divided by `BUCKETS`, and the blocks that have it."""

_SYMBOLS = 64
_ALL = _SYMBOLS**3
_PLAIN = " 0123456789abcdefghijklmnopqrstuvwxyz_"
_END_OF_VALUE = _ALL


def codes_of(text: str, *, is_searched: bool) -> Codes:
    """The trigrams of each line of a text, as often as they come.

    Those of values that free text is searched in differ from those of others.
    """
    points = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), "<u4")
    symbols = _SYMBOL_OF[np.minimum(points, 127)]
    rare = points > 127
    symbols[rare] = len(_PLAIN) + points[rare] % (_SYMBOLS - len(_PLAIN))
    codes = symbols[:-2] * _SYMBOLS**2 + symbols[1:-1] * _SYMBOLS + symbols[2:]
    codes[codes >= _ALL] = -1
    return codes if is_searched else np.where(codes < 0, codes, codes + _ALL)


def rarest(codes: Iterable[int], most: int) -> tuple[int, ...]:
    """At most so many of the trigrams, those first that are rare: hashes have none of them."""
    return tuple(sorted(set(codes), key=_commonness)[:most])


def _commonness(code: int) -> tuple[int, int]:
    symbols = (code // _SYMBOLS**2 % _SYMBOLS, code // _SYMBOLS % _SYMBOLS, code % _SYMBOLS)
    return sum(symbol <= _PLAIN.index("f") for symbol in symbols), code


def trigrams_of(searched: str, others: str) -> set[int]:
    """All of an event, by the text that free text is searched in and that of other values."""
    codes = (codes_of(searched, is_searched=True), codes_of(others, is_searched=False))
    return {code for each in codes for code in each.tolist() if code >= 0}


def bucketed(texts: Sequence[tuple[str, str]]) -> dict[int, bytes]:
    """The entries of a segment, by bucket.

    Of each event comes the text that free text is searched in, and that of other values.
    """
    pairs = np.concatenate(
        [_by_block([text[which] for text in texts], is_searched=which == 0) for which in range(2)]
    )
    pairs.sort()
    codes, blocks = pairs >> 6, np.uint64(1) << (pairs & 63).astype(np.uint64)
    starts = np.flatnonzero(np.diff(codes, prepend=-1))
    if not len(starts):
        return {}
    entries = np.empty(len(starts), ENTRY)
    entries["rest"] = codes[starts] // BUCKETS
    entries["blocks"] = np.bitwise_or.reduceat(blocks, starts)
    buckets = codes[starts] % BUCKETS
    order = np.argsort(buckets, kind="stable")
    entries, buckets = entries[order], buckets[order]
    bounds = np.flatnonzero(np.diff(buckets, prepend=-1))
    parts = np.split(entries, bounds[1:])
    return {int(buckets[at]): part.tobytes() for at, part in zip(bounds, parts, strict=True)}


def _by_block(texts: Sequence[str], *, is_searched: bool) -> Codes:
    """Trigrams with the number of the block in the lowest 6 bits."""
    # Every text ends with the end of a line, so that no trigram is of two.
    codes = codes_of("".join(texts), is_searched=is_searched)
    lengths = np.fromiter(map(len, texts), np.int64, len(texts))
    blocks = np.repeat(np.arange(len(texts), dtype=np.int32) // BLOCK, lengths)[: len(codes)]
    return (codes << 6 | blocks)[codes >= 0]


def _symbols() -> NDArray[np.int32]:
    found = np.array([len(_PLAIN) + point % 26 for point in range(128)], np.int32)
    for symbol, character in enumerate(_PLAIN):
        found[ord(character)] = symbol
    found[ord("\n")] = _END_OF_VALUE
    return found


_SYMBOL_OF = _symbols()
