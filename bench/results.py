"""Gathers what benchmarks measure into one table, for the terminal and for docs/performance.md.

Each benchmark notes its figures beside those of its yardstick. A figure that was measured several
times is shown as the median, with the least and greatest ratio.

`python -m bench.results RESULTS` prints the table; `--into PAGE` writes it into a page too.
"""

import argparse
import os
import platform
import re
import statistics
import subprocess
import time
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Literal

import apsw
import msgspec

Unit = Literal["ms", "a second"]

_BEGIN, _END = "<!-- measured: begin -->\n", "<!-- measured: end -->\n"
_HEAD = "| work | stored | Theodora | yardstick | ratio |\n|---|---|---|---|---|\n"


class Result(msgspec.Struct, frozen=True):
    """One figure and its yardstick's, both of one run."""

    work: str
    stored: int | None
    """Deployments in the store; None where they are no matter of the figure."""
    ours: float
    theirs: float
    unit: Unit
    yardstick: str

    @property
    def ratio(self) -> float:
        """Of rates more is better, of milliseconds less."""
        return self.ours / self.theirs


def note(
    work: str, stored: int | None, ours: float, theirs: float, unit: Unit, yardstick: str
) -> None:
    """Adds a figure to the file that THEODORA_BENCH_RESULTS names, if it does."""
    file = os.environ.get("THEODORA_BENCH_RESULTS")
    if file:
        with Path(file).open("ab") as results:
            result = Result(work, stored, ours, theirs, unit, yardstick)
            results.write(msgspec.json.encode(result) + b"\n")


def table(results: Iterable[Result]) -> str:
    """A row for each figure, in the order in which they came."""
    runs: defaultdict[tuple[str, int | None], list[Result]] = defaultdict(list)
    for each in results:
        runs[each.work, each.stored].append(each)
    return _HEAD + "".join(map(_row, runs.values()))


def _row(runs: Sequence[Result]) -> str:
    first = runs[0]
    ours, theirs, ratio = (
        statistics.median(getattr(each, name) for each in runs)
        for name in ("ours", "theirs", "ratio")
    )
    ratios = [each.ratio for each in runs]
    spread = f" ({min(ratios):.2g} to {max(ratios):.2g})" if len(runs) > 1 else ""
    stored = "" if first.stored is None else f"{first.stored:,}"
    yardstick = f"{first.yardstick}, {_shown(theirs, first.unit)}"
    cells = (first.work, stored, _shown(ours, first.unit), yardstick, f"{ratio:.2g}{spread}")
    return f"| {' | '.join(cells)} |\n"


def _shown(value: float, unit: Unit) -> str:
    return f"{value:,.0f} {unit}" if value >= 100 else f"{value:.3g} {unit}"


def with_section(page: str, section: str) -> str:
    """The page with another text between the two marks."""
    before, begin, rest = page.partition(_BEGIN)
    _, end, after = rest.partition(_END)
    if not (begin and end):
        raise SystemExit("The page has no place for the table: a pair of lines with <!-- measured")
    return f"{before}{begin}{section}{end}{after}"


def _conditions(runs: int) -> str:
    """One sentence: when, on what, of which commit."""
    commit = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=True
    ).stdout.strip()
    return (
        f"Measured on {time.strftime('%-d %B %Y', time.gmtime())} at commit {commit}, "
        f"{runs} {'run' if runs == 1 else 'runs'}: {_processor()}, {os.cpu_count()} cores, "
        f"Python {platform.python_version()}, SQLite {apsw.sqlite_lib_version()}. "
        "Of rates more is better, of milliseconds less.\n\n"
    )


def _processor() -> str:
    found = re.search(r"model name\s*: (.+)", Path("/proc/cpuinfo").read_text())
    return found[1] if found else platform.processor()


def read_results(file: Path) -> Iterator[Result]:
    """What has been noted, in that order."""
    for line in file.read_bytes().splitlines():
        yield msgspec.json.decode(line, type=Result)


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("results", type=Path, help="the file that benchmarks have noted into")
    arguments.add_argument("--into", type=Path, metavar="PAGE", help="a page with the two marks")
    asked = arguments.parse_args()
    results = list(read_results(asked.results))
    found = table(results)
    print(found, end="")
    if asked.into:
        figures = {(each.work, each.stored) for each in results}
        section = _conditions(len(results) // max(1, len(figures))) + found
        asked.into.write_text(with_section(asked.into.read_text(), section))


if __name__ == "__main__":
    main()
