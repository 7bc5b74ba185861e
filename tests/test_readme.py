"""README and docs/clients.md to the letter: each block is pasted, in order, beside `make serve`.

So are the commands that `make serve` prints and those of the first page.
"""

import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import httpx2
import pytest

from clients.workbench import build
from shells import Shell
from visiting import read_page

TOP = Path(__file__).parents[1]
README = TOP / "README.md"
CLIENTS = TOP / "docs/clients.md"
HOST = "http://127.0.0.1:8080"

_BLOCK = re.compile(r"^```(\w*)\n(.*?)^```", re.DOTALL | re.MULTILINE)
_LAST_PRINTED = "theodora --help"

NOT_PASTED: Mapping[str, str] = {
    "make serve": "it is started first, and the rest is pasted beside it",
    "make dist": "tests/deploy/test_wheel.py pastes it: it installs from a registry",
    "pip install datadog-api-client": "the client is in a folder of its own here",
    "make test": "this is one of its tests",
}
"""Blocks that are not run here, by their first line, and why."""

NOT_RUN = ("make serve FLAGS=", "DD_API_KEY=")
"""Printed commands that are only parsed: a second server, and `datadog-ci` (`make clients`)."""

pytestmark = [
    pytest.mark.skipif(not shutil.which(tool), reason=f"this machine has no {tool}")
    for tool in ("curl", "make")
]


@dataclass
class Beside(Shell):
    """A shell in the checkout that `make serve` runs in."""

    url: str = ""
    printed: str = ""

    def paste_python(self, block: str) -> str:
        client = build("python", "2.62.0").environment
        return subprocess.run(
            [sys.executable, "-c", block],
            env={**self.environment, **client},
            capture_output=True,
            text=True,
            check=True,
        ).stdout


@pytest.fixture
def shell(make_serve: Beside) -> Beside:
    """A new shell, of somebody who has set nothing."""
    ours = {str(Path(sys.executable).parent), str(make_serve.folder / ".venv/bin")}
    path = ":".join(each for each in os.environ["PATH"].split(":") if each not in ours)
    environment = {"PATH": path, "HOME": str(make_serve.folder), "LANG": "C.UTF-8"}
    return Beside(make_serve.folder, environment, make_serve.url, make_serve.printed)


@pytest.fixture(scope="module")
def make_serve(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Beside]:
    """`make serve` in a checkout whose .venv has been made."""
    folder = tmp_path_factory.mktemp("checkout")
    for name in ("Makefile", "pyproject.toml", "requirements.lock"):
        shutil.copy(TOP / name, folder)
    (folder / ".venv").mkdir()
    (folder / ".venv/bin").symlink_to(Path(sys.executable).parent)
    (folder / ".venv/installed").touch()
    clean = {name: value for name, value in os.environ.items() if "THEODORA" not in name}
    process = subprocess.Popen(
        ["make", "serve", "FLAGS=--port 0"],
        cwd=folder,
        env={**clean, "PATH": f"/usr/bin:/bin:{clean['PATH']}"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    assert process.stdout
    printed = ""
    for line in process.stdout:
        printed += line
        if _LAST_PRINTED in line:
            break
    listening = re.search(r"is listening on (\S+)", printed)
    assert listening, printed
    yield Beside(folder, url=listening[1], printed=printed)
    os.killpg(process.pid, signal.SIGINT)
    rest, _ = process.communicate(timeout=30)
    assert "audit" not in rest, "entries of the audit log push away what is printed"


def blocks(page: str, url: str) -> list[tuple[str, str]]:
    """Every block of a page that is to be pasted, with the address of the server."""
    found = [(kind, text.replace(HOST, url)) for kind, text in _BLOCK.findall(page)]
    return [each for each in found if each[1].splitlines()[0] not in NOT_PASTED]


def test_every_block_works_in_order(shell: Beside) -> None:
    pasted = [
        *blocks(README.read_text(), shell.url),
        *blocks(CLIENTS.read_text(), shell.url),
    ]
    printed = [
        shell.paste_python(text) if kind == "python" else shell.paste(text) for kind, text in pasted
    ]
    set_up, created, listed, searched, measured, python, certificate = printed
    id_ = json.loads(created)["data"]["id"]
    assert set_up == ""
    assert [event["id"] for event in json.loads(listed)["data"]] == [id_]
    assert json.loads(searched)["id"] == id_
    assert "checkout" in measured
    assert re.search(r"Delivery in \w+ \d{4}", (shell.folder / "month.html").read_text())
    assert python == "v1.12.07 2023-08-31 14:26:14+00:00\n"
    assert "The certificate is for api.dora.internal" in certificate
    assert not (shell.folder / "theodora.db").exists()


def test_the_quickstart_has_no_other_block(shell: Beside) -> None:
    assert blocks((TOP / "docs/quickstart.md").read_text(), shell.url) == []


def test_every_exemption_is_of_a_block_that_exists() -> None:
    pages = README.read_text() + CLIENTS.read_text()
    first_lines = {text.splitlines()[0] for _, text in _BLOCK.findall(pages)}
    assert set(NOT_PASTED) <= first_lines


def test_every_command_that_make_serve_prints_works(shell: Beside) -> None:
    commands = printed_commands(shell.printed)
    begun = [re.sub(r"=\S+", "=", command).split()[0] for command in commands]
    program = ".venv/bin/theodora"
    assert begun == ["curl", program, "make", "DD_API_KEY=", *[program] * 3]
    for command in commands:
        subprocess.run(["bash", "-nc", command], check=True)
        if not command.startswith(NOT_RUN):
            assert shell.paste(command)


def printed_commands(printed: str) -> list[str]:
    """The indented lines that are commands, each with the lines that it goes on in."""
    commands: list[str] = []
    is_open = False
    for line in printed.partition("Try it:")[2].splitlines():
        if is_open:
            commands[-1] += f"\n{line}"
        elif re.match(r"\s+(curl|make|\S*/theodora|[A-Z_]+=\S+) ", line):
            commands.append(line.strip())
        else:
            continue
        is_open = line.endswith("\\") or not _is_whole(commands[-1])
    return commands


def _is_whole(command: str) -> bool:
    try:
        return bool(shlex.split(command))
    except ValueError:
        return False


def test_every_command_of_the_first_page_works(shell: Beside) -> None:
    """For an organisation that has no event yet."""
    key = shell.paste(".venv/bin/theodora keys create application --org new").strip()
    with httpx2.Client(base_url=shell.url, headers={"Accept": "text/html"}) as browser:
        browser.post("/sign-in", data={"key": key})
        page = read_page(browser.post("/first-run/key").text)
        curl, ci, https, _ = ["".join(pre._texts()) for pre in page.all("pre", class_="copy")]
        lines = [code.text for code in page.one("dl").all("code")]
        assert '"type":"dora_deployment"' in shell.paste(curl)
        subprocess.run(["bash", "-nc", ci], check=True)
        assert "DD_SITE=localhost:" in ci
        init, again = https.splitlines()
        assert "The certificate is for api.localhost" in shell.paste(init)
        assert again.startswith('make serve FLAGS="--port 0 --tls-cert ')
        import_git, demo = lines
        shell.paste(
            "git init -q . && git -c user.name=a -c user.email=a commit -q --allow-empty -m 1"
        )
        shell.paste("git -c user.name=a -c user.email=a tag v1")
        assert "deployments: 1 added" in shell.paste(import_git)
        assert "into organisation new" in shell.paste(demo)


def test_every_page_that_is_linked_exists() -> None:
    for link in re.findall(r"\]\(([^)#:]+)\)", README.read_text()):
        assert (README.parent / link).exists(), link
