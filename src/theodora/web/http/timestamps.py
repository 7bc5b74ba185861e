"""The timestamp form for a client; the two generations of official clients differ."""

import re
from functools import lru_cache
from typing import Annotated, Literal, get_args

from msgspec import UNSET, Meta, Struct, UnsetType

from theodora.errors import Invalid, Problem
from theodora.events.document import TimestampForm

Form = Literal["auto", "unix_ns", "rfc3339"]
FORMS = get_args(Form)

RFC3339_SINCE = {
    "python": (2, 58),
    "java": (2, 58),
    "typescript": (1, 61),
    "go": (2, 63),
    "ruby": (2, 57),
    "rust": (0, 34),
}
"""The first version of each official client that reads RFC 3339 instead of integers."""


class TimestampsParameter(Struct, frozen=True):
    """How a client chooses the form."""

    timestamps: (
        Annotated[
            Form,
            Meta(
                description="How instants are written; by default that goes by the client's "
                "version."
            ),
        ]
        | UnsetType
    ) = UNSET


_CLIENT = re.compile(r"datadog-api-client-([a-z]+)/(\d{1,9})\.(\d{1,9})")


def timestamp_form(parameter: str | None, setting: str, user_agent: str) -> TimestampForm:
    """The form: what the request asks for, else the server's setting, else the client's version."""
    if parameter is not None and parameter not in FORMS:
        detail = f'parameter "timestamps" must be one of "{" ".join(FORMS)}"'
        raise Invalid(Problem(detail, parameter="timestamps"))
    for choice in (parameter, setting):
        if choice not in {None, "auto"}:
            return TimestampForm(choice)
    return _form_of_client(user_agent)


@lru_cache(maxsize=1024)
def _form_of_client(user_agent: str) -> TimestampForm:
    client = _CLIENT.search(user_agent)
    if client is None or client[1] not in RFC3339_SINCE:
        return TimestampForm.UNIX_NS
    version = int(client[2]), int(client[3])
    newer = version >= RFC3339_SINCE[client[1]]
    return TimestampForm.RFC3339 if newer else TimestampForm.UNIX_NS
