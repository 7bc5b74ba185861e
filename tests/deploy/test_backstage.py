"""The card of deploy/backstage: built and tested with npm, in front of a real server.

Its packages are installed once, in a cache outside the checkout, beside those of `make clients`.
"""

import shutil
import time
from pathlib import Path

import httpx2
import pytest

import serving
from ci_systems import TOP
from npm import installed, npm

pytestmark = [
    pytest.mark.integrations,
    pytest.mark.skipif(not shutil.which("npm"), reason="this machine has no npm"),
]

PACKAGE = TOP / "deploy" / "backstage"
HOUR_NS = 3_600 * 10**9


@pytest.fixture(scope="module")
def package() -> Path:
    """A copy of the package with what it needs installed."""
    folder = installed("backstage", PACKAGE / "package.json")
    for name in ("src", "dist"):
        shutil.rmtree(folder / name, ignore_errors=True)
    shutil.copytree(PACKAGE / "src", folder / "src")
    for name in ("tsconfig.json", "tsconfig.build.json", "vitest.config.js", "README.md"):
        shutil.copy(PACKAGE / name, folder)
    return folder


def test_the_package_is_built(package: Path) -> None:
    npm(package, "run", "build")
    packed = npm(package, "pack", "--dry-run")
    for name in ("dist/index.js", "dist/index.d.ts", "dist/TheodoraCard.js", "README.md"):
        assert name in packed
    assert "test" not in {file.name.partition(".")[2] for file in (package / "dist").iterdir()}


def test_the_card_shows_what_the_server_has(package: Path, tmp_path: Path) -> None:
    now_ns = time.time_ns()
    with serving.serving(tmp_path) as server:
        for service, version, hours_ago in (
            ("shop", "v1", 4),
            ("shop", "v2", 3),
            ("shop", "v1", 2),
            ('pay "1"', "v1", 2),
        ):
            at_ns = now_ns - hours_ago * HOUR_NS
            event = {"service": service, "env": "production", "version": version}
            document = {**event, "started_at": at_ns, "finished_at": at_ns}
            answer = httpx2.post(
                f"{server.url}/api/v2/dora/deployment",
                json={"data": {"attributes": document}},
                headers=serving.KEYS,
            )
            assert answer.status_code == 200, answer.text
        known = {"THEODORA_URL": server.url, "THEODORA_APP_KEY": serving.APPLICATION_KEY}
        npm(package, "test", **known)
