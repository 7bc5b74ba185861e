"""What an organisation feels of another one that imports, on both databases.

A server is asked by one client, which creates a deployment, lists twenty and opens the page of a
deployment in turns: while nothing else happens, then while `theodora import` writes deployments of
another organisation into the same database, and once more while nothing else happens. Times are
those of the clock at the client.

`python -m bench.beside 500000` imports so many, at most for the seconds that a second argument says
"""

import http.client
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Generator, Mapping
from contextlib import closing, contextmanager, suppress
from itertools import count
from pathlib import Path
from urllib.parse import urlsplit

from bench.over_http import API_KEY, APPLICATION_KEY, theodora
from bench.world import BENCH, END_NS, deployments
from theodora.sources.json_lines import line_from_event
from theodora.storage import Store

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from postgresql import postgresql

_KEYS = {"DD-API-KEY": API_KEY, "DD-APPLICATION-KEY": APPLICATION_KEY}
_LIST = {"data": {"type": "dora_deployments_list_request", "attributes": {"limit": 20}}}

Seconds = dict[str, list[float]]
"""How long each request took, by kind."""


def main(events: int = 500_000, seconds: float = 600) -> None:
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        lines = folder / "deployments.jsonl"
        with lines.open("wb") as file:
            file.writelines(map(line_from_event, deployments(events)))
        _measure("SQLite", f"sqlite:///{folder}/theodora.db", lines, seconds)
        with postgresql(quick=False) as server:
            _measure("PostgreSQL", server.url(), lines, seconds)


def _measure(name: str, url: str, lines: Path, seconds: float) -> None:
    idle: Seconds = {}
    beside: Seconds = {}
    with (
        theodora(url) as (address, _),
        closing(_Client(address)) as client,
        Store(url) as store,
    ):
        large = store.keys.ensure_organisation("large", END_NS, actor=BENCH).result()
        _ask(client, seconds / 2, idle)
        with _importing(url, lines) as is_over:
            while not store.organisations.holdings(large).deployments and not is_over():
                time.sleep(0.1)
            _ask(client, seconds, beside, is_over)
        imported = store.organisations.holdings(large).deployments
        _ask(client, seconds / 2, idle)
    print(f"{name}: {imported:,} deployments were imported meanwhile")
    for kind, times in beside.items():
        print(
            f"  {kind:6} idle: {_shown(idle[kind])}; beside the import: {_shown(times)}", flush=True
        )


@contextmanager
def _importing(url: str, lines: Path) -> Generator[Callable[[], bool]]:
    """While it lasts an import runs; whether that is over already."""
    arguments = ["import", "deployments", str(lines), "--database", url, "--org", "large"]
    process = subprocess.Popen(
        [sys.executable, "-m", "theodora", *arguments],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        yield lambda: process.poll() is not None
    finally:
        process.terminate()
        process.wait()


def _ask(
    client: "_Client", seconds: float, times: Seconds, is_over: Callable[[], bool] = lambda: False
) -> None:
    # The server has closed a connection that was idle until the import had begun.
    client.close()
    until_sec = time.monotonic() + seconds
    while time.monotonic() < until_sec and not is_over():
        for kind, ask in client.kinds.items():
            began = time.perf_counter()
            ask()
            times.setdefault(kind, []).append(time.perf_counter() - began)


def _shown(seconds: list[float]) -> str:
    p50, p99 = (sorted(seconds)[int(share * (len(seconds) - 1))] for share in (0.5, 0.99))
    return f"p50 {p50 * 1_000:.0f} ms, p99 {p99 * 1_000:.0f} ms of {len(seconds):,}"


class _Client:
    """Sends requests of one organisation on one connection."""

    def __init__(self, address: str) -> None:
        self._http = http.client.HTTPConnection(urlsplit(address).netloc, timeout=60)
        form = {"Content-Type": "application/x-www-form-urlencoded"}
        signed_in = self._send("POST", "/sign-in", f"key={APPLICATION_KEY}", form, 303)
        self._cookie = {"Cookie": signed_in.partition(";")[0], "Accept": "text/html"}
        self._numbers = count(time.time_ns())
        self.kinds: Mapping[str, Callable[[], object]] = {
            "create": self._create,
            "list": self._list,
            "page": self._page,
        }
        self._create()

    def close(self) -> None:
        with suppress(OSError):
            self._http.close()

    def _create(self) -> None:
        self._id = f"the-deployment-{next(self._numbers)}"
        attributes = {
            "id": self._id,
            "service": "beside",
            "env": "production",
            "started_at": END_NS,
            "finished_at": END_NS,
        }
        self._json("/api/v2/dora/deployment", {"data": {"attributes": attributes}})

    def _list(self) -> None:
        self._json("/api/v2/dora/deployments", _LIST)

    def _page(self) -> None:
        self._send("GET", f"/deployments/{self._id}", None, self._cookie)

    def _json(self, path: str, document: object) -> None:
        headers = {**_KEYS, "Content-Type": "application/json"}
        self._send("POST", path, json.dumps(document), headers)

    def _send(
        self,
        method: str,
        path: str,
        body: str | None,
        headers: Mapping[str, str],
        status: int = 200,
    ) -> str:
        """The cookie of the answer, if it sets one."""
        self._http.request(method, path, body, dict(headers))
        answer = self._http.getresponse()
        text = answer.read()
        assert answer.status == status, (answer.status, text[:500])
        return answer.headers["Set-Cookie"] or ""


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
