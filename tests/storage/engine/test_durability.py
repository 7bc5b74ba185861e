"""What was answered 200 is on the disk, whatever happens next. With real processes."""

import http.client
import json
import re
import resource
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from threading import Event, Lock
from typing import Any
from urllib.parse import urlsplit
from zlib import crc32

import apsw
import pytest

import serving
from asking import BARE, DEPLOYMENT, DEPLOYMENTS, LIST_TYPES
from forked_serving import command_forked, forked

CLIENTS = 8


class Connection:
    """A connection that is kept open from request to request."""

    def __init__(self, server: serving.Server) -> None:
        address = urlsplit(server.url)
        assert address.hostname
        self._connection = http.client.HTTPConnection(address.hostname, address.port, timeout=30)

    def ask(
        self, method: str, path: str, document: Any = None
    ) -> tuple[int, Any, http.client.HTTPResponse]:
        body = None if document is None else json.dumps(document)
        headers = {**serving.KEYS, "Content-Type": "application/json"}
        self._connection.request(method, path, body, headers)
        answer = self._connection.getresponse()
        content = answer.read()
        is_json = "json" in answer.headers.get("Content-Type", "")
        return answer.status, json.loads(content) if is_json else content.decode(), answer

    def send(self, version: str) -> int:
        """The status of creating a deployment of this version."""
        return self.ask("POST", DEPLOYMENT, created(version))[0]

    def stored(self) -> set[str]:
        """The versions of all deployments there are, up to a thousand."""
        data = {"type": LIST_TYPES[DEPLOYMENTS], "attributes": {"limit": 1000}}
        found: set[str] = set()
        to: str | None = None
        while True:
            attributes = {"limit": 1000, "sort": "-started_at", "to": to}
            path = f"{DEPLOYMENTS}?timestamps=rfc3339"
            _, document, _ = self.ask("POST", path, {"data": {**data, "attributes": attributes}})
            page = [resource["attributes"] for resource in document["data"]]
            found.update(attributes["version"] for attributes in page)
            if len(page) < 1000:
                return found
            to = page[-1]["started_at"]

    def close(self) -> None:
        self._connection.close()


def wait_until_ready(connection: Connection) -> None:
    """Returns when the server has found out that it can write again, without a client's write."""
    until = time.monotonic() + 30
    while connection.ask("GET", "/readyz")[0] != 200:
        assert time.monotonic() < until, "it does not recover"
        time.sleep(0.1)


def created(version: str) -> dict[str, Any]:
    # A second for each, so that a page never holds a thousand of one instant.
    second = 1_600_000_000 + crc32(version.encode()) % 10_000_000
    attributes = {**BARE, "version": version, "started_at": second, "finished_at": second}
    return {"data": {"attributes": attributes}}


class Load:
    """Clients that create deployments one after another until the server is gone."""

    def __init__(self, server: serving.Server, name: str) -> None:
        self._server = server
        self._name = name
        self._lock = Lock()
        self.acknowledged: set[str] = set()
        self._waited_for: list[tuple[int, Event]] = []

    def run(self, meanwhile: Callable[[], None], after: int) -> None:
        """Calls `meanwhile` once so many are acknowledged; returns when all clients are done."""
        enough = Event()
        self._waited_for.append((after, enough))
        with ThreadPoolExecutor(CLIENTS) as pool:
            clients = [pool.submit(self._client, number) for number in range(CLIENTS)]
            assert enough.wait(timeout=60)
            meanwhile()
        for client in clients:
            client.result()

    def _client(self, number: int) -> None:
        connection = Connection(self._server)
        try:
            for count in range(100_000):
                version = f"{self._name}-{number}-{count}"
                if connection.send(version) == 200:
                    self._note(version)
        except (OSError, http.client.HTTPException):
            return
        finally:
            connection.close()

    def _note(self, version: str) -> None:
        with self._lock:
            self.acknowledged.add(version)
            for count, event in self._waited_for:
                if len(self.acknowledged) >= count:
                    event.set()


