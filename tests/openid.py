"""A provider of OpenID Connect on loopback, which can be made to misbehave."""

import base64
import hashlib
import json
import secrets
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from http.server import BaseHTTPRequestHandler
from typing import Any
from urllib.parse import parse_qs, parse_qsl, urlencode, urlsplit

from joserfc import jwk, jws

from loopback import answering
from theodora.storage.access.role_mapping import MappedGroup
from theodora.web.oidc.provider import IdentityProvider

Json = dict[str, Any]
CLIENT_ID, CLIENT_SECRET = "theodora", "a secret: with & signs"
LOGOUT_EVENT = "http://schemas.openid.net/event/backchannel-logout"


def key(kind: str, number: int = 1) -> jwk.Key:
    """A private key; the same for the same number."""
    return _key(kind, number)


@cache
def _key(kind: str, number: int) -> jwk.Key:
    size: Any = {"RSA": 2048, "EC": "P-256", "OKP": "Ed25519", "oct": 256}[kind]
    return jwk.JWKRegistry.generate_key(kind, size, {"kid": f"{kind}-{number}"})


class _AnyAlgorithm(jws.JWSRegistry):
    """Signs as it is asked to, without a warning."""

    def get_alg(self, name: str) -> Any:
        return self.algorithms[name]


def _b64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


