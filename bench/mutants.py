"""A mutation score by folder: how many small faults in the code fail a test.

Cosmic Ray makes the faults, in a copy of the repository; a sample of them is tested, chosen by a
seed. A run that was interrupted goes on where it stood, `clean` begins again.

    python -m bench.mutants query dora storage
"""

import argparse
import filecmp
import os
import random
import re
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from cosmic_ray.work_db import WorkDB, use_db
from cosmic_ray.work_item import TestOutcome, WorkerOutcome, WorkItem, WorkResult

REPOSITORY = Path(__file__).resolve().parents[1]
COPIES = REPOSITORY / ".mutants"
MODULES = Path("src/theodora")
TIMEOUT_SECONDS = 600
NO_FAULTS = re.compile(r"core/ReplaceBinaryOperator_BitOr_")
"""Operators that are left out: `|` stands in types, where another operator fails every import."""

TESTED_BY = {
    "query": ["tests/test_frozen.py", "tests/query"],
    "dora": [
        *(
            "tests/test_frozen.py",
            "tests/dora/test_golden.py",
            "tests/dora/derivation/test_derive.py",
        ),
        "tests/dora/metrics/test_metrics.py",
    ],
    "storage": [
        *("tests/storage/test_isolation.py", "tests/storage/test_cleaning.py"),
        *("tests/storage/search/test_lists.py", "tests/storage/derivation/test_run.py"),
        *("tests/storage/search/test_value_counts.py", "tests/storage/search/test_plans.py"),
    ],
}
"""What tests a folder besides the tests that name the module itself."""
SLOW = {
    *("test_search_agreement.py", "test_real_histories.py", "test_many_processes.py"),
    *("test_durability.py", "test_replicas.py", "test_cache.py"),
}
"""Tests that take a minute: they are run for the module of their name alone."""


def main() -> int:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("folders", nargs="*", default=list(TESTED_BY))
    arguments.add_argument("--sample", type=int, default=60, help="faults tested in each folder")
    arguments.add_argument("--seed", type=int, default=1)
    arguments.add_argument("--only", default="", help="modules whose path matches this pattern")
    asked = arguments.parse_args()
    match asked.folders:
        case ["test", folder]:
            return test(folder)
        case ["clean"]:
            shutil.rmtree(COPIES, ignore_errors=True)
        case folders:
            for folder in folders:
                measure(folder, asked.sample, asked.seed, re.compile(asked.only))
    return 0


def measure(folder: str, sample: int, seed: int, only: re.Pattern[str]) -> None:
    """Tests a sample of faults, or as many of it as are not tested yet, and prints the score."""
    copy = COPIES / folder
    make_copy(copy)
    config, session = copy / "cosmic-ray.toml", copy / f"{sample}-{seed}.sqlite"
    config.write_text(configuration(folder))
    if not session.exists():
        # Without a fault the tests have to pass.
        cosmic_ray(copy, "baseline", config)
        new = session.with_suffix(".new")
        new.unlink(missing_ok=True)
        cosmic_ray(copy, "init", config, new)
        with use_db(new) as db:
            skip_others(db, sample, seed, only)
        new.rename(session)
    cosmic_ray(copy, "exec", config, session)
    report(folder, session)


def make_copy(copy: Path) -> None:
    """Faults are made in a copy, so that nobody sees one in the repository."""
    if copy.exists():
        for module in changed_modules(copy):
            shutil.copy(copy / "original" / module, copy / module)
        return
    copy.mkdir(parents=True)
    for name in ("src", "tests", "docs", "bench"):
        shutil.copytree(REPOSITORY / name, copy / name)
    for path in REPOSITORY.glob("*.*"):
        if path.is_file():
            shutil.copy(path, copy)
    shutil.copytree(REPOSITORY / "src", copy / "original" / "src")


