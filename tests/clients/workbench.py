"""Builds the programs of this folder, each with one version of its official client.

Packages come from their registries through the language's own tools. What is built is kept in
a cache outside the checkout (`$XDG_CACHE_HOME/theodora/clients`), so that only the first run
takes minutes; a changed program is built anew.
"""

import fcntl
import hashlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

SOURCES = Path(__file__).parent
CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "theodora" / "clients"

_BUILD_SECONDS = 1_500
_RUN_SECONDS = 120

GO_MODULE = "github.com/DataDog/datadog-api-client-go/v2"


@dataclass(frozen=True)
class Program:
    """A program that is built: how to run it."""

    command: tuple[str, ...]
    environment: Mapping[str, str] = field(default_factory=dict)

    def run(
        self, *arguments: str, environment: Mapping[str, str], folder: Path = CACHE
    ) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*self.command, *arguments],
            cwd=folder,
            env={**_plain_environment(), **self.environment, **environment},
            capture_output=True,
            text=True,
            timeout=_RUN_SECONDS,
            check=False,
        )


Recipe = Callable[[str, Path], Program]
"""Builds a program with this version of the client in this folder."""


def build(language: str, version: str) -> Program:
    """The program, built if need be; skips the test where its tools are missing."""
    tools, recipe = _RECIPES[language]
    for tool in tools:
        if not shutil.which(tool):
            pytest.skip(f"{language} {version}: this machine has no {tool}")
    folder = CACHE / language / version
    with _locked(language):
        return recipe(version, folder)


def python_program(version: str, name: str) -> Program:
    """Another program of the folder `python`, with this version of the client."""
    client = build("python", version)
    return Program((sys.executable, str(SOURCES / "python" / name)), client.environment)


@contextmanager
def _locked(language: str) -> Iterator[None]:
    """One build of a language at a time: the Rust compiler alone takes 10 GB for the client."""
    CACHE.mkdir(parents=True, exist_ok=True)
    with (CACHE / f"{language}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _plain_environment() -> dict[str, str]:
    """The environment without what would turn a client elsewhere."""
    return {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("DD_", "DATADOG_", "DORA_", "THEODORA_", "PYTEST_"))
        and not name.upper().endswith("_PROXY")
    }


