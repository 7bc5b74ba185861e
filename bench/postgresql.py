"""The store on PostgreSQL beside the same on SQLite, as ratios to plain SQL sent by `pgbench`.

A PostgreSQL whose commits wait for the disk is started here and filled by `theodora copy`. The
server is asked over HTTP by `wrk`, with one process and with two. The yardstick sends what a person
would write who knows schema and data, prepared, from as many connections, to the same PostgreSQL in
the same run: for lists one statement, for metrics two, for ingest those of one event with its
tags, and a commit. It keeps no order among commits, and does nothing of what no event waits for:
indexing and derivation, which the server does meanwhile.

`python -m bench.postgresql 100000 1000000`
"""

import json
import re
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import psycopg

from bench.over_http import (
    API_KEY,
    APPLICATION_KEY,
    INGEST_BODY,
    LIST,
    LUA_HEADERS,
    LUA_INGEST,
    LUA_LIST,
    Measured,
    cache_folder,
    theodora,
    wrk,
)
from bench.results import note
from bench.world import END_NS, measured
from theodora.storage.copy.copy import Copying
from theodora.storage.derivation.commit_times import decode_spans
from theodora.storage.open import migrate_database, open_copy, open_original

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from postgresql import PostgresqlServer, postgresql

DAY_NS = 86_400 * 10**9
SECONDS = 8
_BEFOREHAND = 8
_MEMORY = {"shared_buffers": "1GB", "max_wal_size": "4GB"}

_FROM_NS = END_NS - 90 * DAY_NS
_WEEK = f"(finished_at_ns - {4 * DAY_NS}) / {7 * DAY_NS}"
_WITHIN = f"finished_at_ns >= {_FROM_NS} AND finished_at_ns < {END_NS} GROUP BY 1, 2;\n"

_PLAIN_LIST = """
SELECT document, id, started_at_ns, finished_at_ns, created_at_ns FROM deployments
WHERE org = 1 AND service IN ('service-001', 'service-002', 'service-003') AND env = 'production'
ORDER BY started_at_ns DESC LIMIT 20;
"""

_PLAIN_METRICS = (
    f"SELECT {_WEEK}, service, count(*), sum(change_failure), count(change_failure), "
    f"count(recovery_time_sec) FROM deployments WHERE org = 1 AND {_WITHIN}"
    f"SELECT {_WEEK}, service, count(*), avg(lead_time_ns), percentile_cont("
    "ARRAY[0.5, 0.75, 0.9, 0.95]) WITHIN GROUP (ORDER BY lead_time_ns) "
    f"FROM plain_lead_times WHERE {_WITHIN}"
)

_PLAIN_INGEST = """
\\set number random(1000000000, 9000000000000000)
\\set service random(0, 199)
BEGIN;
SELECT key FROM deployments WHERE org = 1 AND id = 'plain-' || :number;
INSERT INTO deployments (
  key, org, id, identity, has_own_id, receipt, service, env, team, version, started_at_ns,
  finished_at_ns, commit_sha, repository_id, repository_url, custom_tags, source, created_at_ns,
  duration, document, words
) VALUES (
  :number, 1, 'plain-' || :number, 'plain-' || :number, 0, :number, 'service-' || :service,
  'production', 'team-01', 'v9.' || :number, {end} + :number, {end} + :number + 60,
  '66adc9350f2cc9b250b69abddab733dd55e1a588', 'github.com/acme/service-001',
  'https://github.com/acme/service-001', repeat('t', 90), 'api', {end}, 60, repeat('d', 600),
  repeat('w', 200)
);
INSERT INTO deployment_elements (org, event, field, value) VALUES
  (1, :number, '@language', 'java'), (1, :number, '@region', 'us-east-1'),
  (1, :number, '@department', '3'), (1, :number, '@build', :number), (1, :number, '@shard', '7');
INSERT INTO marks (org, kind, service, env, deployment)
VALUES (1, 'sequence', 'service-' || :service, 'production', :number);
COMMIT;
"""

_START = f"({END_NS // 10**9} + os.time() % 10000 * 5000)"
"""Ever later, so that no event has been sent before."""
_LUA_METRICS = LUA_HEADERS.replace("POST", "GET")


@dataclass(frozen=True)
class Question:
    """What is asked, over HTTP and in plain SQL, and from how many connections."""

    name: str
    path: str
    script: str
    plain: str
    connections: int
    is_kept: bool = False
    """Whether it is answered from what a process keeps in memory, once it has read that."""


def main() -> None:
    """Prints a table for each size."""
    if not shutil.which("wrk"):
        sys.exit("This benchmark needs wrk. On Debian: apt-get install wrk")
    for count in [int(text) for text in sys.argv[1:]] or [100_000, 1_000_000]:
        path = measured(count, cache_folder())
        began = time.perf_counter()
        with tempfile.TemporaryDirectory() as folder, postgresql(quick=False, **_MEMORY) as server:
            _measure(count, path, Path(folder), server)
        print(f"  measured in {time.perf_counter() - began:.0f} s")


def _measure(count: int, path: Path, folder: Path, server: PostgresqlServer) -> None:
    file = f"sqlite:///{shutil.copy(path, folder / 'theodora.db')}"
    # It may have been made by an older version.
    migrate_database(file)
    _fill(count, file, server)
    questions = _questions()
    asked = {
        "SQLite": _asked(questions, folder, file),
        "1 process": _asked(questions, folder, server.url()),
        "2 processes": _asked(questions, folder, server.url(), "--workers", "2"),
    }
    _print(count, questions, asked, [_plain(each, folder, server) for each in questions])


