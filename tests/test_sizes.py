"""Sizes of the repository's files: everyone who clones it gets all of them, for ever."""

import subprocess
from pathlib import Path

import pytest

TOP = Path(__file__).parents[1]
MOST_BYTES = 400_000


def test_no_file_is_large() -> None:
    listed = subprocess.run(
        ["git", "-C", str(TOP), "ls-files", "-z"], capture_output=True, text=True, check=False
    )
    if listed.returncode:
        pytest.skip("this is no checkout of git")
    files = [TOP / name for name in listed.stdout.split("\0") if name]
    assert len(files) > 500
    sizes = {file: file.stat().st_size for file in files if file.exists()}
    assert not {file: size for file, size in sizes.items() if size > MOST_BYTES}
