"""The units of systemd: valid, restricted, and with room for what their commands do.

systemd is not started here. The system calls of the server and of a backup are recorded, and each
has to be in the filter of its unit.
"""

import ctypes
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from installing import BOOTSTRAP, PROGRAM, TOP, clean_environment, run, send_and_find, started

FOLDER = TOP / "deploy/systemd"
SERVICES = sorted(FOLDER.glob("*.service"))
MOST_EXPOSED = 25
"""In tenths of the score of `systemd-analyze security`, of 100."""

_INSTALLED = "/opt/theodora/bin/theodora"
_STATE = "/var/lib/theodora"

pytestmark = [
    pytest.mark.deploy,
    pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="this machine has no systemd"),
]


def lines(unit: Path, name: str) -> list[str]:
    """The values of a setting, in order."""
    return re.findall(rf"^{name}=(.*)$", unit.read_text(), re.MULTILINE)


def installed(folder: Path) -> list[Path]:
    """The units with the program of this checkout, and with folders below this one."""
    units: list[Path] = []
    for unit in sorted(FOLDER.iterdir()):
        text = unit.read_text().replace(_INSTALLED, PROGRAM)
        units.append(folder / unit.name)
        units[-1].write_text(text.replace(_STATE, str(folder / "state")))
    return units


def test_every_unit_is_valid(tmp_path: Path) -> None:
    units = installed(tmp_path)
    assert len(units) == 3
    checked = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", *units],
        capture_output=True,
        text=True,
        check=False,
    )
    # It reads the machine's units too.
    ours = [line for line in checked.stderr.splitlines() if "theodora" in line]
    assert (checked.returncode, ours) == (0, [])


@pytest.mark.parametrize("unit", SERVICES, ids=lambda unit: unit.stem)
def test_every_service_is_restricted(unit: Path) -> None:
    analyse = ("systemd-analyze", "security", "--offline=yes", f"--threshold={MOST_EXPOSED}")
    shown = run(*analyse, unit, environment=os.environ)
    sys.stdout.write(shown.splitlines()[-1] + "\n")


def allowed_calls(unit: Path) -> set[str]:
    """The system calls that the filter of a unit leaves, as systemd reads it."""
    found = set(_calls("@default"))
    for line in lines(unit, "SystemCallFilter"):
        calls = {call for name in line.lstrip("~").split() for call in _calls(name)}
        found = found - calls if line.startswith("~") else found | calls
    return found


def _calls(name: str) -> Iterator[str]:
    if not name.startswith("@"):
        yield name
        return
    shown = run("systemd-analyze", "syscall-filter", name, environment=os.environ)
    for each in shown.splitlines()[1:]:
        if each.startswith("    ") and not each.strip().startswith("#"):
            yield from _calls(each.strip())


def recorded_calls(trace: Path) -> set[str]:
    """The names in the summary that `strace -c` wrote."""
    rows = trace.read_text().splitlines()[2:-2]
    return {row.split()[-1] for row in rows}


REFUSED = {
    "fchown": "SQLite keeps the owner of a file of root, which the service is not",
    "mbind": "OpenBLAS asks for memory near a processor",
}
"""Calls that the filters refuse and that are not needed: they fail in the test too."""

_GET_MDWE = 66
WITHOUT_NEW_CODE = """
import ctypes, os, sys
assert ctypes.CDLL(None).prctl(65, 1, 0, 0, 0) == 0
os.execvp(sys.argv[1], sys.argv[1:])
"""
"""Does what `MemoryDenyWriteExecute` does (PR_SET_MDWE): no memory becomes executable."""


def needs_tracing() -> None:
    """Skips a test where the kernel is too old, or a container keeps `strace` from tracing."""
    if ctypes.CDLL(None).prctl(_GET_MDWE, 0, 0, 0, 0) < 0:
        pytest.skip("this kernel cannot forbid new code in memory (Linux 6.3 can)")
    if subprocess.run(["strace", "true"], capture_output=True, check=False).returncode:
        pytest.skip("this machine lets nobody trace system calls")


@pytest.mark.skipif(not shutil.which("strace"), reason="this machine has no strace")
def test_the_filters_allow_what_the_server_and_a_backup_call(tmp_path: Path) -> None:
    needs_tracing()
    installed(tmp_path)
    server, backup = tmp_path / "theodora.service", tmp_path / "theodora-backup.service"
    for folder in ("state", "state-backups"):
        (tmp_path / folder).mkdir()
    environment = clean_environment(tmp_path, **BOOTSTRAP)
    for line in lines(server, "Environment"):
        name, _, value = line.partition("=")
        environment[name] = value

    def traced(unit: Path) -> list[str]:
        (command,) = lines(unit, "ExecStart")
        trace = unit.with_suffix(".calls")
        refused = f"--inject={','.join(REFUSED)}:error=EPERM"
        strace = ("strace", "--follow-forks", "--summary-only", refused, f"--output={trace}")
        return [sys.executable, "-c", WITHOUT_NEW_CODE, *strace, *command.split()]

    command = [*traced(server), "--port", "0"]
    with started(command, environment, tmp_path) as url:
        send_and_find(url)
        run(*traced(backup), environment=environment, folder=tmp_path)
        # strace passes no signal on to the server, and ends after it.
        (strace,) = [each for each in psutil.Process().children() if each.name() == "strace"]
        (traced_server,) = strace.children()
        traced_server.send_signal(signal.SIGTERM)
        psutil.wait_procs([strace, traced_server], timeout=60)
    assert list((tmp_path / "state-backups").iterdir())
    for unit in (server, backup):
        called = recorded_calls(unit.with_suffix(".calls"))
        assert len(called) > 50
        assert called - allowed_calls(unit) <= REFUSED.keys()
