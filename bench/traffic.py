"""Mixed traffic: clients that ask a server for everything, of a store that keeps its size.

Each client has deployments of its own. It creates as many as it deletes, so that whatever grows is
not the data.
"""

import http.client
import itertools
import json
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from random import Random
from threading import Event
from typing import Any, NamedTuple
from urllib.parse import urlencode, urlsplit

import serving
from asking import DEPLOYMENT, DEPLOYMENTS, FAILURE, LIST_TYPES, PATCH_TYPE
from measuring import METRICS

UNLIMITED = dict.fromkeys(
    (
        *("THEODORA_RATE_LIMIT_DORA_READ", "THEODORA_RATE_LIMIT_DORA_WRITE"),
        *("THEODORA_RATE_LIMIT_DORA_INGEST", "THEODORA_RATE_LIMIT_UNAUTHENTICATED"),
    ),
    "100000000/60",
)
"""The environment of a server that is asked for as much as it can answer."""

_SERVICES = 20
_OPEN_FAILURES = 20
"""Failures of one client, which it sends again and again."""
_DAYS = 28
_JSON = {**serving.KEYS, "Content-Type": "application/json"}


class Answer(NamedTuple):
    """How a request ended; the time is that since it was due."""

    at_sec: float
    kind: str
    seconds: float
    status: int


@dataclass
class Client:
    """A client with a connection of its own. `due_sec` says when each request is due, if at all."""

    number: int
    url: str
    deployments: int
    """How many it keeps."""
    answers: list[Answer] = field(default_factory=list[Answer])

    def __post_init__(self) -> None:
        self._rng = Random(self.number)
        self._numbers = itertools.count()
        self._ids: deque[str] = deque()
        self._http = http.client.HTTPConnection(urlsplit(self.url).netloc, timeout=60)
        self._now = int(time.time())
        self._cookie = {"Cookie": self._sign_in()}
        turns = [kind for kind in KINDS for _ in range(kind.weight)]
        self._rng.shuffle(turns)
        self._turns = itertools.cycle(turns)
        while len(self._ids) < self.deployments:
            self.create()

    def run(self, pace: Callable[[], float], is_over: Event, is_ending: Event) -> None:
        """Asks whenever `pace` returns, which says since when a request has been due.

        Returns when it is over, or when the server is gone that was about to end.
        """
        while not is_over.is_set():
            due_sec = pace()
            kind = next(self._turns)
            try:
                status = kind.ask(self)
            except (OSError, http.client.HTTPException):
                if is_ending.is_set():
                    return
                self._http.close()
                status = 0
            now_sec = time.monotonic()
            self.answers.append(Answer(now_sec, kind.name, now_sec - due_sec, status))

    def close(self) -> None:
        self._http.close()

    def take_answers(self) -> list[Answer]:
        """Those since the last call."""
        taken, self.answers = self.answers, []
        return taken

    def create(self) -> int:
        self._ids.append(f"deployment-{self.number}-{next(self._numbers):09}")
        return self._send(self._ids[-1])

    def correct(self) -> int:
        return self._send(self._any())

    def judge(self) -> int:
        id_ = self._any()
        attributes = {"change_failure": self._rng.random() < 0.3}
        data = {"id": id_, "type": PATCH_TYPE, "attributes": attributes}
        return self._ask("PATCH", f"{DEPLOYMENTS}/{id_}", {"data": data})

    def delete(self) -> int:
        return self._ask("DELETE", f"{DEPLOYMENT}/{self._ids.popleft()}")

    def fail(self) -> int:
        number = self._rng.randrange(_OPEN_FAILURES)
        at = self._now - (1 + number) * 86_400
        attributes = {
            "id": f"failure-{self.number}-{number:09}",
            "services": [_service(number)],
            "env": "production",
            "started_at": at,
            "finished_at": at + self._rng.randrange(60, 9_000),
        }
        return self._ask("POST", FAILURE, {"data": {"attributes": attributes}})

    def list(self) -> int:
        query = f"service:{_service(self._rng.randrange(_SERVICES))} env:production"
        data = {"type": LIST_TYPES[DEPLOYMENTS], "attributes": {"limit": 20, "query": query}}
        return self._ask("POST", DEPLOYMENTS, {"data": data})

    def get(self) -> int:
        return self._ask("GET", f"{DEPLOYMENTS}/{self._any()}")

    def measure(self) -> int:
        return self._ask(
            "GET", f"{METRICS}?{urlencode({'interval': 'week', 'group_by': 'service'})}"
        )

    def visit(self) -> int:
        return self._ask("GET", "/", headers=self._cookie)

    def _send(self, id_: str) -> int:
        at = self._now - self._rng.randrange(_DAYS * 86_400)
        attributes = {
            "id": id_,
            "service": _service(int(id_.rpartition("-")[2])),
            "env": "production",
            "team": f"team-{self._rng.randrange(5)}",
            "version": f"v{self._rng.randrange(99)}",
            "started_at": at - self._rng.randrange(30, 900),
            "finished_at": at,
            "custom_tags": ["language:java", f"region:{self._rng.choice(('eu', 'us'))}"],
        }
        return self._ask("POST", DEPLOYMENT, {"data": {"attributes": attributes}})

    def _any(self) -> str:
        return self._rng.choice(self._ids)

    def _ask(
        self, method: str, path: str, document: Any = None, headers: Mapping[str, str] = _JSON
    ) -> int:
        body = None if document is None else json.dumps(document).encode()
        self._http.request(method, path, body, dict(headers))
        answer = self._http.getresponse()
        answer.read()
        return answer.status

    def _sign_in(self) -> str:
        """The cookie of a session."""
        form = {"Content-Type": "application/x-www-form-urlencoded"}
        body = urlencode({"key": serving.APPLICATION_KEY})
        self._http.request("POST", "/sign-in", body, {**form, "Sec-Fetch-Site": "same-origin"})
        answer = self._http.getresponse()
        answer.read()
        assert answer.status == 303, answer.status
        return answer.headers["Set-Cookie"].partition(";")[0]


