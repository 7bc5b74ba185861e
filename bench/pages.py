"""Pages as the server makes them: time of the server, and sizes, against the API's own answer.

The yardstick is the same question as JSON: the metrics of every service, week by week, asked of
the same server after the pages. Times are the server's own, as `Server-Timing` has them, of the
second visit on, with the first one beside them; the clock stands where the events end, so that
the default twelve weeks are full. What is more than it ought to be is marked.

`python -m bench.pages 100000 1000000` measures synthetic deployments, so many each time; a file in
the place of a number is a database to measure on, which sessions are written into.
"""

import gzip
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from unittest import mock

from httpx2 import Response
from starlette.testclient import TestClient

from bench.over_http import cache_folder
from bench.results import note
from bench.world import BENCH, measured
from theodora.app import build
from theodora.config import load
from theodora.query import Kind, parse, sort_key
from theodora.storage import Selection, Store
from theodora.web.pages.shell.assets import assets

REAL = Path(__file__).parents[2] / "shared" / "data"
KEYS = {"DD-API-KEY": "a" * 32, "DD-APPLICATION-KEY": "b" * 40}
ROUNDS = 15
MOST_MS, MOST_BYTES = 50, 60_000
MOST_STYLE_BYTES = 30_000
MOST_SCRIPT_BYTES = 15_000
"""Compressed."""
_TIMING = re.compile(r"read;dur=([\d.]+), draw;dur=([\d.]+)")
HOUR_NS = 3_600 * 10**9


@dataclass(frozen=True)
class Times:
    """Of one page."""

    first_ms: float
    read_ms: list[float]
    draw_ms: list[float]
    body: bytes

    @property
    def p50_ms(self) -> float:
        return statistics.median(map(sum, zip(self.read_ms, self.draw_ms, strict=True)))


def main() -> None:
    if REAL.exists():
        with tempfile.TemporaryDirectory() as folder:
            _measure("eight real histories", _real(Path(folder) / "real.db"))
    else:
        print(f"{REAL} is not there: the real histories are left out")
    for argument in sys.argv[1:]:
        if argument.isdigit():
            size = int(argument)
            _measure(f"{size:,} synthetic deployments", measured(size, cache_folder()))
        else:
            _measure(argument, Path(argument))
    _weigh("style", "theodora.css", MOST_STYLE_BYTES, lambda body: body)
    _weigh("script, compressed", "theodora.js", MOST_SCRIPT_BYTES, gzip.compress)


def _weigh(title: str, name: str, most: int, pack: Callable[[bytes], bytes]) -> None:
    """What every page loads once."""
    size = len(pack(assets()[name].body))
    print(f"{title:34}{size / 1000:9.1f} kB of {most / 1000:.0f}{' over' if size > most else ''}")


def _real(path: Path) -> Path:
    """The deployments and commits that the sibling folder has, derived."""
    for kind in ("commits", "deployments"):
        files = sorted((REAL / kind).glob("*.jsonl.gz"))
        _theodora(path, "import", kind, *map(str, files))
    _theodora(path, "derive")
    return path


def _theodora(path: Path, *arguments: str) -> None:
    command = [sys.executable, "-m", "theodora", *arguments, "--database", f"sqlite:///{path}"]
    subprocess.run(command, check=True, capture_output=True)


def _measure(title: str, path: Path) -> None:
    pages, end_ns = _pages(path)
    with mock.patch("time.time_ns", return_value=end_ns), _signed_in(path) as client:
        yardstick = _yardstick(client)
        found = {name: _visited(client, page) for name, page in pages.items()}
        yardstick_ms = statistics.median([*yardstick(), *yardstick()])
    print(
        f"\n{title}: server time, p50 of {ROUNDS - 1}; the metrics API took {yardstick_ms:.1f} ms"
    )
    print(
        f"{'page':34}{'first ms':>9}{'read ms':>9}{'draw ms':>9}{'p50 ms':>8}{'ratio':>7}"
        f"{'kB':>7}{'gz kB':>7}"
    )
    for name, times in found.items():
        size, packed = len(times.body) / 1000, len(gzip.compress(times.body)) / 1000
        read, draw = statistics.median(times.read_ms), statistics.median(times.draw_ms)
        ratio = times.p50_ms / yardstick_ms
        note(f"page: {name} ({title})", None, times.p50_ms, yardstick_ms, "ms", "the metrics API")
        over = " over" if times.p50_ms > MOST_MS or len(times.body) > MOST_BYTES else ""
        print(
            f"{name:34}{times.first_ms:9.1f}{read:9.1f}{draw:9.1f}{times.p50_ms:8.1f}{ratio:7.2f}"
            f"{size:7.1f}{packed:7.1f}{over}"
        )


