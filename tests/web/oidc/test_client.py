"""The code flow against a provider on loopback: what signs somebody in, and what must not."""

import hmac
import time
from base64 import b64encode, urlsafe_b64encode
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import parse_qs, quote_plus, urlsplit

import pytest

from openid import CLIENT_ID, CLIENT_SECRET, OpenIdProvider, key, serving_provider
from theodora.storage import PersonIdentity
from theodora.web.oidc.asking import get_json
from theodora.web.oidc.client import ProviderClient, SignInAnswer
from theodora.web.oidc.discovery import FRESH_SECONDS, RETRY_SECONDS, Kept
from theodora.web.oidc.pending import PENDING_SECONDS, PendingSignIn, from_cookie, to_cookie
from theodora.web.oidc.provider import Reason, SignInFailed, is_safe_url

BACK = "https://dora.example.org/sign-in/keycloak/callback"
Change = Callable[[OpenIdProvider], object]


@pytest.fixture
def provider() -> Iterator[OpenIdProvider]:
    with serving_provider() as provider:
        yield provider


def sign_in(provider: OpenIdProvider, client: ProviderClient | None = None) -> SignInAnswer:
    client = client or ProviderClient(provider.settings())
    location, pending = client.begin(BACK, "/")
    return client.finish(BACK, pending, provider.sign_in(location))


def refused(provider: OpenIdProvider, client: ProviderClient | None = None) -> SignInFailed:
    with pytest.raises(SignInFailed) as failed:
        sign_in(provider, client)
    return failed.value


def test_a_person_signs_in(provider: OpenIdProvider) -> None:
    provider.claims |= {"groups": ["platform-admins", 7, "all"]}
    found = sign_in(provider)
    assert found.identity == PersonIdentity(provider.url, "ada", "Ada", "ada@example.org")
    assert found.groups == ("platform-admins", "all")
    assert provider.asked == ["/.well-known/openid-configuration", "/token", "/keys"]
    login = f"{CLIENT_ID}:{quote_plus(CLIENT_SECRET)}".encode()
    assert provider.logins == [f"Basic {b64encode(login).decode()}"]


def test_the_provider_is_asked_for_a_code_with_pkce(provider: OpenIdProvider) -> None:
    provider.metadata["authorization_endpoint"] = f"{provider.url}/authorize?tenant=1"
    location, pending = ProviderClient(provider.settings()).begin(BACK, "/failures")
    asked = {name: value for name, (value,) in parse_qs(urlsplit(location).query).items()}
    assert asked == {
        "tenant": "1",
        "response_type": "code",
        "client_id": CLIENT_ID,
        "redirect_uri": BACK,
        "scope": "openid profile email",
        "state": pending.state,
        "nonce": pending.nonce,
        "code_challenge": pending.challenge,
        "code_challenge_method": "S256",
    }
    assert pending.verifier not in location
    assert from_cookie(to_cookie(pending)) == pending


@pytest.mark.parametrize(
    ("secret", "methods"),
    [("", ["client_secret_basic"]), (CLIENT_SECRET, ["client_secret_post"])],
)
def test_clients_without_a_secret_or_a_header_for_it(
    provider: OpenIdProvider, secret: str, methods: list[str]
) -> None:
    provider.metadata["token_endpoint_auth_methods_supported"] = methods
    assert sign_in(provider, ProviderClient(provider.settings(client_secret=secret)))
    assert provider.logins == ["in the form"]


@pytest.mark.parametrize(
    ("alg", "kind"), [("RS256", "RSA"), ("PS256", "RSA"), ("ES256", "EC"), ("EdDSA", "OKP")]
)
def test_each_allowed_algorithm(alg: str, kind: str) -> None:
    with serving_provider(keys=[key(kind)], alg=alg) as provider:
        assert sign_in(provider).identity.subject == "ada"


def _claims(**claims: Any) -> Change:
    return lambda provider: provider.claims.update(claims)


def _in_seconds(**offsets: int) -> Change:
    def change(provider: OpenIdProvider) -> None:
        now = int(time.time())
        provider.claims |= {name: now + offset for name, offset in offsets.items()}

    return change


def _signed(alg: str, kind: str, number: int = 1, kid: str | None = "RSA-1") -> Change:
    def change(provider: OpenIdProvider) -> None:
        provider.alg, provider.signer = alg, key(kind, number)
        plain = provider.token
        provider.token = lambda claims, **_: plain(claims, kid=kid)  # type: ignore[method-assign]

    return change


