"""Words that Theodora does not use, with what to write instead.

Pages, messages, `--help`, the documentation and docstrings use one word for one thing, and the
words that engineers search for.
"""

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import click
import pytest

from theodora.cli import main

ROOT = Path(__file__).parents[1]
SOURCE = ROOT / "src" / "theodora"

INSTEAD = {
    r"mend(s|ed|ing)?": "fix, repair",
    r"anew": "again",
    r"(kept|keeps?) out": "rejected",
    r"puts? out|putting out": "release, deploy, ship",
    r"judged": "evaluated; marked failed or OK",
    r"(as|so) far as": "at most, up to; or name what is meant",
    r"as \w+ as may be": "as … as possible; or say how much",
    r"at the (most|least)": "at most, at least; or begin with Most, Fewest",
    r"whole(?! (seconds?|numbers?|field)\b)": "complete, all, full",
    r"none of (its|their) own": "no … of its own",
    r"(is|are) said of": "applies to",
    r"what holds": "the settings that apply",
    r"says? nothing else": "default",
    r"in any case of letters": "case-insensitive",
    r"one's own": "your own",
    r"as good as none": "counts as absent",
    r"comes? of it": "the result",
    r"derived of": "its derived values",
    r"gathers? what": "collects its problems",
    r"given by hand": "an override",
    r"has a say": "name what it decides",
    r"made if there is none": "created if needed",
    r"said of": "name what is known: the override, the verdict",
    r"so are(?= (its|the|all)\b)": "begin with the subject",
    r"what (was|were) said": "the override, its history",
    r"tells?|telling": "show, report, print, return",
    r"(is|are|was|were|be|being) told": "receives, gets, learns",
    r"in the place of": "in place of, instead of",
    r"if need be": "if needed",
    r"of which": "name the part first, or begin another sentence",
    r"by hand": "an override; not generated",
    r"stands?": "is, means, matches, comes",
    r"somebody": "you; or who it is: a user, a process, another reader",
    r"says? (what|where|how|why|so|which|whether)": "show, describe, name the remedy",
}
"""Each word, as a regular expression that matches in any case, and what to write."""

_PATTERNS = {
    re.compile(r"\b(?:" + word.replace(" ", r"\s+") + r")\b", re.IGNORECASE): instead
    for word, instead in INSTEAD.items()
}
EXCEPTIONS = {
    ("CHANGELOG.md", "kept out"): "names the word that `theodora import` printed before",
}
"""Places that use a word all the same, and why."""


class Use(NamedTuple):
    """A word that is not used, where it is."""

    place: str
    line: int
    word: str
    instead: str


def uses(text: str, place: str = "", first_line: int = 1) -> Iterator[Use]:
    for pattern, instead in _PATTERNS.items():
        for found in pattern.finditer(text):
            line = first_line + text.count("\n", 0, found.start())
            yield Use(place, line, " ".join(found[0].split()), instead)


def in_files(*files: Path) -> Iterator[Use]:
    for file in files:
        yield from uses(file.read_text(), _place(file))


def in_python(*files: Path) -> Iterator[Use]:
    """In docstrings and in the texts that have spaces, such as messages."""
    for file in files:
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and " " in node.value:
                yield from uses(node.value, _place(file), node.lineno)


def in_help(command: click.Command, name: str = "theodora") -> Iterator[Use]:
    context = click.Context(command, info_name=name)
    yield from uses(command.get_help(context), f"{name} --help")
    if isinstance(command, click.Group):
        for each in command.list_commands(context):
            inner = command.get_command(context, each)
            assert inner
            yield from in_help(inner, f"{name} {each}")


def _place(file: Path) -> str:
    return file.relative_to(ROOT).as_posix()


def _shown(found: Iterator[Use]) -> list[str]:
    return [
        f'{use.place}:{use.line}: instead of "{use.word}" write: {use.instead}'
        for use in found
        if (use.place, use.word) not in EXCEPTIONS
    ]


def _python() -> Iterator[Use]:
    return in_python(*sorted(SOURCE.rglob("*.py")))


def _documents() -> Iterator[Use]:
    return in_files(*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").rglob("*.md")))


def test_pages_use_the_plain_words():
    templates = sorted(SOURCE.rglob("*.html"))
    assert templates
    assert not _shown(in_files(*templates))


def test_the_help_of_every_command_uses_the_plain_words():
    assert not _shown(in_help(main))


def test_documents_use_the_plain_words():
    assert not _shown(_documents())


def test_docstrings_and_messages_use_the_plain_words():
    assert not _shown(_python())


@pytest.mark.parametrize(("place", "word"), EXCEPTIONS)
def test_every_exception_is_needed(place: str, word: str):
    read = in_python if place.endswith(".py") else in_files
    assert word in {use.word for use in read(ROOT / place)}


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("Mend the sender, and\nsend it again.", "Mend"),
        ("3 lines were kept\nout.", "kept out"),
        ("As far as it is known", "As far as"),
        ("as quickly as may be", "as quickly as may be"),
        ("The whole list", "whole"),
        ("a service that has none of its own", "none of its own"),
        ("An event with what is\nderived of it", "derived of"),
        ("The key, made if there is none.", "made if there is none"),
        ("Tells why it failed", "Tells"),
        ("The log says what to do", "says what"),
        ("A server is\ntold to stop", "is told"),
    ],
)
def test_a_word_is_found_in_any_case_and_over_lines(text: str, word: str):
    assert [use.word for use in uses(text)] == [word]


@pytest.mark.parametrize(
    "text",
    ["an amendment", "Durations are whole seconds", "must match the whole field", "output"],
)
def test_other_words_stay(text: str):
    assert not list(uses(text))
