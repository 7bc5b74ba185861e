"""How long a server takes to end after SIGTERM while it does its longest pieces of work.

A file of deployments of one service is imported beside a server; the server derives all of them at
once; the page of one of them, which needs the complete sequence, is read for the first time.

    python -m bench.stopping 42000
"""

import http.client
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from urllib.parse import urlsplit

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

import serving
from bench.world import BENCH
from theodora.storage import Store
from torture import GRACE_SEC

_IMPORTED_SEC = 3.0
_DERIVED_SEC = 1.0
"""The server waits half a second for more of a sequence that has grown, then derives it."""
_READ_SEC = 0.2
_END_SEC = 1_790_000_000


def main() -> int:
    """Prints a row for each kind of work in Markdown; 1 if a server took longer than its grace."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 42_000
    print("| under way at SIGTERM | ends after |")
    print("|---|---|")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "deployments.jsonl").write_text("".join(map(_line, range(count))))
        are_in_time = [
            _stop_in_import(folder, count),
            _stop_in_derivation(folder, count),
            _stop_in_page(folder, count),
        ]
    return int(not all(are_in_time))


def _line(number: int) -> str:
    at_sec = _END_SEC - 600 * number
    event = {
        "id": f"deployment-{number:08}",
        "service": "web",
        "env": "production",
        "version": f"v{number}",
        "started_at": at_sec,
        "finished_at": at_sec + 60,
    }
    return json.dumps(event) + "\n"


def _stop_in_import(folder: Path, count: int) -> bool:
    with serving.serving(folder) as server, _importing(folder, server):
        time.sleep(_IMPORTED_SEC)
        return _stopped(server, f"import of {count:,} deployments beside the server")


@contextmanager
def _importing(folder: Path, server: serving.Server) -> Iterator[None]:
    """An import, which goes on without the server to its end."""
    command = ["import", "deployments", str(folder / "deployments.jsonl")]
    process = subprocess.Popen(
        [sys.executable, "-m", "theodora", *command, "--database", server.database_url],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    yield
    assert process.wait() == 0


def _stop_in_derivation(folder: Path, count: int) -> bool:
    with serving.serving(folder) as server:
        time.sleep(_DERIVED_SEC)
        return _stopped(server, f"derivation of a sequence of {count:,}")


def _stop_in_page(folder: Path, count: int) -> bool:
    with Store(f"sqlite:///{folder / 'theodora.db'}") as store:
        store.derivations.derive_all_queued(actor=BENCH)
    with (
        serving.serving(folder) as server,
        closing(http.client.HTTPConnection(urlsplit(server.url).netloc, timeout=60)) as client,
    ):
        form = {"Content-Type": "application/x-www-form-urlencoded"}
        client.request("POST", "/sign-in", f"key={serving.APPLICATION_KEY}", form)
        answer = client.getresponse()
        answer.read()
        cookie = {"Cookie": answer.headers["Set-Cookie"].partition(";")[0], "Accept": "text/html"}
        client.request("GET", f"/deployments/deployment-{count // 2:08}", None, cookie)
        time.sleep(_READ_SEC)
        is_in_time = _stopped(server, f"page of a deployment of a sequence of {count:,}")
        return client.getresponse().status == 200 and is_in_time


def _stopped(server: serving.Server, name: str) -> bool:
    began_sec = time.monotonic()
    status = server.stop()
    seconds = time.monotonic() - began_sec
    print(f"| {name} | {seconds:.1f} s{f', status {status}' if status else ''} |", flush=True)
    return seconds < GRACE_SEC and status == 0


if __name__ == "__main__":
    sys.exit(main())
