"""Another organisation's requests while one sends 64 requests at once, all the time.

Each attack is sent by `wrk` with the keys of an organisation of many deployments. Meanwhile the
health and the list, metrics and page of a small organisation are asked one after another. The
yardstick is the same server without an attack, asked in the same way just before.

`python -m bench.attacks 100000` measures on so many deployments in a SQLite file,
`python -m bench.attacks 100000 postgresql` in PostgreSQL.
"""

import http.client
import json
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import get_args
from urllib.parse import quote, urlsplit

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from bench.over_http import API_KEY, APPLICATION_KEY, cache_folder, theodora
from bench.world import BENCH, END_NS, deployments, load, stored
from postgresql import postgresql
from theodora.storage import Store
from theodora.storage.access.keys import PERMISSIONS_OF, KeyKind

CONNECTIONS = 64
SAMPLES = 300
_SMALL = 2_000
_SETTLE_SECONDS = 3
_MOST_MS = {"health": 50, "list": 100}
"""What the 99th percentile should stay below under an attack."""

Headers = dict[str, str]


@dataclass(frozen=True)
class Question:
    """One request, as `http.client` takes it."""

    name: str
    method: str
    path: str
    body: str | None = None
    headers: Headers = field(default_factory=dict[str, str])


@dataclass(frozen=True)
class Times:
    """How long answers took."""

    p50_ms: float
    p99_ms: float


