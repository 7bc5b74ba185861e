"""Every block in the documentation is run by a test, or named with a reason in `blocks.py`.

Commands of Theodora in blocks that are not run are parsed at least: each exists, with its options.
"""

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from blocks import NOT_RUN, PAGES, TOP, blocks, reason
from theodora.cli import main

RUN_BY = {
    "README.md": "tests/test_readme.py",
    "docs/clients.md": "tests/test_readme.py",
    "docs/quickstart.md": "tests/test_readme.py",
    "docs/search.md": "tests/query/test_reference.py",
    "docs/upgrading.md": "tests/storage/upgrades/test_upgrades.py",
}
"""Pages whose blocks are all run, or exempted, by the test that is named."""
PASTED = TOP / "tests/test_pasted_pages.py"
"""Runs every block of the pages that it names, unless there is a mark or a reason."""

_CALL = re.compile(r"(?:[A-Z_]+=\S* )*theodora (?=[a-z-])")


def test_every_block_is_run_or_has_a_reason() -> None:
    pasted = PASTED.read_text()
    unknown = [
        (block.page, block.first_line)
        for block in blocks()
        if not (
            block.is_marked
            or block.page in RUN_BY
            or reason(block)
            or f'texts("{block.page}")' in pasted
        )
    ]
    assert unknown == [], "paste them in tests/test_pasted_pages.py, or give a reason in blocks.py"


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


def test_every_picture_is_shown_by_a_page() -> None:
    pages = "".join(page.read_text() for page in PAGES)
    pictures = {each.name for each in (TOP / "docs/images").iterdir()}
    assert {each for each in pictures if f"images/{each}" not in pages} == set()


def test_every_page_has_a_place_in_the_contents() -> None:
    contents = (TOP / "docs/README.md").read_text()
    pages = {
        str(page.relative_to(TOP / "docs")) for page in PAGES if page.is_relative_to(TOP / "docs")
    }
    assert [page for page in sorted(pages - {"README.md"}) if f"]({page})" not in contents] == []
