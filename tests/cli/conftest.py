"""A database of the test, and commands that use it."""

from pathlib import Path

import pytest
from click.testing import Result

import commands


@pytest.fixture
def url(tmp_path: Path) -> str:
    """The URL of a database that is not there yet."""
    return f"sqlite:///{tmp_path / 'theodora.db'}"


@pytest.fixture
def run(url: str) -> commands.Run:
    def run(*arguments: object, given: bytes | str = b"", database: str = url) -> Result:
        return commands.run(*arguments, given=given, THEODORA_DATABASE=database)

    return run
