"""A proxy that takes every TLS connection to one address, whatever host it is meant for.

With it a client finds a server of the tests under any name, without the system's name service.
"""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from socketserver import StreamRequestHandler, ThreadingTCPServer


@contextmanager
def proxy_to(host: str, port: int) -> Iterator[str]:
    """The proxy's URL, for `HTTPS_PROXY`, for the length of a `with`."""

    class Tunnel(StreamRequestHandler):
        def handle(self) -> None:
            if not self.rfile.readline().startswith(b"CONNECT "):
                return
            while self.rfile.readline().strip():
                pass
            with socket.create_connection((host, port)) as upstream:
                self.wfile.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
                back = threading.Thread(target=_copy, args=(upstream, self.connection))
                back.start()
                _copy(self.connection, upstream)
                back.join()

    with _Server(("127.0.0.1", 0), Tunnel) as server:
        threading.Thread(target=server.serve_forever, args=(0.05,)).start()
        yield "http://{}:{}".format(*server.server_address)
        server.shutdown()


class _Server(ThreadingTCPServer):
    daemon_threads = True


def _copy(source: socket.socket, target: socket.socket) -> None:
    """Passes on what comes until the source ends or either side breaks off."""
    try:
        while data := source.recv(65_536):
            target.sendall(data)
        target.shutdown(socket.SHUT_WR)
    except OSError:
        source.close()
