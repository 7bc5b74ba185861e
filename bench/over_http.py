"""Durable ingest and lists over HTTP, as ratios to a bare Starlette app with the same bytes.

Both run on the same server with the same settings; `wrk` asks them from a process of its own.
"""

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench.results import note
from bench.world import END_NS, stored

API_KEY = "b" * 32
APPLICATION_KEY = "b" * 40
SECONDS = 8

LIST = {
    "data": {
        "type": "dora_deployments_list_request",
        "attributes": {
            "limit": 20,
            "query": "service:(service-001 OR service-002 OR service-003) env:production",
        },
    }
}

_BARE = """
import sys
import uvicorn
from starlette.applications import Starlette
from starlette.responses import Response
from starlette.routing import Route

REPLY = open({reply!r}, "rb").read()

async def answer(request):
    await request.body()
    return Response(REPLY, media_type="application/vnd.api+json")

app = Starlette(routes=[Route("/{{path:path}}", answer, methods=["POST"])])
uvicorn.run(app, port={port}, loop="uvloop", http="httptools", log_level="error", access_log=False)
"""

HEADERS = {
    "Content-Type": "application/json",
    "DD-API-KEY": API_KEY,
    "DD-APPLICATION-KEY": APPLICATION_KEY,
}

LUA_HEADERS = f"""
wrk.method = "POST"
wrk.headers["Content-Type"] = "application/json"
wrk.headers["DD-API-KEY"] = "{API_KEY}"
wrk.headers["DD-APPLICATION-KEY"] = "{APPLICATION_KEY}"
"""

LUA_LIST = LUA_HEADERS + "wrk.body = [[{body}]]\n"

LUA_INGEST = (
    LUA_HEADERS
    + """
local number = 0
local thread = 0
function setup(t) t:set("id", thread); thread = thread + 1 end
function request()
  number = number + 1
  local started = {start} + id * 100000000 + number
  local body = string.format([[{body}]], number % 200, started, started + 60, number, number)
  return wrk.format(nil, nil, nil, body)
end
"""
)

INGEST_BODY = (
    '{"data":{"attributes":{"service":"service-%03d","env":"production","team":"team-01",'
    '"started_at":%d,"finished_at":%d,"version":"v9.%d","git":{'
    '"commit_sha":"66adc9350f2cc9b250b69abddab733dd55e1a588",'
    '"repository_url":"https://github.com/acme/service-001"},'
    '"custom_tags":["language:java","region:us-east-1","department:3","build:%d","shard:7"]}}}'
)
_INGEST_REPLY = b'{"data":{"id":"64f25434490ef9c7","type":"dora_deployment"}}'


@dataclass(frozen=True)
class Measured:
    """What `wrk` saw."""

    per_second: float
    p50_ms: float
    p99_ms: float
    errors: int


