"""Sign-ins that have begun: kept by the browser, in a cookie, until the provider sends it back."""

import base64
import hashlib
import secrets
from typing import NamedTuple

import msgspec

PENDING_COOKIE = "theodora_sign_in"
PENDING_SECONDS = 600
_MAX_NEXT = 2_000
"""Browsers keep cookies of up to 4,096 bytes."""


class PendingSignIn(NamedTuple):
    """One sign-in that has begun.

    The cookie is not signed. It only protects the browser that has it: an attacker who could write
    it there could as well write a signed one of a sign-in of their own. Over https its name keeps
    others from writing it (see `shell/cookies.py`).
    """

    provider: str
    state: str
    nonce: str
    verifier: str
    """Of PKCE (RFC 7636)."""
    begun_at_sec: int
    next: str

    @property
    def challenge(self) -> str:
        digest = hashlib.sha256(self.verifier.encode()).digest()
        return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()

    def is_over(self, now_sec: float) -> bool:
        return now_sec - self.begun_at_sec > PENDING_SECONDS


def begin(provider: str, next_: str, now_sec: float) -> PendingSignIn:
    """A new sign-in, with secrets of its own."""
    state, nonce, verifier = (secrets.token_urlsafe(32) for _ in range(3))
    kept = next_ if len(next_.encode()) <= _MAX_NEXT else ""
    return PendingSignIn(provider, state, nonce, verifier, int(now_sec), kept)


def to_cookie(pending: PendingSignIn) -> str:
    return base64.urlsafe_b64encode(msgspec.json.encode(pending)).rstrip(b"=").decode()


def from_cookie(value: str) -> PendingSignIn | None:
    """The sign-in of a cookie's value; None if it holds none."""
    try:
        document = base64.urlsafe_b64decode(value + "=" * (-len(value) % 4))
        return msgspec.json.decode(document, type=PendingSignIn)
    except (ValueError, msgspec.DecodeError):
        return None
