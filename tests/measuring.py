"""How tests ask for metrics: over HTTP, as CSV, at the command line, and what they compare."""

import csv
import io
import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from random import Random
from typing import Any

from click.testing import CliRunner

from actors import TESTER
from asking import FAILURE, Tenant
from theodora.cli import main

METRICS = "/api/v2/dora/metrics"
START_NS = 1_767_225_600 * 10**9
"""1 January 2026."""
DAY_NS = 86_400 * 10**9
AS_OF = "2026-04-20T12:00:00Z"


def ask_for_metrics(tenant: Tenant, **parameters: str) -> Any:
    """The answer to a question; `from_` stands for `from`."""
    named = {name.rstrip("_"): value for name, value in parameters.items()}
    return tenant.ask("GET", METRICS, params=named)


def document(tenant: Tenant, **parameters: str) -> dict[str, Any]:
    answer = ask_for_metrics(tenant, **parameters)
    assert answer.status_code == 200, answer.text
    return answer.json()


def at_the_command_line(tenant: Tenant, database: Path, parameters: Mapping[str, str]) -> bytes:
    """What `theodora metrics` prints for the same question."""
    arguments = [
        f"--{name.replace('_', '-')}={value}"
        for name, value in {"format": "json", **parameters}.items()
    ]
    where = ["--org", tenant.organisation, "--database", f"sqlite:///{database}"]
    done = CliRunner().invoke(main, ["metrics", *arguments, *where])
    assert done.exit_code == 0, done.output
    return done.stdout_bytes


def rows_of(document: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """A JSON document as the rows that its CSV has to have, values by column."""
    meta = document["meta"]
    whole = {"start": meta["from"], "end": meta["to"]}
    previous = {"start": meta["previous"]["from"], "end": meta["previous"]["to"]}
    for resource in document["data"]:
        attributes = resource["attributes"]
        group = {f"group.{key}": value for key, value in attributes["group"].items()}
        head = {"id": resource["id"], **group}
        change = flat(attributes["change"], "change.")
        yield {**head, "row": "total", **whole, **flat(attributes["total"]), **change}
        yield {**head, "row": "previous", **previous, **flat(attributes["previous"])}
        for each in attributes["series"]:
            yield {**head, "row": "interval", **flat(each)}


def flat(value: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, member in value.items():
        if isinstance(member, dict):
            found |= flat(member, f"{prefix}{name}.")
        else:
            found[prefix + name] = member
    return found


def read_csv(body: bytes) -> list[dict[str, Any]]:
    """Rows of what is known, numbers as JSON has them."""
    rows = csv.DictReader(io.StringIO(body.decode(), newline=""), strict=True)
    return [{name: _value(name, cell) for name, cell in row.items() if cell != ""} for row in rows]


def known(rows: Iterator[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{name: cell for name, cell in row.items() if cell is not None} for row in rows]


def _value(name: str, cell: str) -> Any:
    """An apostrophe stands before what a spreadsheet would take for a formula."""
    is_text = name in {"id", "row", "start", "end"} or name.startswith("group.")
    return re.sub(r"^'(?=[=+\-@])", "", cell) if is_text else json.loads(cell)


def fill(tenant: Tenant, rng: Random, deployments: int = 120) -> None:
    """A quarter of random deployments and incidents, derived."""
    for _ in range(deployments):
        at = START_NS + rng.randrange(100 * DAY_NS)
        tenant.create(
            {
                "service": rng.choice(("web", "pay", "a,b:c")),
                "env": rng.choice(("production", "staging")),
                "version": f"v{rng.randrange(8)}",
                "started_at": at - rng.randrange(10**12),
                "finished_at": at,
                "custom_tags": rng.sample(("region:eu", "region:us", "rework:true", "=1:x"), 2),
                **({"team": rng.choice(("red", "blue"))} if rng.random() < 0.7 else {}),
            }
        )
    for number in range(deployments // 8):
        at = START_NS + rng.randrange(100 * DAY_NS)
        end = {"finished_at": at + rng.randrange(10**13)} if rng.random() < 0.8 else {}
        services = rng.sample(("web", "pay", "other"), rng.choice((1, 2)))
        shared = {"env": "production", "name": f"incident {number}", "started_at": at}
        tenant.create({"services": services, **shared, **end}, FAILURE)
    tenant.built.store.derivations.derive_all_queued(actor=TESTER)