def _service(number: int) -> str:
    """Always the same for a number: an id that comes for another service is another event."""
    return f"service-{number % _SERVICES:03}"


class Kind(NamedTuple):
    """A kind of request, and how many of a client's turns it has."""

    name: str
    weight: int
    ask: Callable[[Client], int]


KINDS = (
    Kind("create", 6, Client.create),
    Kind("correct", 2, Client.correct),
    Kind("patch", 2, Client.judge),
    Kind("delete", 6, Client.delete),
    Kind("failure", 1, Client.fail),
    Kind("list", 8, Client.list),
    Kind("get", 4, Client.get),
    Kind("metrics", 1, Client.measure),
    Kind("page", 1, Client.visit),
)


class Traffic:
    """Clients that run on threads of their own for the length of a `with`."""

    def __init__(self, clients: Sequence[Client], rate: float = 0.0) -> None:
        """`rate` is how many requests are due in a second; without it, each follows the last."""
        self._is_over, self._is_ending = Event(), Event()
        self._pool = ThreadPoolExecutor(len(clients))
        start_sec = time.monotonic()
        paces = [
            _pace(start_sec + number / rate, len(clients) / rate) if rate else time.monotonic
            for number in range(len(clients))
        ]
        self._running = [
            self._pool.submit(client.run, pace, self._is_over, self._is_ending)
            for client, pace in zip(clients, paces, strict=True)
        ]

    def end_with_server(self) -> None:
        """Has each client go on until its connection breaks."""
        self._is_ending.set()

    def __enter__(self) -> "Traffic":
        return self

    def __exit__(self, *_: object) -> None:
        self._is_over.set()
        self._pool.shutdown()
        for each in self._running:
            each.result()


def _pace(first_sec: float, step_sec: float) -> Callable[[], float]:
    """Waits for the next request that is due, unless that is late already; when it was due."""
    instants = itertools.count(first_sec, step_sec)

    def wait() -> float:
        due_sec = next(instants)
        time.sleep(max(0.0, due_sec - time.monotonic()))
        return due_sec

    return wait