def test_what_was_acknowledged_survives_a_kill_under_load(tmp_path: Path) -> None:
    acknowledged: set[str] = set()
    for round_ in range(2):
        with forked(tmp_path) as server:
            if round_:
                connection = Connection(server)
                assert acknowledged <= connection.stored()
                connection.close()
            load = Load(server, f"round{round_}")
            load.run(server.kill, after=150)
            acknowledged |= load.acknowledged
    assert len(acknowledged) >= 300
    with forked(tmp_path) as server:
        connection = Connection(server)
        stored = connection.stored()
        assert acknowledged <= stored
        # At most what each client had under way is there besides.
        assert len(stored - acknowledged) <= 2 * CLIENTS
        connection.close()
        assert integrity(server.database) == [("ok",)]


def integrity(database: Path) -> list[Any]:
    connection = apsw.Connection(str(database))
    try:
        return connection.execute("PRAGMA integrity_check").fetchall()
    finally:
        connection.close()


def test_a_stop_under_load_loses_nothing_and_ends_well(tmp_path: Path) -> None:
    statuses: list[int] = []
    with forked(tmp_path) as server:
        load = Load(server, "stopped")
        load.run(lambda: statuses.append(server.stop()), after=150)
    assert statuses == [0]
    with forked(tmp_path) as server:
        connection = Connection(server)
        assert load.acknowledged <= connection.stored()
        connection.close()


def test_a_request_under_way_is_finished_when_the_server_stops(tmp_path: Path) -> None:
    with forked(tmp_path) as server:
        address = urlsplit(server.url)
        body = json.dumps(created("underway")).encode()
        head = (
            f"POST {DEPLOYMENT} HTTP/1.1\r\nHost: x\r\nDD-API-KEY: {serving.API_KEY}\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n"
            "Expect: 100-continue\r\nConnection: close\r\n\r\n"
        )
        with socket.create_connection((address.hostname, address.port), timeout=30) as connection:
            connection.sendall(head.encode())
            # The server asks for the body, so the request has been accepted.
            assert connection.recv(1024).startswith(b"HTTP/1.1 100 ")
            server.process.terminate()
            connection.sendall(body)
            answer = b"".join(iter(lambda: connection.recv(65_536), b""))
        assert answer.startswith(b"HTTP/1.1 200 ")
        assert server.process.wait(timeout=30) == 0
    with forked(tmp_path) as server:
        connection_again = Connection(server)
        assert connection_again.stored() == {"underway"}
        connection_again.close()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[serving.Server]:
    """A server for tests that name what they send."""
    with forked(tmp_path_factory.mktemp("durable")) as server:
        yield server


@pytest.fixture
def connection(server: serving.Server) -> Iterator[Connection]:
    connection = Connection(server)
    yield connection
    connection.close()


def theodora(
    server: serving.Server, *arguments: str, given: str = ""
) -> subprocess.CompletedProcess[str]:
    """Runs a command on the database of the running server."""
    environment = {"THEODORA_DATABASE": f"sqlite:///{server.database}"}
    return command_forked(*arguments, environment=environment, given=given)


def test_a_second_process_writes_beside_the_server(
    server: serving.Server, connection: Connection
) -> None:
    lines = [
        json.dumps(created(f"beside-imported-{n}")["data"]["attributes"]) for n in range(2_000)
    ]
    with ThreadPoolExecutor(CLIENTS) as pool:
        importing = pool.submit(
            theodora, server, "import", "deployments", "-", given="\n".join(lines)
        )
        sent = [f"beside-sent-{n}" for n in range(200)]
        statuses = [connection.send(version) for version in sent]
        imported = importing.result()
    assert set(statuses) == {200}
    assert (imported.returncode, imported.stdout) == (
        0,
        "2,000 added, 0 replaced, 0 unchanged, 0 rejected\n",
    )
    expected = {*sent, *(f"beside-imported-{n}" for n in range(2_000))}
    assert {version for version in connection.stored() if "beside" in version} == expected


