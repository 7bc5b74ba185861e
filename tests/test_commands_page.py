"""docs/commands.md lists every command with its options; run this file to write it again."""

import re
from collections.abc import Iterator
from inspect import cleandoc
from pathlib import Path

import click

from theodora.cli import main
from theodora.config import SETTINGS
from theodora.query.reference import table

PAGE = Path(__file__).parents[1] / "docs" / "commands.md"

_FLAGS = {setting.flag for setting in SETTINGS if not setting.secret}
_MANY_CHOICES = re.compile(r"\{[^}]{60,}\}")
"""Which other pages list."""
_READS_SETTING = re.compile(r"\s*\[THEODORA_\w+.*\]$")


def commands_page() -> str:
    """The commands in alphabetical order, each group before its own."""
    lines = [
        "# Commands",
        "",
        "Every command has `--help`. Commands may run beside a server; they use the database of",
        "`make serve` if the folder has one, `theodora.db` otherwise. An option that is also a",
        "[setting](settings.md) is read from its environment variable if it is left out.",
        "",
    ]
    for name, command in commands(main, "theodora"):
        lines += [f"## {name}", "", *_about(command), *_usage(name, command), *_options(command)]
    return "\n".join(lines)


def commands(command: click.Command, name: str) -> Iterator[tuple[str, click.Command]]:
    """The command and all beneath it, with the words that call each."""
    if name != "theodora":
        yield name, command
    if isinstance(command, click.Group):
        for each in sorted(command.commands):
            yield from commands(command.commands[each], f"{name} {each}")


def _about(command: click.Command) -> Iterator[str]:
    r"""The paragraphs of its help; what follows `\b` is an example."""
    for paragraph in cleandoc(command.help or "").split("\n\n"):
        if paragraph.startswith("\b\n"):
            yield from ("```", paragraph.removeprefix("\b\n"), "```", "")
        else:
            yield from (paragraph.replace("*", r"\*").replace("<", "&lt;"), "")


def _usage(name: str, command: click.Command) -> Iterator[str]:
    if isinstance(command, click.Group):
        return
    with click.Context(command, info_name=name) as context:
        arguments = [
            _MANY_CHOICES.sub("KIND", each) for each in command.collect_usage_pieces(context)
        ]
    yield from (f"Usage: `{' '.join((name, *arguments))}`", "")


def _options(command: click.Command) -> Iterator[str]:
    options = [each for each in command.params if isinstance(each, click.Option)]
    own = [each for each in options if each.opts[-1] not in _FLAGS]
    settings = [each for each in options if each.opts[-1] in _FLAGS]
    if own:
        yield from (table(("option", "meaning"), map(_row, own)), "")
    if len(settings) == len(_FLAGS):
        yield from ("Each [setting](settings.md) is an option too.", "")
    elif settings:
        names = ", ".join(f"`{each.opts[-1]}`" for each in settings)
        yield from (f"Settings: {names}.", "")


def _row(option: click.Option) -> tuple[str, str]:
    names = " / ".join((*option.opts, *option.secondary_opts))
    with click.Context(click.Command(None)) as context:
        value = "" if option.is_flag else f" {option.make_metavar(context)}"
    help_ = _READS_SETTING.sub("", option.help or "")
    return f"`{names}{value}`", help_ + (" Required." if option.required else "")


def test_the_page_of_commands_is_up_to_date() -> None:
    assert PAGE.read_text() == commands_page(), f"run python {__file__}"


if __name__ == "__main__":
    PAGE.write_text(commands_page())
