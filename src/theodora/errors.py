"""The error tree: every error that a caller can see.

A caller of any layer catches `TheodoraError`; `web` alone knows which HTTP status a
class becomes (`web/http/responses.py`), `cli` alone which exit code.
"""

from collections.abc import Sequence
from dataclasses import dataclass

_SHOWN_CHARACTERS = 80


@dataclass(frozen=True, slots=True)
class Problem:
    """A problem of a document, with its position.

    `path` leads from the document's root to the offending place, or to where a missing
    member should be: `("data", "attributes", "git", "commit_sha")`. `parameter` names a
    query parameter or a multipart part instead, and then `path` is empty.
    """

    detail: str
    path: tuple[str | int, ...] = ()
    parameter: str | None = None

    def beneath(self, *prefix: str | int) -> "Problem":
        """The same problem, seen from a document that holds this one at `prefix`."""
        return Problem(self.detail, (*prefix, *self.path), self.parameter)

    @property
    def pointer(self) -> str:
        """The path as a JSON pointer (RFC 6901); the empty string is the document itself."""
        return "".join("/" + str(step).replace("~", "~0").replace("/", "~1") for step in self.path)

    def __str__(self) -> str:
        place = self.parameter or self.pointer
        return f"{place}: {self.detail}" if place else self.detail


class TheodoraError(Exception):
    """Every error this package raises on purpose."""


class Invalid(TheodoraError):
    """The caller's document or parameters break rules; every problem found is listed."""

    def __init__(self, *problems: Problem) -> None:
        super().__init__("; ".join(map(str, problems)))
        self.problems = problems


class Forbidden(TheodoraError):
    """No valid credential, or one without the permission that is needed."""

    def __init__(self, *, authenticated: bool, cause: str = "") -> None:
        """`cause` is for the server's log: a caller must not learn what its key is good for."""
        super().__init__("forbidden")
        self.cause = cause
        self.authenticated = authenticated
        """Whether a valid API key was shown; the public message differs."""


class KeyLimited(Forbidden):
    """A valid key for which a limit of its own does not allow this; the message names it."""

    def __init__(self, limits: str) -> None:
        super().__init__(authenticated=True)
        self.limits = limits

    def __str__(self) -> str:
        return f"the key is limited to {self.limits}"


class KeyUnusable(Forbidden):
    """A key that is right, but has expired or comes from elsewhere than it may."""

    def __init__(self, reason: str) -> None:
        super().__init__(authenticated=True)
        self.reason = reason

    def __str__(self) -> str:
        return self.reason


class SignInRefused(TheodoraError):
    """A person whom a provider or a proxy vouches for is not let in; the text is the reason."""


class BeingDeleted(Forbidden):
    """An organisation is to be deleted, and nobody can use it unless that is taken back."""

    def __init__(self, name: str, moment: str) -> None:
        """`moment` is when the deletion begins, in words."""
        super().__init__(authenticated=True)
        self.name = name
        self.moment = moment

    def __str__(self) -> str:
        return (
            f'organisation "{self.name}" is to be deleted on {self.moment} and cannot be used '
            "unless that is taken back"
        )


class OverQuota(TheodoraError):
    """A write that would pass a quota of its organisation; the message names the remedy."""


class NotSigned(TheodoraError):
    """A webhook without the signature of its source, or with another one's."""

    def __init__(self) -> None:
        super().__init__("the signature is missing or wrong")


class NotFound(TheodoraError):
    """No such event in the caller's organisation, or (without a message) no such route."""


class TooManyRequests(TheodoraError):
    """The caller has used up a rate limit's window."""


class UnsupportedMediaType(TheodoraError):
    """The body is of a media type that the operation does not read."""

    def __init__(self, got: str, expected: str) -> None:
        super().__init__(f'got media type "{got}" expected one of "{expected}"')


class PayloadTooLarge(TheodoraError):
    """The body, decoded, is longer than the operation's limit."""

    def __init__(self, limit_bytes: int) -> None:
        super().__init__(f"body must be at most {limit_bytes} bytes")


class Unavailable(TheodoraError):
    """The store cannot be reached or cannot write now; trying again later may help."""


class OrganisationBusy(Unavailable):
    """Another process has kept the organisation from being written for some time."""


class ReadOnly(Unavailable):
    """The store cannot write now, but can be read; the message names the remedy."""


class TooSlow(TheodoraError):
    """An answer that took too long; the message suggests how to ask for less."""

    def __init__(self, seconds: float, parts: Sequence[str] = ()) -> None:
        """`parts` are those of the query that no index can find."""
        costly = " and ".join(f'"{_shortened(part)}"' for part in parts)
        cause = f"; no index finds {costly}, so every event is compared with it" if costly else ""
        super().__init__(
            f"no answer within {seconds:g} seconds{cause}; "
            "ask for a shorter time range or a narrower query"
        )
        self.seconds = seconds


def _shortened(text: str) -> str:
    return text if len(text) <= _SHOWN_CHARACTERS else f"{text[:_SHOWN_CHARACTERS]}…"


class NoAnswer(TheodoraError):
    """Another server did not answer a request; the message gives the reason."""


class RefusedForGood(TheodoraError):
    """Another server refused a request for good; the message gives its reason and a remedy."""


class UnusableStore(TheodoraError):
    """The store cannot be used by this version at all; the message names the remedy."""


class UnusableBackup(TheodoraError):
    """A backup that cannot be restored; the message gives the reason."""


class UnequalCopy(TheodoraError):
    """A copy of a store differs from the store; the message names the place and the remedy."""


class UnusableSetting(TheodoraError):
    """A setting's value cannot be used; the message names the setting and its form."""
