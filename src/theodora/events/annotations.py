"""Annotations of charts: something that happened at a time, with what it is about."""

from typing import Annotated

import msgspec
from msgspec import UNSET, Meta, UnsetType

from theodora.errors import Invalid, Problem
from theodora.events.attributes import CONTROL, INSTANT, missing, wrong_type
from theodora.events.input import MAX_TEXT_CHARACTERS
from theodora.events.json_values import JsonObject
from theodora.events.timestamps import nanoseconds_from_json
from theodora.events.values import content_id

MAX_ANNOTATION_CHARACTERS = 200
ABOUT = ("service", "team", "env")
"""The members that name what an annotation is about."""

_Text = Annotated[str, Meta(max_length=MAX_TEXT_CHARACTERS)]


class AnnotationInput(msgspec.Struct, frozen=True):
    """Something that happened, as it is sent. Without service, team and env it is about all."""

    text: Annotated[
        str,
        Meta(
            description="What happened, in one line.",
            min_length=1,
            max_length=MAX_ANNOTATION_CHARACTERS,
        ),
    ]
    at: (
        Annotated[
            str, Meta(description="When; default: now.", extra_json_schema={"format": "date-time"})
        ]
        | UnsetType
    ) = UNSET
    service: _Text | UnsetType = UNSET
    team: _Text | UnsetType = UNSET
    env: _Text | UnsetType = UNSET


class Annotation(msgspec.Struct, frozen=True, kw_only=True):
    """Something that happened. Empty members of `ABOUT` mean all."""

    at_ns: int
    text: str
    service: str = ""
    team: str = ""
    env: str = ""

    @property
    def id(self) -> str:
        """The same for the same content, so that a repeated request stores nothing again."""
        return content_id(self.at_ns, self.text, *self.about.values())

    @property
    def about(self) -> dict[str, str]:
        return {name: getattr(self, name) for name in ABOUT}


def read_annotation(attributes: JsonObject, now_ns: int) -> Annotation:
    """The annotation that attributes describe; without a time it happened now.

    `Invalid` lists all problems.
    """
    problems: list[Problem] = []
    at_ns = _instant(attributes, now_ns, problems)
    text = _text(attributes, "text", MAX_ANNOTATION_CHARACTERS, problems)
    if not text and not problems:
        problems.append(missing("text"))
    about = {name: _text(attributes, name, MAX_TEXT_CHARACTERS, problems) for name in ABOUT}
    if problems:
        raise Invalid(*problems)
    return Annotation(at_ns=at_ns, text=text, **about)


def _instant(attributes: JsonObject, now_ns: int, problems: list[Problem]) -> int:
    value = attributes.get("at")
    if value is None:
        return now_ns
    at_ns = nanoseconds_from_json(value)
    if at_ns is None or at_ns < 0:
        problems.append(Problem(f'attribute "at" must be {INSTANT}', ("at",)))
        return 0
    return at_ns


def _text(attributes: JsonObject, name: str, max_characters: int, problems: list[Problem]) -> str:
    value = attributes.get(name)
    if value is not None and not isinstance(value, str):
        problems.append(wrong_type(name, value))
        return ""
    text = (value or "").strip()
    if len(text) > max_characters:
        detail = f'attribute "{name}" must be at most {max_characters} characters'
        problems.append(Problem(detail, (name,)))
    if CONTROL.search(text):
        detail = f'attribute "{name}" must not contain control characters'
        problems.append(Problem(detail, (name,)))
    return text
