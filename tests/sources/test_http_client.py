"""The client of other servers: certificates are verified, and proxies are used."""

import ssl
import threading
from base64 import b64encode
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from select import select
from socket import create_connection, socket
from socketserver import StreamRequestHandler, ThreadingTCPServer

import pytest
from click.testing import CliRunner

from provider_api import TOKEN, ProviderApi, serve_api
from theodora.cli import main
from theodora.errors import NoAnswer
from theodora.sources.http_client import HttpClient

HEADERS = {"PRIVATE-TOKEN": TOKEN}


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTPS_PROXY", "https_proxy", "NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def api(tmp_path: Path) -> Iterator[ProviderApi]:
    """A server whose certificate is signed by the authority in `tmp_path`."""
    made = CliRunner().invoke(main, ["tls", "init", "--out", str(tmp_path), "127.0.0.1"])
    assert made.exit_code == 0, made.output
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "server.pem", tmp_path / "server-key.pem")
    with serve_api(ProviderApi({"/one": {"n": 1}}), context) as api:
        yield api


@contextmanager
def forward_proxy(asked: list[bytes]) -> Iterator[str]:
    """The address of a proxy on loopback, which notes the lines of each CONNECT."""

    class Handler(StreamRequestHandler):
        def handle(self) -> None:
            while (line := self.rfile.readline().strip()) != b"":
                asked.append(line)
            host, _, port = asked[0].split()[1].decode().partition(":")
            with create_connection((host, int(port))) as server:
                self.wfile.write(b"HTTP/1.1 200 Connected\r\n\r\n")
                ends = {self.connection: server, server: self.connection}
                while all(self._passed_on(end, ends[end]) for end in select(ends, [], [])[0]):
                    pass

        @staticmethod
        def _passed_on(source: socket, target: socket) -> bool:
            data = source.recv(65_536)
            target.sendall(data)
            return data != b""

    with serve_forever(Handler) as address:
        yield address


@contextmanager
def serve_forever(handler: type[StreamRequestHandler]) -> Iterator[str]:
    """The address of a server on loopback."""
    with ThreadingTCPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield f"127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()
            thread.join()


def test_a_certificate_of_an_unknown_authority_gets_no_request(api: ProviderApi) -> None:
    with closing(HttpClient(api.url, 10)) as client, pytest.raises(NoAnswer, match="certificate"):
        client.ask("GET", "/one", HEADERS)
    assert api.requests == []


def test_a_certificate_for_another_name_gets_no_request(
    api: ProviderApi, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "authority.pem"))
    url = api.url.replace("127.0.0.1", "localhost")
    with closing(HttpClient(url, 10)) as client, pytest.raises(NoAnswer, match="certificate"):
        client.ask("GET", "/one", HEADERS)
    assert api.requests == []


@pytest.mark.parametrize("excepted", ["", "127.0.0.1"])
def test_a_proxy_passes_on_what_it_cannot_read(
    api: ProviderApi, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, excepted: str
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "authority.pem"))
    monkeypatch.setenv("NO_PROXY", excepted)
    asked: list[bytes] = []
    with forward_proxy(asked) as address, closing(HttpClient(api.url, 10)) as client:
        monkeypatch.setenv("HTTPS_PROXY", f"http://someone:p%40ss@{address}")
        answers = [client.ask("GET", "/one", HEADERS) for _ in range(2)]
    assert [each.body for each in answers] == [b'{"n": 1}'] * 2
    assert api.connections == 1
    login = b"Proxy-Authorization: Basic " + b64encode(b"someone:p@ss")
    assert (login in asked) is (excepted == "")
    assert TOKEN.encode() not in b"".join(asked)
    assert len([each for each in asked if each.startswith(b"CONNECT ")]) == (excepted == "")


def test_an_answer_that_never_ends_is_broken_off() -> None:
    class Handler(StreamRequestHandler):
        def handle(self) -> None:
            self.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\nConnection: close\r\n\r\n")
            self.rfile.read()

    with serve_forever(Handler) as address, closing(HttpClient(f"http://{address}", 10)) as client:
        alarm = threading.Timer(0.1, client.abort)
        alarm.start()
        with pytest.raises(NoAnswer):
            client.ask("GET", "/one", {})
        alarm.join()
