"""Providers of OpenID Connect: what settings give of each, and which addresses are safe to ask."""

from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Literal
from urllib.parse import SplitResult, urlsplit

from theodora.errors import TheodoraError
from theodora.storage.access.role_mapping import MappedGroup

Reason = Literal["other_sign_in", "cancelled", "no_answer", "not_trusted", "no_access", "refused"]
"""What failed, for the person: see `web/pages/provider_sign_in.py`."""


class SignInFailed(TheodoraError):
    """A sign-in that came to nothing; the message is for the log, and holds no token."""

    def __init__(self, reason: Reason, message: str) -> None:
        super().__init__(message)
        self.reason: Reason = reason


@dataclass(frozen=True, slots=True, kw_only=True)
class IdentityProvider:
    """One provider, as settings describe it."""

    name: str
    """Part of this server's addresses: `keycloak`."""
    label: str
    """For the button: `Keycloak`."""
    issuer: str
    client_id: str
    client_secret: str = ""
    """Empty for a public client."""
    scopes: tuple[str, ...] = ("openid", "profile", "email")
    groups_claim: str = "groups"
    name_claim: str = "name"
    roles: Sequence[MappedGroup] = ()
    """What people of its groups are here; whoever has no such group is refused."""
    may_sign_up: bool = True
    """Whether the first sign-in of a person creates the person."""
    http_on_loopback: bool = False
    """Whether its addresses may be http where they lead to this machine."""


def is_safe_url(url: str, *, http_on_loopback: bool) -> bool:
    """Whether a URL is https, or http to this machine where that is allowed."""
    try:
        parts = urlsplit(url)
        has_host = bool(parts.hostname) and (parts.port is None or parts.port > 0)
    except ValueError:
        return False
    if not has_host or parts.username is not None or parts.fragment or not url.isprintable():
        return False
    if " " in url or "\\" in url:
        return False
    is_http = parts.scheme == "http" and http_on_loopback and _is_loopback(parts)
    return parts.scheme == "https" or is_http


def _is_loopback(parts: SplitResult) -> bool:
    host = parts.hostname or ""
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def provider_problems(provider: IdentityProvider) -> Sequence[str]:
    """What is wrong with the settings of a provider, a line each."""
    problems: list[str] = []
    if not is_safe_url(provider.issuer, http_on_loopback=provider.http_on_loopback):
        problems.append(
            "issuer must be an https URL; http is accepted only on this machine, with "
            "http_on_loopback"
        )
    if not provider.client_id:
        problems.append("client_id is missing")
    if "openid" not in provider.scopes:
        problems.append("scopes must include openid")
    if not provider.roles:
        problems.append("roles is missing: without it nobody could sign in")
    return problems
