"""Makes the pictures of the documentation from the demo's data, at a clock that stands still.

`make screenshots`
"""

import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from unittest import mock

import uvicorn

from theodora.app import Built, build
from theodora.cli.demo import load_demo
from theodora.config import load

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from browsing import NARROW, WIDE, chromium, window

IMAGES = Path(__file__).parent / "images"
NOW = datetime(2026, 3, 4, 15, 20, tzinfo=UTC)
PORT = 8089
KEY = "5" * 40
URL = f"http://127.0.0.1:{PORT}"
FAILED = "/deployments?query=env%3Aproduction+%40change_failure%3Atrue"
PICTURES = (
    # Name, path, what is clicked there, width, theme.
    ("overview", "/", "", WIDE, "light"),
    ("overview-dark", "/", "", WIDE, "dark"),
    ("overview-narrow", "/", "", NARROW, "light"),
    ("service", "/services/checkout", "", WIDE, "light"),
    ("explorer", FAILED, "", WIDE, "light"),
    ("deployment", FAILED, "table.ex-t td.fi a", WIDE, "light"),
    ("rules", "/settings/rules", "form.rules button", WIDE, "light"),
    ("data-health", "/data-health", "", WIDE, "light"),
)


def main() -> None:
    with (
        tempfile.TemporaryDirectory() as folder,
        _clock_at(NOW),
        _served(Path(folder)),
        chromium() as browser,
    ):
        for name, path, clicked, width, theme in PICTURES:
            with window(browser, URL, width=width, color_scheme=theme) as opened:
                opened.sign_in(KEY)
                page = opened.go(path)
                if clicked:
                    page.locator(clicked).first.click()
                    page.wait_for_load_state()
                page.screenshot(path=IMAGES / f"{name}.png", animations="disabled")


@contextmanager
def _clock_at(moment: datetime) -> Iterator[None]:
    now_ns = int(moment.timestamp()) * 10**9
    with mock.patch("time.time_ns", return_value=now_ns):
        yield


@contextmanager
def _served(folder: Path) -> Iterator[None]:
    """The server in this process, which has the clock."""
    settings = {"DATABASE": f"sqlite:///{folder / 'theodora.db'}", "BOOTSTRAP_APP_KEY": KEY}
    built = build(load({f"THEODORA_{name}": value for name, value in settings.items()}, {}))
    _load(built)
    server = uvicorn.Server(uvicorn.Config(built.application, port=PORT, log_level="error"))
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        while not server.started:
            thread.join(0.05)
        yield
    finally:
        server.should_exit = True
        thread.join()


def _load(built: Built) -> None:
    with mock.patch("theodora.cli.demo.datetime") as clock:
        clock.now.return_value = NOW
        load_demo(built.store, built.organisation)


if __name__ == "__main__":
    main()