def _pages(path: Path) -> tuple[Mapping[str, str], int]:
    """What is looked at, and when: an hour after the newest deployment."""
    with Store(f"sqlite:///{path}") as store:
        org = store.keys.ensure_organisation("default", 1, actor=BENCH).result()
        by_time = sort_key("finished_at", Kind.DEPLOYMENT)
        assert by_time
        newest = store.deployments.select(org, Selection(sort=by_time, limit=1))[0]
        failing = parse("change_failure:true env:production")
        failed = store.deployments.select(org, Selection(query=failing, sort=by_time, limit=1))[0]
    service = f"/services/{failed.service}"
    return {
        "overview": "/",
        "overview, a year": "/?range=1y",
        "overview, 26 weeks of teams": "/?range=26w&group_by=team",
        "explorer": "/deployments",
        "explorer, failed ones": "/deployments?query=change_failure:true",
        "explorer, a year of one service": f"/deployments?query=service:{failed.service}&range=1y",
        "service": service,
        "service, a year": f"{service}?range=1y",
        "deployment": f"/deployments/{failed.id}",
        "failures": "/failures",
        "data health": "/data-health",
    }, newest.finished_at_ns + HOUR_NS


@contextmanager
def _signed_in(path: Path) -> Iterator[TestClient]:
    settings = {
        "DATABASE": f"sqlite:///{path}",
        "BOOTSTRAP_API_KEY": KEYS["DD-API-KEY"],
        "BOOTSTRAP_APP_KEY": KEYS["DD-APPLICATION-KEY"],
        "RATE_LIMIT_DORA_READ": "1000000/60",
        "DERIVE": "no",
    }
    built = build(load({f"THEODORA_{name}": value for name, value in settings.items()}, {}))
    with TestClient(built.application) as client:
        form = {"key": KEYS["DD-APPLICATION-KEY"]}
        client.post("/sign-in", data=form, follow_redirects=False)
        yield client


def _yardstick(client: TestClient) -> Callable[[], list[float]]:
    """Times in ms of the API's answer to what the overview asks; the first is not counted."""
    end_ns = time.time_ns()
    asked = {
        "from": str((end_ns - 12 * 7 * 24 * HOUR_NS) // 10**6),
        "to": str(end_ns // 10**6),
        "query": "env:production",
        "interval": "week",
        "group_by": "service",
    }

    def answer() -> list[float]:
        found: list[float] = []
        for _ in range(ROUNDS):
            started = time.perf_counter()
            reply = client.get("/api/v2/dora/metrics", params=asked, headers=KEYS)
            found.append((time.perf_counter() - started) * 1000)
            assert reply.status_code == 200, reply.text
        return found[1:]

    return answer


def _visited(client: TestClient, page: str) -> Times:
    first, *others = (client.get(page) for _ in range(ROUNDS))
    timed = [_timing(each) for each in others]
    return Times(
        sum(_timing(first)), [read for read, _ in timed], [draw for _, draw in timed], first.content
    )


def _timing(answer: Response) -> tuple[float, float]:
    """What the server says of itself: until all was read, and until it was drawn."""
    timing = _TIMING.search(answer.headers["server-timing"])
    assert timing, (answer.url, answer.status_code)
    return float(timing[1]), float(timing[2])


if __name__ == "__main__":
    main()
