"""The ways to sign in: a button for each provider, and the form for an application key."""

from collections.abc import Mapping
from typing import Any, NamedTuple
from urllib.parse import urlencode

from theodora.web.pages.shell.page import Visit


class SignInWay(NamedTuple):
    """The button of a provider."""

    label: str
    href: str


def sign_in_values(
    visit: Visit,
    next_: str,
    *,
    problem: str = "",
    is_refused: bool = False,
    is_api_key: bool = False,
    locked_until_ns: int | None = None,
) -> Mapping[str, Any]:
    """The values of `sign_in.html`; `problem` is about a provider, the others about a key."""
    return {
        "next": next_,
        "ways": [
            SignInWay(client.provider.label, _begin(visit, name, next_))
            for name, client in visit.providers.clients.items()
        ],
        "takes_keys": visit.providers.takes_keys,
        "problem": problem,
        "signed_out": _signed_out(visit),
        "is_refused": is_refused,
        "is_api_key": is_api_key,
        "locked_until_ns": locked_until_ns,
    }


def _begin(visit: Visit, name: str, next_: str) -> str:
    """An absolute URL: the cookie of the sign-in must be that of the host that is returned to."""
    query = f"?{urlencode({'next': next_})}" if next_ else ""
    return f"{visit.providers.url}/sign-in/{name}{query}"


def _signed_out(visit: Visit) -> SignInWay | None:
    """The link to sign out of the provider too, for whoever has just signed out of here."""
    name = visit.query_parameters.get("signed-out", "")
    client = visit.providers.clients.get(name)
    if client is None or visit.session is not None or not client.may_sign_out:
        return None
    return SignInWay(client.provider.label, f"{visit.providers.url}/sign-in/{name}/end")
