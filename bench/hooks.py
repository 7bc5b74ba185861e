"""Floods of webhooks, as ratios to the same number of plain events sent to the same server.

A server on an empty database takes events from 32 connections, and then as many webhooks of GitHub:
of each six one push, three of a pull request and its approval, and two of a deployment. Measured
are how many a second are durable before they are answered, how many are read, and how many are
derived: each from the first request until nothing is left to do.

`python -m bench.hooks 5000`
"""

import asyncio
import hashlib
import hmac
import json
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from bench.over_http import API_KEY, theodora
from bench.results import note
from bench.world import BENCH, END_NS
from theodora.storage import Organisation, Store, WebhookSource

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from postgresql import postgresql

CONNECTIONS = 32
SERVICES = 40
_START_SEC = END_NS // 10**9
_LOOK_SEC = 0.05


@dataclass(frozen=True)
class Rates:
    """How many a second."""

    durable: float
    read: float
    derived: float


def main() -> None:
    """Prints a line for events and one for webhooks, on each database."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 5_000
    print(f"  {count:,} each; {CONNECTIONS} connections; a second, and the ratio to plain events")
    with tempfile.TemporaryDirectory() as folder:
        _measure("SQLite", f"sqlite:///{folder}/theodora.db", count)
    with postgresql(quick=False) as server:
        _measure("PostgreSQL", server.url(), count)


def _measure(name: str, database: str, count: int) -> None:
    with Store(database) as store:
        org = store.keys.ensure_organisation("default", 1, actor=BENCH).result()
        source = store.sources.add(org, "github", "bench", "", 1, actor=BENCH).result()
        with theodora(database) as (url, _):
            events = _rates(store, org, url, list(islice(_events(), count)))
            hooks = _rates(store, org, url, list(islice(_hooks(source), count)))
        _check(store, org, count)
    print(
        f"  {name:10} events    durable {events.durable:6.0f}{'':21}derived {events.derived:6.0f}"
    )
    print(
        f"  {name:10} webhooks  durable {hooks.durable:6.0f}  {hooks.durable / events.durable:.2f}"
        f"   read {hooks.read:6.0f}   derived {hooks.derived:6.0f}  "
        f"{hooks.derived / events.derived:.2f}"
    )
    for what in ("durable", "derived"):
        rates = (getattr(hooks, what), getattr(events, what))
        note(f"webhooks {what}, {name}", None, *rates, "a second", "plain events")


def _check(store: Store, org: Organisation, count: int) -> None:
    """Nothing has failed, and each sixth webhook ends a deployment."""
    [found] = store.inbox.counts(org)
    assert (found.deliveries, found.failed, found.waiting) == (count, 0, 0), found
    assert store.deployments.count(org) == count + count // 6


def _rates(store: Store, org: Organisation, url: str, requests: Sequence[bytes]) -> Rates:
    began_sec = time.perf_counter()
    asyncio.run(_send(url, requests))
    durable_sec = time.perf_counter() - began_sec
    read_sec = _until(lambda: not store.inbox.waiting(org, 1), began_sec)
    derived_sec = _until(lambda: not store.derivations.are_due(), began_sec)
    count = len(requests)
    return Rates(count / durable_sec, count / read_sec, count / derived_sec)


def _until(is_done: Callable[[], bool], began_sec: float) -> float:
    while not is_done():
        time.sleep(_LOOK_SEC)
    return time.perf_counter() - began_sec


async def _send(url: str, requests: Sequence[bytes]) -> None:
    """Sends each once, from several connections that wait for their answers."""
    waiting = iter(requests)
    await asyncio.gather(*(_connection(url, waiting) for _ in range(CONNECTIONS)))


async def _connection(url: str, requests: Iterator[bytes]) -> None:
    address = urlsplit(url)
    reader, writer = await asyncio.open_connection(address.hostname, address.port)
    for request in requests:
        writer.write(request)
        head = await reader.readuntil(b"\r\n\r\n")
        assert head.split(b" ", 2)[1] in (b"200", b"202"), head
        length = next(
            int(line.split(b":")[1])
            for line in head.split(b"\r\n")
            if line.lower().startswith(b"content-length")
        )
        await reader.readexactly(length)
    writer.close()


def _request(path: str, headers: dict[str, str], payload: Any) -> bytes:
    body = json.dumps(payload).encode()
    if "secret" in headers:
        secret = headers.pop("secret").encode()
        signature = hmac.new(secret, body, hashlib.sha256).hexdigest()
        headers["X-Hub-Signature-256"] = f"sha256={signature}"
    lines = [f"POST {path} HTTP/1.1", "Host: bench", "Content-Type: application/json"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, f"Content-Length: {len(body)}", "", ""]).encode() + body


def _events() -> Iterator[bytes]:
    number = 0
    while True:
        number += 1
        started_at = _START_SEC + number * 60
        event = {
            "service": f"event-{number % SERVICES}",
            "env": "production",
            "version": f"v{number}",
            "started_at": started_at,
            "finished_at": started_at + 30,
            "git": {
                "commit_sha": _sha(number),
                "repository_url": f"https://github.com/acme/event-{number % SERVICES}",
            },
        }
        path, keys = "/api/v2/dora/deployment", {"DD-API-KEY": API_KEY}
        yield _request(path, keys, {"data": {"attributes": event}})


def _hooks(source: WebhookSource) -> Iterator[bytes]:
    """Changes, each pushed, opened, approved, merged and deployed."""
    number = 0
    while True:
        number += 1
        for event, payload in _change(number):
            headers = {"X-GitHub-Event": event, "secret": source.secret}
            yield _request(f"/webhooks/github/{source.id}", headers, payload)


def _change(number: int) -> Iterator[tuple[str, dict[str, Any]]]:
    repository = _repository(f"service-{number % SERVICES}")
    around = {"repository": repository, "sender": _account("dev"), "organization": _account("acme")}
    begin = _START_SEC + number * 600
    commit = {
        "id": _sha(number),
        "message": f"Change {number}",
        "timestamp": _time(begin),
        "author": {"name": "Dev", "email": "dev@example.com"},
        "modified": [f"src/file-{number % 97}.py"],
    }
    before = _sha(max(number - SERVICES, 0))
    yield "push", {"ref": "refs/heads/main", "before": before, "commits": [commit], **around}
    request = {
        "number": number,
        "title": f"Change {number}",
        "labels": [],
        "head": {"ref": f"change-{number}", "sha": _sha(number), "repo": repository},
        "base": {"ref": "main", "repo": repository},
        "user": _account("dev"),
        "created_at": _time(begin + 60),
        "updated_at": _time(begin + 60),
    }
    yield "pull_request", {"action": "opened", "pull_request": request, **around}
    review = {"id": number, "state": "approved", "submitted_at": _time(begin + 120)}
    yield "pull_request_review", {"review": review, "pull_request": request, **around}
    merged_at = _time(begin + 180)
    merged = {"updated_at": merged_at, "merged_at": merged_at, "merge_commit_sha": _sha(number)}
    yield "pull_request", {"action": "closed", "pull_request": {**request, **merged}, **around}
    deployment = {
        "id": number,
        "sha": _sha(number),
        "ref": "main",
        "environment": "production",
        "created_at": _time(begin + 240),
    }
    for state, at_sec in (("in_progress", begin + 250), ("success", begin + 300)):
        status = {"id": at_sec, "state": state, "created_at": _time(at_sec)}
        yield "deployment_status", {"deployment": deployment, "deployment_status": status, **around}


def _repository(name: str) -> dict[str, Any]:
    """As long as GitHub sends it: most of a body is addresses that nobody reads."""
    page = f"https://github.com/acme/{name}"
    addresses = {f"address_{number}_url": f"{page}/part/{number}{{/id}}" for number in range(45)}
    return {
        "full_name": f"acme/{name}",
        "html_url": page,
        "default_branch": "main",
        **addresses,
        "owner": _account("acme"),
    }


def _account(login: str) -> dict[str, Any]:
    page = f"https://api.github.com/users/{login}"
    return {"login": login, **{f"part_{number}_url": f"{page}/{number}" for number in range(14)}}


def _sha(number: int) -> str:
    return hashlib.sha1(str(number).encode(), usedforsecurity=False).hexdigest()


def _time(at_sec: int) -> str:
    return datetime.fromtimestamp(at_sec, UTC).isoformat()


if __name__ == "__main__":
    main()
