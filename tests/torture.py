"""A server under mixed load that is disturbed again and again, and what it has kept of that.

Each client changes things of its own one after another and repeats a change until it is
acknowledged, so that it is known at any time how everything has to be. After each disturbance the
clients pause, and the rows of all events are compared with what was acknowledged. In the end the
same is imported into a new store, which nothing disturbs: events and what is derived of them have
to be equal.
"""

import itertools
import json
import re
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from signal import SIGCONT, SIGSTOP
from threading import Event, Lock, Semaphore
from typing import Any, NamedTuple

import apsw
import httpx2
import msgspec
import psycopg

import serving
from asking import DEPLOYMENT, DEPLOYMENTS, FAILURE, PATCH_TYPE, make_tenant, server_in_process
from forked_serving import command_forked, start_forked
from loading import PATIENCE_SECONDS, wait_until_derived
from preloading import NONE, Fault, Faults
from theodora.events import Deployment, Failure
from theodora.storage import Store

CLIENTS = 4
_FEWEST_CHANGES = 20
"""Acknowledged between two disturbances, so that each comes under load."""
_MOST_CHANGES = 100
"""Begun for each disturbance, or a machine on which those take long would make changes alone."""
_SECOND = 1_600_000_000
_PAUSE_SEC = 0.7
_YEAR_SEC = 365 * 86_400
GRACE_SEC = 30
"""What a server may take to stop."""


class Ground:
    """The server that is disturbed: always the same data, at another port after each start."""

    def __init__(
        self,
        folder: Path,
        rng: Random,
        database: str = "",
        *,
        replica: str = "",
        faults: Faults | None = None,
    ) -> None:
        """`replica` is the URL of a replica that answers reads."""
        self.folder = folder
        self.rng = rng
        self.faults = faults
        self._database = database
        self._environment = {
            **(faults.environment if faults else {}),
            **({"THEODORA_READ_DATABASE_URL": replica} if replica else {}),
        }
        self.server = self.start()
        self.others: list[serving.Server] = []
        """Servers on the same database that clients ask as well."""
        self.changes = Semaphore(_MOST_CHANGES)
        """Those that clients may begin."""

    def start(self) -> serving.Server:
        # A library is preloaded into new programs only.
        start = serving.start if self.faults else start_forked
        return start(self.folder, database=self._database, environment=self._environment)

    def start_again(self) -> None:
        """Starts a new process in the place of one that has ended."""
        _close(self.server)
        self.server = self.start()

    def stop(self) -> None:
        """Asks the server to stop, which has to do so in time and well."""
        began_sec = time.monotonic()
        assert self.server.stop() == 0
        assert time.monotonic() - began_sec < GRACE_SEC
        _close(self.server)


def _close(server: serving.Server) -> None:
    if server.process.stdout:
        server.process.stdout.close()


Disturbance = Callable[[Ground], None]


def kill(ground: Ground) -> None:
    ground.server.kill()
    ground.start_again()


def stop(ground: Ground) -> None:
    """Stops the server under load with SIGTERM."""
    ground.stop()
    ground.server = ground.start()


def share(ground: Ground) -> None:
    """Has a second server on the same database answer for a while, which is then killed."""
    other = ground.start()
    ground.others.append(other)
    time.sleep(_PAUSE_SEC)
    ground.others.remove(other)
    other.kill()
    _close(other)


def fail(fault: Fault) -> Disturbance:
    """Has the disk or the clock of the server fail for a while."""

    def disturb(ground: Ground) -> None:
        assert ground.faults
        ground.faults.set(fault)
        time.sleep(ground.rng.uniform(0.2, 2 * _PAUSE_SEC))
        ground.faults.set(NONE)

    return disturb


def set_clock(ground: Ground) -> None:
    """Sets the server's clock to any time within a year from now, before or after."""
    assert ground.faults
    ground.faults.set(Fault(seconds=ground.rng.randrange(-_YEAR_SEC, _YEAR_SEC)))
    time.sleep(ground.rng.uniform(0.2, 2 * _PAUSE_SEC))


def tear_log(ground: Ground) -> None:
    """Kills the server, and leaves a piece of a transaction at the end of its write-ahead log."""
    ground.server.kill()
    with Path(f"{ground.server.database}-wal").open("ab") as log:
        log.write(ground.rng.randbytes(ground.rng.randrange(1, 9_000)))
    ground.start_again()


def pause(ground: Ground) -> None:
    ground.server.process.send_signal(SIGSTOP)
    time.sleep(_PAUSE_SEC)
    ground.server.process.send_signal(SIGCONT)


