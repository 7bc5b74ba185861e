"""docs/sources.md followed from an empty server to its first numbers.

The steps are read from the page and run as they are there. What GitHub and PagerDuty would send is
sent by this test, to the URL and with the secret that the commands print.
"""

import hashlib
import hmac
import json
import os
import re
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx2
import pytest

from forking import forking

PAGE = Path(__file__).parents[1] / "docs/sources.md"
SERVER = "https://dora.example.org"

_SECTION = re.compile(r"^## From an empty server.*?(?=^## )", re.DOTALL | re.MULTILINE)
_STEP = re.compile(r"^\d\. (.*?)(?=^\d\. |^\w)", re.DOTALL | re.MULTILINE)
_COMMAND = re.compile(r"^ *```sh\n(.*?)^ *```", re.DOTALL | re.MULTILINE)
_MOST_SECONDS = 60


def steps() -> list[str]:
    """The command of each step of the page."""
    section = _SECTION.search(PAGE.read_text())
    assert section
    commands = [_COMMAND.findall(step) for step in _STEP.findall(section[0])]
    assert all(len(each) == 1 for each in commands)
    return [command.strip() for [command] in commands]


@dataclass
class Shell:
    """A shell in an empty folder, of somebody who has set nothing but the port."""

    folder: Path
    programs: Path
    """A folder with a quick `theodora`."""
    environment: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        path = f"{self.programs}:{os.environ['PATH']}"
        self.environment |= {"PATH": path, "HOME": str(self.folder), "THEODORA_PORT": "0"}

    @contextmanager
    def serving(self, command: str) -> Iterator[str]:
        """The URL of the server that the command starts."""
        with subprocess.Popen(
            ["bash", "-ec", f"exec {command}"],
            cwd=self.folder,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        ) as process:
            assert process.stdout
            lines = (re.search(r"is listening on (\S+)", line) for line in process.stdout)
            yield next(found[1] for found in lines if found)
            process.terminate()

    def paste(self, command: str) -> str:
        """What it prints."""
        done = subprocess.run(
            ["bash", "-ec", command],
            cwd=self.folder,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=_MOST_SECONDS,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout


def printed(text: str, label: str) -> str:
    """What a printed step has after this label."""
    found = re.search(rf"{label}: (\S+)", text)
    assert found, text
    return found[1]


def at(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat().replace("+00:00", "Z")


def deployed(now: float) -> bytes:
    """What GitHub sends when a deployment has succeeded."""
    made = {
        "id": 7,
        "sha": "a" * 40,
        "ref": "main",
        "environment": "production",
        "created_at": at(now - 90),
    }
    repository = {"full_name": "acme/shop", "html_url": "https://github.com/acme/shop"}
    status = {"id": 8, "state": "success", "created_at": at(now - 60)}
    return json.dumps(
        {"deployment": made, "deployment_status": status, "repository": repository}
    ).encode()


def incident(event: str, now: float) -> bytes:
    """What PagerDuty sends about an incident that began half a minute ago."""
    data: dict[str, Any] = {
        "id": "Q1",
        "type": "incident",
        "title": "Checkout is down",
        "teams": [],
        "status": "resolved" if event == "resolved" else "triggered",
        "created_at": at(now - 30),
        "service": {"id": "P1", "summary": "shop", "html_url": "https://acme.example/P1"},
    }
    said = {"event_type": f"incident.{event}", "occurred_at": at(now), "data": data}
    return json.dumps({"event": said}).encode()


def signature(secret: str, body: bytes) -> str:
    return hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()


def test_the_steps_lead_from_an_empty_server_to_the_first_numbers(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    folder, programs = tmp_path_factory.mktemp("empty"), tmp_path_factory.mktemp("programs")
    shell = Shell(folder, programs)
    serve, add_github, add_pagerduty, store_secret, metrics = commands = steps()
    began_sec = time.monotonic()
    with forking(programs), shell.serving(serve) as url:
        github = shell.paste(add_github.replace(SERVER, url))
        pagerduty = shell.paste(add_pagerduty.replace(SERVER, url))
        [id_] = re.findall(r"Source (\w+) added", pagerduty)
        shell.paste(store_secret.replace(" ID", f" {id_}").replace(" SECRET", " of-pagerduty"))

        now = time.time()
        send(printed(github, "Payload URL"), deployed(now), printed(github, "Secret"), "github")
        for event in ("triggered", "resolved"):
            send(
                printed(pagerduty, "Webhook URL"), incident(event, now), "of-pagerduty", "pagerduty"
            )
        numbers = shell.paste(metrics)
        while not has_all(numbers) and time.monotonic() - began_sec < _MOST_SECONDS:
            numbers = shell.paste(metrics)
    assert has_all(numbers), numbers
    assert f"These {len(commands)} steps have {len(commands)} commands" in PAGE.read_text()


def has_all(numbers: str) -> bool:
    restored = re.search(r"30\ss\s+median of 1 incident", numbers)
    return "1 deployment in" in numbers and restored is not None


def send(url: str, body: bytes, secret: str, provider: str) -> None:
    headers = {
        "github": {
            "X-GitHub-Event": "deployment_status",
            "X-Hub-Signature-256": f"sha256={signature(secret, body)}",
        },
        "pagerduty": {"X-PagerDuty-Signature": f"v1={signature(secret, body)}"},
    }[provider]
    answer = httpx2.post(url, content=body, headers={**headers, "Content-Type": "application/json"})
    assert answer.status_code == 202, answer.text
