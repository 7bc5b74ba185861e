"""A provider's metadata (OpenID Connect Discovery 1.0), kept for an hour."""

import math
import threading
import time
from collections.abc import Callable
from typing import Any, Generic, NamedTuple, TypeVar

from theodora.web.oidc.asking import get_json
from theodora.web.oidc.provider import IdentityProvider, SignInFailed, is_safe_url

T = TypeVar("T")

FRESH_SECONDS = 3_600.0
RETRY_SECONDS = 10.0


class Metadata(NamedTuple):
    """What the code flow needs of a provider's metadata."""

    authorization_endpoint: str
    token_endpoint: str
    jwks_uri: str
    userinfo_endpoint: str = ""
    end_session_endpoint: str = ""
    sends_secret_in_header: bool = True
    """`client_secret_basic`; else `client_secret_post`."""
    names_issuer: bool = False
    """Whether each answer to a browser names the issuer (RFC 9207)."""


class Kept(Generic[T]):
    """A value that is loaded once, again when it is old, and again on demand.

    Attempts after a failure and loads on demand are at least `RETRY_SECONDS` apart, so neither
    visitors nor forged tokens make this server flood a provider. A value that cannot be loaded
    again stays in use.
    """

    def __init__(self, load: Callable[[], T], clock: Callable[[], float] = time.monotonic) -> None:
        self._load = load
        self._clock = clock
        self._lock = threading.Lock()
        self._value: T | None = None
        self._loaded_at = 0.0
        self._failure: SignInFailed | None = None
        self._failed_at = -math.inf
        self._renewed_at = -math.inf

    @property
    def known(self) -> T | None:
        """The value, if it was loaded before."""
        return self._value

    def get(self, *, newer: bool = False) -> T:
        """The value; `newer` loads it again if that may be tried now. Raises `SignInFailed`."""
        with self._lock:
            now = self._clock()
            if newer and now - self._renewed_at >= RETRY_SECONDS:
                self._renewed_at = now
                self._try(now)
            elif self._value is None or now - self._loaded_at > FRESH_SECONDS:
                self._try(now)
            if self._value is None:
                assert self._failure is not None, "nothing was tried"
                raise SignInFailed(self._failure.reason, str(self._failure))
            return self._value

    def _try(self, now: float) -> None:
        if now - self._failed_at < RETRY_SECONDS:
            return
        try:
            self._value = self._load()
            self._loaded_at = now
        except SignInFailed as failure:
            self._failure, self._failed_at = failure, self._clock()


def load_metadata(provider: IdentityProvider) -> Metadata:
    """Raises `SignInFailed` if it cannot be had, is another issuer's, or has unsafe addresses."""
    url = provider.issuer.rstrip("/") + "/.well-known/openid-configuration"
    found = get_json(url)
    if found.get("issuer") != provider.issuer:
        raise SignInFailed(
            "not_trusted", f"{url} is of the issuer {found.get('issuer')!r}: set it as the issuer"
        )
    return Metadata(
        authorization_endpoint=_endpoint(found, "authorization_endpoint", provider),
        token_endpoint=_endpoint(found, "token_endpoint", provider),
        jwks_uri=_endpoint(found, "jwks_uri", provider),
        userinfo_endpoint=_endpoint(found, "userinfo_endpoint", provider, is_needed=False),
        end_session_endpoint=_endpoint(found, "end_session_endpoint", provider, is_needed=False),
        sends_secret_in_header="client_secret_basic"
        in found.get("token_endpoint_auth_methods_supported", ["client_secret_basic"]),
        names_issuer=found.get("authorization_response_iss_parameter_supported") is True,
    )


def _endpoint(
    found: dict[str, Any], name: str, provider: IdentityProvider, *, is_needed: bool = True
) -> str:
    url = found.get(name, "")
    if not url and not is_needed:
        return ""
    if not isinstance(url, str) or not is_safe_url(url, http_on_loopback=provider.http_on_loopback):
        raise SignInFailed("not_trusted", f"{name} of {provider.issuer} is no https URL")
    return url