class Outcome(NamedTuple):
    """What became of it."""

    disturbed: int
    recovered: int
    """Disturbances after which changes were acknowledged again."""
    acknowledged: int
    """Changes."""
    expected: int
    """Events that have to be there after all changes."""
    found: int
    """Those that are there as they were sent last, and derived as by a new server."""
    doubled: int
    """Events that are there though nobody sent them, or once too often."""
    missed: int
    """Events that were not as acknowledged after a disturbance, of all disturbances."""
    faults: int
    """Faults that `theodora check` finds."""
    traces: int
    """Lines of the server's log with a trace of the program: what it did not foresee."""
    log: Mapping[str, int]
    """How often each warning or error was logged."""


@dataclass
class Client:
    """What one client has told, as it has to be in the end; events by their number."""

    number: int
    ground: Ground
    rng: Random
    acknowledged: int = 0
    deployments: dict[str, dict[str, Any]] = field(default_factory=dict[str, dict[str, Any]])
    failures: dict[str, dict[str, Any]] = field(default_factory=dict[str, dict[str, Any]])
    ids: dict[str, str] = field(default_factory=dict[str, str])
    verdicts: dict[str, bool] = field(default_factory=dict[str, bool])
    settings: dict[str, Any] = field(default_factory=dict[str, Any])

    def __post_init__(self) -> None:
        self._numbers = itertools.count()
        self._http = httpx2.Client(headers=serving.KEYS, timeout=30)
        self.pause = Lock()
        """Held for the length of each change; whoever else holds it has the client wait."""

    @property
    def service(self) -> str:
        return f"service-{self.number}"

    @property
    def settings_path(self) -> str:
        return f"/api/v2/dora/settings/services/{self.service}"

    def run(self, until: Event) -> None:
        changes = [
            *[self.create] * 6,
            *(self.correct, self.judge, self.delete, self.fail, self.resolve, self.set, self.look),
        ]
        with self._http:
            while not until.is_set():
                if not self.ground.changes.acquire(timeout=_PAUSE_SEC):
                    continue
                with self.pause:
                    self.rng.choice(changes)()
                    if self.number == 0 and self.rng.random() < 0.003:
                        self.import_some()

    def versions(self) -> dict[str, str | None]:
        """What was acknowledged: the version of each deployment by id, and none of each failure."""
        versions = {self.ids[name]: sent["version"] for name, sent in self.deployments.items()}
        return versions | dict.fromkeys((self.ids[name] for name in self.failures), None)

    def create(self) -> None:
        """Half of them leave their id to the server."""
        name, sent = self._new_deployment()
        if self.rng.random() < 0.5:
            sent["id"] = f"deployment-{name}"
        self.ids[name] = self._send(DEPLOYMENT, sent)
        self.deployments[name] = sent

    def correct(self) -> None:
        if name := self._any(self.deployments):
            sent = self.deployments[name] | {"version": f"v{self.rng.randrange(5)}"}
            sent["id"] = self.ids[name]
            assert self._send(DEPLOYMENT, sent) == self.ids[name]
            self.deployments[name] = sent

    def judge(self) -> None:
        if name := self._any(self.deployments):
            verdict = self.rng.random() < 0.5
            attributes = {"change_failure": verdict}
            data = {"id": self.ids[name], "type": PATCH_TYPE, "attributes": attributes}
            self._ask("PATCH", f"{DEPLOYMENTS}/{self.ids[name]}", {"data": data})
            self.verdicts[name] = verdict

    def delete(self) -> None:
        if name := self._any(self.deployments):
            self._ask("DELETE", f"{DEPLOYMENT}/{self.ids[name]}")
            del self.deployments[name]
            self.verdicts.pop(name, None)

    def fail(self) -> None:
        name, at = self._next()
        sent = {
            "id": f"failure-of-{name}",
            "services": [self.service],
            "env": "production",
            "started_at": at,
            "custom_tags": [f"number:{name}"],
        }
        self.ids[name] = self._send(FAILURE, sent)
        self.failures[name] = sent

    def resolve(self) -> None:
        if name := self._any(self.failures):
            sent = self.failures[name] | {"finished_at": self.failures[name]["started_at"] + 9}
            self._send(FAILURE, sent)
            self.failures[name] = sent

    def look(self) -> None:
        """What was acknowledged is there for whoever reads next."""
        if name := self._any(self.deployments):
            answer = self._ask("GET", f"{DEPLOYMENTS}/{self.ids[name]}")
            found, sent = answer.json()["data"]["attributes"], self.deployments[name]
            assert found["version"] == sent["version"], (found, sent)
            self.acknowledged -= 1

    def set(self) -> None:
        given = {"detect_rollbacks": self.rng.random() < 0.5}
        self._ask("PUT", self.settings_path, _settings(given))
        self.settings = given

    def import_some(self) -> None:
        """Another process writes beside the server, or when that is gone."""
        some = dict(self._new_deployment() for _ in range(5))
        for name, sent in some.items():
            sent["id"] = f"deployment-{name}"
        url = self.ground.server.database_url
        lines = "".join(f"{json.dumps(each)}\n" for each in some.values())
        while command_forked(
            "import", "deployments", "-", "--database", url, given=lines
        ).returncode:
            # The database is away; what was imported of it is not imported twice.
            time.sleep(0.1)
        self.deployments |= some
        self.ids |= {name: sent["id"] for name, sent in some.items()}
        self.acknowledged += len(some)

    def _new_deployment(self) -> tuple[str, dict[str, Any]]:
        name, at = self._next()
        return name, {
            "service": self.service,
            "env": "production",
            "version": f"v{self.rng.randrange(5)}",
            "started_at": at,
            "finished_at": at + 30,
            "custom_tags": [f"number:{name}"],
        }

    def _next(self) -> tuple[str, int]:
        """A number for an event that is long enough for an id, and its time in seconds."""
        number = next(self._numbers)
        return f"{self.number}-{number:08}", _SECOND + 60 * number

    def _any(self, events: Mapping[str, Any]) -> str | None:
        return self.rng.choice(list(events)[-50:]) if events else None

    def _send(self, path: str, attributes: Mapping[str, Any]) -> str:
        return self._ask("POST", path, {"data": {"attributes": attributes}}).json()["data"]["id"]

    def _ask(self, method: str, path: str, document: Any = None) -> Any:
        """Asks until the change is acknowledged."""
        began = time.monotonic()
        while time.monotonic() - began < PATIENCE_SECONDS * 2:
            server = self.rng.choice([self.ground.server, *self.ground.others])
            try:
                answer = self._http.request(method, server.url + path, json=document)
            except httpx2.HTTPError:
                time.sleep(0.02)
                continue
            # What was deleted by a request whose answer was lost is not there any more.
            if answer.status_code < 300 or (method, answer.status_code) == ("DELETE", 404):
                self.acknowledged += 1
                return answer
            assert answer.status_code == 503, (method, path, answer.status_code, answer.text)
            time.sleep(0.02)
        raise AssertionError(f"{method} {path} was not acknowledged in {PATIENCE_SECONDS * 2} s")


