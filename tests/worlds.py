"""What a browser looks at: servers with a company's history, and with names that are traps."""

import json
import re
import time
import urllib.parse
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import commands
import serving
from actors import TESTER
from forked_serving import forked
from theodora.storage import Store
from theodora.web.pages.routes import PAGES

# A browser asks quicker than a person would.
_SETTINGS = {
    "THEODORA_SHARE_LINKS": "yes",
    "THEODORA_RATE_LIMIT_DORA_READ": "100000/60",
    "THEODORA_RATE_LIMIT_UNAUTHENTICATED": "100000/60",
}
_PARAMETER = re.compile(r"\{.*?\}")
_DAY_SEC = 86_400

TRAPS = {
    "markup": "<script>document.title='run'</script><img src=x onerror=alert(1)>\"'&amp;",
    "template": "{{ 7 * 7 }}{% raw %}${7*7}",
    "bidi": "\u202eevil\u2066gnp.exe\u202c\u200f",
    "wide": "\u6f22" * 255,
    "unbroken": "w" * 255,
    "emoji": "\U0001f469\u200d\U0001f680\U0001f3f4\U000e0067\U000e0062\U000e007f" * 12,
    "path": "../..//a?b=c#d;e%2f%00\\",
    "combining": "Z" + "\u0351\u036b\u0343" * 60,
}
"""Names that break pages which trust them."""


@dataclass(frozen=True)
class World:
    """A server, and how tests ask it."""

    url: str
    folder: Path

    def ask(self, path: str, data: Mapping[str, Any], method: str = "POST") -> Any:
        """Sends a document to the API with both keys; what it answers."""
        request = urllib.request.Request(
            self.url + path,
            json.dumps({"data": data}).encode(),
            {"Content-Type": "application/json", **serving.KEYS},
            method=method,
        )
        with urllib.request.urlopen(request) as answer:
            body = answer.read()
        return json.loads(body) if body else None

    def judge_failed(self, id_: str) -> None:
        """Says by hand that a deployment failed."""
        verdict = {"attributes": {"change_failure": True}}
        data = {"id": id_, "type": "dora_deployment_patch_request", **verdict}
        self.ask(f"/api/v2/dora/deployments/{id_}", data, "PATCH")

    def newest(self, events: str, query: str = "*") -> dict[str, Any]:
        """The attributes and the id of the newest of the events of a kind that match."""
        attributes = {"query": query, "limit": 1, "from": "2001-01-01T00:00:00Z"}
        data = {"type": f"dora_{events}_list_request", "attributes": attributes}
        found = self.ask(f"/api/v2/dora/{events}", data)["data"][0]
        return {**found["attributes"], "id": found["id"]}

    def source(self) -> str:
        """The id of a source of webhooks, which has received two."""
        with Store(f"sqlite:///{self.folder / 'theodora.db'}") as store:
            org = store.keys.organisation("default")
            if found := store.sources.all_of(org):
                return found[0].id
            made = store.sources.add(org, "github", "Repositories", "{}", 1, actor=TESTER).result()
            for body in ("{", "{}"):
                store.inbox.receive(
                    org, "github", made.id, {"x-github-event": "push"}, body, 1, actor=TESTER
                ).result()
            return made.id

    def paths(self) -> list[str]:
        """One path of every page there is, the table of pages says which."""
        failed = self.newest("deployments", "env:production @change_failure:true")
        known = {
            "/services/": urllib.parse.quote(failed["service"], safe=""),
            "/deployments/": failed["id"],
            "/failures/": self.newest("failures")["id"],
            "/pull-requests/": self.newest("pull_requests")["id"],
            "/settings/sources/": self.source(),
            "/help/api/": "GetDORAMetrics",
        }
        shown = [page.path for page in PAGES if page.method == "GET" and page.template]
        return [
            _PARAMETER.sub(lambda _, path=path: known[path[: path.index("{")]], path)
            for path in dict.fromkeys(shown)
        ]


@contextmanager
def company(folder: Path) -> Iterator[World]:
    """Two years of a made-up company, derived before anybody looks."""
    for command in ("demo", "derive"):
        done = commands.run(command, THEODORA_DATABASE=f"sqlite:///{folder / 'theodora.db'}")
        assert done.exit_code == 0, done.output
    with forked(folder, environment=_SETTINGS) as server:
        yield World(server.url, folder)


@contextmanager
def nothing(folder: Path) -> Iterator[World]:
    """A server that has received no event."""
    with forked(folder, environment=_SETTINGS) as server:
        yield World(server.url, folder)


@contextmanager
def traps(folder: Path) -> Iterator[World]:
    """Deployments and failures whose every name is a trap; each service failed and recovered."""
    with nothing(folder) as world:
        now_sec = int(time.time())
        for number, trap in enumerate(TRAPS.values()):
            for back, version in enumerate(("v2", "v1", "v0")):
                finished_sec = now_sec - back * _DAY_SEC - number
                sent = world.ask(
                    "/api/v2/dora/deployment", _deployment(trap, version, finished_sec)
                )
                if version == "v1":
                    world.judge_failed(sent["data"]["id"])
            world.ask("/api/v2/dora/failure", _failure(trap, now_sec - _DAY_SEC))
        _import_requests(world, now_sec - _DAY_SEC)
        yield world


def _import_requests(world: World, at_sec: int) -> None:
    """A pull request of each trap."""
    lines = (
        {
            "repository": "github.com/acme/shop",
            "number": number,
            **dict.fromkeys(("title", "author", "base"), trap[:200]),
            "reviewers": [trap[:200]],
            **dict.fromkeys(("created_at", "merged_at"), at_sec),
        }
        for number, trap in enumerate(TRAPS.values(), 1)
    )
    file = world.folder / "requests.jsonl"
    file.write_text("".join(f"{json.dumps(line)}\n" for line in lines))
    database = f"sqlite:///{world.folder / 'theodora.db'}"
    done = commands.run("import", "pull-requests", str(file), THEODORA_DATABASE=database)
    assert done.exit_code == 0, done.output


def _deployment(trap: str, version: str, finished_sec: int) -> dict[str, Any]:
    attributes = {
        "service": trap,
        "env": "production",
        "team": trap,
        "version": f"{version} {trap}"[:255],
        "started_at": finished_sec - 60,
        "finished_at": finished_sec,
        "custom_tags": [f"trap:{trap}"[:200]],
    }
    return {"attributes": attributes}


def _failure(trap: str, started_sec: int) -> dict[str, Any]:
    attributes = {
        "name": trap,
        "services": [trap],
        "severity": trap[:60],
        "env": "production",
        "started_at": started_sec,
    }
    return {"attributes": attributes}
