"""Records what a version leaves in a database, for later versions to migrate.

    python tests/storage/upgrades/record.py THEODORA DATABASE_URL

THEODORA is the command of the version. The store is filled through its commands alone, with a small
made-up history; the URL is that of an empty SQLite file or PostgreSQL database. Write what comes of
it as SQL beside this file: `sqlite3 FILE .dump | gzip -9n`, or
`pg_dump --inserts --no-owner --no-privileges --no-comments | gzip -9n`.
"""

import json
import random
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

HOUR = 3600
START = 1_767_600_000
"""5 January 2026, in seconds."""
SERVICES = ("shop", "search", "payments")
ORGANISATIONS = ("default", "other")


def main() -> None:
    theodora, url = sys.argv[1:]
    with tempfile.TemporaryDirectory() as name:
        for number, org in enumerate(ORGANISATIONS):
            _fill(theodora, url, org, Path(name), random.Random(number))
        subprocess.run([theodora, "derive", "--database", url], check=True)


def _fill(theodora: str, url: str, org: str, folder: Path, rng: random.Random) -> None:
    def run(*arguments: str | Path) -> None:
        subprocess.run(
            [theodora, *arguments, "--org", org, "--database", url],
            check=True,
            stdout=subprocess.DEVNULL,
        )

    def bring_in(what: str, lines: Iterable[dict[str, Any]]) -> None:
        file = folder / f"{what}.jsonl"
        file.write_text("".join(json.dumps(line) + "\n" for line in lines))
        run("import", what, file)

    for kind in ("api", "application"):
        run("keys", "create", kind, "--name", f"{kind} key of a version")
    (folder / "settings.json").write_text(
        json.dumps({"production_envs": ["live"], "lead_time_clock": "commit_time", "team": "web"})
    )
    run("settings", "set", folder / "settings.json", "--service", "shop")
    commits = [commit for service in SERVICES for commit in _commits(service, rng)]
    deployments = list(_deployments(org, commits, rng))
    bring_in("commits", commits)
    bring_in("pull-requests", _pull_requests(commits))
    bring_in("deployments", deployments)
    bring_in("failures", _failures(org, rng))
    bring_in("verdicts", _verdicts(deployments))


def _commits(service: str, rng: random.Random) -> list[dict[str, Any]]:
    shas = [f"{rng.getrandbits(160):040x}" for _ in range(12)]
    return [
        {
            "repository": f"github.com/acme/{service}",
            "sha": sha,
            "parents": shas[number - 1 : number] if number else [],
            "author_time": START + number * 7 * HOUR - HOUR,
            "commit_time": START + number * 7 * HOUR,
            "subject": f"Change {number} of {service} (#{number})",
            "paths": [f"{service}/part{number % 3}.py"],
            "author_name": rng.choice(["Ada", "Grace"]),
            "author_email": "dev@example.org",
        }
        for number, sha in enumerate(shas)
    ]


def _deployments(
    org: str, commits: list[dict[str, Any]], rng: random.Random
) -> Iterable[dict[str, Any]]:
    for number, commit in enumerate(commits):
        if number % 3 == 2:
            continue
        service = commit["repository"].rsplit("/", 1)[1]
        finished_at = commit["commit_time"] + rng.randrange(HOUR, 5 * HOUR)
        yield {
            "id": f"{org}-{number}",
            "service": service,
            "env": "live" if service == "shop" else "production",
            "version": f"1.{number}.0",
            "team": None if number % 4 else "platform",
            "started_at": finished_at - 120,
            "finished_at": finished_at,
            "commit_sha": commit["sha"],
            "repository_url": f"https://{commit['repository']}",
            "custom_tags": [f"region:{rng.choice(['eu', 'us'])}"],
        }


def _pull_requests(commits: list[dict[str, Any]]) -> Iterable[dict[str, Any]]:
    for number, commit in enumerate(commits):
        if number % 5 == 0:
            merged_at = commit["commit_time"]
            yield {
                "repository": commit["repository"],
                "number": number + 1,
                "title": commit["subject"],
                "labels": ["bug"],
                "branch": f"change-{number}",
                "merge_commit_sha": commit["sha"],
                "merge_method": "squash",
                "commits": [{"sha": commit["sha"], "author_time": commit["author_time"]}],
                "created_at": merged_at - 3 * HOUR,
                "ready_at": merged_at - 2 * HOUR,
                "last_approved_at": merged_at - HOUR,
                "merged_at": merged_at,
            }


def _failures(org: str, rng: random.Random) -> Iterable[dict[str, Any]]:
    for number in range(9):
        started_at = START + number * 18 * HOUR
        yield {
            "id": f"{org}-failure-{number}",
            "services": [SERVICES[number % 3]],
            "env": "production",
            "name": f"{SERVICES[number % 3]} is down",
            "started_at": started_at,
            "finished_at": started_at + rng.randrange(600, 4 * HOUR) if number % 4 else None,
            "severity": f"SEV-{1 + number % 3}",
        }


def _verdicts(deployments: list[dict[str, Any]]) -> Iterable[dict[str, Any]]:
    for deployment in deployments[5::12]:
        yield {
            "deployment": deployment["id"],
            "at": deployment["finished_at"] + HOUR,
            "by": "release desk",
            "change_failure": True,
            "reason": "half of the payments were refused",
        }


if __name__ == "__main__":
    main()
