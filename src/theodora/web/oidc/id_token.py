"""The rules for claims of tokens (OpenID Connect Core 1.0, 3.1.3.7)."""

import base64
import hashlib
from collections.abc import Mapping
from hmac import compare_digest
from typing import Any

from theodora.web.oidc.provider import IdentityProvider, SignInFailed

SKEW_SECONDS = 60
"""How far the clocks of this server and of a provider may differ."""
OLDEST_SECONDS = 600
"""How long ago a token may have been issued: it comes straight from the provider."""
_MAX_SUBJECT = 255


def check_id_token(
    claims: Mapping[str, Any], provider: IdentityProvider, nonce: str, now_sec: float
) -> None:
    """Raises `SignInFailed` for a token of another sign-in, issuer, client or time."""
    check_issued(claims, provider, now_sec)
    given = claims.get("nonce")
    if not isinstance(given, str) or not compare_digest(_bytes(given), nonce.encode()):
        raise _refused("the token has the nonce of another sign-in")
    subject = claims.get("sub")
    if not isinstance(subject, str) or not 0 < len(subject) <= _MAX_SUBJECT:
        raise _refused("the token has no subject")
    if not subject.isprintable():
        # It is shown where a person has no name, also by commands on terminals.
        raise _refused("the token has a subject with control characters")


def check_issued(claims: Mapping[str, Any], provider: IdentityProvider, now_sec: float) -> None:
    """The rules for issuer, audience and time, of ID tokens and logout tokens."""
    if claims.get("iss") != provider.issuer:
        raise _refused("the token is of another issuer")
    _check_audience(claims, provider.client_id)
    expires, issued = _instant(claims, "exp"), _instant(claims, "iat")
    if expires + SKEW_SECONDS <= now_sec:
        raise _refused("the token has expired")
    if not now_sec - OLDEST_SECONDS - SKEW_SECONDS <= issued <= now_sec + SKEW_SECONDS:
        raise _refused("the token was issued at another time; compare the clocks")
    if "nbf" in claims and _instant(claims, "nbf") > now_sec + SKEW_SECONDS:
        raise _refused("the token is not valid yet; compare the clocks")


def check_access_token(claims: Mapping[str, Any], alg: str, access_token: str) -> None:
    """Raises `SignInFailed` if the token has the hash of another access token (3.1.3.6)."""
    if "at_hash" not in claims:
        return
    # Ed25519 hashes with SHA-512, the others named here with SHA-256.
    hash_ = hashlib.sha512 if alg.startswith("Ed") else hashlib.sha256
    digest = hash_(access_token.encode()).digest()
    half = base64.urlsafe_b64encode(digest[: len(digest) // 2]).rstrip(b"=")
    if not compare_digest(half, _bytes(str(claims["at_hash"]))):
        raise _refused("the access token belongs to another token")


def _bytes(text: str) -> bytes:
    """JSON may have halves of characters, which have no UTF-8."""
    return text.encode(errors="surrogatepass")


def _check_audience(claims: Mapping[str, Any], client_id: str) -> None:
    given = claims.get("aud")
    audience = given if isinstance(given, list) else [given]
    if client_id not in audience:
        raise _refused("the token is for another client")
    party = claims.get("azp")
    if (party is None and len(audience) > 1) or party not in {None, client_id}:
        raise _refused("the token was issued to another client")


def _instant(claims: Mapping[str, Any], name: str) -> float:
    given = claims.get(name)
    if isinstance(given, bool) or not isinstance(given, int | float):
        raise _refused(f"the token has no {name}")
    return given


def _refused(message: str) -> SignInFailed:
    return SignInFailed("not_trusted", message)