def _signed_with_public_key(provider: OpenIdProvider) -> None:
    """HMAC with the public key as the secret, which anyone knows."""
    pem = provider.keys[0].as_pem(private=False)

    def spoil(token: str) -> str:
        header = urlsafe_b64encode(b'{"alg": "HS256", "kid": "RSA-1"}').decode().rstrip("=")
        signed = f"{header}.{token.split('.')[1]}"
        digest = hmac.digest(pem, signed.encode(), "sha256")
        return f"{signed}.{urlsafe_b64encode(digest).decode().rstrip('=')}"

    provider.spoil = spoil


def _with_header(header: bytes) -> Change:
    encoded = urlsafe_b64encode(header).decode().rstrip("=")
    return lambda provider: setattr(
        provider, "spoil", lambda token: f"{encoded}.{token.partition('.')[2]}"
    )


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (_claims(nonce="another"), "nonce"),
        (_claims(nonce=None), "nonce"),
        (_claims(nonce="\ud800"), "nonce"),
        (_claims(iss="https://elsewhere.example"), "another issuer"),
        (_claims(aud="another"), "another client"),
        (_claims(aud=["theodora", "another"]), "to another client"),
        (_claims(azp="another"), "to another client"),
        (_claims(sub=None), "no subject"),
        (_claims(sub=""), "no subject"),
        (_claims(sub="ada\x1b[2J"), "control characters"),
        (_claims(exp=None), "no exp"),
        (_claims(iat=True), "no iat"),
        (_in_seconds(exp=-61), "expired"),
        (_in_seconds(iat=120), "another time"),
        (_in_seconds(iat=-700), "another time"),
        (_in_seconds(nbf=120), "not valid yet"),
        (_claims(at_hash="AAAA"), "access token"),
        (_claims(at_hash="\ud800"), "access token"),
        (_signed("none", "oct"), "'none'"),
        (_signed("HS256", "oct"), "'HS256'"),
        (_signed_with_public_key, "'HS256'"),
        (_signed("RS384", "RSA"), "'RS384'"),
        (_signed("RS256", "RSA", 2), "signature"),
        (_signed("ES256", "EC"), "no key"),
        (_signed("RS256", "RSA", 2, None), "signature"),
        (lambda provider: setattr(provider, "spoil", lambda token: token[:-8] + "AAAAAAAA"), "sig"),
        (_with_header(b'{"alg": "RS256", "crit": 1}'), "signature"),
        (_with_header(b"[]"), "cannot be read"),
        (lambda provider: setattr(provider, "spoil", lambda _: "no token"), "cannot be read"),
        (lambda provider: setattr(provider, "token_status", 400), "answered 400"),
    ],
)
def test_a_token_that_is_wrong_signs_nobody_in(
    provider: OpenIdProvider, change: Change, why: str
) -> None:
    change(provider)
    failure = refused(provider)
    assert why in str(failure)
    assert failure.reason == "not_trusted"


@pytest.mark.parametrize(
    "change",
    [
        _in_seconds(exp=-40, iat=-400),
        _in_seconds(iat=40, nbf=40),
        _claims(aud=["another", "theodora"], azp="theodora"),
        _claims(at_hash=None),
        _signed("RS256", "RSA", kid=None),
    ],
)
def test_a_token_that_is_right_all_the_same(provider: OpenIdProvider, change: Change) -> None:
    change(provider)
    assert sign_in(provider).identity.subject == "ada"


def test_an_answer_counts_once_and_in_its_own_browser_only(provider: OpenIdProvider) -> None:
    now = [time.time()]
    client = ProviderClient(provider.settings(), lambda: now[0])
    location, pending = client.begin(BACK, "/")
    answer = provider.sign_in(location)
    _, other = client.begin(BACK, "/")
    of_another = pending._replace(provider="okta")
    attempts: list[tuple[PendingSignIn | None, dict[str, str]]] = [
        (None, answer),
        (other, answer),
        (of_another, answer),
        (pending, {**answer, "state": ""}),
        (pending, {"code": answer["code"]}),
    ]
    for kept, brought in attempts:
        with pytest.raises(SignInFailed) as failed:
            client.finish(BACK, kept, brought)
        assert failed.value.reason == "other_sign_in"
    assert "/token" not in provider.asked
    assert client.finish(BACK, pending, answer).identity.subject == "ada"
    with pytest.raises(SignInFailed, match="invalid_grant"):
        client.finish(BACK, pending, answer)
    now[0] += PENDING_SECONDS + 1
    with pytest.raises(SignInFailed, match="began no such"):
        client.finish(BACK, pending, provider.sign_in(location))