def _fill(count: int, file: str, server: PostgresqlServer) -> None:
    """Copies the store, and puts lead times where plain SQL can reach them."""
    with open_original(file) as original, open_copy(server.url()) as copy:
        copying = Copying(original, copy)
        copied = _seconds(copying.copy())
        compared = _seconds(copying.compare())
        copying.finish()
    print(
        f"{count:,} deployments, {copying.rows:,} rows: copied in {copied:.0f} s, "
        f"compared in {compared:.0f} s"
    )
    with psycopg.connect(server.url()) as connection:
        connection.execute(
            "CREATE TABLE plain_lead_times "
            "(finished_at_ns BIGINT, service TEXT, lead_time_ns BIGINT)"
        )
        rows = connection.execute(
            "SELECT finished_at_ns, service, spans FROM deployments d "
            "JOIN deployment_measures m ON m.org = d.org AND m.deployment = d.key"
        ).fetchall()
        with connection.cursor().copy("COPY plain_lead_times FROM STDIN") as lines:
            for finished_at_ns, service, spans in rows:
                _, commits = decode_spans([spans])
                for lead_time_ns in commits[:, 0].tolist():
                    lines.write_row((finished_at_ns, service, lead_time_ns))
        connection.execute(
            "CREATE INDEX ON plain_lead_times (finished_at_ns) INCLUDE (service, lead_time_ns)"
        )
    server.execute("VACUUM (ANALYZE) plain_lead_times")


def _seconds(steps: Iterator[int]) -> float:
    began = time.perf_counter()
    sum(steps)
    return time.perf_counter() - began


def _questions() -> list[Question]:
    """Ingest is the last, as it adds to what the others look at."""
    listing = LUA_LIST.replace("{body}", json.dumps(LIST))
    ingesting = LUA_INGEST.replace("{start}", _START).replace("{body}", INGEST_BODY)
    plain_ingest = _PLAIN_INGEST.format(end=END_NS)
    lists = "/api/v2/dora/deployments"
    metrics = "/api/v2/dora/metrics?interval=week&group_by=service&query=*" + "".join(
        f"&{name}={datetime.fromtimestamp(at_ns / 1e9, UTC):%Y-%m-%dT%H:%M:%SZ}"
        for name, at_ns in (("from", _FROM_NS), ("to", END_NS))
    )
    return [
        Question("list of 20, 1 connection", lists, listing, _PLAIN_LIST, 1),
        Question("list of 20, 8 connections", lists, listing, _PLAIN_LIST, 8),
        Question(
            "metrics, 90 days, 1 connection", metrics, _LUA_METRICS, _PLAIN_METRICS, 1, is_kept=True
        ),
        Question("ingest, 32 connections", "/api/v2/dora/deployment", ingesting, plain_ingest, 32),
    ]


def _asked(questions: Sequence[Question], folder: Path, url: str, *flags: str) -> list[Measured]:
    """What `wrk` saw of a server on this database."""
    seen: list[Measured] = []
    script = folder / "question.lua"
    with theodora(url, *flags) as (address, _):
        for question in questions:
            script.write_text(question.script)
            if question.is_kept:
                _ask_beforehand(address + question.path)
            seen.append(wrk(address + question.path, script, question.connections))
            if seen[-1].errors:
                _tell_errors(question, url, address)
    return seen


def _ask_beforehand(url: str) -> None:
    """Often enough that each process has most likely been asked once."""
    keys = {"DD-API-KEY": API_KEY, "DD-APPLICATION-KEY": APPLICATION_KEY}
    for _ in range(_BEFOREHAND):
        with urllib.request.urlopen(urllib.request.Request(url, headers=keys)) as answer:
            answer.read()


def _tell_errors(question: Question, url: str, address: str) -> None:
    """How requests have ended by now, at the process that happens to answer."""
    with urllib.request.urlopen(f"{address}/metrics") as answer:
        counted = re.findall(r"theodora_requests_total(\{.+)", answer.read().decode())
    database = url.partition(":")[0]
    failed = [each for each in counted if 'status="200"' not in each]
    print(f"  errors of {question.name} on {database}: {'; '.join(failed)}", file=sys.stderr)


def _plain(question: Question, folder: Path, server: PostgresqlServer) -> float:
    """How often a second `pgbench` got through the statements."""
    script = folder / "question.sql"
    script.write_text(question.plain)
    count = str(question.connections)
    options = ["--no-vacuum", "--protocol=prepared", "-c", count, "-j", "1", "-T", str(SECONDS)]
    said = subprocess.run(
        [server.binaries / "pgbench", *options, "-f", script, server.url()],
        check=True,
        stdout=subprocess.PIPE,
        text=True,
    ).stdout
    return float(re.search(r"tps = ([\d.]+)", said)[1])


def _print(
    count: int,
    questions: Sequence[Question],
    asked: Mapping[str, Sequence[Measured]],
    plain: Sequence[float],
) -> None:
    """Rates a second, medians in milliseconds, and rates as ratios to plain SQL."""
    print(f"  {'':32} {'plain SQL':>12}", *(f"{name:>28}" for name in asked))
    for number, question in enumerate(questions):
        cells = [_cell(measured[number], plain[number]) for measured in asked.values()]
        print(f"  {question.name:32} {plain[number]:10.0f}/s", *cells)
        for name, answers in asked.items():
            rates = (answers[number].per_second, plain[number])
            note(f"{question.name}, {name}", count, *rates, "a second", "plain SQL")


def _cell(measured: Measured, plain: float) -> str:
    ratio = measured.per_second / plain
    failed = f" {measured.errors} ERRORS" if measured.errors else ""
    return f"{measured.per_second:8.0f}/s {measured.p50_ms:7.1f} ms {ratio:7.2f}{failed}"


if __name__ == "__main__":
    main()