def configuration(folder: str) -> str:
    return f"""[cosmic-ray]
module-path = "{MODULES / folder}"
timeout = {TIMEOUT_SECONDS}.0
excluded-modules = ["**/__init__.py"]
test-command = "{sys.executable} bench/mutants.py test {folder}"

[cosmic-ray.distributor]
name = "local"
"""


def cosmic_ray(copy: Path, command: str, *paths: Path) -> None:
    subprocess.run(
        [sys.executable, "-m", "cosmic_ray.cli", command, *paths],
        cwd=copy,
        env={**os.environ, "PYTHONPATH": str(copy / "src")},
        check=True,
    )


def skip_others(db: WorkDB, sample: int, seed: int, only: re.Pattern[str]) -> None:
    """Has all faults but a sample count as done."""
    items = sorted(
        (item for item in db.work_items if is_a_fault(item, only)),
        key=lambda item: (str(item.mutations[0]), item.job_id),
    )
    chosen = {item.job_id for item in random.Random(seed).sample(items, min(sample, len(items)))}
    skipped = WorkResult(worker_outcome=WorkerOutcome.SKIPPED)
    db.set_multiple_results(
        [item.job_id for item in db.work_items if item.job_id not in chosen], skipped
    )


def is_a_fault(item: WorkItem, only: re.Pattern[str]) -> bool:
    [mutation] = item.mutations
    return not NO_FAULTS.match(mutation.operator_name) and bool(
        only.search(str(mutation.module_path))
    )


def report(folder: str, session: Path) -> None:
    """Prints the score; what survived stands in a file."""
    outcomes: Counter[str] = Counter()
    survived: list[str] = []
    timeouts = 0
    with use_db(session) as db:
        for _, result in db.completed_work_items:
            if result.worker_outcome == WorkerOutcome.SKIPPED:
                continue
            outcomes[str(result.test_outcome and result.test_outcome.value)] += 1
            timeouts += result.output == "timeout"
            if result.test_outcome == TestOutcome.SURVIVED:
                survived.append(result.diff or "")
    file = session.with_suffix(".diff")
    file.write_text("\n".join(survived))
    total = outcomes.total()
    killed = total - outcomes["survived"]
    ran_out = f", {timeouts} of them by running out of time" if timeouts else ""
    print(f"{folder}: {killed} of {total} faults fail a test{ran_out}; the others: {file}")


def test(folder: str) -> int:
    """Tests the copy in the current folder, first with what tests the module that has a fault."""
    tests = [test for module in changed_modules(Path()) for test in tests_of(module)]
    return subprocess.run(
        [
            *(sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider"),
            *("-k", "not postgresql", *dict.fromkeys([*tests, *TESTED_BY[folder]])),
        ],
        check=False,
    ).returncode


def tests_of(module: Path) -> list[str]:
    """The test of the same name, and those that import from the module."""
    folder, name = module.relative_to(MODULES).parts[0], module.stem
    named = re.compile(rf"from theodora\.{folder}(\.\w+)*\.{name} import")
    tests = [
        path
        for tested in TESTED_BY
        for path in Path("tests", tested).rglob("test_*.py")
        if path.name == f"test_{name}.py"
        or (path.name not in SLOW and named.search(path.read_text()))
    ]
    return [str(path) for path in sorted(tests, key=lambda path: path.name != f"test_{name}.py")]


def changed_modules(copy: Path) -> list[Path]:
    return list(_changed(copy, filecmp.dircmp(copy / "original/src", copy / "src"), Path("src")))


def _changed(copy: Path, compared: "filecmp.dircmp[str]", folder: Path) -> Iterator[Path]:
    for name in compared.common_files:
        # By content: a fault may leave the size and the second of a file as they were.
        if not filecmp.cmp(copy / "original" / folder / name, copy / folder / name, shallow=False):
            yield folder / name
    for name, within in compared.subdirs.items():
        if name != "__pycache__":
            yield from _changed(copy, within, folder / name)


if __name__ == "__main__":
    sys.exit(main())
