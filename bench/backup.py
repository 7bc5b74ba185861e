"""Backup of a store while it ingests: the share of throughput that it costs, restore and check.

Eight clients create deployments one after another, in turns with and without a backup being made
beside the server, so that whatever else the machine does falls on both. The restored backup is
checked in an empty folder.

`python -m bench.backup 100000`
"""

import http.client
import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from bench.over_http import API_KEY, cache_folder, theodora
from bench.results import note
from bench.world import END_NS, stored

CLIENTS = 8
ROUNDS = 4
_START_SEC = END_NS // 10**9


class Clients:
    """Create deployments until they are stopped."""

    def __init__(self, url: str) -> None:
        self._address = urlsplit(url).netloc
        self._counts = [0] * CLIENTS
        self._stopping = threading.Event()
        self._threads = [
            threading.Thread(target=self._send, args=(client,)) for client in range(CLIENTS)
        ]
        for thread in self._threads:
            thread.start()

    @property
    def acknowledged(self) -> int:
        return sum(self._counts)

    def stop(self) -> None:
        self._stopping.set()
        for thread in self._threads:
            thread.join()

    def _send(self, client: int) -> None:
        connection = http.client.HTTPConnection(self._address, timeout=60)
        headers = {"DD-API-KEY": API_KEY, "Content-Type": "application/json"}
        while not self._stopping.is_set():
            body = json.dumps({"data": {"attributes": self._attributes(client)}})
            connection.request("POST", "/api/v2/dora/deployment", body, headers)
            answer = connection.getresponse()
            answer.read()
            if answer.status != 200:
                raise SystemExit(f"a create was answered {answer.status}")
            self._counts[client] += 1
        connection.close()

    def _attributes(self, client: int) -> dict[str, Any]:
        number = self._counts[client]
        started = _START_SEC + client * 10_000_000 + number
        return {
            "service": f"service-{number % 200:03d}",
            "env": "production",
            "version": f"v9.{client}.{number}",
            "started_at": started,
            "finished_at": started + 60,
            "custom_tags": ["language:java", "region:us-east-1", f"build:{number}"],
        }


def main() -> None:
    """Prints a line for each figure."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 100_000
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        database = folder / "theodora.db"
        shutil.copy(stored(count, cache_folder()), database)
        backup = folder / "backup.tar.gz"
        with theodora(f"sqlite:///{database}", "--derive", "no") as (url, _):
            clients = Clients(url)
            rates, seconds, before = _in_turns(clients, database, backup)
            clients.stop()
        new = folder / "elsewhere" / "theodora.db"
        restored_sec = _run("restore", str(backup), database=new)
        checked_sec = _run("check", database=new)
    without, with_backup = rates
    print(
        f"{count:,} deployments, {before:,} acknowledged before the last backup began; "
        f"ingest {without:.0f}/s, during a backup {with_backup:.0f}/s: "
        f"ratio {with_backup / without:.2f}\n"
        f"backup {seconds:.1f} s while it ingests; restore {restored_sec:.1f} s; "
        f"check {checked_sec:.1f} s, no faults"
    )
    note("ingest during a backup", count, with_backup, without, "a second", "without one")


def _in_turns(
    clients: Clients, database: Path, backup: Path
) -> tuple[tuple[float, float], float, int]:
    """Events a second without and with a backup, seconds of a backup, events before the last."""
    events, seconds, before = [0, 0], [0.0, 0.0], 0
    for _ in range(ROUNDS):
        before = clients.acknowledged
        took = _run("backup", str(backup), database=database)
        middle = clients.acknowledged
        time.sleep(took)
        for turn, (count, sec) in enumerate(
            ((clients.acknowledged - middle, took), (middle - before, took))
        ):
            events[turn] += count
            seconds[turn] += sec
    return (events[0] / seconds[0], events[1] / seconds[1]), seconds[1] / ROUNDS, before


def _run(*command: str, database: Path) -> float:
    """Runs a command on the database; the seconds that it took."""
    began = time.monotonic()
    subprocess.run(
        [sys.executable, "-m", "theodora", *command],
        env={**os.environ, "THEODORA_DATABASE": f"sqlite:///{database}"},
        check=True,
        stdout=subprocess.DEVNULL,
    )
    return time.monotonic() - began


if __name__ == "__main__":
    main()
