"""What others feel of hostile clients: health, memory, another organisation's list and page.

Each attack of `bench.hostile` runs in a process of its own, from 127.0.0.1, on a new server with
an organisation of many deployments. Meanwhile a client at 127.0.0.2 asks for the health and for
what a small organisation has, one after another. In the end the server is asked to stop while the
attack goes on.

    python -m bench.attacks --only "slow words" --on postgresql --seconds 8
"""

import argparse
import itertools
import json
import multiprocessing
import resource
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

import psutil

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

import serving
from asking import DEPLOYMENTS, LIST_TYPES
from bench.hostile import ATTACKS, Attack, Keys, Target, sign_in
from bench.over_http import cache_folder
from bench.soak import quantile
from bench.world import BENCH, END_NS, deployments, load, stored
from measuring import METRICS
from postgresql import postgresql
from theodora.events import Deployment
from theodora.storage import Store
from theodora.storage.access.key_secrets import KeyKind, new_secret
from theodora.storage.access.keys import PERMISSIONS_OF
from theodora.storage.access.permissions import READ

_MIB = 2**20
_OTHER = "127.0.0.2"
"""Where the client comes from that does no harm."""
_PAUSE_SEC = 0.01
_SMALL = 2_000
_HOSTILE = 12
_WORDY = 400
"""Deployments of each hostile organisation: their words keep a search busy for seconds."""
_UNLIMITED = {
    f"THEODORA_RATE_LIMIT_{bucket}": "1000000/1"
    for bucket in ("DORA_READ", "DORA_WRITE", "DORA_INGEST")
}


class Seen(NamedTuple):
    """What was seen of one attack."""

    grown: int
    """Most bytes of memory beyond those before."""
    seconds: Mapping[str, Sequence[float]]
    """Of each answer, by what was asked."""
    refused: int
    """Requests of the other client that broke, or whose answer was not 200."""
    stopped_sec: float
    status: int
    """The server's exit status."""


