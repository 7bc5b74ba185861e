"""Clean environments to install Theodora in, and its first event in each."""

import json
import os
import re
import shutil
import subprocess
import sys
import time
import tomllib
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest

from serving import KEYS

TOP = Path(__file__).parents[1]
TOOLS = Path(sys.executable).parent
"""Where `uv` and `pipx` are (group release in pyproject.toml)."""
PROGRAM = str(TOOLS / "theodora")

BOOTSTRAP = {
    "THEODORA_BOOTSTRAP_API_KEY": KEYS["DD-API-KEY"],
    "THEODORA_BOOTSTRAP_APP_KEY": KEYS["DD-APPLICATION-KEY"],
}
EXTRAS = ",".join(
    tomllib.loads((TOP / "pyproject.toml").read_text())["project"]["optional-dependencies"]
)
"""Every extra, as pip takes them."""

_REGISTRIES = re.compile(r"(PIP|UV)_|(https?|no|all)_proxy$|SSL_CERT_", re.IGNORECASE)
_LISTENING = re.compile(r"is listening on (\S+)")
_START_SECONDS = 120


def clean_environment(home: Path, **more: str) -> dict[str, str]:
    """Nothing of this environment but how to reach registries."""
    kept = {name: value for name, value in os.environ.items() if _REGISTRIES.match(name)}
    kept.pop("PIP_FIND_LINKS", None)
    return {**kept, "HOME": str(home), "PATH": "/usr/bin:/bin", "LANG": "C.UTF-8", **more}


def image_environment() -> dict[str, str]:
    """The variables that the image sets."""
    text = (TOP / "deploy/Containerfile").read_text()
    return dict(re.findall(r"(THEODORA_\w+)=(\S+)", text.rpartition("\nENV ")[2]))


def tool(name: str) -> str:
    found = TOOLS / name
    if not found.exists():
        pytest.skip(f"{name} is not installed: make deploy installs it")
    return str(found)


def run(*command: str | Path, environment: Mapping[str, str], folder: Path = TOP) -> str:
    done = subprocess.run(
        [*map(str, command)],
        env=environment,
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"
    return done.stdout


def run_or_skip(*command: str | Path, environment: Mapping[str, str], folder: Path = TOP) -> str:
    """Runs what takes a network or privileges, and nothing of this repository.

    If it fails, the machine cannot do it: the test is skipped, with the end of what was printed.
    """
    try:
        return run(*command, environment=environment, folder=folder)
    except AssertionError as error:
        last = str(error).strip().splitlines()[-1]
        pytest.skip(f"{Path(command[0]).name} cannot do its part on this machine: {last}")


def needs_mounts() -> None:
    """Skips a test where this process may not mount, as in most containers."""
    mount = ["unshare", "--mount", "mount", "-t", "tmpfs", "tmpfs", "/mnt"]
    if subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("this machine lets nobody mount file systems")


def pythons() -> list[str]:
    """The oldest and the newest Python of this machine that Theodora runs on."""
    named = os.environ.get("THEODORA_PYTHONS")
    if named:
        return named.split()
    folders = [*os.environ["PATH"].split(":"), *map(str, Path.home().glob(".pyenv/versions/*/bin"))]
    found: dict[tuple[int, ...], str] = {}
    for minor in range(11, 30):
        for folder in folders:
            program = shutil.which(f"python3.{minor}", path=folder)
            if program and (3, minor) not in found and _works(program):
                found[3, minor] = program
    return [found[each] for each in sorted({min(found), max(found)})]


def _works(program: str) -> bool:
    """Whether it can make environments; Debian has that in a package of its own."""
    check = [program, "-c", "import venv, ensurepip"]
    return subprocess.run(check, capture_output=True, check=False).returncode == 0


@contextmanager
def started(command: list[str], environment: Mapping[str, str], folder: Path) -> Iterator[str]:
    """The URL of the server that a command starts, for the length of a `with`."""
    with (folder / "server.log").open("w") as log:
        process = subprocess.Popen(
            command, env=environment, cwd=folder, stdout=log, stderr=subprocess.STDOUT
        )
    try:
        yield _url(process, folder / "server.log")
    finally:
        process.terminate()
        process.wait(timeout=60)


def _url(process: subprocess.Popen[bytes], log: Path) -> str:
    deadline = time.monotonic() + _START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        if listening := _LISTENING.search(log.read_text()):
            return listening[1]
        time.sleep(0.05)
    raise AssertionError(log.read_text())


def send_and_find(url: str) -> None:
    """Sends a deployment, and finds it."""
    now = int(time.time())
    sent = {"service": "first", "started_at": now - 60, "finished_at": now}
    answer = _post(f"{url}/api/v2/dora/deployment", {"data": {"attributes": sent}})
    asked = {"type": "dora_deployments_list_request", "attributes": {"query": "service:first"}}
    found = _post(f"{url}/api/v2/dora/deployments", {"data": asked})
    assert answer["data"]["id"] in [event["id"] for event in found["data"]]


def _post(url: str, document: object) -> dict[str, dict[str, str]]:
    headers = {"Content-Type": "application/json", **KEYS}
    request = urllib.request.Request(url, json.dumps(document).encode(), headers)
    with urllib.request.urlopen(request, timeout=30) as answer:
        return json.load(answer)
