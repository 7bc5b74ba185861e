"""Options that several commands share, made from the table of settings."""

import os
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import click

from theodora.config import SETTINGS, Config, Setting, load

F = TypeVar("F", bound=Callable[..., Any])


organisation_option = click.option(
    "--org", default="default", show_default=True, help="Organisation to work on."
)


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


def config_from(flags: dict[str, str | None]) -> Config:
    """The settings, with these flags over the environment."""
    return load(os.environ, flags)