def main() -> None:
    """Prints a table in Markdown, a row for each attack."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--seconds", type=float, default=8)
    arguments.add_argument("--only", default="", help="what the names of attacks have in them")
    arguments.add_argument("--on", choices=("sqlite", "postgresql"), default="sqlite")
    arguments.add_argument("--deployments", type=int, default=100_000)
    asked = arguments.parse_args()
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    with tempfile.TemporaryDirectory() as name, ExitStack() as stack:
        store = Prepared(Path(name), stored(asked.deployments, cache_folder()))
        if asked.on == "postgresql":
            store.move_to(stack.enter_context(postgresql(quick=False)).url())
        _print_head()
        for attack in ATTACKS:
            if asked.only in attack.name:
                print(_row(attack, run(attack, store, asked.seconds)), flush=True)


def _print_head() -> None:
    questions = " | ".join(f"{each}, ms" for each in ("health p50 / p99", *_QUESTIONS[1:]))
    print(f"| attack | memory, MiB | {questions} | refused | stops |")
    print("|---" * (4 + len(_QUESTIONS)) + "|")


def _row(attack: Attack, seen: Seen) -> str:
    def times(seconds: Sequence[float]) -> str:
        return " / ".join(f"{1_000 * quantile(seconds, share):.0f}" for share in (0.5, 0.99))

    answers = " | ".join(times(seen.seconds[each]) for each in _QUESTIONS)
    stopped = f"{seen.stopped_sec:.1f} s" + (f", status {seen.status}" if seen.status else "")
    return f"| {attack.name} | {seen.grown / _MIB:.0f} | {answers} | {seen.refused} | {stopped} |"


class Prepared:
    """A store of a large organisation, a small one and hostile ones."""

    def __init__(self, folder: Path, large: Path | None = None, *, small: int = _SMALL) -> None:
        """`large` is a database of the first; `small` is how many deployments the second has."""
        self._folder = folder
        self._numbers = itertools.count()
        file = folder / "theodora.db"
        if large:
            shutil.copy(large, file)
        self._database = f"sqlite:///{file}"
        with Store(self._database) as store:
            self.read_keys = _add_keys(store, "default")
            self.other_keys = _add_keys(store, "other")
            load(store, store.keys.organisation("other"), deployments(small), small)
            names = [f"hostile-{number}" for number in range(_HOSTILE if large else 0)]
            self.many_keys = tuple(_add_keys(store, name) for name in names)
            for name in names:
                load(store, store.keys.organisation(name), _wordy(), _WORDY)
            store.derivations.derive_all_queued(actor=BENCH)

    def move_to(self, database: str) -> None:
        """Has servers use this database, which has to be empty."""
        command = [sys.executable, "-m", "theodora", "copy", self._database, database]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        self._database = database

    @contextmanager
    def serving(self) -> Iterator[serving.Server]:
        folder = self._folder / str(next(self._numbers))
        folder.mkdir()
        with serving.serving(folder, environment=_UNLIMITED, database=self._database) as server:
            yield server


def _add_keys(store: Store, organisation: str) -> Keys:
    """New keys, with which everything can be sent, and read."""
    store.keys.ensure_organisation(organisation, END_NS, actor=BENCH).result()
    permissions: dict[KeyKind, frozenset[str]] = {
        "api": frozenset(PERMISSIONS_OF["api"]),
        "application": frozenset({READ}),
    }
    secrets = {kind: new_secret(kind) for kind in permissions}
    for kind, granted in permissions.items():
        store.keys.add(
            organisation,
            kind,
            secrets[kind],
            name="",
            permissions=granted,
            now_ns=END_NS,
            actor=BENCH,
        ).result()
    return {"DD-API-KEY": secrets["api"], "DD-APPLICATION-KEY": secrets["application"]}


def _wordy() -> Iterator[Deployment]:
    """Deployments of many long tags, which take a search by words long."""
    tags = tuple(f"k{number}:{'a' * 150}" for number in range(40))
    for number in range(_WORDY):
        at_ns = END_NS - number * 10**12
        yield Deployment(
            service="web",
            env="production",
            started_at_ns=at_ns,
            finished_at_ns=at_ns,
            custom_tags=tags,
        )


def run(attack: Attack, store: Prepared, seconds: float) -> Seen:
    """Attacks a new server for so long."""
    with store.serving() as server, closing(OtherClient(server.url, store.other_keys)) as client:
        process = psutil.Process(server.process.pid)
        client.ask_for(0.5)
        client.forget()
        before = process.memory_info().rss
        target = Target(server.url, store.read_keys, store.many_keys)
        attacking = multiprocessing.get_context("fork").Process(
            target=_attack, args=(attack, target), daemon=True
        )
        attacking.start()
        try:
            most = client.ask_for(seconds, lambda: process.memory_info().rss)
            began_sec = time.monotonic()
            status = server.stop()
            stopped_sec = time.monotonic() - began_sec
        finally:
            attacking.kill()
            attacking.join()
    return Seen(max(0, most - before), client.seconds, client.refused, stopped_sec, status)


def _attack(attack: Attack, target: Target) -> None:
    """Sends again and again, until this process is killed."""

    def send() -> None:
        while True:
            try:
                attack.send(target)
            except (OSError, HTTPException):
                time.sleep(0.05)

    threads = [threading.Thread(target=send) for _ in range(attack.threads)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()


_QUESTIONS = ("health", "list", "metrics", "page")


class OtherClient:
    """A client of another organisation, at another address."""

    def __init__(self, url: str, keys: Keys) -> None:
        netloc = urlsplit(url).netloc
        self._http = HTTPConnection(netloc, timeout=30, source_address=(_OTHER, 0))
        attributes = {"limit": 20, "query": "service:service-007"}
        data = {"type": LIST_TYPES[DEPLOYMENTS], "attributes": attributes}
        json_keys = {**keys, "Content-Type": "application/json"}
        period = f"from={END_NS - 90 * 86_400 * 10**9}&to={END_NS}"
        cookie = {"Cookie": sign_in(url, keys["DD-APPLICATION-KEY"]), "Accept": "text/html"}
        self._requests: Mapping[str, tuple[str, str, str | None, Mapping[str, str]]] = {
            "health": ("GET", "/healthz", None, {}),
            "list": ("POST", DEPLOYMENTS, json.dumps({"data": data}), json_keys),
            "metrics": ("GET", f"{METRICS}?{period}", None, keys),
            "page": ("GET", "/deployments?from=2026-07-01&to=2026-09-01", None, cookie),
        }
        self.forget()

    def close(self) -> None:
        self._http.close()

    def forget(self) -> None:
        self.seconds: dict[str, list[float]] = {each: [] for each in _QUESTIONS}
        self.refused = 0

    def ask_for(self, seconds: float, size: Callable[[], int] = lambda: 0) -> int:
        """Asks for so long; the largest `size` meanwhile."""
        most = size()
        until_sec = time.monotonic() + seconds
        while time.monotonic() < until_sec:
            for name in _QUESTIONS:
                self._ask(name)
            most = max(most, size())
            time.sleep(_PAUSE_SEC)
        return most

    def _ask(self, name: str) -> None:
        method, path, body, headers = self._requests[name]
        began_sec = time.monotonic()
        try:
            self._http.request(method, path, body, dict(headers))
            answer = self._http.getresponse()
            answer.read()
        except (OSError, HTTPException):
            self._http.close()
            self.refused += 1
        else:
            self.refused += answer.status != 200
        self.seconds[name].append(time.monotonic() - began_sec)


if __name__ == "__main__":
    main()
