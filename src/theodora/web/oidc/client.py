"""The authorization code flow with PKCE, as a client of one provider (OpenID Connect Core 1.0)."""

import time
from base64 import b64encode
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from hmac import compare_digest
from importlib import import_module
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import quote_plus, urlencode

from theodora.errors import UnusableSetting
from theodora.storage import PersonIdentity
from theodora.storage.access.people import name_on_a_line
from theodora.web.oidc import pending as pending_sign_ins
from theodora.web.oidc.asking import get_json, post_form
from theodora.web.oidc.discovery import Kept, load_metadata
from theodora.web.oidc.id_token import check_access_token, check_id_token, check_issued
from theodora.web.oidc.pending import PendingSignIn
from theodora.web.oidc.provider import IdentityProvider, SignInFailed

if TYPE_CHECKING:
    from theodora.web.oidc.signatures import PublicKey, Signed

_NEEDS = (
    "sign-in with OpenID Connect needs joserfc, which is not installed: "
    'pip install "theodora[oidc]"'
)
_LOGOUT_EVENT = "http://schemas.openid.net/event/backchannel-logout"
_MAX_GROUPS = 1_000


class SignInAnswer(NamedTuple):
    """What a provider has shown of a person, after every check."""

    identity: PersonIdentity
    """With an empty address where the provider has not verified it."""
    groups: tuple[str, ...]
    id_token: str
    """As a hint for signing out."""


@dataclass(frozen=True, slots=True)
class SignInProviders:
    """The providers of a server, in the order of their buttons."""

    clients: "Mapping[str, ProviderClient]"
    """By name."""
    url: str
    """The URL of this server with its prefix, as providers know it: never that of a request."""
    takes_keys: bool
    """Whether application keys sign in, too."""

    def callback(self, name: str) -> str:
        """Where a provider sends people back to. Each has its own address, against mix-up."""
        return f"{self.url}/sign-in/{name}/callback"


