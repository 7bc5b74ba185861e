"""Ends with status 0 if the server in this container is ready, for the image's HEALTHCHECK.

It imports little, since it runs every half minute.
"""

import os
import socket
import ssl
import sys

_SECONDS = 4


def problem() -> str | None:
    """What is wrong, or None if the server is ready."""
    port = int(os.environ.get("THEODORA_PORT", "8080"))
    connection = socket.create_connection(("127.0.0.1", port), _SECONDS)
    if os.environ.get("THEODORA_TLS_CERT"):
        # The certificate is for another name, and the connection does not leave the container.
        context = ssl.create_default_context()
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        connection = context.wrap_socket(connection)
    with connection:
        connection.sendall(b"GET /readyz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        answer = connection.makefile("rb").read().decode()
    head, _, body = answer.partition("\r\n\r\n")
    return None if head.startswith("HTTP/1.1 200 ") else body.strip() or "an empty answer"


if __name__ == "__main__":
    try:
        sys.exit(problem())
    except OSError as error:
        sys.exit(f"no answer: {error}")
