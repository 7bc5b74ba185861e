"""A real browser without a window: Chromium, what it must never do, and what a page must be.

A window asks its server alone. What a page tries to load from elsewhere, whatever the script or
the policy complains of, and every answer that is an error without being expected makes the test
fail that leaves the window.
"""

import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import axe_playwright_python
import playwright
import pytest
from playwright.sync_api import (
    Browser,
    BrowserContext,
    ConsoleMessage,
    Page,
    Request,
    Response,
    expect,
    sync_playwright,
)

import serving

Scheme = Literal["light", "dark"]

WIDE, NARROW = 1440, 390
HOW_TO_INSTALL = "the tests of pages need Chromium: apt-get install chromium libatomic1"
_PROGRAMS = ("chromium-headless-shell", "chromium")
"""The first shows pages as the second does, but has no windows of its own, which take longer than
the pages."""
NAME_OF_THIS_MACHINE = "dora.example"
"""To the browser, which trusts it less than `localhost`, as it trusts any name."""
_NOTHING_ELSE = "MAP * ~NOTFOUND, EXCLUDE 127.0.0.1"
_FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    f"--host-resolver-rules=MAP {NAME_OF_THIS_MACHINE} 127.0.0.1, {_NOTHING_ELSE}",
)
_LOAD_FAILED = "Failed to load resource"
_TIMEOUT_MS = 20_000
_CUT_TABLES = """() => {
  const folded = [...document.querySelectorAll("main details:not([open])")];
  for (const each of folded) each.open = true;
  const cut = [...document.querySelectorAll("main table")].filter(
    (each) => !each.closest(".scroll") && each.scrollWidth > each.parentElement.clientWidth);
  for (const each of folded) each.open = false;
  return cut.map((each) => each.textContent.trim().slice(0, 80));
}"""


@contextmanager
def chromium() -> Iterator[Browser]:
    """The browser of this machine; a test is skipped where there is none, or no driver for it."""
    executable = next(filter(None, map(shutil.which, _PROGRAMS)), None)
    if not executable or not _driver_runs():
        pytest.skip(HOW_TO_INSTALL)
    expect.set_options(timeout=_TIMEOUT_MS)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable, args=_FLAGS)
        yield browser
        browser.close()


def _driver_runs() -> bool:
    """Whether this machine has the libraries that Playwright's driver is linked with."""
    driver = Path(playwright.__file__).with_name("driver") / "node"
    return subprocess.run([driver, "--version"], capture_output=True, check=False).returncode == 0


@dataclass
class Window:
    """One page of the browser, signed in or not, and what went wrong in it."""

    page: Page
    url: str
    problems: list[str] = field(default_factory=list)
    expected_statuses: set[int] = field(default_factory=lambda: {200, 204, 303})

    def go(self, path: str, status: int = 200) -> Page:
        """Opens the page at `path`, which has to answer with this status."""
        self.expected_statuses.add(status)
        answer = self.page.goto(self.url + path)
        assert answer, path
        assert answer.status == status, (path, answer.status)
        return self.page

    def sign_in(self, key: str = serving.APPLICATION_KEY) -> None:
        self.go("/sign-in")
        self.page.fill("#key", key)
        self.page.click("main button")
        self.page.wait_for_load_state()
        assert self.path == "/", self.path

    @property
    def path(self) -> str:
        """Where the page is, as this server has it."""
        return self.page.url.removeprefix(self.url)

    @property
    def overflow_px(self) -> int:
        """By how much the page can be scrolled sideways."""
        return self.page.evaluate(
            "document.documentElement.scrollWidth - document.documentElement.clientWidth"
        )

    @property
    def cut_tables(self) -> list[str]:
        """The tables, folded ones too, that have no room for their columns and do not scroll.

        What reaches out of `main` is cut, so that no page can be scrolled sideways because of it.
        """
        return self.page.evaluate(_CUT_TABLES)

    def watch(self) -> None:
        self.page.on("console", self._hear)
        self.page.on("pageerror", lambda error: self.problems.append(f"script: {error}"))
        self.page.on("response", self._see)
        self.page.on("request", self._notice)

    def _hear(self, message: ConsoleMessage) -> None:
        # Answers are looked at themselves, with their status.
        if message.type in {"error", "warning"} and _LOAD_FAILED not in message.text:
            self.problems.append(f"console: {message.text}")

    def _see(self, response: Response) -> None:
        if response.status not in self.expected_statuses:
            self.problems.append(f"answer: {response.status} of {response.url}")

    def _notice(self, request: Request) -> None:
        """Without holding it up, which would switch the browser's cache off."""
        if not request.url.startswith(self.url + "/"):
            self.problems.append(f"asked elsewhere: {request.url}")


@contextmanager
def window(browser: Browser, url: str, *, width: int = WIDE, **options: Any) -> Iterator[Window]:
    """A window of a person of its own; `options` are those of Playwright's contexts."""
    viewport = {"width": width, "height": 900}
    context: BrowserContext = browser.new_context(viewport=viewport, timezone_id="UTC", **options)
    context.set_default_timeout(_TIMEOUT_MS)
    opened = Window(context.new_page(), url)
    opened.watch()
    yield opened
    context.close()
    assert opened.problems == []


def axe_source() -> str:
    """The script of axe-core, out of a package that carries it."""
    return Path(axe_playwright_python.__file__).with_name("axe.min.js").read_text()
