"""A comparison of tree objects."""

import re

from theodora.errors import Invalid, Problem

Entry = tuple[bytes, bytes, bytes]
"""Of a folder: mode, name and SHA."""

_ENTRY = rb"([0-7]{1,6}) ([^/\0]+)\0(.{%d})"
_ONE = {digits: re.compile(_ENTRY % (digits // 2), re.DOTALL) for digits in (40, 64)}
_MANY = {
    digits: re.compile(rb"(?:%s)*" % one.pattern.replace(b"(", b"(?:"), re.DOTALL)
    for digits, one in _ONE.items()
}


def differing_entries(
    before: bytes, after: bytes, sha_digits: int
) -> tuple[set[Entry], set[Entry]]:
    """The entries that only `before` has, and those that only `after` has.

    Trees are long and differ in little, so the common beginning and end are not parsed. Raises
    `Invalid` if the rest is not a list of entries.
    """
    one = _ONE[sha_digits]
    start = _entries_in_common(before, after, sha_digits)
    end = _bytes_in_common_at_the_end(before, after, start)
    at_before = at_after = start
    gone: set[Entry] = set()
    new: set[Entry] = set()
    while True:
        left_before, left_after = len(before) - at_before, len(after) - at_after
        if left_before == left_after <= end:
            return gone - new, new - gone
        if left_before >= left_after:
            at_before = _take(one.match(before, at_before), gone)
        else:
            at_after = _take(one.match(after, at_after), new)


def _take(match: re.Match[bytes] | None, entries: set[Entry]) -> int:
    """Adds the entry at an offset and returns where it ends."""
    if match is None:
        raise Invalid(Problem("a tree is malformed"))
    entries.add((match[1], match[2], match[3]))
    return match.end()


def _entries_in_common(before: bytes, after: bytes, sha_digits: int) -> int:
    """The length in bytes of the complete entries that both begin with."""
    length = min(len(before), len(after))
    differing = _number(before[:length]) ^ _number(after[:length])
    match = _MANY[sha_digits].match(before, 0, length - (differing.bit_length() + 7) // 8)
    assert match is not None, "no entry at all is a match too"
    return match.end()


def _bytes_in_common_at_the_end(before: bytes, after: bytes, start: int) -> int:
    """Bytes after `start` that both end with; they may begin within an entry."""
    length = min(len(before), len(after)) - start
    differing = _number(before[len(before) - length :]) ^ _number(after[len(after) - length :])
    return ((differing & -differing).bit_length() - 1) // 8 if differing else length


def _number(data: bytes) -> int:
    """Bytes as one number, because two numbers are compared at the speed of memory."""
    return int.from_bytes(data, "big")
