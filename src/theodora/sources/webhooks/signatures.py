"""Signature schemes: how senders show that a webhook is theirs. A table, one row a scheme.

Every comparison takes the same time whether it fails early or late.
"""

import base64
import binascii
import hashlib
import hmac
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

Scheme = Literal[
    "github",
    "gitlab",
    "gitea",
    "bitbucket",
    "circleci",
    "pagerduty",
    "standard-webhooks",
    "rootly",
    "firehydrant",
    "jira",
    "sentry",
    "linear",
    "header",
    "basic",
    "bearer",
    "flux",
]

REPLAY_SECONDS = 300
"""How far the time that a sender signs may be from the server's."""

Verify = Callable[[str, Mapping[str, str], bytes, int], bool]
"""Whether a body with these headers (names in lower case) was sent by who knows the secret, at the
time in seconds."""


@dataclass(frozen=True, slots=True)
class SignatureScheme:
    """A row of the table."""

    header: str
    """The header that a request without a signature lacks."""
    about: str
    """What to enter at the provider."""
    verify: Verify


def is_signed(
    scheme: Scheme, secret: str, headers: Mapping[str, str], body: bytes, now_sec: int
) -> bool:
    """Whether the request carries the signature of its sender."""
    row = SCHEMES[scheme]
    return row.header in headers and row.verify(secret, headers, body, now_sec)


def _github(secret: str, headers: Mapping[str, str], body: bytes, _: int) -> bool:
    return _same(headers["x-hub-signature-256"], f"sha256={_hex(secret, body)}")


def _gitlab(secret: str, headers: Mapping[str, str], _: bytes, __: int) -> bool:
    return _same(headers["x-gitlab-token"], secret)


def _gitea(secret: str, headers: Mapping[str, str], body: bytes, _: int) -> bool:
    return _same(headers["x-gitea-signature"], _hex(secret, body))


def _bitbucket(secret: str, headers: Mapping[str, str], body: bytes, _: int) -> bool:
    return _same(headers["x-hub-signature"], f"sha256={_hex(secret, body)}")


def _circleci(secret: str, headers: Mapping[str, str], body: bytes, _: int) -> bool:
    return _has_v1(headers["circleci-signature"], secret, body)


def _pagerduty(secret: str, headers: Mapping[str, str], body: bytes, _: int) -> bool:
    """While a secret is being replaced, PagerDuty signs with both."""
    return _has_v1(headers["x-pagerduty-signature"], secret, body)


def _standard(secret: str, headers: Mapping[str, str], body: bytes, now_sec: int) -> bool:
    """Standard Webhooks 1.0: the id, the time and the body are signed together."""
    key = _standard_key(secret)
    id_, time = headers.get("webhook-id", ""), headers.get("webhook-timestamp", "")
    if key is None or not _is_now(time, now_sec):
        return False
    signed = f"{id_}.{time}.".encode() + body
    digest = base64.b64encode(hmac.digest(key, signed, hashlib.sha256)).decode()
    signatures = headers["webhook-signature"].split()
    return any(_same(signature, f"v1,{digest}") for signature in signatures)


def _rootly(secret: str, headers: Mapping[str, str], body: bytes, now_sec: int) -> bool:
    """The time and the body are signed together, with nothing between them."""
    parts = (part.strip().partition("=") for part in headers["x-rootly-signature"].split(","))
    given = {name: value for name, _, value in parts}
    time = given.get("t", "")
    expected = _hex(secret, time.encode() + body)
    return _is_now(time, now_sec) and _same(given.get("v1", ""), expected)


def _hex_in(name: str) -> Verify:
    """Whether the header of this name is the HMAC of the body."""

    def verify(secret: str, headers: Mapping[str, str], body: bytes, _: int) -> bool:
        return _same(headers[name], _hex(secret, body))

    return verify


def _jira(secret: str, headers: Mapping[str, str], body: bytes, _: int) -> bool:
    return _same(headers["x-hub-signature"], f"sha256={_hex(secret, body)}")


def _header(secret: str, headers: Mapping[str, str], _: bytes, __: int) -> bool:
    return _same(headers["x-webhook-token"], secret)