class ProviderClient:
    """Signs people in with one provider. Its methods ask the provider, so they take a while.

    They raise `SignInFailed`.
    """

    def __init__(self, provider: IdentityProvider, clock: Callable[[], float] = time.time) -> None:
        """Raises `UnusableSetting` if the extra `oidc` is not installed."""
        self.provider = provider
        self._clock = clock
        try:
            self._signatures: Any = import_module("theodora.web.oidc.signatures")
        except ImportError:
            raise UnusableSetting(_NEEDS) from None
        self._metadata = Kept(lambda: load_metadata(provider))
        self._keys: Kept[tuple[PublicKey, ...]] = Kept(self._load_keys)

    def begin(self, redirect_uri: str, next_: str) -> tuple[str, PendingSignIn]:
        """Where the browser signs in, and what it must keep meanwhile."""
        metadata = self._metadata.get()
        pending = pending_sign_ins.begin(self.provider.name, next_, self._clock())
        fields = {
            "response_type": "code",
            "client_id": self.provider.client_id,
            "redirect_uri": redirect_uri,
            "scope": " ".join(self.provider.scopes),
            "state": pending.state,
            "nonce": pending.nonce,
            "code_challenge": pending.challenge,
            "code_challenge_method": "S256",
        }
        return _with_fields(metadata.authorization_endpoint, fields), pending

    def finish(
        self, redirect_uri: str, pending: PendingSignIn | None, answer: Mapping[str, str]
    ) -> SignInAnswer:
        """The person that the provider has sent back, with the parameters of the address."""
        pending = self._checked(pending, answer)
        self._check_issuer(answer)
        if "error" in answer:
            is_refusal = answer["error"] in {"access_denied", "login_required"}
            raise SignInFailed(
                "cancelled" if is_refusal else "not_trusted",
                f"the provider answered {answer['error'][:100]!r}",
            )
        tokens = self._redeem(answer.get("code", ""), redirect_uri, pending.verifier)
        id_token, access_token = (
            str(tokens.get(name, "")) for name in ("id_token", "access_token")
        )
        signed = self._verified(id_token)
        check_id_token(signed.claims, self.provider, pending.nonce, self._clock())
        check_access_token(signed.claims, signed.alg, access_token)
        return self._answer(signed.claims, access_token, id_token)

    @property
    def may_sign_out(self) -> bool:
        """Whether the provider has a page to sign out, or it is not known yet."""
        metadata = self._metadata.known
        return metadata is None or metadata.end_session_endpoint != ""

    def sign_out_url(self, id_token: str, back: str) -> str:
        """The page where a person signs out of the provider; empty if it has none."""
        endpoint = self._metadata.get().end_session_endpoint
        if not endpoint:
            return ""
        fields = {"client_id": self.provider.client_id, "post_logout_redirect_uri": back}
        hint = {"id_token_hint": id_token} if id_token else {}
        return _with_fields(endpoint, {**fields, **hint})

    def signed_out_subject(self, logout_token: str) -> str:
        """The subject of a logout token (OpenID Connect Back-Channel Logout 1.0, 2.6)."""
        claims = self._verified(logout_token).claims
        check_issued(claims, self.provider, self._clock())
        events, subject = claims.get("events"), claims.get("sub")
        if not isinstance(events, dict) or _LOGOUT_EVENT not in events or "nonce" in claims:
            raise SignInFailed("not_trusted", "the token is no logout token")
        if not isinstance(subject, str) or not subject:
            raise SignInFailed("not_trusted", "the logout token names no subject")
        return subject

    def _checked(self, pending: PendingSignIn | None, answer: Mapping[str, str]) -> PendingSignIn:
        state = answer.get("state", "")
        if (
            pending is None
            or pending.provider != self.provider.name
            or not compare_digest(pending.state.encode(), state.encode())
            or pending.is_over(self._clock())
        ):
            raise SignInFailed("other_sign_in", "this browser began no such sign-in")
        return pending

    def _check_issuer(self, answer: Mapping[str, str]) -> None:
        """Against mix-up: an answer may name who gave it (RFC 9207)."""
        named = answer.get("iss")
        must_be_named = named is not None or self._metadata.get().names_issuer
        if must_be_named and named != self.provider.issuer:
            raise SignInFailed("not_trusted", "the answer is of another issuer")

    def _redeem(self, code: str, redirect_uri: str, verifier: str) -> dict[str, Any]:
        metadata = self._metadata.get()
        fields = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": redirect_uri,
            "code_verifier": verifier,
        }
        headers: dict[str, str] = {}
        client_id, secret = self.provider.client_id, self.provider.client_secret
        if secret and metadata.sends_secret_in_header:
            login = f"{quote_plus(client_id)}:{quote_plus(secret)}"
            headers["Authorization"] = f"Basic {b64encode(login.encode()).decode()}"
        else:
            fields |= {"client_id": client_id, **({"client_secret": secret} if secret else {})}
        status, tokens = post_form(metadata.token_endpoint, fields, headers)
        if status != 200 or not isinstance(tokens.get("id_token"), str):
            error = str(tokens.get("error", "no id_token"))[:100]
            raise SignInFailed("not_trusted", f"the token endpoint answered {status}: {error!r}")
        return tokens

    def _verified(self, token: str) -> "Signed":
        """Looks for new keys once if none fits: the provider may have changed them."""
        unknown = self._signatures.UnknownKey
        try:
            return self._signatures.verified(token, self._keys.get())
        except unknown:
            pass
        try:
            return self._signatures.verified(token, self._keys.get(newer=True))
        except unknown:
            raise SignInFailed("not_trusted", "no key of the provider fits the token") from None

    def _load_keys(self) -> "tuple[PublicKey, ...]":
        return self._signatures.read_keys(get_json(self._metadata.get().jwks_uri))

    def _answer(self, claims: dict[str, Any], access_token: str, id_token: str) -> SignInAnswer:
        wanted = (self.provider.groups_claim, self.provider.name_claim)
        if any(name and name not in claims for name in wanted):
            claims = {**self._userinfo(claims["sub"], access_token), **claims}
        # Some providers (Amazon Cognito) write a text in place of a boolean.
        is_verified = claims.get("email_verified") not in (False, "false")
        email = claims.get("email") if is_verified else None
        return SignInAnswer(
            PersonIdentity(
                self.provider.issuer,
                claims["sub"],
                _text(claims.get(self.provider.name_claim)),
                _text(email),
            ),
            _texts(claims.get(self.provider.groups_claim)),
            id_token,
        )

    def _userinfo(self, subject: str, access_token: str) -> dict[str, Any]:
        endpoint = self._metadata.get().userinfo_endpoint
        if not endpoint or not access_token.isascii() or not access_token.isprintable():
            return {}
        found = get_json(endpoint, {"Authorization": f"Bearer {access_token}"})
        if found.get("sub") != subject:
            raise SignInFailed("not_trusted", "the userinfo is of another subject")
        return found


def _with_fields(endpoint: str, fields: Mapping[str, str]) -> str:
    return endpoint + ("&" if "?" in endpoint else "?") + urlencode(fields)


def _text(value: Any) -> str:
    """A claim's text on a line; empty if it is none."""
    return name_on_a_line(value) if isinstance(value, str) else ""


def _texts(value: Any) -> tuple[str, ...]:
    """A claim with one text or several."""
    several = value if isinstance(value, list) else [value]
    return tuple(each for each in several if isinstance(each, str))[:_MAX_GROUPS]