def main() -> None:
    """Prints one line for each question."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000
    if not shutil.which("wrk"):
        sys.exit("This benchmark needs wrk. On Debian: apt-get install wrk")
    database = stored(count, cache_folder())
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        copy = folder / "theodora.db"
        shutil.copy(database, copy)
        (folder / "list.lua").write_text(LUA_LIST.replace("{body}", json.dumps(LIST)))
        start = END_NS // 10**9 + int(time.time()) % 1_000_000
        (folder / "ingest.lua").write_text(
            LUA_INGEST.replace("{start}", str(start)).replace("{body}", INGEST_BODY)
        )
        with theodora(f"sqlite:///{copy}") as (url, pid):
            reply = ask_list(url)
            listed = [
                wrk(url + "/api/v2/dora/deployments", folder / "list.lua", connections)
                for connections in (1, 8)
            ]
            ingested = wrk(url + "/api/v2/dora/deployment", folder / "ingest.lua", 32)
            memory = resident_mb(pid)
        with bare(reply, folder) as url:
            bare_listed = [wrk(url, folder / "list.lua", connections) for connections in (1, 8)]
        with bare(_INGEST_REPLY, folder) as url:
            bare_ingested = wrk(url, folder / "ingest.lua", 32)
    print(f"{count:,} deployments stored; resident memory {memory:.0f} MB")
    for name, measured, yardstick in (
        ("list of 20 rows, 1 connection", listed[0], bare_listed[0]),
        ("list of 20 rows, 8 connections", listed[1], bare_listed[1]),
        ("ingest, 32 connections", ingested, bare_ingested),
    ):
        print(
            f"{name:32} {measured.per_second:8.0f}/s  p50 {measured.p50_ms:6.2f} ms  "
            f"p99 {measured.p99_ms:6.2f} ms  bare {yardstick.per_second:8.0f}/s  "
            f"ratio {measured.per_second / yardstick.per_second:.2f}  errors {measured.errors}"
        )
        rates = (measured.per_second, yardstick.per_second)
        note(name, count, *rates, "a second", "bare Starlette")


def cache_folder() -> Path:
    """Where databases to measure on are kept between runs."""
    cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(cache) / "theodora" / "bench"


@contextmanager
def theodora(database: str, *flags: str) -> Iterator[tuple[str, int]]:
    """A server on `database`, its URL and its process id."""
    process = subprocess.Popen(
        [sys.executable, "-m", "theodora", "serve", "--port", "0", *flags],
        env={
            **os.environ,
            "THEODORA_DATABASE": database,
            "THEODORA_BOOTSTRAP_API_KEY": API_KEY,
            "THEODORA_BOOTSTRAP_APP_KEY": APPLICATION_KEY,
            "THEODORA_RATE_LIMIT_DORA_READ": "100000000/60",
            "THEODORA_RATE_LIMIT_DORA_INGEST": "100000000/60",
        },
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert process.stdout is not None
    try:
        for line in process.stdout:
            if "is listening on" in line:
                yield line.split()[-1], process.pid
                break
    finally:
        process.terminate()
        process.wait()


@contextmanager
def bare(reply: bytes, folder: Path) -> Iterator[str]:
    """The yardstick: reads the body and sends `reply`."""
    (folder / "reply").write_bytes(reply)
    port = 18_231
    source = _BARE.format(reply=str(folder / "reply"), port=port)
    process = subprocess.Popen([sys.executable, "-c", source])
    try:
        url = f"http://127.0.0.1:{port}/x"
        wait_for(url)
        yield url
    finally:
        process.terminate()
        process.wait()


def wait_for(url: str) -> None:
    for _ in range(200):
        try:
            urllib.request.urlopen(urllib.request.Request(url, data=b"{}")).close()
        except OSError:
            time.sleep(0.05)
        else:
            return
    raise TimeoutError(url)


def ask_list(url: str) -> bytes:
    """The answer to the list request that is measured."""
    request = urllib.request.Request(
        url + "/api/v2/dora/deployments",
        data=json.dumps(LIST).encode(),
        headers=HEADERS,
    )
    with urllib.request.urlopen(request) as answer:
        return answer.read()


def wrk(url: str, script: Path, connections: int) -> Measured:
    """Asks for a while, after a second of warming up."""
    for seconds in (1, SECONDS):
        output = subprocess.run(
            ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--latency", "-s", script, url],
            check=True,
            capture_output=True,
            text=True,
        ).stdout
    errors = re.search(r"Non-2xx or 3xx responses: (\d+)", output)
    return Measured(
        float(re.search(r"Requests/sec:\s+([\d.]+)", output)[1]),
        _milliseconds(re.search(r"50%\s+([\d.]+)(\w+)", output)),
        _milliseconds(re.search(r"99%\s+([\d.]+)(\w+)", output)),
        int(errors[1]) if errors else 0,
    )


def _milliseconds(match: re.Match[str]) -> float:
    return float(match[1]) * {"us": 0.001, "ms": 1, "s": 1000}[match[2]]


def resident_mb(pid: int) -> float:
    status = Path(f"/proc/{pid}/status").read_text()
    return int(re.search(r"VmRSS:\s+(\d+)", status)[1]) / 1024


if __name__ == "__main__":
    main()
