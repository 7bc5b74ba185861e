"""The importer and the forwarder against a second Theodora that has the names of two sites.

Run in a network and a mount of its own (`unshare`), where `api.datadoghq.eu` and
`api.us5.datadoghq.com` are a Theodora with TLS on port 443. Servers and importers are killed at
random and started again. In the end every event has to be on both sides, once.

    unshare --map-root-user --net --mount python tests/clients/datadog_sites.py FOLDER [KILLS]
"""

import fcntl
import json
import os
import random
import signal
import socket
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

import click
import httpx2

import serving
from theodora.storage import Store

SITES = ("api.datadoghq.eu", "api.us5.datadoghq.com")
KEYS = {"DD_API_KEY": serving.API_KEY, "DD_APP_KEY": serving.APPLICATION_KEY}
BEGAN_SEC = 1767600000
IMPORTED = 3_000
PATIENCE_SECONDS = 180

Sides = tuple[dict[str, Any], dict[str, Any]]


def make_network(folder: Path) -> None:
    """Brings the loopback up, and gives it the names of both sites."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        up_and_running = struct.pack("16sh", b"lo", 0x1 | 0x40)
        fcntl.ioctl(any_socket, 0x8914, up_and_running)
    hosts = folder / "hosts"
    hosts.write_text("".join(f"127.0.0.1 {name}\n" for name in ("localhost", *SITES)))
    subprocess.run(["mount", "--bind", str(hosts), "/etc/hosts"], check=True)


def theodora(*arguments: str, **environment: str) -> str:
    """What a command prints."""
    done = subprocess.run(
        [sys.executable, "-m", "theodora", *arguments],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


class Restarted:
    """A server that is killed and started again on its data, at the same address."""

    def __init__(self, folder: Path, port: int, *flags: str, **environment: str) -> None:
        folder.mkdir(exist_ok=True)
        self._start = lambda: serving.start(
            folder, *("--port", str(port)), *flags, environment=environment
        )
        self.server = self._start()
        self.kills = 0

    def kill(self) -> None:
        self.server.kill()
        self.kills += 1
        self.server = self._start()


class Sender(threading.Thread):
    """Sends changes one by one, each until it is acknowledged."""

    def __init__(self, url: str, seed: int) -> None:
        super().__init__()
        self._url = url
        self._random = random.Random(seed)
        self.enough = threading.Event()
        self.sent = 0
        self.problem: BaseException | None = None
        self._alive: list[str] = []

    def run(self) -> None:
        try:
            with httpx2.Client(base_url=self._url, headers=serving.KEYS, timeout=20) as client:
                while not self.enough.is_set():
                    self._change(client)
                    self.sent += 1
        except BaseException as error:
            self.problem = error
            raise

    def _change(self, client: httpx2.Client) -> None:
        number, chance = self.sent, self._random.random()
        times = {"started_at": BEGAN_SEC + number, "finished_at": BEGAN_SEC + number + 9}
        if self._alive and chance < 0.2:
            one = self._random.choice(self._alive)
            data = {"type": "dora_deployment_patch_request", "attributes": {"change_failure": True}}
            self._ask(client, "PATCH", f"/api/v2/dora/deployments/{one}", {"data": data})
        elif len(self._alive) > 5 and chance < 0.3:
            one = self._alive.pop(self._random.randrange(len(self._alive)))
            self._ask(client, "DELETE", f"/api/v2/dora/deployment/{one}")
        elif self._alive and chance < 0.4:
            one = self._random.choice(self._alive)
            self._create(
                client, "deployment", one, service="web", version=f"again-{number}", **times
            )
        elif chance < 0.55:
            self._create(
                client, "failure", f"failure-of-the-proof-{number}", services=["web"], **times
            )
        else:
            one = f"deployment-of-the-proof-{number}"
            self._create(client, "deployment", one, service="web", version=f"v{number}", **times)
            self._alive.append(one)

    def _create(self, client: httpx2.Client, kind: str, id_: str, **attributes: Any) -> None:
        data = {"attributes": {"id": id_, "env": "production", **attributes}}
        self._ask(client, "POST", f"/api/v2/dora/{kind}", {"data": data})

    def _ask(self, client: httpx2.Client, method: str, path: str, document: Any = None) -> None:
        while True:
            try:
                answer = client.request(method, path, json=document)
            except httpx2.TransportError:
                time.sleep(0.05)
                continue
            # Asked again after a kill, a deletion may have been done.
            if answer.is_success or (method == "DELETE" and answer.status_code == 404):
                return
            assert answer.status_code in {429, 500, 503}, answer.text
            time.sleep(0.05)


def events(database: Path) -> dict[str, Any]:
    """What a side has: the attributes of each event by its id; an id twice is an error."""
    with Store(f"sqlite:///{database}") as store:
        org = store.keys.organisation("default")
        found: dict[str, Any] = {}
        for each in (*store.deployments.everything(org), *store.failures.everything(org)):
            assert each.id not in found, f"{each.id} is there twice"
            failed = getattr(each, "change_failure", None)
            version, times = each.version, (each.started_at_ns, each.finished_at_ns)
            found[each.id] = (type(each).__name__, version, times, failed is True)
    return found


def wait_until(reached: Callable[[], bool], what: str) -> None:
    ends_sec = time.monotonic() + PATIENCE_SECONDS
    while not reached():
        assert time.monotonic() < ends_sec, what
        time.sleep(0.2)


def prove_forwarding(folder: Path, remote: Restarted, trust: dict[str, str], kills: int) -> int:
    """Kills both sides at random while changes come in; how many those were."""
    here = folder / "here"
    here.mkdir()
    database = f"sqlite:///{here / 'theodora.db'}"
    site = ("--site", SITES[0].removeprefix("api."))
    theodora("forwarding", "on", *site, THEODORA_DATABASE=database, **KEYS)
    local = Restarted(here, 8080, **trust)
    sender = Sender("http://127.0.0.1:8080", seed=7)
    sender.start()
    chance = random.Random(11)
    try:
        for number in range(kills):
            time.sleep(chance.uniform(0.3, 2.5))
            (remote if number % 3 == 2 else local).kill()
    finally:
        sender.enough.set()
        sender.join()
    assert sender.problem is None
    wait_until(
        lambda: "queued     0" in theodora("forwarding", "status", THEODORA_DATABASE=database),
        "changes still wait",
    )
    status = theodora("forwarding", "status", THEODORA_DATABASE=database)
    assert "refused    0" in status, status
    assert "left out" not in status, status
    local.server.stop()
    remote.server.stop()
    ours, theirs = events(here / "theodora.db"), events(folder / "there" / "theodora.db")
    theirs = {id_: each for id_, each in theirs.items() if "of-the-proof" in id_}
    assert ours == theirs, differences(ours, theirs)
    assert any(failed for *_, failed in ours.values())
    click.echo(f"forwarded: {sender.sent} changes, {len(ours)} events, {kills} kills")
    return sender.sent


def prove_import(folder: Path, trust: dict[str, str], kills: int) -> None:
    """Kills importers at random, and then lets one come to its end."""
    target = folder / "imported.db"
    command = ["import", "datadog", "--site", SITES[1].removeprefix("api."), "--from", "2020-01-01"]
    environment = {"THEODORA_DATABASE": f"sqlite:///{target}", **KEYS, **trust}
    chance = random.Random(13)
    counts: list[int] = []
    for _ in range(kills):
        process = subprocess.Popen(
            [sys.executable, "-m", "theodora", *command],
            env={**os.environ, **environment},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        time.sleep(chance.uniform(2.0, 7.0))
        process.send_signal(signal.SIGKILL)
        process.wait()
        counts.append(len(events(target)) if target.exists() and has_tables(target) else 0)
    printed = theodora(*command, **environment)
    ours, theirs = events(target), events(folder / "there" / "theodora.db")
    assert ours == theirs, differences(ours, theirs)
    partial = [count for count in counts if 0 < count < len(theirs)]
    assert partial, counts
    click.echo(f"imported: {len(ours)} events, {kills} kills, {len(partial)} of them midway")
    click.echo(printed)
    again = theodora(*command, **environment)
    assert "deployments: 0 added, 0 replaced" in again, again


def has_tables(target: Path) -> bool:
    return target.stat().st_size > 100_000


def differences(ours: dict[str, Any], theirs: dict[str, Any]) -> str:
    ids = {id_ for id_ in {*ours, *theirs} if ours.get(id_) != theirs.get(id_)}
    shown = [(id_, ours.get(id_), theirs.get(id_)) for id_ in sorted(ids)[:10]]
    return f"{len(ids)} differ: {shown}"


def fill(there: Path) -> None:
    """Deployments that are at the site before anything is forwarded; some share an instant."""
    there.mkdir()
    lines = "".join(
        json.dumps(
            {
                "id": f"older-deployment-{number}",
                "service": f"service-{number % 40}",
                "started_at": BEGAN_SEC - 10_000 + number // 7,
                "finished_at": BEGAN_SEC,
                "version": f"v{number}",
            }
        )
        + "\n"
        for number in range(IMPORTED)
    )
    file = there / "older.jsonl"
    file.write_text(lines)
    database = f"sqlite:///{there / 'theodora.db'}"
    theodora("import", "deployments", str(file), THEODORA_DATABASE=database)


def main(folder: Path, kills: int) -> None:
    make_network(folder)
    tls = folder / "tls"
    theodora("tls", "init", "--out", str(tls), *SITES)
    trust = {"SSL_CERT_FILE": str(tls / "authority.pem")}
    fill(folder / "there")
    files = ("--tls-cert", str(tls / "server.pem"), "--tls-key", str(tls / "server-key.pem"))
    remote = Restarted(folder / "there", 443, *files)
    prove_forwarding(folder, remote, trust, kills)
    # So few reads that an importer has to wait between pages, and can be killed there.
    slow = {"THEODORA_RATE_LIMIT_DORA_READ": "1/2"}
    remote = Restarted(folder / "there", 443, *files, **slow)
    prove_import(folder, trust, max(3, kills // 2))
    remote.server.stop()


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 12)
