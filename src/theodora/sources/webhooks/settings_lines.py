"""Settings of a source as lines of text, which the command line and the settings page share.

service=web
services.acme/shop=checkout
workflows=Deploy
releases=yes
"""

from collections.abc import Callable, Iterable, Iterator
from typing import Any

import msgspec

from theodora.errors import Invalid, Problem
from theodora.sources.webhooks.common_settings import COMMON_SETTINGS
from theodora.sources.webhooks.counting import check_counting
from theodora.sources.webhooks.delivery import DEFAULT_SETTINGS, SourceSettings
from theodora.sources.webhooks.table import SourceKind

MAX_SETTINGS = 500
"""Lines of one source."""
_MAX_CHARACTERS = 500
_OF_ALL = COMMON_SETTINGS, "all sources may have"
_YES = {"yes": True, "true": True, "no": False, "false": False}


def settings_from_lines(kind: SourceKind | None, lines: Iterable[str]) -> SourceSettings:
    """The settings that the lines give; later lines win. Raises `Invalid` with all problems.

    Without a kind they are those of all sources.
    """
    given: dict[str, Any] = {}
    problems: list[Problem] = []
    used = [line.strip() for line in lines if line.strip()]
    if len(used) > MAX_SETTINGS:
        raise Invalid(Problem(f"a source has at most {MAX_SETTINGS} lines of settings"))
    for line in used:
        try:
            _add(kind, given, line)
        except ValueError as error:
            problems.append(Problem(f'"{line[:64]}": {error}'))
    if problems:
        raise Invalid(*problems)
    settings = SourceSettings(**given)
    check_counting(settings)
    if kind and kind.check:
        kind.check(settings)
    return settings


def lines_from_settings(settings: SourceSettings) -> Iterator[str]:
    """Lines that `settings_from_lines` reads back."""
    for name, value in msgspec.structs.asdict(settings).items():
        match value:
            case bool():
                yield f"{name}={'yes' if value else 'no'}"
            case None:
                continue
            case str():
                yield from [f"{name}={value}"] if value else []
            case dict():
                yield from (f"{name}.{key}={each}" for key, each in value.items())
            case _:
                yield from (f"{name}={each}" for each in value)


def _add(kind: SourceKind | None, given: dict[str, Any], line: str) -> None:
    """Adds one line; raises `ValueError` with the problem."""
    path, equals, value = line.partition("=")
    name, _, key = path.strip().partition(".")
    names, whose = (kind.settings, f"{kind.title} reads") if kind else _OF_ALL
    if name not in names:
        raise ValueError(f"{whose} {', '.join(names)}")
    if not equals or not value.strip():
        raise ValueError("write a name, an equals sign and a value")
    if len(line) > _MAX_CHARACTERS:
        raise ValueError(f"it has more than {_MAX_CHARACTERS} characters")
    add = _ADD[type(getattr(DEFAULT_SETTINGS, name))]
    add(given, name, key.strip(), value.strip())


def _add_text(given: dict[str, Any], name: str, key: str, value: str) -> None:
    _refuse_key(name, key)
    given[name] = value


def _add_entry(given: dict[str, Any], name: str, key: str, value: str) -> None:
    if not key:
        raise ValueError(f"write {name}.NAME=VALUE")
    given.setdefault(name, {})[key] = value


def _add_item(given: dict[str, Any], name: str, key: str, value: str) -> None:
    _refuse_key(name, key)
    given[name] = (*given.get(name, ()), value)


def _add_switch(given: dict[str, Any], name: str, key: str, value: str) -> None:
    _refuse_key(name, key)
    if value.lower() not in _YES:
        raise ValueError(f"{name} is yes or no")
    given[name] = _YES[value.lower()]


def _refuse_key(name: str, key: str) -> None:
    if key:
        raise ValueError(f"write {name}=VALUE")


_ADD: dict[type, Callable[[dict[str, Any], str, str, str], None]] = {
    str: _add_text,
    dict: _add_entry,
    tuple: _add_item,
    type(None): _add_switch,
}
"""By the type of a member, what a line does to it."""
