"""The form that overrides a verdict."""

from collections.abc import Callable, Mapping
from typing import Literal, NamedTuple

from theodora.events.attributes import CONTROL
from theodora.events.input import is_id
from theodora.events.values import RemediationType
from theodora.storage import MAX_LINKED_FAILURES, OverrideHistory, OverrideValues
from theodora.web.api.verdict_requests import MAX_REASON

Choice = Literal["rules", "failed", "not_failed"]

CHANGE_FAILURES: Mapping[str, bool | None] = {"rules": None, "failed": True, "not_failed": False}
"""The value of `change_failure` for each choice."""

_TYPES: Mapping[str, RemediationType] = {"rollback": "rollback", "rollforward": "rollforward"}
_MAX_REMEDY = 255


class VerdictForm(NamedTuple):
    """The fields, as they are filled in."""

    verdict: str = "rules"
    remedy: str = ""
    """An id or a version."""
    type: str = "rollback"
    reason: str = ""
    failure_ids: tuple[str, ...] = ()
    """Linked failures, which it keeps while the verdict is that it failed."""


def form_of(overrides: OverrideHistory) -> VerdictForm:
    """The current override."""
    if overrides.current is None or overrides.current.values is None:
        return VerdictForm()
    return _form(overrides.current.values, overrides.current.author.reason)


def undo_of(overrides: OverrideHistory) -> VerdictForm | None:
    """The override before the last change; None if there was none."""
    if not overrides.history:
        return None
    before = overrides.history[1] if len(overrides.history) > 1 else None
    if before is None or before.values is None:
        return VerdictForm()
    return _form(before.values, before.author.reason)


def read_form(fields: Mapping[str, str]) -> VerdictForm:
    """The form as it was sent, valid or not."""
    return VerdictForm(
        fields.get("verdict", ""),
        fields.get("remedy", "").strip(),
        fields.get("type", "rollback"),
        fields.get("reason", "").strip(),
        tuple(dict.fromkeys(fields.get("failures", "").split())),
    )


def problem_of(form: VerdictForm) -> str:
    """Its problem as a sentence; empty if it has none."""
    if form.verdict not in CHANGE_FAILURES or form.type not in _TYPES:
        return "Choose one of the verdicts, and how it was fixed."
    if form.remedy and form.verdict == "not_failed":
        return "What did not fail needs no fix: leave that field empty, or mark it failed."
    if len(form.reason) > MAX_REASON or len(form.remedy) > _MAX_REMEDY:
        return f"Keep the reason to {MAX_REASON} characters, and the fix to {_MAX_REMEDY}."
    if CONTROL.search(form.reason) or CONTROL.search(form.remedy):
        return "Write the reason in one line, without control characters."
    if len(form.failure_ids) > MAX_LINKED_FAILURES or not all(map(is_id, form.failure_ids)):
        return "The linked failures cannot be read: open this page again."
    return ""


def verdict_of(form: VerdictForm, is_known: Callable[[str], bool]) -> OverrideValues | None:
    """The override in a form without problems; None if the rules decide.

    The remedy is an id if there is a deployment with it, else a version.
    """
    said = CHANGE_FAILURES[form.verdict]
    failure_ids = form.failure_ids if said else ()
    if not form.remedy:
        return None if said is None else OverrideValues(said, failure_ids=failure_ids)
    names_id = is_known(form.remedy)
    return OverrideValues(
        said,
        form.remedy if names_id else None,
        None if names_id else form.remedy,
        _TYPES[form.type],
        failure_ids,
    )


def _form(verdict: OverrideValues, reason: str) -> VerdictForm:
    said: Mapping[bool | None, Choice] = {True: "failed", False: "not_failed", None: "rules"}
    return VerdictForm(
        said[verdict.change_failure],
        verdict.remediation_id or verdict.remediation_version or "",
        verdict.remediation_type or "rollback",
        reason,
        verdict.failure_ids,
    )
