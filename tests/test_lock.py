"""The locked requirements, with hashes, and what is known of them.

`make lock` writes them.
"""

import re
import tomllib
from pathlib import Path

import pytest
from bench.advisories import outcome_of
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

TOP = Path(__file__).parents[1]
PROJECT = tomllib.loads((TOP / "pyproject.toml").read_text())
RUNTIME = [
    *PROJECT["project"]["dependencies"],
    *PROJECT["project"]["optional-dependencies"]["postgresql"],
    *PROJECT["project"]["optional-dependencies"]["oidc"],
    *PROJECT["project"]["optional-dependencies"]["notifications"],
]
LOCKS = {
    TOP / "requirements.lock": RUNTIME,
    TOP / "requirements-all.lock": [
        *RUNTIME,
        *(each for extra in PROJECT["project"]["optional-dependencies"].values() for each in extra),
    ],
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


def test_both_locks_have_the_same_versions() -> None:
    """What is tested with every extra is what the image is built from."""
    image, everything = (
        {name: pin for name, pin, _ in _PINNED.findall((TOP / file).read_text())}
        for file in ("requirements.lock", "requirements-all.lock")
    )
    assert image.items() <= everything.items()


FINE = {"name": "click", "version": "8.4", "vulns": []}
FLAWED = {
    "name": "starlette",
    "version": "1.0",
    "vulns": [{"id": "PYSEC-1", "fix_versions": ["1.1"]}],
}
SKIPPED = {"name": "numpy", "skip_reason": "not found"}


@pytest.mark.parametrize(
    ("libraries", "status", "first"),
    [
        ([FINE], 0, "1 of 1 libraries were looked up"),
        ([FINE, FLAWED], 1, "starlette 1.0: PYSEC-1, fixed in 1.1"),
        ([FINE, SKIPPED], 1, "not looked up: numpy"),
        ([SKIPPED], 2, "Nothing was audited: this machine reaches no advisories"),
        ([], 2, "Nothing was audited"),
    ],
)
def test_an_audit_says_what_it_could_not_look_up(
    libraries: list[dict[str, object]], status: int, first: str
) -> None:
    outcome = outcome_of({"dependencies": libraries})
    assert outcome.status == status
    assert outcome.lines[0].startswith(first)
