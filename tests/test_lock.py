"""The locked requirements, with hashes, that the image is built from.

`make lock` writes them.
"""

import re
import tomllib
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

TOP = Path(__file__).parents[1]
PROJECT = tomllib.loads((TOP / "pyproject.toml").read_text())
RUNTIME = [
    *PROJECT["project"]["dependencies"],
    *PROJECT["project"]["optional-dependencies"]["postgresql"],
    *PROJECT["project"]["optional-dependencies"]["oidc"],
]
LOCKS = {
    TOP / "requirements.lock": RUNTIME,
    TOP / "deploy/build.lock": PROJECT["build-system"]["requires"],
}
"""Each file, and the requirements that it locks."""

_PINNED = re.compile(
    r"^([\w.-]+)==(\S+)[^\n]*((?:\\\n +--hash=sha256:[0-9a-f]{64} ?)+)$", re.MULTILINE
)


def test_every_requirement_has_a_version_in_its_range_with_hashes() -> None:
    for file, requirements in LOCKS.items():
        locked = {
            canonicalize_name(name): pin for name, pin, _ in _PINNED.findall(file.read_text())
        }
        for requirement in map(Requirement, requirements):
            pin = locked.get(canonicalize_name(requirement.name))
            assert pin, f"{requirement} is not in {file.name}: make lock"
            assert requirement.specifier.contains(pin), f"{file.name} has {pin}: make lock"


def test_a_lock_has_nothing_but_versions_and_hashes() -> None:
    """No address of a registry, no option, and no version without a hash."""
    for file in LOCKS:
        text = re.sub(r"^ *#.*\n", "", file.read_text(), flags=re.MULTILINE)
        assert not _PINNED.sub("", text).strip(), file.name
        assert "://" not in file.read_text()
