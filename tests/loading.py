"""Servers under load: clients that send until each event was acknowledged, and what came of it."""

import itertools
import subprocess
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Event, Lock
from typing import Any, NamedTuple

import httpx2
import psutil

import serving
from actors import TESTER
from asking import DEPLOYMENT
from theodora.dora import derive
from theodora.storage import Organisation, Store
from theodora.storage.derivation.inputs import whole_sequence
from theodora.storage.facts.derivation_queue import SequenceKey

CLIENTS = 8
SERVICES = 5
PATIENCE_SECONDS = 60


def created(number: int) -> dict[str, Any]:
    """A deployment that is known by its number."""
    second = 1_600_000_000 + number * 60
    return {
        "service": f"service-{number % SERVICES}",
        "env": "production",
        "version": f"v{number % 7}",
        "started_at": second,
        "finished_at": second + 30,
        "custom_tags": [f"number:{number}"],
    }


class Answer(NamedTuple):
    """How a request ended, and when; the status is 0 where the connection broke."""

    at_sec: float
    status: int


class _Shared(Iterator[int]):
    """Numbers that several threads draw from."""

    def __init__(self, numbers: Iterable[int]) -> None:
        self._numbers = iter(numbers)
        self._lock = Lock()

    def __next__(self) -> int:
        with self._lock:
            return next(self._numbers)


class Load:
    """Clients that send numbered deployments to several servers until each was acknowledged.

    A client that is refused asks the next server at once.
    """

    def __init__(self, urls: list[str]) -> None:
        self._urls = urls
        self._after = 0
        self.acknowledged: dict[int, str] = {}
        self.answers: list[Answer] = []
        self.some = Event()

    @property
    def statuses(self) -> Counter[int]:
        """How often each came."""
        return Counter(answer.status for answer in self.answers)

    def send(self, numbers: Iterable[int], after: int = 0) -> None:
        """Sends all of them; `some` is set once `after` are acknowledged."""
        self._after = after
        left = _Shared(numbers)
        with ThreadPoolExecutor(CLIENTS) as pool:
            list(pool.map(lambda client: self._client(client, left), range(CLIENTS)))

    def disturbed(self, disturb: Callable[[], None], numbers: Iterable[int], after: int) -> None:
        """Sends all of them, and disturbs that when some are acknowledged."""
        with ThreadPoolExecutor(1) as pool:
            sending = pool.submit(self.send, numbers, after)
            assert self.some.wait(PATIENCE_SECONDS)
            disturb()
            sending.result()

    def longest_silence_sec(self) -> float:
        """The longest time in which nothing was acknowledged to anybody."""
        taken = sorted(answer.at_sec for answer in self.answers if answer.status == 200)
        return max(later - earlier for earlier, later in itertools.pairwise(taken))

    def _client(self, client: int, numbers: Iterator[int]) -> None:
        urls = itertools.cycle(self._urls[client % len(self._urls) :] + self._urls)
        with httpx2.Client(headers=serving.KEYS, timeout=30) as http:
            for number in numbers:
                self._until_acknowledged(http, urls, number)

    def _until_acknowledged(self, http: Any, urls: Iterator[str], number: int) -> None:
        began = time.monotonic()
        while time.monotonic() - began < PATIENCE_SECONDS:
            status, id_ = self._post(http, next(urls), number)
            self.answers.append(Answer(time.monotonic(), status))
            if status == 200:
                assert self.acknowledged.setdefault(number, id_) == id_
                if len(self.acknowledged) >= self._after:
                    self.some.set()
                return
        raise AssertionError(f"{number} was not taken in {PATIENCE_SECONDS} s")

    def _post(self, http: Any, url: str, number: int) -> tuple[int, str]:
        document = {"data": {"attributes": created(number)}}
        try:
            answer = http.post(f"{url}{DEPLOYMENT}", json=document)
        except httpx2.HTTPError:
            return 0, ""
        if answer.status_code != 200:
            assert answer.status_code == 503, answer.text
            assert int(answer.headers["Retry-After"]) >= 1
            return answer.status_code, ""
        return 200, answer.json()["data"]["id"]


@dataclass(frozen=True)
class Found:
    """What a store holds of what was acknowledged."""

    lost: int
    """Events that were acknowledged and are not there as they were."""
    doubled: int
    """Events that are there although another is there for the same request."""
    wrongly_derived: list[str]
    """Ids of those that derivation, had it seen all of them at once, would show otherwise."""


def found(url: str, acknowledged: dict[int, str]) -> Found:
    """Looks at the store with a process of its own, once everything is derived."""
    with Store(url) as store:
        org = store.keys.organisation("default")
        stored = list(store.deployments.everything(org))
        wait_until_derived(store)
        ids = {event.custom_tags[0]: event.id for event in stored}
        lost = [each for each, id_ in acknowledged.items() if ids.get(f"number:{each}") != id_]
        return Found(len(lost), len(stored) - len(ids), wrongly_derived(store, org))


def wait_until_derived(store: Store) -> None:
    until = time.monotonic() + PATIENCE_SECONDS
    while store.derivations.are_due():
        assert time.monotonic() < until, "nothing derives"
        store.derivations.derive_queued(actor=TESTER)


def wrongly_derived(store: Store, org: Organisation) -> list[str]:
    """Ids of deployments of the services above that the pure function shows otherwise."""
    wrong: list[str] = []
    for number in range(SERVICES):
        key = SequenceKey(org, f"service-{number}", "production")
        facts = store._database.read(lambda cursor, key=key: whole_sequence(cursor, key))
        wrong += [each.event.id for each in derive(facts.sequence) if each.event != each.deployment]
    return wrong


@contextmanager
def two_servers(folder: Path, url: str) -> Iterator[list[serving.Server]]:
    """Two servers with two workers each, on one database, for the length of a `with`."""
    with ExitStack() as stack:
        folders = [folder / "one", folder / "two"]
        for each in folders:
            each.mkdir()
        yield [
            stack.enter_context(serving.serving(each, "--workers", "2", database=url))
            for each in folders
        ]


def workers_of(server: serving.Server) -> list[psutil.Process]:
    """The processes of a server that answer requests."""
    return processes_of(server.process)


def processes_of(parent: subprocess.Popen[str]) -> list[psutil.Process]:
    """Those that Python has spawned for it."""
    children = psutil.Process(parent.pid).children()
    return [each for each in children if "spawn_main" in " ".join(each.cmdline())]
