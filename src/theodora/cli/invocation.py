"""How to type a command so that it runs this program on a server's database."""

import getpass
import os
import re
import shlex
import shutil
import sys
from pathlib import Path

import click

from theodora.cli.options import is_found_here
from theodora.report.invocation import HTTPS_FLAGS, Invocation
from theodora.storage.engine.actor import Actor

_NAME = "theodora"
_EXAMPLE = re.compile(rf"^(\s+){_NAME} (?=[a-zA-Z])", re.MULTILINE)
_PASSWORD_OF_USER = re.compile(r"(//[^:@/?]*):.*@")
_PASSWORD_IN_QUERY = re.compile(r"(?<=[?&])(ssl)?password=[^&]*&?")


def program() -> str:
    """`theodora` where a shell finds this very program under that name, else its path."""
    script = Path(sys.argv[0]).absolute()
    if script.name != _NAME:
        return f"{_path(Path(sys.executable))} -m {_NAME}"
    found = shutil.which(_NAME)
    return _NAME if found and Path(found).samefile(script) else _path(script)


def invocation(database: str) -> Invocation:
    """The database is named where a command in this folder would take another one."""
    named = f"THEODORA_DATABASE={shlex.quote(without_password(database))} "
    return Invocation(
        program=program(),
        command=program() if is_found_here(database) else named + program(),
        serve_https=serve_again(HTTPS_FLAGS),
    )


def serve_again(flags: str, *, without: str = "") -> str:
    """The command that starts this server again with more flags, and without one it has now.

    By `make serve` where that has started it.
    """
    is_made = "THEODORA_MAKE_SERVE" in os.environ
    given = [without_password(each) for each in sys.argv[2:] if each != "--demo" or not is_made]
    if without in given:
        at = given.index(without)
        given = [*given[:at], *given[at + 2 :]]
    every = " ".join([*map(shlex.quote, given), flags])
    return f'make serve FLAGS="{every}"' if is_made else f"{program()} serve {every}"


class _HelpFormatter(click.HelpFormatter):
    """Writes examples with the path of this program, so that they can be pasted."""

    def getvalue(self) -> str:
        return _EXAMPLE.sub(lambda found: f"{found[1]}{program()} ", super().getvalue())


class _Context(click.Context):
    formatter_class = _HelpFormatter


def with_pasteable_help(command: click.Command) -> None:
    """Has the help of the command, and of every command beneath it, name this program."""
    command.context_class = _Context
    if isinstance(command, click.Group):
        for each in command.commands.values():
            with_pasteable_help(each)


def command_actor() -> Actor:
    """Who asks for what this command writes: the command, as it is typed."""
    context = click.get_current_context()
    _, _, name = context.command_path.partition(" ")
    return Actor("command", name or context.command_path, _user())


def _user() -> str:
    """The user of the operating system; empty where it has no name."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return ""


def _path(file: Path) -> str:
    """Relative beneath the folder where a command is run, which is shorter to type."""
    here = Path.cwd()
    is_beneath = here in file.parent.parents and here != Path("/")
    return shlex.quote(str(file.relative_to(here) if is_beneath else file))


def without_password(text: str) -> str:
    """A URL of PostgreSQL without the password in it."""
    return _PASSWORD_OF_USER.sub(r"\1@", _PASSWORD_IN_QUERY.sub("", text))
