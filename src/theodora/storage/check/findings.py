"""The findings of a check, a line for each kind of fault."""

from typing import NamedTuple

_EXAMPLES = 3

RESTORE = "restore a backup"
REPAIR = "run theodora check --repair"
REPORT = "report it with this line, and restore a backup made before"


class Finding(NamedTuple):
    """Rows of one table that have the same fault."""

    table: str
    problem: str
    advice: str
    """What to do."""
    rows: int
    examples: tuple[str, ...]
    """The keys of a few of them."""

    def __str__(self) -> str:
        rows = "1 row" if self.rows == 1 else f"{self.rows:,} rows"
        places = f", such as {'; '.join(self.examples)}" if self.examples else ""
        return f"{self.table}: {self.problem} ({rows}{places}): {self.advice}"


class Findings:
    """Gathers faults row by row."""

    def __init__(self) -> None:
        self._rows: dict[tuple[str, str, str], list[str]] = {}
        self._counts: dict[tuple[str, str, str], int] = {}

    def add(self, table: str, problem: str, advice: str, key: object = "") -> None:
        kind = (table, problem, advice)
        self._counts[kind] = self._counts.get(kind, 0) + 1
        examples = self._rows.setdefault(kind, [])
        if key != "" and len(examples) < _EXAMPLES:
            examples.append(_shown(key))

    def all(self) -> list[Finding]:
        return [
            Finding(*kind, count, tuple(self._rows[kind])) for kind, count in self._counts.items()
        ]


def _shown(key: object) -> str:
    parts = key if isinstance(key, tuple) else (key,)
    return " ".join(repr(part) if isinstance(part, str) else str(part) for part in parts)
