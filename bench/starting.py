"""The first question and the first overview after a start, from files of columns and without.

Each is asked in a new process, on a copy of the same database, in turns: the yardstick is the same
process that reads every event from the database. Answers are compared. Shown is the time of the
answer alone, with its processor time in parentheses, the median of some starts; and the memory that
the process has for itself, which pages of a mapped file are not.

`python -m bench.starting 100000 1000000` measures synthetic deployments, so many each time; a file
in the place of a number is a database to copy and to measure on.
"""

import hashlib
import json
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any
from unittest import mock

import psutil
from starlette.testclient import TestClient

from bench.over_http import cache_folder
from bench.results import note
from bench.world import BENCH, END_NS, measured
from theodora.app import build
from theodora.config import load
from theodora.dora import MetricsQuery, Period
from theodora.storage import Store

STARTS = 3
_TIMES = re.compile(rb"read in [\d.]+ ms")
"""What differs from one answer to the next."""
_DAY_NS = 86_400 * 10**9
_KEYS = {"API": "a" * 32, "APP": "b" * 40}


def main() -> None:
    for argument in sys.argv[1:] or ["100000", "1000000"]:
        is_size = argument.isdigit()
        path = measured(int(argument), cache_folder()) if is_size else Path(argument)
        with tempfile.TemporaryDirectory(dir=path.parent) as folder:
            copy = Path(folder) / "theodora.db"
            shutil.copy(path, copy)
            _measure(f"{int(argument):,} deployments" if is_size else argument, copy)


def _measure(title: str, path: Path) -> None:
    _started(path, "save", "")
    (file,) = path.with_name(f"{path.name}-columns").iterdir()
    size = file.stat().st_blocks * 512 / 2**20
    print(f"{title}: a file of {size:.0f} MiB; medians of {STARTS} starts")
    print(f"  {'':16}{'from rows':>18}{'from the file':>18}{'ratio':>8}{'own MB':>10}{'own MB':>8}")
    for name in ("first question", "first overview"):
        pairs = [[_started(path, name, folder) for folder in ("no", "")] for _ in range(STARTS)]
        assert len({each["answer"] for pair in pairs for each in pair}) == 1, "answers differ"
        rows, mapped = (_median([pair[at] for pair in pairs]) for at in (0, 1))
        print(
            f"  {name:16}{_shown(rows):>18}{_shown(mapped):>18}"
            f"{mapped['seconds'] / rows['seconds']:>8.3f}{rows['mb']:>10.0f}{mapped['mb']:>8.0f}"
        )
        ours, theirs = (1_000 * each["seconds"] for each in (mapped, rows))
        note(f"{name} after a start ({title})", None, ours, theirs, "ms", "from rows")


def _shown(found: Mapping[str, float]) -> str:
    return f"{found['seconds']:.3f} s ({found['processor']:.2f})"


def _median(found: list[Mapping[str, Any]]) -> Mapping[str, float]:
    names = ("seconds", "processor", "mb")
    return {name: statistics.median(each[name] for each in found) for name in names}


def _started(path: Path, what: str, folder: str) -> Mapping[str, Any]:
    """What a new process found."""
    command = [sys.executable, "-m", "bench.starting", "child", str(path), what, folder]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return json.loads(done.stdout.splitlines()[-1])


def _answer_once(path: Path, what: str, folder: str) -> None:
    settings = {
        "DATABASE": f"sqlite:///{path}",
        "BOOTSTRAP_API_KEY": _KEYS["API"],
        "BOOTSTRAP_APP_KEY": _KEYS["APP"],
        "METRICS_FOLDER": folder,
        "DERIVE": "no",
        "READ_SECONDS": "600",
    }
    built = build(load({f"THEODORA_{name}": value for name, value in settings.items()}, {}))
    with TestClient(built.application) as client, mock.patch("time.time_ns", return_value=END_NS):
        client.post("/sign-in", data={"key": _KEYS["APP"]}, follow_redirects=False)
        asked: Mapping[str, Callable[[], bytes]] = {
            "first question": lambda: _report(built.store),
            "first overview": lambda: client.get("/").content,
            "save": lambda: _save(built.store),
        }
        before_mb, before = _own_mb(), time.process_time()
        began = time.perf_counter()
        answer = asked[what]()
        found = {
            "seconds": time.perf_counter() - began,
            "processor": time.process_time() - before,
            "mb": _own_mb() - before_mb,
            "answer": hashlib.sha256(_TIMES.sub(b"", answer)).hexdigest(),
        }
    print(json.dumps(found))


def _report(store: Store) -> bytes:
    """The week-by-week metrics of every service over 90 days."""
    period = Period(END_NS - 90 * _DAY_NS, END_NS)
    query = MetricsQuery(period=period, as_of_ns=END_NS, interval="week", group_by=("service",))
    report = store.metrics.report(store.keys.organisation("default"), query)
    totals = [(each.group, each.total) for each in (report.overall, *report.groups)]
    return repr([(group, total.deployment_frequency.count) for group, total in totals]).encode()


def _save(store: Store) -> bytes:
    _report(store)
    store.metrics.save_columns(END_NS, actor=BENCH)
    return b""


def _own_mb() -> float:
    memory = psutil.Process().memory_info()
    return (memory.rss - memory.shared) / 2**20


if __name__ == "__main__":
    if sys.argv[1:2] == ["child"]:
        _answer_once(Path(sys.argv[2]), sys.argv[3], sys.argv[4] if len(sys.argv) > 4 else "")
    else:
        main()
