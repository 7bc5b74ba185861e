"""The use of AI coding tools by one person on one day, a value for each tool.

Datadog docs, "Send AI impact user activity": addresses are compared without regard to case,
known tools have one name each, other names become snake_case, models are in lower case.
"""

import re
from collections.abc import Iterable
from datetime import date
from typing import Annotated

import msgspec
from msgspec import UNSET, Meta, UnsetType

from theodora.errors import Invalid, Problem
from theodora.events.attributes import missing, wrong_type
from theodora.events.json_values import JsonObject
from theodora.events.members import Members

KNOWN_TOOLS = {
    "claudecode": "claude_code",
    "cursor": "cursor",
    "cursorai": "cursor",
    "copilot": "copilot",
    "githubcopilot": "copilot",
}
"""Names of tools, by their letters and digits in lower case."""

_EMAIL = re.compile(r"[^\s@\x00-\x1f\x7f]{1,64}@[^\s@\x00-\x1f\x7f]{1,255}")
_DAY = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)
_WORD = re.compile(r"[^\W_]+")


class UserActivityInput(msgspec.Struct, frozen=True):
    """Someone's use of tools on one day, as it is sent."""

    user_email: Annotated[str, Meta(extra_json_schema={"format": "email"})]
    day: Annotated[str, Meta(extra_json_schema={"format": "date"})]
    is_active: bool
    tools: Annotated[tuple[Annotated[str, Meta(min_length=1)], ...], Meta(min_length=1)]
    models: tuple[Annotated[str, Meta(min_length=1)], ...] | UnsetType = UNSET


ACTIVITY_MEMBERS: Members = dict.fromkeys(UserActivityInput.__struct_fields__)
"""The members that `read_user_activity` reads."""


class UserActivity(msgspec.Struct, frozen=True, kw_only=True):
    """Whether someone used one tool on one day, identified by the first three members."""

    user_email: str
    """In lower case."""
    day: str
    """`YYYY-MM-DD`."""
    tool: str
    """In snake_case."""
    is_active: bool
    models: tuple[str, ...] = ()
    """In lower case, in the order sent, without duplicates."""


def read_user_activity(attributes: JsonObject) -> tuple[UserActivity, ...]:
    """The activity that an entry's attributes describe, a value a tool.

    `Invalid` lists all problems: what is missing or of the wrong type first, then what is of
    the wrong form.
    """
    problems: list[Problem] = []
    user_email = _text(attributes, "user_email", problems)
    day = _text(attributes, "day", problems)
    is_active = _boolean(attributes, "is_active", problems)
    tools = _texts(attributes, "tools", problems, required=True)
    models = _texts(attributes, "models", problems)
    if user_email and not _EMAIL.fullmatch(user_email):
        detail = 'attribute "user_email" must be an email address'
        problems.append(Problem(detail, ("user_email",)))
    if day and not _is_day(day):
        detail = 'attribute "day" must be a date in the form YYYY-MM-DD'
        problems.append(Problem(detail, ("day",)))
    if tools == []:
        problems.append(Problem('attribute "tools" must have at least 1 item', ("tools",)))
    names = [tool_name(tool) for tool in tools or ()]
    problems += _empty_items("tools", names)
    problems += _empty_items("models", models or ())
    if problems:
        raise Invalid(*problems)
    return tuple(
        UserActivity(
            user_email=user_email.lower(),
            day=day,
            tool=tool,
            is_active=is_active,
            models=_distinct(model.lower() for model in models or ()),
        )
        for tool in _distinct(names)
    )


def tool_name(text: str) -> str:
    """The one name of a tool: `Claude Code` and `claude-code` → `claude_code`.

    Empty for a text without letters and digits.
    """
    words = _WORD.findall(text.lower())
    return KNOWN_TOOLS.get("".join(words)) or "_".join(words)


def _text(attributes: JsonObject, name: str, problems: list[Problem]) -> str:
    value = attributes.get(name)
    if value is not None and not isinstance(value, str):
        problems.append(wrong_type(name, value))
        return ""
    text = (value or "").strip()
    if not text:
        problems.append(missing(name))
    return text


def _boolean(attributes: JsonObject, name: str, problems: list[Problem]) -> bool:
    value = attributes.get(name)
    if value is None:
        problems.append(missing(name))
    elif not isinstance(value, bool):
        problems.append(wrong_type(name, value))
    return value is True


def _texts(
    attributes: JsonObject, name: str, problems: list[Problem], *, required: bool = False
) -> list[str] | None:
    """The strings of an array without surrounding white space; None for a wrong type."""
    values = attributes.get(name)
    if values is None:
        if required:
            problems.append(missing(name))
        return None
    if not isinstance(values, list):
        problems.append(wrong_type(name, values))
        return None
    wrong = [
        wrong_type(name, value, name, at)
        for at, value in enumerate(values)
        if not isinstance(value, str)
    ]
    problems += wrong
    return None if wrong else [value.strip() for value in values]


def _empty_items(name: str, items: Iterable[str]) -> list[Problem]:
    detail = f'attribute "{name}" must have items that are not empty'
    return [Problem(detail, (name, at)) for at, item in enumerate(items) if not item]


def _is_day(text: str) -> bool:
    if not _DAY.fullmatch(text):
        return False
    try:
        date.fromisoformat(text)
    except ValueError:
        return False
    return True


def _distinct(items: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(items))