def _basic(secret: str, headers: Mapping[str, str], _: bytes, __: int) -> bool:
    """The user's name does not matter: the secret is the password."""
    kind, space, encoded = headers["authorization"].partition(" ")
    try:
        credentials = base64.b64decode(encoded.strip(), validate=True).decode("utf-8", "replace")
    except (binascii.Error, ValueError):
        return False
    password = credentials.partition(":")[2]
    return bool(space) and kind.lower() == "basic" and _same(password, secret)


def _bearer(secret: str, headers: Mapping[str, str], __: bytes, ___: int) -> bool:
    kind, _, token = headers["authorization"].partition(" ")
    return kind.lower() == "bearer" and _same(token, secret)


def _flux(secret: str, headers: Mapping[str, str], body: bytes, _: int) -> bool:
    return _same(headers["x-signature"], f"sha256={_hex(secret, body)}")


SCHEMES: dict[Scheme, SignatureScheme] = {
    "github": SignatureScheme(
        "x-hub-signature-256", "the secret of the webhook, with HMAC-SHA256", _github
    ),
    "gitlab": SignatureScheme("x-gitlab-token", "the secret token of the webhook", _gitlab),
    "gitea": SignatureScheme(
        "x-gitea-signature", "the secret of the webhook, with HMAC-SHA256", _gitea
    ),
    "bitbucket": SignatureScheme(
        "x-hub-signature", "the secret of the webhook, with HMAC-SHA256", _bitbucket
    ),
    "circleci": SignatureScheme(
        "circleci-signature", "the secret token of the webhook, with HMAC-SHA256", _circleci
    ),
    "pagerduty": SignatureScheme(
        "x-pagerduty-signature", "the signing secret of the subscription", _pagerduty
    ),
    "standard-webhooks": SignatureScheme(
        "webhook-signature", "the signing secret, as in Standard Webhooks", _standard
    ),
    "rootly": SignatureScheme("x-rootly-signature", "the secret of the webhook", _rootly),
    "firehydrant": SignatureScheme(
        "fh-signature", "the secret of the webhook, with HMAC-SHA256", _hex_in("fh-signature")
    ),
    "jira": SignatureScheme(
        "x-hub-signature", "the secret of the webhook, with HMAC-SHA256", _jira
    ),
    "sentry": SignatureScheme(
        "sentry-hook-signature",
        "the client secret of the integration",
        _hex_in("sentry-hook-signature"),
    ),
    "linear": SignatureScheme(
        "linear-signature", "the signing secret of the webhook", _hex_in("linear-signature")
    ),
    "header": SignatureScheme("x-webhook-token", "a header X-Webhook-Token", _header),
    "basic": SignatureScheme("authorization", "the password of basic authentication", _basic),
    "bearer": SignatureScheme("authorization", "a header Authorization: Bearer", _bearer),
    "flux": SignatureScheme(
        "x-signature", "the token of a provider of type generic-hmac, with HMAC-SHA256", _flux
    ),
}


def _hex(secret: str, body: bytes) -> str:
    return hmac.digest(secret.encode(), body, hashlib.sha256).hex()


def _is_now(time: str, now_sec: int) -> bool:
    """Whether a text is a time in seconds that is near enough."""
    is_number = time.isascii() and time.isdigit() and len(time) < 12
    return is_number and abs(now_sec - int(time)) <= REPLAY_SECONDS


def _has_v1(signatures: str, secret: str, body: bytes) -> bool:
    """Whether one of the signatures, with a comma between them, is `v1=` and the body's."""
    expected = f"v1={_hex(secret, body)}"
    return any(_same(signature.strip(), expected) for signature in signatures.split(","))


def _same(sent: str, expected: str) -> bool:
    return hmac.compare_digest(sent.encode(), expected.encode())


def _standard_key(secret: str) -> bytes | None:
    """The key that a secret of Standard Webhooks encodes; any other text is its own key."""
    if not secret.startswith("whsec_"):
        return secret.encode()
    try:
        return base64.b64decode(secret.removeprefix("whsec_"), validate=True)
    except (binascii.Error, ValueError):
        return None
