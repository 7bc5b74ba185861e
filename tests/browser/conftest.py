"""The browser, and the servers it looks at."""

from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, StorageState

import browsing
import worlds


# Not for the session: while Playwright runs, this thread can run no event loop of its own.
@pytest.fixture(scope="package")
def chromium() -> Iterator[Browser]:
    with browsing.chromium() as browser:
        yield browser


@pytest.fixture(scope="session")
def company(tmp_path_factory: pytest.TempPathFactory) -> Iterator[worlds.World]:
    with worlds.company(tmp_path_factory.mktemp("company")) as world:
        yield world


@pytest.fixture(scope="session")
def traps(tmp_path_factory: pytest.TempPathFactory) -> Iterator[worlds.World]:
    with worlds.traps(tmp_path_factory.mktemp("traps")) as world:
        yield world


@pytest.fixture
def nothing(tmp_path_factory: pytest.TempPathFactory) -> Iterator[worlds.World]:
    with worlds.nothing(tmp_path_factory.mktemp("nothing")) as world:
        yield world


@pytest.fixture(scope="session")
def cookies() -> dict[str, StorageState]:
    """What somebody who has signed in to a server keeps, by the server's URL."""
    return {}


class Opens:
    """Opens windows; somebody signed in to a server once is so in each further window."""

    def __init__(self, browser: Browser, cookies: dict[str, StorageState]) -> None:
        self._browser = browser
        self._cookies = cookies

    def __call__(self, world: worlds.World, **options: Any) -> Any:
        if world.url not in self._cookies:
            with browsing.window(self._browser, world.url) as window:
                window.sign_in()
                self._cookies[world.url] = window.page.context.storage_state()
        kept = self._cookies[world.url]
        return browsing.window(self._browser, world.url, storage_state=kept, **options)


@pytest.fixture
def signed_in(chromium: Browser, cookies: dict[str, StorageState]) -> Opens:
    return Opens(chromium, cookies)