def _step(folder: Path, *command: str, environment: Mapping[str, str] = {}) -> None:
    """Runs one step of a build; skips the test where a registry lacks the client's version."""
    done = subprocess.run(
        command,
        cwd=folder,
        env={**os.environ, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=_BUILD_SECONDS,
        check=False,
    )
    if "Could not find artifact com.datadoghq:datadog-api-client" in done.stdout:
        pytest.skip(f"{folder.parent.name} {folder.name}: the registry does not have this version")
    assert done.returncode == 0, f"{' '.join(command)}\n{done.stdout[-5_000:]}"


@contextmanager
def _built_once(folder: Path, *sources: str | Path) -> Iterator[bool]:
    """Whether the program has yet to be built from these files and texts; notes when it is."""
    texts = [source if isinstance(source, str) else source.read_text() for source in sources]
    digest = hashlib.sha256(json.dumps(texts).encode()).hexdigest()
    stamp = folder / "built"
    if stamp.exists() and stamp.read_text() == digest:
        yield False
        return
    stamp.unlink(missing_ok=True)
    folder.mkdir(parents=True, exist_ok=True)
    yield True
    stamp.write_text(digest)


def _python(version: str, folder: Path) -> Program:
    packages = folder / "packages"
    with _built_once(folder) as missing:
        if missing:
            shutil.rmtree(packages, ignore_errors=True)
            # Of its 10,000 modules a program imports a few hundred: those alone are compiled.
            pip = (sys.executable, "-m", "pip", "install", "--quiet", "--no-compile")
            target = ("--no-warn-conflicts", "--target", str(packages))
            _step(folder, *pip, *target, f"datadog-api-client=={version}")
    program = SOURCES / "python" / "client.py"
    return Program((sys.executable, str(program)), {"PYTHONPATH": str(packages)})


def _typescript(version: str, folder: Path) -> Program:
    packages = {"@datadog/datadog-api-client": version, "typescript": "^5"}
    source = SOURCES / "typescript" / "client.ts"
    manifest = json.dumps({"private": True, "dependencies": packages})
    with _built_once(folder, manifest, source) as missing:
        if missing:
            (folder / "package.json").write_text(manifest)
            shutil.copy(source, folder)
            _step(folder, "npm", "install", "--no-audit", "--no-fund", "--silent")
            # To read the client's types would take longer than to install it.
            options = ("--noCheck", "--noResolve", "--target", "es2022", "--module", "commonjs")
            _step(folder, "npx", "--no-install", "tsc", *options, "client.ts")
    return Program(("node", str(folder / "client.js")))


def _go(version: str, folder: Path) -> Program:
    tags = "by_version" if _number(version) >= (2, 63) else ""
    module = f"module theodora/client\n\ngo 1.22\n\nrequire {GO_MODULE} v{version}\n"
    sources = sorted((SOURCES / "go").glob("*.go"))
    with _built_once(folder, module, *sources) as missing:
        if missing:
            (folder / "go.mod").write_text(module)
            for source in sources:
                shutil.copy(source, folder)
            _step(folder, "go", "mod", "tidy")
            _step(folder, "go", "build", "-tags", tags, "-o", "client", ".")
    return Program((str(folder / "client"),))


def _java(version: str, folder: Path) -> Program:
    generation = "newer" if _number(version) >= (2, 58) else "older"
    sources = (SOURCES / "java" / "Client.java", SOURCES / "java" / generation / "Generation.java")
    project = (SOURCES / "java" / "pom.xml").read_text().replace("VERSION", version)
    with _built_once(folder, project, *sources) as missing:
        if missing:
            (folder / "pom.xml").write_text(project)
            copy = ("dependency:copy-dependencies", "-DoutputDirectory=libraries")
            _step(folder, "mvn", "--quiet", "--batch-mode", "--update-snapshots", *copy)
            _step(folder, "javac", "-cp", "libraries/*", "-d", "classes", *map(str, sources))
    # The client reaches into Java's own HTTP connection, which knows no PATCH.
    opened = ("--add-opens", "java.base/java.net=ALL-UNNAMED")
    classes = f"{folder}/libraries/*:{folder}/classes"
    return Program(("java", *opened, "-cp", classes, "Client"))


def _rust(version: str, folder: Path) -> Program:
    features = "by_version" if _number(version) >= (0, 34) else ""
    manifest = (SOURCES / "rust" / "Cargo.toml").read_text().replace("VERSION", version)
    source = SOURCES / "rust" / "src" / "main.rs"
    with _built_once(folder, manifest, source) as missing:
        if missing:
            (folder / "Cargo.toml").write_text(manifest)
            (folder / "src").mkdir(exist_ok=True)
            shutil.copy(source, folder / "src")
            target = {"CARGO_TARGET_DIR": str(folder / "target")}
            command = ("cargo", "build", "--quiet", "--features", features)
            _step(folder, *command, environment=target)
    return Program((str(folder / "target" / "debug" / "theodora-client"),))


def _ruby(version: str, folder: Path) -> Program:
    gems = {"GEM_HOME": str(folder / "gems"), "GEM_PATH": str(folder / "gems")}
    with _built_once(folder) as missing:
        if missing:
            command = ("gem", "install", "--no-document", "datadog_api_client", "-v", version)
            _step(folder, *command, environment=gems)
    return Program(("ruby", str(SOURCES / "ruby" / "client.rb")), gems)


def _datadog_ci(version: str, folder: Path) -> Program:
    manifest = json.dumps({"private": True, "dependencies": {"@datadog/datadog-ci": version}})
    with _built_once(folder, manifest) as missing:
        if missing:
            (folder / "package.json").write_text(manifest)
            _step(folder, "npm", "install", "--no-audit", "--no-fund", "--silent")
    return Program((str(folder / "node_modules" / ".bin" / "datadog-ci"),))


def _number(version: str) -> tuple[int, ...]:
    return tuple(map(int, version.split(".")))


_RECIPES: dict[str, tuple[tuple[str, ...], Recipe]] = {
    "python": ((), _python),
    "typescript": (("node", "npm"), _typescript),
    "go": (("go",), _go),
    "java": (("java", "javac", "mvn"), _java),
    "rust": (("cargo",), _rust),
    "ruby": (("ruby", "gem"), _ruby),
    "datadog-ci": (("node", "npm"), _datadog_ci),
}
"""Of each language, the tools it takes and how its program is built."""
