"""Connections come in as long as there is a place for them."""

import asyncio
import socket
import ssl
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack, closing, suppress
from pathlib import Path

import pytest
from click.testing import CliRunner
from starlette.types import Receive, Scope, Send

from connecting import connected, echo, listening, read_answer
from theodora.cli import main

REQUEST = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tls")
    CliRunner().invoke(main, ["tls", "init", "--out", str(folder), "127.0.0.1"])
    return folder


@pytest.fixture
def sockets() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


def connect(port: int, sockets: ExitStack) -> socket.socket:
    return sockets.enter_context(closing(socket.create_connection(("127.0.0.1", port), timeout=10)))


def is_answered(client: socket.socket) -> bool:
    client.sendall(REQUEST)
    with client.makefile("rb") as reader:
        return read_answer(reader)[0] == 200


def test_silent_connections_shut_nobody_out(sockets: ExitStack) -> None:
    rung: list[str] = []
    with listening(echo, rung=rung, max_connections=20) as port:
        silent = [connect(port, sockets) for _ in range(40)]
        assert is_answered(connect(port, sockets))
        assert [each.recv(1) for each in silent[:20]] == [b""] * 20
    assert set(rung) == {"connections"}


def test_connections_that_begin_a_request_and_no_more_shut_nobody_out(sockets: ExitStack) -> None:
    with listening(echo, max_connections=20) as port:
        for _ in range(40):
            connect(port, sockets).sendall(REQUEST[:-2])
        assert is_answered(connect(port, sockets))


def test_handshakes_that_never_end_shut_nobody_out(authority: Path, sockets: ExitStack) -> None:
    tls = {
        "tls_cert": str(authority / "server.pem"),
        "tls_key": str(authority / "server-key.pem"),
    }
    context = ssl.create_default_context(cafile=authority / "authority.pem")
    with listening(echo, max_connections=20, **tls) as port:
        silent = [connect(port, sockets) for _ in range(40)]
        client = context.wrap_socket(connect(port, sockets), server_hostname="127.0.0.1")
        assert is_answered(client)
        assert [each.recv(1) for each in silent[:20]] == [b""] * 20
        client.close()


def test_where_all_are_served_one_more_is_turned_away(sockets: ExitStack) -> None:
    come, go = threading.Barrier(3), threading.Event()

    async def slow(scope: Scope, receive: Receive, send: Send) -> None:
        await asyncio.to_thread(come.wait, 5)
        await asyncio.to_thread(go.wait, 5)
        await echo(scope, receive, send)

    with listening(slow, max_connections=2) as port:
        served = [connect(port, sockets) for _ in range(2)]
        for each in served:
            each.sendall(REQUEST)
        come.wait(5)
        assert connect(port, sockets).recv(1) == b""
        go.set()
        for each in served:
            assert read_answer(each.makefile("rb"))[0] == 200


def test_a_place_is_free_again_when_its_connection_ends(sockets: ExitStack) -> None:
    rung: list[str] = []
    with listening(echo, rung=rung, max_connections=2) as port:
        for _ in range(10):
            with connected(port) as client:
                client.sendall(REQUEST.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"))
                assert client.makefile("rb").read()
        kept = [connect(port, sockets) for _ in range(2)]
        assert [is_answered(each) for each in kept] == [True, True]
    assert rung == []


def test_a_place_is_free_again_when_a_handshake_fails(authority: Path, sockets: ExitStack) -> None:
    rung: list[str] = []
    tls = {"tls_cert": str(authority / "server.pem"), "tls_key": str(authority / "server-key.pem")}
    with listening(echo, rung=rung, max_connections=2, **tls) as port:
        for _ in range(10):
            client = connect(port, sockets)
            client.sendall(REQUEST)
            with suppress(ConnectionError):
                while client.recv(1000):
                    pass
    assert rung == []


def test_files_may_be_open_as_many_as_the_system_allows() -> None:
    """In a process of its own: a limit that has been lowered stays so."""
    code = """if True:
        import resource
        from theodora.web.connections.server import most_connections
        resource.setrlimit(resource.RLIMIT_NOFILE, (300, 500))
        print(most_connections(4096), most_connections(100), resource.getrlimit(7)[0])
    """
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split()[-3:] == ["244", "100", "500"]
