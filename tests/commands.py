"""Commands of `theodora`, run in this process."""

from collections.abc import Callable

from click.testing import CliRunner, Result

from theodora.cli import main

Run = Callable[..., Result]
"""Runs `theodora` with these arguments on the database of a test."""


def run(*arguments: object, given: bytes | str = b"", **environment: str) -> Result:
    """Runs `theodora` with these arguments; `given` is its standard input."""
    return CliRunner().invoke(main, [*map(str, arguments)], input=given, env=environment)
