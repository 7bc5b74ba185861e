"""Packages of npm for tests, installed once in a cache outside the checkout."""

import os
import shutil
import subprocess
from pathlib import Path

from clients.workbench import CACHE
from installing import run_or_skip


def installed(name: str, manifest: Path) -> Path:
    """A folder of this name in the cache, with what the `package.json` at `manifest` needs."""
    folder = CACHE / name
    wanted = manifest.read_text()
    mark = folder / "node_modules" / "installed.json"
    if not mark.exists() or mark.read_text() != wanted:
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        (folder / "package.json").write_text(wanted)
        # Without a registry, `npm install` tries for most of an hour.
        run_or_skip("npm", "ping", "--fetch-retries=0", environment=os.environ)
        quietly = ("--no-audit", "--no-fund", "--ignore-scripts", "--silent")
        run_or_skip("npm", "install", *quietly, environment=os.environ, folder=folder)
        mark.write_text(wanted)
    return folder


def npm(folder: Path, *arguments: str, **environment: str) -> str:
    """The output of a command of npm in a folder."""
    done = subprocess.run(
        ["npm", *arguments],
        cwd=folder,
        env={**os.environ, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=1_500,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-8_000:]
    return done.stdout