@dataclass
class OpenIdProvider:
    """Signs everybody in at once, as `subject`. Members can be changed while it runs."""

    url: str = ""
    subject: str = "ada"
    claims: Json = field(default_factory=lambda: {"name": "Ada", "email": "ada@example.org"})
    """Those of the ID token besides the required ones; they win over these. None: left out."""
    userinfo: Json = field(default_factory=dict[str, Any])
    metadata: Json = field(default_factory=dict[str, Any])
    """Members that replace those of the metadata."""
    keys: list[jwk.Key] = field(default_factory=lambda: [key("RSA")])
    """Those shown; the last one signs."""
    alg: str = "RS256"
    signer: jwk.Key | None = None
    """Signs in place of the last key."""
    spoil: Callable[[str], str] = str
    """Applied to each ID token."""
    fails: dict[str, int] = field(default_factory=dict[str, int])
    """The status of each path that is answered with an error."""
    asked: list[str] = field(default_factory=list[str])
    """The paths that were asked, in order."""
    codes: dict[str, Mapping[str, str]] = field(default_factory=dict[str, Mapping[str, str]])
    """What each code that was not yet redeemed was asked for with."""
    token_status: int = 200
    """The status of an answer with tokens."""
    answers: threading.Event = field(default_factory=threading.Event)
    """While it is not set, requests wait."""
    logins: list[str] = field(default_factory=list[str])
    """How the client showed who it is, each time."""

    def __post_init__(self) -> None:
        self.answers.set()

    def settings(self, name: str = "keycloak", **more: Any) -> IdentityProvider:
        """Its settings at a client."""
        roles = (MappedGroup("*", "default", "viewer"),)
        given: Json = {"client_secret": CLIENT_SECRET, "roles": roles, **more}
        return IdentityProvider(
            name=name,
            label=name.title(),
            issuer=self.url,
            client_id=CLIENT_ID,
            http_on_loopback=True,
            **given,
        )

    def sign_in(self, location: str) -> dict[str, str]:
        """What a browser that was sent to `location` brings back."""
        asked = dict(parse_qsl(urlsplit(location).query))
        code = secrets.token_urlsafe(8)
        self.codes[code] = asked
        return {"code": code, "state": asked["state"], "iss": self.url}

    def document(self) -> Json:
        return {
            "issuer": self.url,
            "authorization_endpoint": f"{self.url}/authorize",
            "token_endpoint": f"{self.url}/token",
            "jwks_uri": f"{self.url}/keys",
            "userinfo_endpoint": f"{self.url}/userinfo",
            "end_session_endpoint": f"{self.url}/end",
            **self.metadata,
        }

    def token(self, claims: Json, **header: Any) -> str:
        """A token signed with the newest key."""
        signer = self.signer or self.keys[-1]
        protected: Json = {"alg": self.alg, "kid": signer.kid, **header}
        registry = _AnyAlgorithm(strict_check_header=False)
        payload = json.dumps({name: each for name, each in claims.items() if each is not None})
        kept = {name: each for name, each in protected.items() if each is not None}
        return jws.serialize_compact(kept, payload.encode(), signer, registry=registry)

    def logout_token(self, **claims: Any) -> str:
        now = int(time.time())
        return self.token(
            {
                "iss": self.url,
                "aud": CLIENT_ID,
                "iat": now,
                "exp": now + 60,
                "jti": secrets.token_urlsafe(8),
                "sub": self.subject,
                "events": {LOGOUT_EVENT: {}},
                **claims,
            }
        )

    def redeem(self, form: Mapping[str, str], login: str) -> tuple[int, Json]:
        """The answer of the token endpoint; each code is good once."""
        self.logins.append(login or "in the form")
        asked = self.codes.pop(form.get("code", ""), None)
        if asked is None or asked["redirect_uri"] != form["redirect_uri"]:
            return 400, {"error": "invalid_grant"}
        digest = _b64(hashlib.sha256(form["code_verifier"].encode()).digest())
        if asked["code_challenge"] != digest or asked["code_challenge_method"] != "S256":
            return 400, {"error": "invalid_grant"}
        now = int(time.time())
        access_token = secrets.token_urlsafe(16)
        digest = hashlib.sha512 if self.alg == "EdDSA" else hashlib.sha256
        hashed = digest(access_token.encode()).digest()
        required: Json = {
            "iss": self.url,
            "aud": CLIENT_ID,
            "sub": self.subject,
            "iat": now,
            "exp": now + 300,
            "nonce": asked["nonce"],
            "at_hash": _b64(hashed[: len(hashed) // 2]),
        }
        id_token = self.spoil(self.token({**required, **self.claims}))
        return self.token_status, {
            "access_token": access_token,
            "token_type": "Bearer",
            "id_token": id_token,
        }


class _Handler(BaseHTTPRequestHandler):
    provider: OpenIdProvider

    def do_GET(self) -> None:
        parts = urlsplit(self.path)
        provider = self.provider
        self._note(parts.path)
        if parts.path in provider.fails:
            self._send(provider.fails[parts.path], {}, {"Location": f"{provider.url}/elsewhere"})
        elif parts.path == "/.well-known/openid-configuration":
            self._send(200, provider.document())
        elif parts.path == "/keys":
            self._send(200, {"keys": [each.as_dict(private=False) for each in provider.keys]})
        elif parts.path == "/userinfo":
            self._send(200, {"sub": provider.subject, **provider.userinfo})
        elif parts.path == "/authorize":
            back = parse_qs(parts.query)["redirect_uri"][0]
            answer = urlencode(provider.sign_in(self.path))
            self._send(303, {}, {"Location": f"{back}?{answer}"})
        elif parts.path == "/end":
            self._send(303, {}, {"Location": parse_qs(parts.query)["post_logout_redirect_uri"][0]})
        else:
            self._send(404, {})

    def do_POST(self) -> None:
        self._note(self.path)
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        if self.path in self.provider.fails:
            self._send(self.provider.fails[self.path], {})
        else:
            form = dict(parse_qsl(body))
            self._send(*self.provider.redeem(form, self.headers.get("Authorization", "")))

    def _note(self, path: str) -> None:
        self.provider.asked.append(path)
        self.provider.answers.wait(20)

    def _send(self, status: int, document: Json, headers: Mapping[str, str] = {}) -> None:
        body = json.dumps(document).encode()
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        pass


@contextmanager
def serving_provider(**members: Any) -> Iterator[OpenIdProvider]:
    provider = OpenIdProvider(**members)
    handler = type("Handler", (_Handler,), {"provider": provider})
    with answering(handler) as port:
        provider.url = f"http://127.0.0.1:{port}"
        yield provider
