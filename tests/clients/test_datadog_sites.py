"""The import from and the forwarding to two sites of Datadog, which a second Theodora plays."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.clients

SCRIPT = Path(__file__).with_name("datadog_sites.py")
ISOLATED = ("unshare", "--map-root-user", "--net", "--mount")


def can_isolate() -> bool:
    if shutil.which("unshare") is None:
        return False
    return subprocess.run([*ISOLATED, "true"], capture_output=True, check=False).returncode == 0


@pytest.mark.skipif(not can_isolate(), reason="this machine lets no process have its own network")
def test_every_event_is_on_both_sides_once_whatever_is_killed(tmp_path: Path) -> None:
    done = subprocess.run(
        [*ISOLATED, sys.executable, str(SCRIPT), str(tmp_path), "6"],
        capture_output=True,
        text=True,
        timeout=900,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