def test_a_stolen_code_is_worth_nothing_in_another_browser(provider: OpenIdProvider) -> None:
    client = ProviderClient(provider.settings())
    stolen = provider.sign_in(client.begin(BACK, "/")[0])["code"]
    _, own = client.begin(BACK, "/")
    with pytest.raises(SignInFailed, match="invalid_grant"):
        client.finish(BACK, own, {"code": stolen, "state": own.state})


def test_two_issuers_are_not_mixed_up(provider: OpenIdProvider) -> None:
    with serving_provider() as hostile:
        client = ProviderClient(provider.settings())
        location, pending = client.begin(BACK, "/")
        with pytest.raises(SignInFailed, match="another issuer"):
            client.finish(BACK, pending, {**provider.sign_in(location), "iss": hostile.url})
        hostile.claims["iss"] = provider.url
        hostile_client = ProviderClient(hostile.settings("hostile"))
        assert "another issuer" in str(refused(hostile, hostile_client))
        provider.metadata["authorization_response_iss_parameter_supported"] = True
        strict = ProviderClient(provider.settings())
        location, pending = strict.begin(BACK, "/")
        unnamed = {**provider.sign_in(location)}
        del unnamed["iss"]
        with pytest.raises(SignInFailed, match="another issuer"):
            strict.finish(BACK, pending, unnamed)
    assert "/token" not in provider.asked


@pytest.mark.parametrize(
    ("error", "reason"), [("access_denied", "cancelled"), ("server_error", "not_trusted")]
)
def test_an_error_in_place_of_a_code(provider: OpenIdProvider, error: str, reason: Reason) -> None:
    client = ProviderClient(provider.settings())
    _, pending = client.begin(BACK, "/")
    with pytest.raises(SignInFailed) as failed:
        client.finish(BACK, pending, {"error": error, "state": pending.state})
    assert failed.value.reason == reason


def test_a_new_key_is_fetched_once_and_an_unknown_one_not_again(provider: OpenIdProvider) -> None:
    client = ProviderClient(provider.settings())
    sign_in(provider, client)
    provider.keys.append(key("RSA", 2))
    assert sign_in(provider, client).identity.subject == "ada"
    provider.signer = key("RSA", 3)
    for _ in range(3):
        assert "no key" in str(refused(provider, client))
    assert provider.asked.count("/keys") == 2


def test_a_key_that_was_withdrawn_signs_nobody_in(provider: OpenIdProvider) -> None:
    now = [0.0]
    kept = Kept(lambda: list(provider.keys), lambda: now[0])
    assert kept.get() == [key("RSA")]
    provider.keys = [key("RSA", 2)]
    now[0] = FRESH_SECONDS + 1
    assert kept.get() == [key("RSA", 2)]


def test_a_provider_that_fails_is_asked_now_and_then_and_what_is_known_kept() -> None:
    now, tries, works = [0.0], [0], [False]

    def load() -> int:
        tries[0] += 1
        if not works[0]:
            raise SignInFailed("no_answer", "down")
        return tries[0]

    kept = Kept(load, lambda: now[0])
    for _ in range(2):
        with pytest.raises(SignInFailed, match="down"):
            kept.get()
    assert tries == [1]
    now[0], works[0] = RETRY_SECONDS, True
    assert kept.get() == 2
    now[0], works[0] = FRESH_SECONDS * 2, False
    assert [kept.get(), kept.get(), kept.get(newer=True)] == [2, 2, 2]
    assert tries == [3]


def test_groups_come_from_userinfo_where_the_token_has_none(provider: OpenIdProvider) -> None:
    provider.userinfo = {"groups": "admins", "name": "Other"}
    found = sign_in(provider)
    assert (found.groups, found.identity.name) == (("admins",), "Ada")
    provider.userinfo["sub"] = "bob"
    assert "another subject" in str(refused(provider))


@pytest.mark.parametrize("is_verified", [False, "false"])
def test_an_address_that_is_not_verified_is_dropped(
    provider: OpenIdProvider, is_verified: object
) -> None:
    provider.claims |= {"email_verified": is_verified, "name": None, "groups": []}
    found = sign_in(provider)
    assert (found.identity.email, found.identity.name) == ("", "")


