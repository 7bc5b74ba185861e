"""Groups of events by service, team, environment, repository or a custom tag."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from theodora.dora.metrics.columns import EVERY, Codes, Ints, Labels, Positions

NONE = "(none)"
"""The name of the group of events without a value of the key."""

_MOST_COUNTED = 1 << 22
"""Combinations that are counted one by one; of more, those that occur are sorted out."""

Group = tuple[str, ...]
"""The names (`name_of`) of its values of the grouping keys, in their order."""


def name_of(value: str | None) -> str:
    """The name of a group with this value of a key: the value, or `NONE` without one.

    A value that is `NONE` itself is put in quotes, as is one that would be taken for that.
    """
    if value is None:
        return NONE
    return f'"{value}"' if value.strip('"') == NONE else value


def value_named(name: str) -> str | None:
    """The value of the group with this name; None for the group without a value."""
    if name == NONE:
        return None
    is_quoted = name.strip('"') == NONE and name.startswith('"') and name.endswith('"')
    return name[1:-1] if is_quoted else name


@dataclass(frozen=True, slots=True)
class Memberships:
    """The membership of events in groups: each entry is the number of an event and of its group."""

    events: Positions | slice
    groups: Positions
    names: Sequence[Group]


def one_group(count: int) -> Memberships:
    """So many events, all in the group `()`."""
    return Memberships(EVERY, np.zeros(count, np.intp), ((),))


def grouped(labels: Mapping[str, Labels], keys: Sequence[str], positions: Positions) -> Memberships:
    """The events at `positions` by their values of `keys`.

    An event with two values of a key is in both groups, so groups may overlap and their sum
    exceed the total. Without keys all are in the group `()`.
    """
    events: Positions | slice = EVERY
    groups = np.zeros(len(positions), np.intp)
    names: Sequence[Group] = [()]
    for key in keys:
        entries, codes, values = _values(labels.get(key), positions[events])
        events = entries if events is EVERY else np.asarray(events)[entries]
        combined = codes if len(names) == 1 else groups[entries] * len(values) + codes
        present, groups = _renumbered(combined, len(names) * len(values))
        names = [
            names[each // len(values)] + (name_of(values[each % len(values)]),)
            for each in present.tolist()
        ]
    return Memberships(events, groups, names)


def have_several_values(labels: Mapping[str, Labels], key: str, positions: Positions) -> bool:
    """Whether the events at `positions` differ in a key, or one of them has two values of it."""
    _, codes, _ = _values(labels.get(key), positions)
    return len(codes) > 0 and bool((codes != codes[0]).any())


def _values(
    labels: Labels | None, positions: Positions
) -> tuple[Positions | slice, Positions, Sequence[str | None]]:
    """Entries of events, one for each value: the event's number and the position of the value.

    One without a value has the entry of None.
    """
    if labels is None:
        return EVERY, np.zeros(len(positions), np.intp), (None,)
    values = (*labels.values, None)
    if labels.offsets is None:
        return EVERY, _with_none(labels.codes[positions], len(labels.values)), values
    starts = labels.offsets[positions]
    counts = labels.offsets[positions + 1] - starts
    if (counts == 1).all():
        return EVERY, labels.codes[starts].astype(np.intp), values
    entries = np.repeat(np.arange(len(positions)), np.maximum(counts, 1))
    codes = np.full(len(entries), len(labels.values), np.intp)
    has_value = np.repeat(counts > 0, np.maximum(counts, 1))
    codes[has_value] = labels.codes[ranges(starts, counts)]
    return entries, codes, values


def ranges(starts: Ints, counts: Ints) -> Ints:
    """The numbers from each start on, as many as are counted, one range after another."""
    has_any = counts > 0
    starts, counts = starts[has_any], counts[has_any]
    if not len(starts):
        return np.zeros(0, np.int64)
    ends = np.cumsum(counts)
    # Steps of one, but for a leap where a range begins: much quicker than to shift each by its own.
    numbers = np.ones(ends[-1], np.int64)
    numbers[0] = starts[0]
    numbers[ends[:-1]] = starts[1:] - (starts[:-1] + counts[:-1] - 1)
    return np.cumsum(numbers, out=numbers)


def _with_none(codes: Codes, none: int) -> Positions:
    positions = codes.astype(np.intp)
    positions[codes < 0] = none
    return positions


def _renumbered(numbers: Positions, limit: int) -> tuple[Positions, Positions]:
    """The different numbers in order, and for each number its place among them."""
    if limit > _MOST_COUNTED:
        return np.unique(numbers, return_inverse=True)
    present = np.flatnonzero(np.bincount(numbers, minlength=1))
    renumbered = np.zeros(limit, np.intp)
    renumbered[present] = np.arange(len(present))
    return present, renumbered[numbers]


def joined_memberships(*memberships: Memberships) -> tuple[Memberships, ...]:
    """The memberships with one numbering of all their groups, in order of names."""
    names = sorted({name for each in memberships for name in each.names})
    numbers = {name: number for number, name in enumerate(names)}
    return tuple(
        Memberships(
            each.events,
            np.array([numbers[name] for name in each.names], np.intp)[each.groups],
            names,
        )
        for each in memberships
    )
