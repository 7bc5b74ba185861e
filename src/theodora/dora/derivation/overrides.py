"""Overrides of verdicts."""

import msgspec

from theodora.events import RemediationType


class GivenRemediation(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """The remediation in an override, by id or by version; it need not be stored yet."""

    type: RemediationType
    id: str | None = None
    version: str | None = None


class Override(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """The override of one deployment. It takes precedence over every rule until it is removed."""

    deployment_id: str
    change_failure: bool | None = None
    """None leaves the verdict to the rules: only the remediation was set."""
    remediation: GivenRemediation | None = None
    failure_ids: tuple[str, ...] = ()
    """Failures (incidents) that the deployment caused; they explain the verdict."""
    by: str = ""
    """The author: a person or the name of a key."""
    at_ns: int = 0
    reason: str = ""
