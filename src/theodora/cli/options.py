"""Options that several commands share, made from the table of settings."""

import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import click

from theodora.config import SETTINGS, Config, Setting, duration_seconds, load
from theodora.errors import Invalid, Problem, UnusableSetting
from theodora.events.timestamps import nanoseconds_from_rfc3339
from theodora.events.values import SECOND_NS

F = TypeVar("F", bound=Callable[..., Any])


organisation_option = click.option(
    "--org", default="default", show_default=True, help="Organisation to work on."
)


def instant_option(text: str | None, option: str) -> int | None:
    """The value of an option that is a time in RFC 3339, in nanoseconds; `Invalid` for others."""
    instant_ns = None if text is None else nanoseconds_from_rfc3339(text)
    if text is not None and instant_ns is None:
        raise Invalid(Problem(f'invalid date-time "{text}"', parameter=option))
    return instant_ns


def duration_ns(text: str, option: str) -> int:
    """The value of an option that is a length of time; `Invalid` for others."""
    try:
        return duration_seconds(text) * SECOND_NS
    except (ValueError, KeyError):
        detail = f'"{text}" must be a number and s, m, h or d, for example 90d'
        raise Invalid(Problem(detail, parameter=option)) from None


def setting_options(names: Sequence[str] | None = None) -> Callable[[F], F]:
    """A flag for each setting that has one, or for those of `names`."""

    def add(command: F) -> F:
        for setting in reversed(SETTINGS):
            if not setting.secret and (names is None or setting.name in names):
                command = _option(setting)(command)
        return command

    return add


def _option(setting: Setting) -> Callable[[F], F]:
    default = (
        f"  [{setting.variable}; default: {setting.default}]"
        if setting.default
        else (f"  [{setting.variable}]")
    )
    return click.option(
        setting.flag, setting.name, metavar=setting.metavar, help=setting.help + default
    )


_DEFAULT = Path("theodora.db")
_OF_MAKE_SERVE = Path(".theodora/theodora.db")
"""The database that `make serve` makes in its checkout."""


def config_from(flags: Mapping[str, str | None]) -> Config:
    """The settings, with these flags over the environment.

    Where neither names a database, it is that of `make serve` if this folder has one.
    """
    if not names_database(flags):
        flags = {**flags, "database": database_of_this_folder()}
    return load(os.environ, flags)


def names_database(flags: Mapping[str, str | None]) -> bool:
    """Whether the flags or the environment name a database."""
    return flags.get("database") is not None or "THEODORA_DATABASE" in os.environ


def database_of_this_folder() -> str:
    """The URL of the database that this folder has, or would have.

    Raises `UnusableSetting` where it has two: a wrong guess would show or change another
    server's data.
    """
    if not _OF_MAKE_SERVE.exists():
        return f"sqlite:///{_DEFAULT}"
    if _DEFAULT.exists():
        raise UnusableSetting(
            f"this folder has two databases: {_OF_MAKE_SERVE}, which make serve uses, and "
            f"{_DEFAULT}. Name one: --database sqlite:///{_OF_MAKE_SERVE} or "
            f"--database sqlite:///{_DEFAULT}, or set THEODORA_DATABASE"
        )
    return f"sqlite:///{_OF_MAKE_SERVE}"


def is_found_here(database: str) -> bool:
    """Whether commands in this folder use this database by default, once it exists."""
    other = {f"sqlite:///{_OF_MAKE_SERVE}": _DEFAULT, f"sqlite:///{_DEFAULT}": _OF_MAKE_SERVE}
    return database in other and not other[database].exists()
