"""Signatures of webhooks: right, wrong, missing, replayed, and of another secret."""

import base64
import hashlib
import hmac
from typing import get_args

import pytest

from theodora.sources.webhooks.signatures import REPLAY_SECONDS, SCHEMES, Scheme, is_signed

NOW_SEC = 1_614_265_330
SECRET = "a secret of the source"
BODY = b'{"test": 2432232314}'


def hmac_hex(secret: str, body: bytes) -> str:
    return hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()


def standard(secret: str, body: bytes, at_sec: int = NOW_SEC) -> dict[str, str]:
    signed = b"msg_1.%d." % at_sec + body
    digest = hmac.new(secret.encode(), signed, hashlib.sha256).digest()
    return {
        "webhook-id": "msg_1",
        "webhook-timestamp": str(at_sec),
        "webhook-signature": f"v1,{base64.b64encode(digest).decode()}",
    }


def rootly(secret: str, body: bytes, at_sec: int = NOW_SEC) -> dict[str, str]:
    signature = hmac_hex(secret, str(at_sec).encode() + body)
    return {"x-rootly-signature": f"t={at_sec},v1={signature}"}


def headers(scheme: Scheme, secret: str, body: bytes, at_sec: int = NOW_SEC) -> dict[str, str]:
    """What a sender that knows the secret sends."""
    password = base64.b64encode(f"anybody:{secret}".encode()).decode()
    return {
        "github": {"x-hub-signature-256": f"sha256={hmac_hex(secret, body)}"},
        "gitlab": {"x-gitlab-token": secret},
        "bitbucket": {"x-hub-signature": f"sha256={hmac_hex(secret, body)}"},
        "circleci": {"circleci-signature": f"v1={hmac_hex(secret, body)}"},
        "gitea": {"x-gitea-signature": hmac_hex(secret, body)},
        "pagerduty": {"x-pagerduty-signature": f"v1={hmac_hex(secret, body)}"},
        "standard-webhooks": standard(secret, body, at_sec),
        "rootly": rootly(secret, body, at_sec),
        "jira": {"x-hub-signature": f"sha256={hmac_hex(secret, body)}"},
        "sentry": {"sentry-hook-signature": hmac_hex(secret, body)},
        "linear": {"linear-signature": hmac_hex(secret, body)},
        "firehydrant": {"fh-signature": hmac_hex(secret, body)},
        "header": {"x-webhook-token": secret},
        "basic": {"authorization": f"Basic {password}"},
        "bearer": {"authorization": f"Bearer {secret}"},
        "flux": {"x-signature": f"sha256={hmac_hex(secret, body)}"},
    }[scheme]


SIGN_TIMES = ("standard-webhooks", "rootly")
SIGN_BODIES = (
    "github",
    "gitea",
    "pagerduty",
    "standard-webhooks",
    "rootly",
    "firehydrant",
    "flux",
    "jira",
    "sentry",
    "linear",
    "bitbucket",
    "circleci",
)
every_scheme = pytest.mark.parametrize("scheme", SCHEMES)


def test_every_scheme_has_a_row() -> None:
    assert set(SCHEMES) == set(get_args(Scheme))


@every_scheme
def test_the_sender_is_known_by_its_signature(scheme: Scheme) -> None:
    assert is_signed(scheme, SECRET, headers(scheme, SECRET, BODY), BODY, NOW_SEC)


@every_scheme
def test_nothing_is_signed_without_a_header_or_with_another_secret(scheme: Scheme) -> None:
    assert not is_signed(scheme, SECRET, {}, BODY, NOW_SEC)
    for other in (f"{SECRET} ", SECRET[:-1], "", "é", "whsec_*"):
        assert not is_signed(scheme, SECRET, headers(scheme, other, BODY), BODY, NOW_SEC)
    names = headers(scheme, SECRET, BODY)
    for value in ("", "sha256=", "v1=", "v1,", "Basic", "Basic ***", "\xff"):
        assert not is_signed(scheme, SECRET, dict.fromkeys(names, value), BODY, NOW_SEC)


@pytest.mark.parametrize("scheme", SIGN_BODIES)
def test_a_changed_body_is_not_signed(scheme: Scheme) -> None:
    assert not is_signed(scheme, SECRET, headers(scheme, SECRET, BODY), BODY + b" ", NOW_SEC)


def test_github_signs_as_its_documentation_shows() -> None:
    signature = "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"
    assert is_signed(
        "github",
        "It's a Secret to Everybody",
        {"x-hub-signature-256": signature},
        b"Hello, World!",
        NOW_SEC,
    )


def test_standard_webhooks_are_signed_as_their_specification_shows() -> None:
    sent = {
        "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
        "webhook-timestamp": "1614265330",
        "webhook-signature": "v1,aaaa v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
    }
    secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
    assert is_signed("standard-webhooks", secret, sent, BODY, NOW_SEC)
    assert not is_signed("standard-webhooks", "whsec_***", sent, BODY, NOW_SEC)


@pytest.mark.parametrize("late_sec", [REPLAY_SECONDS + 1, -REPLAY_SECONDS - 1])
def test_a_signature_of_another_time_is_a_replay(late_sec: int) -> None:
    sent = standard(SECRET, BODY)
    assert is_signed("standard-webhooks", SECRET, sent, BODY, NOW_SEC + late_sec * 9 // 10)
    assert not is_signed("standard-webhooks", SECRET, sent, BODY, NOW_SEC + late_sec)
    for time in ("", "now", "-1", "9" * 30, "٣"):
        stamped = {**sent, "webhook-timestamp": time}
        assert not is_signed("standard-webhooks", SECRET, stamped, BODY, NOW_SEC)


@pytest.mark.parametrize("late_sec", [REPLAY_SECONDS + 1, -REPLAY_SECONDS - 1])
def test_rootly_signs_its_time_with_the_body(late_sec: int) -> None:
    sent = rootly(SECRET, BODY)
    assert is_signed("rootly", SECRET, sent, BODY, NOW_SEC + late_sec * 9 // 10)
    assert not is_signed("rootly", SECRET, sent, BODY, NOW_SEC + late_sec)
    later = {"x-rootly-signature": sent["x-rootly-signature"].replace("t=1", "t=2", 1)}
    assert not is_signed("rootly", SECRET, later, BODY, NOW_SEC + 10**9)


def test_pagerduty_signs_with_two_secrets_while_one_replaces_the_other() -> None:
    signatures = ", ".join(f"v1={hmac_hex(secret, BODY)}" for secret in ("the former", SECRET))
    sent = {"x-pagerduty-signature": signatures}
    assert is_signed("pagerduty", SECRET, sent, BODY, NOW_SEC)
    assert not is_signed("pagerduty", "another", sent, BODY, NOW_SEC)
