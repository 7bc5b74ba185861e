"""The wheel in clean environments: pip, uvx and pipx, from nothing to the first event."""

import hashlib
import json
import os
import sys
import tarfile
import time
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from blocks import blocks
from installing import (
    BOOTSTRAP,
    EXTRAS,
    TOP,
    clean_environment,
    pythons,
    run,
    send_and_find,
    started,
    tool,
)
from shells import Shell
from theodora import __version__, version

pytestmark = pytest.mark.deploy

FIRST_EVENT_SECONDS = 60
"""Most time from the wheel alone, with empty caches, to the first event."""
BUSY = 2 * (os.cpu_count() or 1)
"""The load above which a longer time tells of other programs."""
LIBRARIES = "joserfc, mcp, opentelemetry.sdk, psycopg_pool, pyarrow.parquet, yaml"
"""What extras bring; `theodora tls init` uses that of the last one."""


@pytest.fixture(scope="session", params=[0, -1], ids=["oldest", "newest"])
def python(request: pytest.FixtureRequest) -> str:
    found = pythons()
    if request.param and len(found) == 1:
        pytest.skip(f"this machine has no Python besides {found[0]}")
    return found[request.param]


def test_the_wheel_and_the_source_have_the_same_build(wheel: Path, dist: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        record = archive.read("theodora/build.json")
    with tarfile.open(next(dist.glob("*.tar.gz"))) as archive:
        unpacked = archive.extractfile(f"theodora-{__version__}/src/theodora/build.json")
        assert unpacked
        assert unpacked.read() == record
    assert json.loads(record)["commit"] == version.commit_of(TOP)


def test_a_build_can_be_repeated_to_the_byte(tmp_path: Path) -> None:
    sums = set[str]()
    for name in ("one", "two"):
        environment = {**os.environ, "SOURCE_DATE_EPOCH": "1800000000"}
        folder = tmp_path / name
        run(tool("uv"), "build", "--quiet", "--out-dir", folder, environment=environment)
        files = sorted(folder.glob("theodora*"))
        sums.add(" ".join(hashlib.sha256(file.read_bytes()).hexdigest() for file in files))
    assert len(sums) == 1


def test_pip_installs_it_with_every_extra(python: str, wheel: Path, tmp_path: Path) -> None:
    environment = clean_environment(tmp_path)
    run(python, "-m", "venv", tmp_path / "venv", environment=environment)
    program = tmp_path / "venv/bin"
    run(program / "pip", "install", "--quiet", f"{wheel}[{EXTRAS}]", environment=environment)
    run(program / "python", "-c", f"import {LIBRARIES}", environment=environment)
    made = run(
        program / "theodora", "tls", "init", "a.example", environment=environment, folder=tmp_path
    )
    assert "The certificate is for a.example" in made
    with started(
        [str(program / "theodora"), "serve", "--port", "0"], environment | BOOTSTRAP, tmp_path
    ) as url:
        send_and_find(url)
    shown = run(program / "theodora", "--version", environment=environment)
    assert shown.startswith(f"theodora {__version__} (commit {version.commit_of(TOP)}, built ")


def test_the_readme_installs_a_server_and_the_lock_the_same_versions(
    python: str, tmp_path: Path
) -> None:
    """Their lines are pasted in a new clone, where `python3` is the Python."""
    checkout = tmp_path / "theodora"
    environment = clean_environment(tmp_path, **BOOTSTRAP)
    run("git", "clone", "--quiet", TOP, checkout, environment=environment)
    (block,) = (each.text for each in blocks() if each.first_line == "make dist")
    (locked,) = (each.text for each in blocks() if each.first_line.startswith("pip install --req"))
    asked = (python, "-c", "import sys; print(sys.executable)")
    folder = Path(run(*asked, environment=environment).strip()).parent
    shell = Shell(checkout, {**environment, "PATH": f"{folder}:{environment['PATH']}"})
    assert "--port 8090" in block
    with shell.started(block.replace("--port 8090", "--port 0")) as url:
        send_and_find(url)
    shell.paste("python3 -m venv locked && export PATH=$PWD/locked/bin:$PATH")
    shell.paste(f"export PIP_QUIET=1; {locked}")
    assert shell.paste("theodora --version").startswith(f"theodora {__version__} ")
    assert not (checkout / ".venv/bin/pytest").exists(), "the tools of the tests take minutes"


def with_uvx(python: str, wheel: Path, environment: Mapping[str, str]) -> list[str]:
    # By name, as from a registry; the folder is in place of one that has this version.
    named = ["--find-links", str(wheel.parent), f"theodora=={__version__}"]
    return [tool("uvx"), "--python", python, *named]


def with_uvx_from_the_file(python: str, wheel: Path, environment: Mapping[str, str]) -> list[str]:
    return [tool("uvx"), "--python", python, "--from", str(wheel), "theodora"]


def with_pipx(python: str, wheel: Path, environment: Mapping[str, str]) -> list[str]:
    run(tool("pipx"), "install", "--python", python, wheel, environment=environment)
    return [f"{environment['PIPX_BIN_DIR']}/theodora"]


@pytest.mark.parametrize("way", [with_uvx, with_uvx_from_the_file, with_pipx])
def test_the_first_event_takes_less_than_a_minute(
    way: Callable[[str, Path, Mapping[str, str]], list[str]],
    python: str,
    wheel: Path,
    tmp_path: Path,
) -> None:
    caches = {
        "UV_CACHE_DIR": str(tmp_path / "uv"),
        "PIPX_HOME": str(tmp_path / "pipx"),
        "PIPX_BIN_DIR": str(tmp_path / "bin"),
    }
    environment = clean_environment(tmp_path, **caches, **BOOTSTRAP)
    begun = time.monotonic()
    command = way(python, wheel, environment)
    with started([*command, "serve", "--port", "0"], environment, tmp_path) as url:
        send_and_find(url)
        seconds = time.monotonic() - begun
    told = f"{way.__name__} with {python}: {seconds:.1f} s to the first event"
    sys.stdout.write(f"{told}\n")
    load, *_ = os.getloadavg()
    if seconds >= FIRST_EVENT_SECONDS and load > BUSY:
        pytest.skip(f"{told}, on a busy machine: its load is {load:.0f}")
    assert seconds < FIRST_EVENT_SECONDS
