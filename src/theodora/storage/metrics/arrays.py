"""Arrays that grow at their end, and names as numbers."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from theodora.dora.metrics.columns import NO_VALUE, Codes, Ints, Labels, Positions
from theodora.dora.metrics.groups import ranges

D = TypeVar("D", bound=np.generic)

_ROOM = 8
"""The share of an array that is kept free for what comes next."""
_NAME_BYTES = 200
"""About what a name takes in a list and in a dictionary."""


Allocate = Callable[[tuple[int, ...], "np.dtype[Any]"], NDArray[Any]]
"""Returns an array of a shape and type, whatever its content."""


class GrowableArray(Generic[D]):
    """An array to append to. What has been taken of it never changes."""

    def __init__(
        self, dtype: type[D], width: tuple[int, ...] = (), allocate: Allocate = np.empty
    ) -> None:
        self._array: NDArray[D] = np.empty((0, *width), dtype)
        self._size = 0
        self._allocate = allocate
        self._mapped: int | None = None
        """How many values are those of a file; None if all are this process's own."""

    def __len__(self) -> int:
        return self._size

    @property
    def size_bytes(self) -> int:
        """Its size, wherever it lies."""
        return self._array.nbytes

    @property
    def nbytes(self) -> int:
        """Its memory in this process alone: pages of a file that is mapped belong to the system."""
        if self._allocate is not np.empty:
            return 0
        if self._mapped is None:
            return self._array.nbytes
        return self._array[self._mapped : self._size].nbytes

    @property
    def taken(self) -> NDArray[D]:
        """The part of the array in use."""
        return self._array[: self._size]

    def map(self, array: NDArray[Any], size: int) -> None:
        """Goes on with the first `size` values of `array`, which is mapped from a file.

        What follows them is room. Raises `ValueError` for an array of another type or shape.
        """
        if array.dtype != self._array.dtype or array.shape[1:] != self._array.shape[1:]:
            raise ValueError(f"{array.dtype}{array.shape[1:]}")
        self._array, self._size, self._mapped = array, size, size

    def extend(self, values: NDArray[Any]) -> None:
        size = self._size + len(values)
        if size > len(self._array):
            # A new array even where the old one has room: readers may hold views of it.
            grown = self._allocated(max(size, self._size * 3 // 2))
            grown[: self._size] = self.taken
            self._array, self._mapped = grown, None
        # Only beyond the size that earlier views of the array can see.
        self._array[self._size : size] = values
        self._size = size

    def keep(self, positions: NDArray[Any]) -> None:
        """Goes on with what is at `positions`, in that order."""
        kept = self._allocated(len(positions))
        # Places are never out of bounds: with another mode, all would be copied twice.
        np.take(self.taken, positions, axis=0, out=kept[: len(positions)], mode="clip")
        self._array, self._size, self._mapped = kept, len(positions), None

    def _allocated(self, size: int) -> NDArray[D]:
        """An array of its own for at least so many values, with spare room."""
        shape = (size + size // _ROOM + 1, *self._array.shape[1:])
        return self._allocate(shape, self._array.dtype)


class _Numbers(dict[str, int]):
    """Numbers names in the order in which they come."""

    def __init__(self, names: Sequence[str] = ()) -> None:
        super().__init__(zip(names, range(len(names)), strict=True))
        self.names = list(names)

    def __missing__(self, name: str) -> int:
        number = self[name] = len(self.names)
        self.names.append(name)
        return number


class Column:
    """One value an event, or none: names as numbers."""

    def __init__(self, names: Sequence[str] = (), allocate: Allocate = np.empty) -> None:
        self._numbers = _Numbers(names)
        self._codes = GrowableArray(np.int32, allocate=allocate)

    def __len__(self) -> int:
        return len(self._codes)

    @property
    def nbytes(self) -> int:
        return self._codes.nbytes + len(self._numbers.names) * _NAME_BYTES

    @property
    def labels(self) -> Labels:
        return Labels(self._numbers.names, self._codes.taken)

    @property
    def arrays(self) -> Mapping[str, GrowableArray[Any]]:
        return {"codes": self._codes}

    def extend(self, values: Iterable[str | None]) -> None:
        number = self._numbers
        codes = [NO_VALUE if value is None else number[value] for value in values]
        self._codes.extend(np.array(codes, np.int32))

    def keep(self, positions: Positions) -> None:
        self._codes.keep(positions)


class RaggedColumn:
    """Any number of values an event."""

    def __init__(self, names: Sequence[str] = (), allocate: Allocate = np.empty) -> None:
        self._numbers = _Numbers(names)
        self._codes = GrowableArray(np.int32, allocate=allocate)
        self._offsets = GrowableArray(np.int64, allocate=allocate)
        self._offsets.extend(np.zeros(1, np.int64))

    @property
    def nbytes(self) -> int:
        names = len(self._numbers.names) * _NAME_BYTES
        return self._codes.nbytes + self._offsets.nbytes + names

    @property
    def labels(self) -> Labels:
        return Labels(self._numbers.names, self._codes.taken, self._offsets.taken)

    @property
    def arrays(self) -> Mapping[str, GrowableArray[Any]]:
        return {"codes": self._codes, "offsets": self._offsets}

    def extend(self, values: Iterable[Iterable[str]]) -> None:
        number = self._numbers
        codes = [[number[value] for value in of_event] for of_event in values]
        counts = np.array([len(each) for each in codes], np.int64)
        self.extend_coded(np.array([code for each in codes for code in each], np.int32), counts)

    def code(self, value: str) -> int:
        return self._numbers[value]

    def extend_coded(self, codes: Codes, counts: Ints) -> None:
        """So many codes for each event."""
        end = self._offsets.taken[-1]
        self._codes.extend(codes)
        self._offsets.extend(end + np.cumsum(counts))

    def keep(self, positions: Positions) -> None:
        self._codes.keep(keep_ragged(self._offsets, positions))


def keep_ragged(offsets: GrowableArray[np.int64], positions: Positions) -> Ints:
    """Has `offsets` go on with the events at `positions`; returns the places of what they have."""
    starts = offsets.taken[positions]
    counts = offsets.taken[positions + 1] - starts
    offsets.keep(np.zeros(1, np.intp))
    offsets.extend(np.cumsum(counts))
    return ranges(starts, counts)
