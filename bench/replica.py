"""What a read replica takes off its primary: processor time for each list, with and without it.

A primary and its streaming replica are started here and filled by `theodora copy`. One connection
asks the server for lists, first of the primary alone, then with the replica. The yardstick is the
primary alone in the same run. Processor time says more than the rate: on one machine both share
the processors, in production each has its own. `python -m bench.replica 100000`
"""

import http.client
import json
import shutil
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import psutil

from bench.over_http import HEADERS, LIST, cache_folder, theodora
from bench.world import stored
from theodora.storage.copy.copy import Copying
from theodora.storage.open import migrate_database, open_copy, open_original

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from postgresql import PostgresqlServer, postgresql, replica_of

_ASKED = 3_000
_BEFOREHAND = 300


@dataclass(frozen=True)
class Spent:
    """Of one list: microseconds of processor time by process, and its median time."""

    primary_us: float
    replica_us: float
    server_us: float
    median_us: float


def main() -> None:
    """Prints one line for each arrangement, and the ratio."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 100_000
    with (
        tempfile.TemporaryDirectory() as folder,
        postgresql(quick=False, shared_buffers="512MB") as primary,
    ):
        file = f"sqlite:///{shutil.copy(stored(count, cache_folder()), Path(folder, 'stored.db'))}"
        _fill(file, primary)
        with replica_of(primary) as replica:
            servers = (primary, replica)
            alone = _spent(primary.url(), (), servers)
            shared = _spent(primary.url(), ("--read-database-url", replica.url()), servers)
    print(f"{count:,} deployments; of one list of 20, in microseconds")
    for name, spent in (("primary alone", alone), ("with a replica", shared)):
        print(
            f"{name:14} processor: primary {spent.primary_us:5.0f}  replica "
            f"{spent.replica_us:5.0f}  server {spent.server_us:5.0f}  median {spent.median_us:5.0f}"
        )
    ratios = (shared.primary_us / alone.primary_us, shared.median_us / alone.median_us)
    print("ratio          primary {:.2f}  median {:.2f}".format(*ratios))


def _fill(file: str, primary: PostgresqlServer) -> None:
    # It may have been made by an older version.
    migrate_database(file)
    with open_original(file) as original, open_copy(primary.url()) as copy:
        copying = Copying(original, copy)
        sum(copying.copy())
        copying.finish()
    primary.execute("VACUUM ANALYZE")


def _spent(url: str, flags: Sequence[str], databases: Sequence[PostgresqlServer]) -> Spent:
    with theodora(url, *flags) as (address, pid):
        _ask(address, _BEFOREHAND)
        roots = (*(database.pid() for database in databases), pid)
        before = [_processor_seconds(root) for root in roots]
        took = sorted(_ask(address, _ASKED))
        after = [_processor_seconds(root) for root in roots]
    each = [(late - early) / _ASKED * 1e6 for early, late in zip(before, after, strict=True)]
    return Spent(*each, took[len(took) // 2] * 1e6)


def _ask(address: str, times: int) -> list[float]:
    """Seconds that each list took."""
    place = urlsplit(address)
    assert place.hostname is not None
    connection = http.client.HTTPConnection(place.hostname, place.port)
    body = json.dumps(LIST)
    took: list[float] = []
    for _ in range(times):
        began = time.perf_counter()
        connection.request("POST", "/api/v2/dora/deployments", body, HEADERS)
        answer = connection.getresponse()
        answer.read()
        took.append(time.perf_counter() - began)
        if answer.status != 200:
            raise RuntimeError(f"a list was answered {answer.status}")
    connection.close()
    return took


def _processor_seconds(root: int) -> float:
    """Of the process and those that it has started and that still run."""
    process = psutil.Process(root)
    times = [each.cpu_times() for each in (process, *process.children(recursive=True))]
    return sum(each.user + each.system for each in times)


if __name__ == "__main__":
    main()
