"""Verdicts given by hand."""

import msgspec

from theodora.events import RemediationType


class GivenRemediation(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """The remediation somebody named, by id or by version; it need not be stored yet."""

    type: RemediationType
    id: str | None = None
    version: str | None = None


class Override(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What somebody said of one deployment. It beats every rule until it is removed."""

    deployment_id: str
    change_failure: bool | None = None
    """None leaves the verdict to the rules: only the remediation was given."""
    remediation: GivenRemediation | None = None
    by: str = ""
    """Who said so: a person or the name of a key."""
    at_ns: int = 0
    reason: str = ""
