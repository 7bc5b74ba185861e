"""The documentation site is made without a network or a warning, and asks no other host."""

import re
import shutil
import subprocess
from collections.abc import Iterator
from functools import partial
from html.parser import HTMLParser
from http.server import SimpleHTTPRequestHandler
from pathlib import Path

import pytest

from browsing import NARROW, WIDE, chromium, window
from loopback import answering

TOP = Path(__file__).parents[1]
FAULTS = {
    "# Stray": "docs/stray.md: WARNING: document isn't included in any toctree",
    "[a](none.md)": "cross-reference target not found: 'none.md'",
    "[a](../tests/none.py)": "cross-reference target not found: '../tests/none.py'",
    "[a](search.md#none)": "local id not found in doc 'docs/search': 'none'",
    "[a](#none-here)": "cross-reference target not found: 'none-here'",
    "![a](images/none.png)": "image file not readable: docs/images/none.png",
}
"""What is planted, and the warning about it."""
_FOREIGN_STYLE = re.compile(r"@import|url\(\s*[\"']?(?!data:|#)[a-z]*:?//", re.IGNORECASE)

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        not (TOP / ".venv/bin/sphinx-build").exists(), reason="the group docs is not installed"
    ),
]


def make_site(folder: Path, checkout: Path = TOP) -> str:
    """What `make site` prints, without a network where this machine lets us take it away."""
    alone = ["unshare", "--net", "--map-root-user"]
    if subprocess.run([*alone, "true"], check=False, capture_output=True).returncode:
        alone = []
    made = subprocess.run(
        [*alone, "make", "--silent", "--old-file=.venv/installed-docs", "site", f"SITE={folder}"],
        cwd=checkout,
        capture_output=True,
        text=True,
        check=False,
    )
    return made.stdout + made.stderr


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    assert make_site(folder) == f"{folder}/index.html\n"
    return folder


@pytest.fixture(scope="module")
def url(site: Path) -> Iterator[str]:
    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            pass

    with answering(partial(Quiet, directory=site)) as port:
        yield f"http://127.0.0.1:{port}"


class _Loads(HTMLParser):
    """The addresses that a page loads something from."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        for name, value in attrs:
            if name in {"src", "srcset", "action"} or (tag == "link" and name == "href"):
                self.found.append(value or "")


def test_every_part_of_the_site_comes_from_its_own_host(site: Path) -> None:
    pages = list(site.rglob("*.html"))
    assert len(pages) > 40
    for page in pages:
        loads = _Loads()
        loads.feed(page.read_text())
        foreign = [each for each in loads.found if re.match(r"([a-z]+:)?//", each)]
        assert foreign == [], page
        files = {re.split("[?#]", each)[0] for each in loads.found} - {""}
        assert [each for each in files if not (page.parent / each).exists()] == [], page
    for style in site.rglob("*.css"):
        assert not _FOREIGN_STYLE.search(style.read_text()), style


def test_a_reader_finds_a_page_in_either_theme(url: str) -> None:
    """A window's test fails if a page asks another host."""
    grounds = []
    with chromium() as browser:
        for scheme, width in (("light", NARROW), ("dark", WIDE)):
            with window(browser, url, color_scheme=scheme, width=width) as opened:
                opened.expected_statuses |= {304}
                page = opened.go("/index.html")
                page.wait_for_url("**/docs/README.html")
                page = opened.go("/search.html?q=litestream")
                page.locator("#search-results a", has_text="Backups").first.click()
                page.wait_for_url("**/docs/backup.html*")
                assert opened.overflow_px == 0
                grounds.append(page.evaluate("getComputedStyle(document.body).backgroundColor"))
    assert len(set(grounds)) == 2


def test_a_page_without_a_place_and_every_dead_link_are_errors(tmp_path: Path) -> None:
    """All are planted at once: the site is only made once more."""
    checkout = tmp_path / "checkout"
    tracked = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=TOP, capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip
    for name in tracked.strip("\0").split("\0"):
        (checkout / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(TOP / name, checkout / name)
    (checkout / ".venv").symlink_to(TOP / ".venv")
    (checkout / "docs/stray.md").write_text("\n\n".join(FAULTS))
    printed = make_site(tmp_path / "site", checkout)
    assert [each for each in FAULTS.values() if each not in printed] == []
    assert "Error" in printed
