"""Keys of Datadog for commands: from the environment, because command lines are public."""

import os

import click


def keys_from_environment() -> tuple[str, str]:
    """The API key and the application key; the command ends with an error without one."""
    return _key("DD_API_KEY"), _key("DD_APP_KEY")


def _key(name: str) -> str:
    key = os.environ.get(name, "").strip()
    if not key:
        raise click.ClickException(f"set {name} in the environment")
    if not (key.isascii() and key.isprintable()):
        raise click.ClickException(f"{name} is not a key: it has other characters than ASCII")
    return key