def main() -> None:
    """Prints a line for each attack and question."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 100_000
    if not shutil.which("wrk"):
        sys.exit("This benchmark needs wrk. On Debian: apt-get install wrk")
    with tempfile.TemporaryDirectory() as name:
        path = _database(count, Path(name))
        if sys.argv[2:] == ["postgresql"]:
            with postgresql(quick=False) as database:
                command = [sys.executable, "-m", "theodora", "copy", path, database.url()]
                subprocess.run(command, check=True)
                _measure(database.url(), Path(name))
        else:
            _measure(path, Path(name))


def _measure(database: str, folder: Path) -> None:
    print(f"  {'':26} {'':8} {'p50':>9} {'p99':>9} {'idle p50':>9} {'idle p99':>9}")
    with theodora(database) as (server, _):
        questions = _questions(server)
        idle = {each.name: _asked(server, each) for each in questions}
        for attack, script in _attacks(server, folder).items():
            with _under(server, script):
                for each in questions:
                    _print(attack, each.name, _asked(server, each), idle[each.name])


def _database(count: int, folder: Path) -> str:
    """The URL of a database of a large organisation and a small one."""
    path = folder / "theodora.db"
    shutil.copy(stored(count, cache_folder()), path)
    with Store(f"sqlite:///{path}") as store:
        org = store.keys.ensure_organisation("small", END_NS, actor=BENCH).result()
        load(store, org, deployments(_SMALL), _SMALL)
        store.derivations.derive_all_queued(actor=BENCH)
        kinds: tuple[KeyKind, ...] = get_args(KeyKind)
        for kind in kinds:
            store.keys.add(
                "small",
                kind,
                "c" * (32 if kind == "api" else 40),
                name="",
                permissions=frozenset(PERMISSIONS_OF[kind]),
                now_ns=END_NS,
                actor=BENCH,
            ).result()
    return f"sqlite:///{path}"


def _questions(server: str) -> list[Question]:
    keys = {"DD-API-KEY": "c" * 32, "DD-APPLICATION-KEY": "c" * 40}
    period = f"from={END_NS - 90 * 86_400 * 10**9}&to={END_NS}"
    return [
        Question("health", "GET", "/healthz"),
        Question(
            "list",
            "POST",
            "/api/v2/dora/deployments",
            _list_body("env:production"),
            {**keys, "Content-Type": "application/json"},
        ),
        Question("metrics", "GET", f"/api/v2/dora/metrics?{period}", None, keys),
        Question(
            "page",
            "GET",
            "/deployments?from=2026-07-01&to=2026-09-01",
            None,
            _signed_in(server, "c" * 40),
        ),
    ]


def _attacks(server: str, folder: Path) -> dict[str, Path]:
    """Scripts for `wrk`, by what they do."""
    keys = {"DD-API-KEY": API_KEY, "DD-APPLICATION-KEY": APPLICATION_KEY}
    slow = " OR ".join(f"*a*z*{number}q" for number in range(50))
    # The texts fit, but no single word of them: each event is compared word by word.
    words = " OR ".join(f"*serv*{letter}*" for letter in "0123456789abdfghklmnopstuw")
    period = f"from={END_NS - 700 * 86_400 * 10**9}&to={END_NS}"
    cookie = _signed_in(server, APPLICATION_KEY)
    questions = (
        Question(
            "slow searches",
            "POST",
            "/api/v2/dora/deployments",
            _list_body(slow),
            {**keys, "Content-Type": "application/json"},
        ),
        Question(
            "slow words",
            "POST",
            "/api/v2/dora/deployments",
            _list_body(words),
            {**keys, "Content-Type": "application/json"},
        ),
        Question(
            "slow metrics",
            "GET",
            f"/api/v2/dora/metrics?{period}&interval=week&group_by=service&query={quote(slow)}",
            None,
            keys,
        ),
        Question(
            "metrics by service, weekly",
            "GET",
            f"/api/v2/dora/metrics?{period}&interval=week&group_by=service",
            None,
            keys,
        ),
        Question("pages", "GET", "/?from=2024-10-01&to=2026-09-01", None, cookie),
        Question("downloads", "GET", "/deployments.csv?from=2024-10-01", None, cookie),
    )
    return {each.name: _script(folder, each) for each in questions}


def _list_body(query: str) -> str:
    attributes = {"query": query, "limit": 20, "from": "2024-10-01T00:00:00Z"}
    return json.dumps({"data": {"type": "dora_deployments_list_request", "attributes": attributes}})


def _script(folder: Path, question: Question) -> Path:
    lines = [f'wrk.method = "{question.method}"', f'wrk.path = "{question.path}"']
    lines += [f'wrk.headers["{name}"] = "{value}"' for name, value in question.headers.items()]
    if question.body is not None:
        lines.append(f"wrk.body = [[{question.body}]]")
    path = folder / f"{question.name.replace(' ', '-')}.lua"
    path.write_text("\n".join(lines))
    return path


def _signed_in(server: str, key: str) -> Headers:
    with closing(_connected(server)) as connection:
        form = {"Content-Type": "application/x-www-form-urlencoded"}
        connection.request("POST", "/sign-in", f"key={key}", form)
        cookie = connection.getresponse().headers["Set-Cookie"].partition(";")[0]
    return {"Cookie": cookie, "Accept": "text/html"}


def _connected(server: str) -> http.client.HTTPConnection:
    return http.client.HTTPConnection(urlsplit(server).netloc, timeout=60)


@contextmanager
def _under(server: str, script: Path) -> Iterator[None]:
    """Sends the requests of a script all the time."""
    command = ["wrk", "-t1", f"-c{CONNECTIONS}", "-d600s", "--timeout", "60s", "-s", str(script)]
    attacker = subprocess.Popen([*command, server], stdout=subprocess.DEVNULL)
    try:
        time.sleep(_SETTLE_SECONDS)
        yield
    finally:
        attacker.terminate()
        attacker.wait()
        time.sleep(_SETTLE_SECONDS)


def _asked(server: str, question: Question) -> Times:
    found: list[float] = []
    with closing(_connected(server)) as connection:
        for _ in range(SAMPLES):
            started = time.perf_counter()
            connection.request(question.method, question.path, question.body, question.headers)
            answer = connection.getresponse()
            answer.read()
            found.append(1_000 * (time.perf_counter() - started))
            if answer.status != 200:
                raise SystemExit(f"{question.name} was answered {answer.status}")
            time.sleep(0.002)
    found.sort()
    return Times(statistics.median(found), found[int(0.99 * len(found))])


def _print(attack: str, question: str, now: Times, idle: Times) -> None:
    is_slow = now.p99_ms > _MOST_MS.get(question, float("inf"))
    print(
        f"  {attack:26} {question:8} {now.p50_ms:6.1f} ms {now.p99_ms:6.1f} ms "
        f"{idle.p50_ms:6.1f} ms {idle.p99_ms:6.1f} ms{'  too slow' if is_slow else ''}"
    )


if __name__ == "__main__":
    main()
