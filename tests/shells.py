"""A shell that blocks of the documentation are pasted into."""

import os
import re
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

_LISTENING = re.compile(r"is listening on (\S+)")
_MOST_SECONDS = 600


@dataclass
class Shell:
    """A shell in a folder; what a block exports stays set."""

    folder: Path
    environment: dict[str, str] = field(default_factory=dict[str, str])

    def paste(self, block: str, *, given: str = "") -> str:
        """What it prints; an error in it ends the test. `given` is its standard input."""
        kept = self.folder / ".environment"
        done = subprocess.run(
            ["bash", "-ec", f"{block}\nenv -0 > '{kept}'"],
            cwd=self.folder,
            env=self.environment,
            input=given,
            capture_output=True,
            text=True,
            timeout=_MOST_SECONDS,
            check=False,
        )
        assert done.returncode == 0, f"{block}\n{done.stdout}{done.stderr}status {done.returncode}"
        lines = kept.read_text().rstrip("\0").split("\0")
        self.environment = dict(line.split("=", 1) for line in lines)
        return done.stdout

    @contextmanager
    def started(self, block: str, until: re.Pattern[str] = _LISTENING) -> Iterator[str]:
        """What the pattern finds in the output of a block whose last command does not end."""
        log = self.folder / "started.log"
        with log.open("w") as output:
            process = subprocess.Popen(
                ["bash", "-ec", block],
                cwd=self.folder,
                env=self.environment,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        try:
            yield _found(log, until, process)
        finally:
            os.killpg(process.pid, signal.SIGTERM)
            process.wait(timeout=_MOST_SECONDS)


def _found(log: Path, until: re.Pattern[str], process: subprocess.Popen[bytes]) -> str:
    deadline = time.monotonic() + _MOST_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        if found := until.search(log.read_text()):
            return found[1]
        time.sleep(0.05)
    raise AssertionError(log.read_text())
