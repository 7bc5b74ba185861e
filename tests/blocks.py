"""Blocks of the documentation, and the reasons why some are not run."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

TOP = Path(__file__).parents[1]
PAGES = sorted([TOP / "README.md", *(TOP / "docs").rglob("*.md")])

_PROGRAM = "takes a program that tests cannot have; what it does is tested without: see the page"
_OUTPUT = "shows an answer or a layout; there is nothing to run"
NOT_RUN = {
    ("docs/audit.md", "[hash before"): f"{_OUTPUT}; tests/storage/test_audit.py hashes entries",
    ("docs/commits.md", "DD_API_KEY="): "tests/clients/test_datadog_ci.py: it takes npm and https",
    ("docs/install.md", "pip install"): "tests/deploy/test_wheel.py pastes it: it takes a registry",
    ("docs/install.md", "docker build"): f"{_PROGRAM}; tests/deploy/test_image.py",
    ("docs/install.md", "cd deploy/compose"): f"{_PROGRAM}; tests/deploy/test_compose.py",
    ("docs/install.md", "docker compose run"): f"{_PROGRAM}; tests/deploy/test_compose.py",
    ("docs/install.md", "helm install"): "tests/deploy/test_chart.py renders it",
    ("docs/install.md", "kubectl"): "tests/deploy/test_chart.py renders it, and reads the secret",
    ("docs/install.md", "image: {"): "tests/deploy/test_chart.py reads it",
    ("docs/install.md", "cp deploy/systemd"): f"{_PROGRAM}; tests/deploy/test_systemd.py",
    ("docs/organisations.md", '{"errors"'): f"{_OUTPUT}; tests/web/test_quotas.py",
    ("docs/people.md", 'provider = "github"'): "settings of oauth2-proxy, which is not here",
    ("docs/postgresql.md", "ALTER ROLE theodora"): "takes PgBouncer: test_pgbouncer.py",
    ("docs/postgresql.md", "psql cluster"): "needs Citus: `make citus`",
    ("docs/sign-in.md", "issuer:"): "settings of Dex, which is not here",
}
"""By page and the beginning of the first line, the reason."""

_BLOCK = re.compile(
    r"(?P<mark><!-- [^\n]* -->\n)?^(?P<indent> *)```(?P<kind>\w*)\n(?P<text>.*?)^ *```",
    re.DOTALL | re.MULTILINE,
)


class Block(NamedTuple):
    """A block, and whether a test finds it by a mark before it."""

    page: str
    text: str
    is_marked: bool

    @property
    def first_line(self) -> str:
        return self.text.strip().splitlines()[0]

    @property
    def commands(self) -> list[str]:
        """Its lines, with those that are continued."""
        lines = self.text.replace("\\\n", " ").splitlines()
        return [line.strip() for line in lines if line.strip() and not line.startswith("#")]


def blocks() -> Iterator[Block]:
    """Those of every page but the generated one of commands, without their indents."""
    for page in PAGES:
        name = str(page.relative_to(TOP))
        if name != "docs/commands.md":
            for found in _BLOCK.finditer(page.read_text()):
                text = re.sub(rf"^{found['indent']}", "", found["text"], flags=re.MULTILINE)
                yield Block(name, text, found["mark"] is not None)


def reason(block: Block) -> str | None:
    """Why the block is not run; nothing if it is."""
    for (page, begin), told in NOT_RUN.items():
        if block.page == page and block.first_line.startswith(begin):
            return told
    return None


def texts(page: str) -> list[str]:
    """The blocks of a page that no mark and no reason leaves to other tests."""
    return [
        block.text
        for block in blocks()
        if block.page == page and not block.is_marked and not reason(block)
    ]
