"""The events that clients send, as types: members, limits and descriptions.

`events/attributes.py` reads them, and the description of the API has their schemas. A service, an
id or a tag has one type here, whichever document it is in.
"""

import re
from collections.abc import Iterable
from typing import Annotated, Any

from msgspec import UNSET, Meta, Struct, UnsetType, defstruct

from theodora.events.values import DEPLOYMENT_TEXTS, FAILURE_TEXTS, INT64, TextAttribute

MIN_ID_CHARACTERS = 16
MAX_ID_CHARACTERS = 128
MAX_TAGS = 100
MAX_TAG_CHARACTERS = 200
MAX_SERVICES = 100
MAX_URL_CHARACTERS = 2_048
MAX_TEXT_CHARACTERS = 255

ID_CHARACTER = "[A-Za-z0-9_.:-]"
_ID = re.compile(f"{ID_CHARACTER}{{1,{MAX_ID_CHARACTERS}}}")
COMMIT_SHA = "[0-9A-Fa-f]{40,64}"

EventId = Annotated[
    str,
    Meta(
        description="Kept if given, else made from the event.",
        pattern=f"^{ID_CHARACTER}{{{MIN_ID_CHARACTERS},{MAX_ID_CHARACTERS}}}$",
    ),
]
FailureId = Annotated[str, Meta(description="The id of a failure.", pattern=f"^{_ID.pattern}$")]
SentInstant = Annotated[
    int,
    Meta(
        description="Unix time in seconds, milliseconds, microseconds or nanoseconds; "
        "the magnitude determines the unit.",
        ge=1,
        le=INT64[1],
        extra_json_schema={"format": "int64"},
    ),
]
CommitSha = Annotated[
    str,
    Meta(description="The commit, 40 to 64 hexadecimal digits.", pattern=f"^{COMMIT_SHA}$"),
]
ServiceName = Annotated[
    str, Meta(description="The service.", min_length=1, max_length=MAX_TEXT_CHARACTERS)
]
Tag = Annotated[
    str, Meta(description="`key:value`", pattern="^[^:]+:.+$", max_length=MAX_TAG_CHARACTERS)
]
Tags = Annotated[tuple[Tag, ...], Meta(description="Custom tags.", max_length=MAX_TAGS)]


def is_id(text: str) -> bool:
    """Whether an event can have this id; clients may only give longer ones."""
    return _ID.fullmatch(text) is not None


class GitInput(Struct, frozen=True):
    """The commit of an event."""

    commit_sha: CommitSha
    repository_url: Annotated[str, Meta(min_length=1, max_length=MAX_URL_CHARACTERS)]


def _texts(attributes: Iterable[TextAttribute]) -> list[tuple[str, Any, Any]]:
    return [(each.name, _text(each) | UnsetType, UNSET) for each in attributes]


def _text(attribute: TextAttribute) -> Any:
    return Annotated[str, Meta(description=attribute.about, max_length=attribute.max_characters)]


DeploymentInput = defstruct(
    "DeploymentInput",
    [
        ("id", EventId | UnsetType, UNSET),
        ("service", ServiceName),
        ("started_at", SentInstant),
        ("finished_at", SentInstant),
        *_texts(DEPLOYMENT_TEXTS),
        ("git", GitInput | UnsetType, UNSET),
        ("custom_tags", Tags | UnsetType, UNSET),
    ],
    frozen=True,
    kw_only=True,
    namespace={"__doc__": "A finished deployment."},
)
FailureInput = defstruct(
    "FailureInput",
    [
        ("id", EventId | UnsetType, UNSET),
        (
            "services",
            Annotated[tuple[ServiceName, ...], Meta(min_length=1, max_length=MAX_SERVICES)]
            | UnsetType,
            UNSET,
        ),
        ("started_at", SentInstant),
        ("finished_at", SentInstant | UnsetType, UNSET),
        *_texts(FAILURE_TEXTS),
        ("git", GitInput | UnsetType, UNSET),
        ("custom_tags", Tags | UnsetType, UNSET),
    ],
    frozen=True,
    kw_only=True,
    namespace={"__doc__": "A failure: of services, or of a team."},
)
FailureOfAnyone = Annotated[
    FailureInput,
    Meta(extra_json_schema={"anyOf": [{"required": ["services"]}, {"required": ["team"]}]}),
]
"""A failure needs one of the two."""