def test_a_key_revoked_by_another_process_opens_nothing_at_once(
    server: serving.Server, connection: Connection
) -> None:
    made = theodora(server, "keys", "create", "api", "--name", "short-lived")
    secret = made.stdout.strip()
    listed = theodora(server, "keys", "list").stdout
    [id_] = re.findall(r"^(\S+) .*short-lived$", listed, re.MULTILINE)

    def status() -> int:
        address = urlsplit(server.url)
        assert address.hostname
        other = http.client.HTTPConnection(address.hostname, address.port, timeout=30)
        other.request("GET", "/api/v1/validate", headers={"DD-API-KEY": secret})
        answer = other.getresponse()
        answer.read()
        other.close()
        return answer.status

    assert [status() for _ in range(5)] == [200] * 5
    assert theodora(server, "keys", "revoke", id_).stdout == f"revoked {id_}\n"
    assert [status() for _ in range(5)] == [403] * 5


def metric(connection: Connection, name: str) -> float:
    _, text, _ = connection.ask("GET", "/metrics")
    [value] = re.findall(rf"^{re.escape(name)} (\S+)$", text, re.MULTILINE)
    return float(value)


def test_writes_that_come_together_share_a_commit(
    server: serving.Server, connection: Connection
) -> None:
    names = ("theodora_commit_writes_sum", "theodora_commit_writes_count")
    before = [metric(connection, name) for name in names]

    def send(number: int) -> None:
        own = Connection(server)
        for count in range(40):
            assert own.send(f"together-{number}-{count}") == 200
        own.close()

    with ThreadPoolExecutor(CLIENTS) as pool:
        sending: list[Future[None]] = [pool.submit(send, number) for number in range(CLIENTS)]
    for future in sending:
        future.result()
    writes, commits = (
        metric(connection, name) - value for name, value in zip(names, before, strict=True)
    )
    assert writes >= 40 * CLIENTS
    assert commits < writes


def test_a_full_disk_is_said_to_be_so_and_loses_nothing(tmp_path: Path) -> None:
    """The limit on a file's size stands for the disk: it ends a write in the same way."""
    with forked(tmp_path) as server:
        connection = Connection(server)
        stored = {f"before-{n}" for n in range(20)}
        assert {connection.send(version) for version in stored} == {200}

        sizes = [path.stat().st_size for path in tmp_path.iterdir()]
        unlimited = resource.prlimit(server.process.pid, resource.RLIMIT_FSIZE)
        limit = (max(sizes) + 300_000, unlimited[1])
        resource.prlimit(server.process.pid, resource.RLIMIT_FSIZE, limit)
        refused: set[str] = set()
        for number in range(3_000):
            version = f"during-{number}"
            status, document, answer = connection.ask("POST", DEPLOYMENT, created(version))
            if status == 200:
                stored.add(version)
                continue
            refused.add(version)
            assert status == 503
            assert document == {"errors": [{"status": "503", "title": "Service Unavailable"}]}
            assert int(answer.headers["Retry-After"]) >= 1
            assert int(answer.headers["X-RateLimit-Reset"]) >= 1
            if len(refused) >= 5:
                break
        assert len(refused) == 5
        assert connection.ask("GET", "/readyz")[0] == 503
        assert connection.stored() == stored, "reading goes on, and shows what was acknowledged"

        resource.prlimit(server.process.pid, resource.RLIMIT_FSIZE, unlimited)
        wait_until_ready(connection)
        assert connection.send("after") == 200
        stored.add("after")
        connection.close()
        server.kill()
    with forked(tmp_path) as server:
        connection = Connection(server)
        assert connection.stored() == stored
        connection.close()
        assert integrity(server.database) == [("ok",)]
