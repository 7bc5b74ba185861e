"""Handlers of other `datadog-ci` requests, whose data is acknowledged and not stored.

The exit status of `datadog-ci git-metadata upload` follows the answer to the list of tracked
files alone, so that list is checked and acknowledged; its telemetry is acknowledged unread.
"""

from typing import Annotated

import msgspec
from msgspec import Meta

from theodora.errors import Invalid, Problem
from theodora.events.json_values import type_name
from theodora.web.api.multipart import read_json_part, read_parts, unreadable_part
from theodora.web.api.validate_keys import OK
from theodora.web.http.operations import Request
from theodora.web.http.responses import Reply

_FILES_ACCEPTED = Reply(202)
_TELEMETRY_ACCEPTED = Reply(202, OK)


class TrackedFilesParts(msgspec.Struct, frozen=True):
    """The parts of an upload."""

    event: Annotated[str, Meta(description="JSON.")]
    repository: Annotated[str, Meta(description="JSON: the tracked files.")]


def upload_tracked_files(request: Request) -> Reply:
    parts = read_parts(request.headers, request.body)
    problems: list[Problem] = []
    read_json_part(parts, "event", problems)
    files = read_json_part(parts, "repository", problems).get("data", [])
    if not isinstance(files, list):
        reason = f'error decoding member "data": invalid type {type_name(files)}'
        problems.append(unreadable_part("repository", reason))
    if problems:
        raise Invalid(*problems)
    return _FILES_ACCEPTED


def submit_telemetry(_: Request) -> Reply:
    return _TELEMETRY_ACCEPTED
