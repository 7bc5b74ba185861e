"""Known vulnerabilities of the locked libraries, from the advisories of the Python Package Index.

    python -m bench.advisories [LOCK]

Asks `pip-audit`. Exit status 1: there are vulnerabilities; 2: they cannot be known here, for
example because a machine reaches a mirror that has no advisories.
"""

import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

_LOCK = Path("requirements-all.lock")


class Outcome(NamedTuple):
    """What to print, and the status to exit with."""

    lines: tuple[str, ...]
    status: int


def outcome_of(report: Mapping[str, Any]) -> Outcome:
    """The outcome of a report of pip-audit in JSON."""
    libraries = report["dependencies"]
    unknown = [each["name"] for each in libraries if "skip_reason" in each]
    found = [
        f"{each['name']} {each['version']}: {flaw['id']}, fixed in "
        f"{', '.join(flaw['fix_versions']) or 'no version'}"
        for each in libraries
        for flaw in each.get("vulns", ())
    ]
    if not libraries or len(unknown) == len(libraries):
        return _unknown("this machine reaches no advisories of the Python Package Index")
    asked = f"{len(libraries) - len(unknown)} of {len(libraries)} libraries were looked up"
    if unknown:
        found.append(f"not looked up: {', '.join(unknown)}")
    return Outcome((*found, asked), 1 if found else 0)


def _unknown(reason: str) -> Outcome:
    return Outcome((f"Nothing was audited: {reason}",), 2)


def audit(lock: Path) -> Outcome:
    """Looks up every library of a lock file."""
    command = [sys.executable, "-m", "pip_audit", "--require-hashes", "--disable-pip"]
    done = subprocess.run(
        [*command, "--progress-spinner", "off", "--format", "json", "--requirement", str(lock)],
        capture_output=True,
        text=True,
        check=False,
    )
    try:
        report = json.loads(done.stdout)
    except ValueError:
        lines = done.stderr.strip().splitlines()
        return _unknown(lines[-1] if lines else "pip-audit said nothing")
    return outcome_of(report)


def main() -> None:
    lines, status = audit(Path(sys.argv[1]) if len(sys.argv) > 1 else _LOCK)
    print(*lines, sep="\n")
    sys.exit(status)


if __name__ == "__main__":
    main()