@pytest.mark.parametrize(
    ("metadata", "why"),
    [
        ({"issuer": "https://elsewhere.example"}, "of the issuer"),
        ({"token_endpoint": "http://192.0.2.1/token"}, "token_endpoint"),
        ({"jwks_uri": "file:///etc/passwd"}, "jwks_uri"),
        ({"authorization_endpoint": "javascript:alert(1)"}, "authorization_endpoint"),
        ({"authorization_endpoint": None}, "authorization_endpoint"),
        ({"end_session_endpoint": "http://elsewhere.example/"}, "end_session_endpoint"),
    ],
)
def test_metadata_that_cannot_be_trusted(
    provider: OpenIdProvider, metadata: dict[str, Any], why: str
) -> None:
    provider.metadata |= metadata
    failure = refused(provider)
    assert why in str(failure)
    assert failure.reason == "not_trusted"


@pytest.mark.parametrize(
    "path", ["/.well-known/openid-configuration", "/token", "/keys", "/userinfo"]
)
@pytest.mark.parametrize("status", [302, 503])
def test_a_provider_that_is_down_or_leads_elsewhere(
    provider: OpenIdProvider, path: str, status: int
) -> None:
    provider.fails[path] = status
    assert refused(provider).reason == "no_answer"
    assert "/elsewhere" not in provider.asked


def test_nobody_listens() -> None:
    with serving_provider() as provider:
        pass
    assert refused(provider).reason == "no_answer"


@pytest.mark.parametrize(
    ("url", "is_safe", "is_safe_here"),
    [
        ("https://id.example.org/realms/a", True, True),
        ("http://127.0.0.1:8080", False, True),
        ("http://[::1]:8080", False, True),
        ("http://localhost", False, True),
        ("http://id.example.org", False, False),
        ("http://localhost.example.org", False, False),
        ("https://", False, False),
        ("https://user@id.example.org", False, False),
        ("https://id.example.org#there", False, False),
        ("https://id.example.org:99999", False, False),
        ("https://id.example.org/a b", False, False),
        ("ftp://id.example.org", False, False),
    ],
)
def test_addresses_are_https_or_on_this_machine(
    url: str, is_safe: bool, is_safe_here: bool
) -> None:
    assert is_safe_url(url, http_on_loopback=False) is is_safe
    assert is_safe_url(url, http_on_loopback=True) is is_safe_here


def test_signing_out_at_the_provider(provider: OpenIdProvider) -> None:
    url = ProviderClient(provider.settings()).sign_out_url("a.b.c", "https://dora.example.org/")
    assert url.startswith(f"{provider.url}/end?")
    assert parse_qs(urlsplit(url).query) == {
        "client_id": [CLIENT_ID],
        "post_logout_redirect_uri": ["https://dora.example.org/"],
        "id_token_hint": ["a.b.c"],
    }
    provider.metadata["end_session_endpoint"] = None
    assert ProviderClient(provider.settings()).sign_out_url("", "https://dora.example.org/") == ""


@pytest.mark.parametrize(
    ("claims", "why"),
    [
        ({"events": {}}, "no logout token"),
        ({"nonce": "n"}, "no logout token"),
        ({"sub": None}, "no subject"),
        ({"aud": "another"}, "another client"),
        ({"iss": "https://elsewhere.example"}, "another issuer"),
        ({"exp": 1}, "expired"),
    ],
)
def test_a_logout_token_is_checked(
    provider: OpenIdProvider, claims: dict[str, Any], why: str
) -> None:
    client = ProviderClient(provider.settings())
    assert client.signed_out_subject(provider.logout_token()) == "ada"
    with pytest.raises(SignInFailed, match=why):
        client.signed_out_subject(provider.logout_token(**claims))


@pytest.mark.parametrize("value", ["", "x", "bm8", "eyJhIjoxfQ", "é", "WyJhIiwxLDIsMyw0LDVd"])
def test_a_cookie_that_holds_no_sign_in(value: str) -> None:
    assert from_cookie(value) is None


def test_an_answer_without_an_end_is_broken_off(
    provider: OpenIdProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("theodora.web.oidc.asking.MAX_ANSWER_BYTES", 100)
    with pytest.raises(SignInFailed, match="longer than 100 bytes"):
        get_json(f"{provider.url}/.well-known/openid-configuration")
