"""The API reference: every operation, and a page for each."""

import re
from collections.abc import Iterator
from typing import Any, NamedTuple

import msgspec

from theodora.errors import NotFound
from theodora.web.api.curl_lines import curl_command
from theodora.web.api.members import described_operation
from theodora.web.api.openapi import REFERENCE_PATH
from theodora.web.api.routes import OPERATIONS
from theodora.web.http.operations import Operation
from theodora.web.http.security import Credential
from theodora.web.pages.parts.marked_text import marked
from theodora.web.pages.shell.page import Answer, View, Visit

MAX_FIND = 100
_VARIABLE = re.compile(r"\$([A-Z_]+)")


class OperationRow(NamedTuple):
    """An operation as the list shows it."""

    name: str
    summary: str
    requests: tuple[str, ...]
    """Method and path of each request that calls it."""
    credential: str
    permission: str


def show_api(visit: Visit) -> Answer:
    """The operations that have every word of the parameter `find` in their rows."""
    find = visit.query_parameters.get("find", "").strip()[:MAX_FIND]
    words = find.casefold().split()
    rows = [row for row in _rows() if all(word in _text(row) for word in words)]
    return View({"find": find, "rows": rows, "count": len(OPERATIONS), "path": REFERENCE_PATH})


def show_operation(visit: Visit) -> Answer:
    """Raises `NotFound`."""
    operation = _BY_NAME.get(visit.path_parameters["operation"])
    if operation is None:
        raise NotFound("there is no such operation")
    described = described_operation(operation)
    curl = curl_command(operation, visit.url)
    return View(
        {
            "row": _row(operation),
            "path": REFERENCE_PATH,
            "described": described,
            "answered": [each for each in described.answers if each.status < 300],
            "is_signed": operation.access.credential is Credential.SIGNATURE,
            "marked": marked,
            "curl": curl,
            "variables": _VARIABLE.findall(curl),
            "as_json": _as_json,
        }
    )


def _rows() -> Iterator[OperationRow]:
    return map(_row, OPERATIONS)


def _row(operation: Operation) -> OperationRow:
    access = operation.access
    return OperationRow(
        operation.name,
        operation.summary,
        tuple(f"{operation.method} {path}" for path in operation.paths),
        access.credential.value,
        access.permission or "",
    )


def _as_json(value: Any) -> str:
    return msgspec.json.format(msgspec.json.encode(value)).decode()


def _text(row: OperationRow) -> str:
    return " ".join((row.name, row.summary, *row.requests, row.permission)).casefold()


_BY_NAME = {operation.name: operation for operation in OPERATIONS}