def _settings(given: Mapping[str, Any]) -> dict[str, Any]:
    return {"data": {"type": "dora_settings", "attributes": given}}


def torture(ground: Ground, disturb: Disturbance, times: int) -> Outcome:
    """Disturbs the server so often while clients change things, and looks at what is there then."""
    rng = ground.rng
    clients = [Client(number, ground, Random(rng.random())) for number in range(CLIENTS)]
    is_over = Event()
    recovered = missed = 0
    with ThreadPoolExecutor(CLIENTS) as pool:
        running = [pool.submit(client.run, is_over) for client in clients]
        try:
            _wait_for_changes(clients)
            for _ in range(times):
                ground.changes.release(_MOST_CHANGES)
                time.sleep(rng.uniform(0, 0.3))
                disturb(ground)
                # A long disturbance may have let clients make all their changes.
                ground.changes.release(_MOST_CHANGES)
                _wait_for_changes(clients)
                recovered += 1
                missed += _missed(ground, clients)
        finally:
            is_over.set()
            # Why a client has given up matters more than that changes are missing then.
            for each in running:
                each.result()
    ground.stop()
    acknowledged = sum(client.acknowledged for client in clients)
    lines = _log_lines(ground.folder)
    return Outcome(
        times,
        recovered,
        acknowledged,
        *_looked_up(ground, clients),
        missed=missed,
        faults=_check(ground.server.database_url),
        traces=sum("exception" in line for line in lines),
        log=Counter(
            _ADDRESS.sub("", line["event"].partition("\n")[0])
            for line in lines
            if line["level"] in {"warning", "error"}
        ),
    )


def _wait_for_changes(clients: Iterable[Client]) -> None:
    before = sum(client.acknowledged for client in clients)
    until = time.monotonic() + PATIENCE_SECONDS * 2
    while sum(client.acknowledged for client in clients) < before + _FEWEST_CHANGES:
        assert time.monotonic() < until, "changes are not acknowledged any more"
        time.sleep(0.02)


