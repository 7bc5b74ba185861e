"""Marked sequences that wait to be derived, taken from one organisation after another."""

from collections.abc import Callable, Mapping
from dataclasses import replace

from theodora.storage.facts.derivation_queue import Changed, SequenceKey


class Backlog:
    """The marks found so far, by sequence.

    The organisation served longest ago is next. So a sequence waits for the one under way and for
    at most one of each other organisation, however many those have.
    """

    def __init__(self) -> None:
        self._waiting: dict[int, dict[SequenceKey, Changed]] = {}
        """By organisation, the sequence marked first at the beginning."""
        self._served: dict[int, int] = {}
        """How many sequences had been taken when an organisation's last one was."""
        self._taken = 0
        self.up_to: dict[int, int] = {}
        """The number of the newest mark found, by organisation."""

    def add(self, marked: Mapping[SequenceKey, Changed]) -> None:
        """Adds marks newer than all before of their organisation."""
        for key, changed in marked.items():
            org = key.org.key
            waiting = self._waiting.setdefault(org, {})
            known = waiting.get(key)
            waiting[key] = _joined(known, changed) if known else changed
            self.up_to[org] = max(self.up_to.get(org, 0), changed.up_to)

    def put_back(self, key: SequenceKey, changed: Changed) -> None:
        """Adds a sequence that was taken and could not be derived now."""
        waiting = self._waiting.setdefault(key.org.key, {})
        newer = waiting.get(key)
        waiting[key] = _joined(changed, newer) if newer else changed

    def __bool__(self) -> bool:
        return bool(self._waiting)

    def take(
        self, is_ripe: Callable[[SequenceKey, Changed], bool]
    ) -> tuple[SequenceKey, Changed] | None:
        """Removes and returns the next sequence that is ripe; None if none is."""
        for org in sorted(self._waiting, key=lambda each: self._served.get(each, -1)):
            for key, changed in self._waiting[org].items():
                if is_ripe(key, changed):
                    self._remove(key)
                    return key, changed
        return None

    def _remove(self, key: SequenceKey) -> None:
        org = key.org.key
        del self._waiting[org][key]
        if not self._waiting[org]:
            del self._waiting[org]
        self._served[org] = self._taken
        self._taken += 1


def _joined(known: Changed, newer: Changed) -> Changed:
    return replace(known, up_to=newer.up_to, deployments=known.deployments | newer.deployments)
