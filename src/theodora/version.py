"""The version, the commit and the time that this program was built from.

A build writes them into the package (`hatch_build.py`). A checkout that is installed in editable
mode has no build: its commit is git's.
"""

import json
import os
import subprocess
import time
from datetime import UTC, datetime
from pathlib import Path

from theodora import __version__

RECORD = "build.json"
"""The file beside this one that a build writes."""

_FOLDER = Path(__file__).parent
_GIT_SECONDS = 10


def version_line() -> str:
    """What `theodora --version` prints."""
    record = _FOLDER / RECORD
    if record.exists():
        build = json.loads(record.read_text())
        details = f"commit {build['commit']}, built {build['built']}"
    else:
        details = f"commit {commit_of(_FOLDER.parents[1])}, run from a checkout"
    return f"theodora {__version__} ({details})"


def build_record(checkout: Path) -> str:
    """The text of `RECORD` for a build of this checkout.

    `THEODORA_BUILD_COMMIT` names the commit where there is no repository, as in an image.
    `SOURCE_DATE_EPOCH`, in seconds, sets the time, so that a build can be repeated to the byte.
    """
    commit = os.environ.get("THEODORA_BUILD_COMMIT") or commit_of(checkout)
    seconds = int(os.environ.get("SOURCE_DATE_EPOCH") or time.time())
    built = datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return json.dumps({"commit": commit, "built": built}) + "\n"


def commit_of(checkout: Path) -> str:
    """The commit that is checked out, with -dirty if files differ from it; or unknown."""
    # Without the check, git would answer for a repository that the folder happens to be in.
    if not (checkout / ".git").exists():
        return "unknown"
    # Everything is excluded, so that no tag takes the place of the commit.
    command = ["git", "describe", "--always", "--dirty", "--abbrev=12", "--exclude=*"]
    try:
        git = subprocess.run(  # noqa: S603 - no shell, and arguments are made here
            command, cwd=checkout, capture_output=True, text=True, timeout=_GIT_SECONDS, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return "unknown"
    return git.stdout.strip()