def _missed(ground: Ground, clients: Iterable[Client]) -> int:
    """How many events are not as acknowledged, while no change is under way."""
    with _paused(clients):
        differ = Counter(_versions(ground.server.database_url))
        differ.subtract(each for client in clients for each in client.versions().items())
    return sum(map(abs, differ.values()))


def _versions(url: str) -> list[tuple[str, str | None]]:
    """The id and version of each event in the database; a failure has no version."""
    statement = "SELECT id, version FROM deployments UNION ALL SELECT id, NULL FROM failures"
    if not url.startswith("sqlite:///"):
        with psycopg.connect(url) as connection:
            return list(connection.execute(statement))
    with closing(apsw.Connection(url.removeprefix("sqlite:///"))) as file:
        file.set_busy_timeout(10_000)
        return list(file.execute(statement))


@contextmanager
def _paused(clients: Iterable[Client]) -> Iterator[None]:
    """Lets each client finish its change and wait, for the length of a `with`."""
    with ExitStack() as held:
        for client in clients:
            held.enter_context(client.pause)
        yield


def _looked_up(ground: Ground, clients: Iterable[Client]) -> tuple[int, int, int]:
    """How many events are expected, found, and doubled."""
    with Store(ground.server.database_url) as store:
        wait_until_derived(store)
        observed = _everything(store, store.keys.organisation("default"))
    expected = _told_again(ground.folder / "again", clients)
    found = sum(observed.get(name) == [each] for name, (each,) in expected.items())
    doubled = sum(len(observed[name]) - (name in expected) for name in observed)
    return len(expected), found, doubled


_ADDRESS = re.compile(r" at 0x[0-9a-f]+|, port \d+")
"""What makes lines of libraries differ that say the same."""


def _log_lines(folder: Path) -> list[dict[str, Any]]:
    """What the servers have logged; whatever is not JSON is a trace."""
    lines = (folder / "server.log").read_text().splitlines()
    return [
        json.loads(line)
        if line.startswith("{")
        else {"level": "error", "event": line, "exception": line}
        for line in lines
    ]


def _check(url: str) -> int:
    """How many lines `theodora check` has on a store that is not sound; none on a sound one."""
    done = command_forked("check", "--database", url)
    return len(done.stdout.splitlines()) if done.returncode else 0


def _told_again(folder: Path, clients: Iterable[Client]) -> dict[str, list[dict[str, Any]]]:
    """What a new store has after being told the end of it all."""
    folder.mkdir()
    clients = list(clients)
    limits = dict.fromkeys(("rate_limit_dora_write", "rate_limit_dora_read"), "1000000/1")
    with server_in_process(folder, **limits) as server:
        tenant = make_tenant(*server)
        store = tenant.built.store
        for client in clients:
            answer = tenant.ask("PUT", client.settings_path, json=_settings(client.settings))
            assert answer.status_code == 200
        sent = [each for client in clients for each in client.deployments.items()]
        deployments = [{**each, "id": f"deployment-{name}"} for name, each in sent]
        failures = [each for client in clients for each in client.failures.values()]
        for kind, events in (("deployments", deployments), ("failures", failures)):
            place = ("--org", tenant.organisation, "--database", f"sqlite:///{folder}/theodora.db")
            lines = "".join(f"{json.dumps(each)}\n" for each in events)
            assert command_forked("import", kind, "-", *place, given=lines).returncode == 0
        for name, verdict in (each for client in clients for each in client.verdicts.items()):
            answer = tenant.patch(f"deployment-{name}", {"change_failure": verdict})
            assert answer.status_code == 202
        wait_until_derived(store)
        return _everything(store, store.keys.organisation(tenant.organisation))


def _everything(store: Store, org: Any) -> dict[str, list[dict[str, Any]]]:
    """Events by number, without what the server alone knows; remediations by number too."""
    events = [*store.deployments.everything(org), *store.failures.everything(org)]
    names = {event.id: _name(event) for event in events}
    found: dict[str, list[dict[str, Any]]] = {}
    for event in events:
        told = msgspec.to_builtins(event)
        for own in ("id", "created_at_ns", "source"):
            told.pop(own, None)
        if told.get("remediation"):
            told["remediation"]["id"] = names.get(told["remediation"]["id"])
        found.setdefault(names[event.id], []).append(told)
    return found


def _name(event: Deployment | Failure) -> str:
    return event.custom_tags[0].removeprefix("number:")
