"""The end of a server: within its grace, whatever it is doing."""

import socket
import subprocess
import sys
import time
from contextlib import ExitStack, closing, suppress
from functools import cache
from http.client import HTTPConnection
from pathlib import Path
from urllib.parse import urlsplit

import pytest

import serving
from actors import TESTER
from connecting import listening, long
from databases import ON_POSTGRESQL
from forked_serving import forked
from loading import processes_of, workers_of
from theodora.events import Deployment
from theodora.storage import Store

_GRACE_SECONDS = 1.5


def test_an_unread_answer_is_cut_off_within_the_grace() -> None:
    with listening(long, grace_seconds=_GRACE_SECONDS) as port:
        client = socket.create_connection(("127.0.0.1", port), timeout=10)
        client.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        received = bytearray(client.recv(65_536))
        began_sec = time.monotonic()
    assert time.monotonic() - began_sec < _GRACE_SECONDS
    with closing(client), suppress(ConnectionError):
        while piece := client.recv(1 << 20):
            received += piece
    assert b"chunked" in received
    # Without its last chunk nobody takes it for whole.
    assert not received.endswith(b"0\r\n\r\n")


def test_a_sign_in_whose_provider_says_nothing_does_not_hold_the_end(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as provider:
        url = f"http://127.0.0.1:{provider.getsockname()[1]}"
        environment = {
            "THEODORA_PUBLIC_URL": "http://127.0.0.1",
            "THEODORA_OIDC_ISSUER": url,
            "THEODORA_OIDC_CLIENT_ID": "theodora",
            "THEODORA_OIDC_CLIENT_SECRET": "secret",
            "THEODORA_OIDC_ROLES": "*=viewer",
            "THEODORA_OIDC_HTTP_ON_LOOPBACK": "yes",
            "THEODORA_STOP_SECONDS": "20",
        }
        with serving.serving(tmp_path, environment=environment) as server:
            with closing(HTTPConnection(urlsplit(server.url).netloc, timeout=20)) as http:
                http.request("GET", "/sign-in/oidc")
                provider.settimeout(20)
                asked, _ = provider.accept()
            began_sec = time.monotonic()
            assert server.stop() == 0
            # The provider is given five seconds for each part of its answer.
            assert time.monotonic() - began_sec < 4.5
            asked.close()
    assert "Traceback" not in (tmp_path / "server.log").read_text()


_LISTENERS = 50


def test_open_streams_end_at_once_and_until_then_tell_of_changes(tmp_path: Path) -> None:
    with forked(tmp_path) as server, ExitStack() as clients:
        netloc = urlsplit(server.url).netloc
        http = clients.enter_context(closing(HTTPConnection(netloc, timeout=20)))
        http.request("POST", "/sign-in", f"key={serving.APPLICATION_KEY}", _FORM)
        answer = http.getresponse()
        answer.read()
        cookie = str(answer.headers["set-cookie"]).partition(";")[0]
        head = f"GET /now HTTP/1.1\r\nHost: {netloc}\r\nCookie: {cookie}\r\n"
        streams = [
            clients.enter_context(socket.create_connection(http.sock.getpeername(), timeout=20))
            for _ in range(_LISTENERS)
        ]
        for stream in streams:
            stream.sendall(f"{head}Accept: text/event-stream\r\n\r\n".encode())
        begun = [_until(stream, b"retry: ") for stream in streams]
        assert all(each.startswith(b"HTTP/1.1 200") for each in begun)
        deployed = '{"data": {"attributes": {"service": "a", "started_at": 1, "finished_at": 2}}}'
        headers = {**serving.KEYS, "Content-Type": "application/json"}
        http.request("POST", "/api/v2/dora/deployment", deployed, headers)
        assert http.getresponse().status == 200
        for stream in streams:
            _until(stream, b"data: changed")
        began_sec = time.monotonic()
        assert server.stop() == 0
        assert time.monotonic() - began_sec < 2
        # With their last chunk: nothing was broken off.
        assert all(_rest(stream).endswith(b"0\r\n\r\n") for stream in streams)
    assert "Traceback" not in (tmp_path / "server.log").read_text()


_FORM = {"Content-Type": "application/x-www-form-urlencoded", "Sec-Fetch-Site": "same-origin"}


def _until(client: socket.socket, word: bytes) -> bytes:
    received = b""
    while word not in received:
        piece = client.recv(65_536)
        assert piece, received
        received += piece
    return received


_DEPLOYMENTS = 3_000
_DOWNLOADS = 64
_STOP_SECONDS = 20


@pytest.mark.slow
@ON_POSTGRESQL
def test_several_processes_end_within_the_grace_under_slow_downloads(
    database: str, store: Store, tmp_path: Path
) -> None:
    org = store.keys.ensure_organisation("default", 1, actor=TESTER).result()
    added = [
        store.deployments.add(org, _long_deployment(number), 1, actor=TESTER)
        for number in range(_DEPLOYMENTS)
    ]
    added[-1].result()
    flags = ("--workers", "2", "--stop-seconds", str(_STOP_SECONDS))
    with serving.serving(tmp_path, *flags, database=database) as server, ExitStack() as clients:
        downloads = [clients.enter_context(closing(_download(server))) for _ in range(_DOWNLOADS)]
        received = [each.recv(64) for each in downloads]
        processes = workers_of(server)
        began_sec = time.monotonic()
        assert server.stop() == 0
        assert time.monotonic() - began_sec < _STOP_SECONDS
        assert len(processes) == 2
        assert not any(each.is_running() for each in processes)
        for client, beginning in zip(downloads, received, strict=True):
            assert beginning.startswith(b"HTTP/1.1 200")
            assert not _rest(client).endswith(b"0\r\n\r\n")
    assert "Traceback" not in (tmp_path / "server.log").read_text()


def _long_deployment(number: int) -> Deployment:
    """1.5 KiB in a download, so that all are more than the system keeps for a client."""
    at_ns, long_text = time.time_ns() - (number + 1) * 10**9, "é" * 250
    return Deployment(
        service="web",
        version=f"{number:0250}",
        env=long_text,
        team=long_text,
        started_at_ns=at_ns,
        finished_at_ns=at_ns,
    )


def _download(server: serving.Server) -> socket.socket:
    """A client that has asked for all deployments and takes them in small pieces."""
    url = urlsplit(server.url)
    client = socket.socket()
    client.settimeout(60)
    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
    client.connect((url.hostname, url.port))
    head = (
        "GET /deployments.csv HTTP/1.1",
        f"Host: {url.netloc}",
        f"Cookie: {_cookie(server.url)}",
    )
    client.sendall("\r\n".join([*head, "", ""]).encode())
    return client


def _rest(client: socket.socket) -> bytes:
    """What still arrives, the last bytes of it."""
    last = b""
    with suppress(ConnectionError):
        while piece := client.recv(1 << 20):
            last = (last + piece)[-64:]
    return last


@cache
def _cookie(url: str) -> str:
    with closing(HTTPConnection(urlsplit(url).netloc, timeout=60)) as http:
        form = {"Content-Type": "application/x-www-form-urlencoded"}
        http.request("POST", "/sign-in", f"key={serving.APPLICATION_KEY}", form)
        return http.getresponse().headers["Set-Cookie"].partition(";")[0]


_STUCK = """
import threading, time
from theodora.web.connections.last_resort import LastResort
last_resort = LastResort()
last_resort.end_at(time.monotonic() + {seconds})
threading.Thread(target=time.sleep, args=(60,), name="stuck").start()
if {closed}:
    last_resort.note_closed()
"""


def test_a_thread_that_does_not_end_is_ended() -> None:
    late = _run(_STUCK.format(seconds=0.2, closed=False))
    assert late.returncode == 1
    assert "stuck" in late.stdout + late.stderr
    closed = _run(_STUCK.format(seconds=30, closed=True))
    assert closed.returncode == 0
    assert closed.stdout + closed.stderr == ""


_BUSY = """
import socket, sys, time
sys.path.insert(0, {tests!r})
from connecting import LIMITS
from theodora.web.connections.limits import Alarm
from theodora.web.connections.server import Options, Server

async def compute(scope, receive, send):
    print("computing", flush=True)
    until_sec = time.monotonic() + 60
    while time.monotonic() < until_sec:
        pass

options = Options(
    limits=LIMITS,
    max_connections=9,
    max_connections_per_address=9,
    lifespan=False,
    grace_seconds=2,
)
listener = socket.create_server(("127.0.0.1", 0))
print(listener.getsockname()[1], flush=True)
Server(compute, options, Alarm(lambda _: None)).run(sockets=[listener])
"""


def test_a_server_whose_event_loop_computes_ends_within_the_grace() -> None:
    program = _BUSY.format(tests=str(Path(__file__).parents[2]))
    command = [sys.executable, "-c", program]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        port = int(process.stdout.readline())
        with socket.create_connection(("127.0.0.1", port), timeout=20) as client:
            client.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
            assert process.stdout.readline() == "computing\n"
            process.terminate()
            # Two seconds on an idle machine.
            assert process.wait(20) == 1
        assert "the time to stop is up" in process.stdout.read()


_DEAF = """
import signal, socket, sys, time
from theodora.cli.workers import Workers

def work(what, listener, ready):
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    ready.send("ready")
    time.sleep(60)

if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda _, __: sys.exit(0))
    with socket.create_server(("127.0.0.1", 0)) as listener:
        Workers(work, "", listener, 2, grace_seconds=2).run(lambda: print("ready", flush=True))
"""


def test_processes_that_do_not_notice_the_signal_are_killed(tmp_path: Path) -> None:
    (tmp_path / "deaf.py").write_text(_DEAF)
    command = [sys.executable, str(tmp_path / "deaf.py")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        workers = processes_of(process)
        began_sec = time.monotonic()
        process.terminate()
        assert process.wait(20) == 0
        # A busy machine may add some to two seconds.
        assert time.monotonic() - began_sec < 10
        assert not any(each.is_running() for each in workers)
        assert process.stdout.read().count("did not end in time") == 2


def _run(program: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", program]
    return subprocess.run(command, capture_output=True, text=True, timeout=20, check=False)
