"""Fixtures of the tests of `make deploy`."""

import os
from pathlib import Path

import pytest

from installing import TOP, run, tool


@pytest.fixture(scope="session")
def dist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the wheel and the source distribution of this checkout."""
    folder = tmp_path_factory.mktemp("dist")
    run(tool("uv"), "build", "--quiet", "--out-dir", folder, TOP, environment=os.environ)
    return folder


@pytest.fixture(scope="session")
def wheel(dist: Path) -> Path:
    return next(dist.glob("*.whl"))
