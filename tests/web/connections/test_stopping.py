"""The end of a server: within its grace, whatever it is doing."""

import socket
import subprocess
import sys
import time
from contextlib import closing, suppress
from http.client import HTTPConnection
from pathlib import Path
from urllib.parse import urlsplit

import serving
from connecting import listening, long

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


_STUCK = """
import threading, time
from theodora.web.connections.last_resort import LastResort
last_resort = LastResort(time.monotonic() + {seconds})
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


def _run(program: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", program]
    return subprocess.run(command, capture_output=True, text=True, timeout=20, check=False)
