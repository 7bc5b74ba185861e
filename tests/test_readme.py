"""The README's examples do what it says, in its order, on a server started as it says."""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import serving
from clients.workbench import build

README = Path(__file__).parents[1] / "README.md"
HOST = "http://127.0.0.1:8080"

_EXAMPLE = re.compile(r"<!-- run: (\w+) -->\n```\w+\n(.*?)```", re.DOTALL)


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[serving.Server]:
    with serving.serving(tmp_path_factory.mktemp("readme")) as server:
        yield server


def run(kind: str, text: str, server: serving.Server) -> str:
    """What an example prints, with the host changed and the keys in the environment."""
    text = text.replace(HOST, server.url)
    environment = {
        **os.environ,
        "DD_API_KEY": serving.API_KEY,
        "DD_APP_KEY": serving.APPLICATION_KEY,
        "THEODORA_DATABASE": server.database_url,
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
    }
    command = ["bash", "-ec", text]
    if kind == "python":
        environment |= build("python", "2.62.0").environment
        command = [sys.executable, "-c", text]
    done = subprocess.run(
        command, env=environment, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.skipif(not shutil.which("curl"), reason="this machine has no curl")
def test_every_example_works(served: serving.Server) -> None:
    """One after another: the later ones find what the first has sent."""
    examples = _EXAMPLE.findall(README.read_text())
    assert [kind for kind, _ in examples] == ["curl", "curl", "theodora", "python"]
    created, listed, searched, printed = (run(kind, text, served) for kind, text in examples)
    id_ = json.loads(created)["data"]["id"]
    assert [event["id"] for event in json.loads(listed)["data"]] == [id_]
    assert json.loads(searched)["id"] == id_
    assert printed == "v1.12.07 2023-08-31 14:26:14+00:00\n"


def test_every_page_that_is_linked_exists() -> None:
    for link in re.findall(r"\]\(([^)#:]+)\)", README.read_text()):
        assert (README.parent / link).exists(), link
