"""Git as a process: its input and output."""

import hashlib
import random

import pytest

from theodora.git import process


def test_a_git_that_reads_slowly_gets_all_of_its_input(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its input is larger than a pipe, and it takes longer than between two checks of a fetch."""
    monkeypatch.setattr(process, "_CHECK_SECONDS", 0.001)
    data = random.randbytes(2**23)
    sha = process.run(["hash-object", "--stdin"], seconds=60, stdin=data).decode().strip()
    assert sha == hashlib.sha1(b"blob %d\0" % len(data) + data, usedforsecurity=False).hexdigest()
