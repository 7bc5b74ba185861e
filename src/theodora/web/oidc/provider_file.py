"""The file of providers: a TOML table for each, named as in this server's addresses."""

import re
import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import msgspec

from theodora.errors import UnusableSetting
from theodora.storage.access.role_mapping import mapped_group
from theodora.storage.organisations import LASTING
from theodora.web.oidc.provider import IdentityProvider, provider_problems

_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,31}")


class _ProviderTable(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """One table of the file; the members are those of the settings `oidc_…`."""

    issuer: str
    client_id: str
    label: str = ""
    client_secret: str = ""
    client_secret_file: str = ""
    scopes: tuple[str, ...] = ("openid", "profile", "email")
    groups_claim: str = "groups"
    name_claim: str = "name"
    roles: dict[str, str] = {}
    """Roles by group."""
    sign_up: Literal["create", "refuse"] = "create"
    http_on_loopback: bool = False


def read_providers(path: Path) -> Sequence[IdentityProvider]:
    """The providers of a file. Raises `UnusableSetting`, with a line for each problem."""
    try:
        tables = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UnusableSetting(f"oidc_providers: cannot read {path}: {error.strerror}") from error
    except ValueError as error:
        raise UnusableSetting(f"oidc_providers: {path} is no TOML: {error}") from error
    found: list[IdentityProvider] = []
    problems: list[str] = []
    for name, table in tables.items():
        try:
            found.append(_provider(name, table))
        except (UnusableSetting, msgspec.ValidationError) as error:
            problems.append(f"oidc_providers: {path} [{name}]: {error}")
    if problems:
        raise UnusableSetting("\n".join(problems))
    return found


def _provider(name: str, given: Any) -> IdentityProvider:
    if not _NAME.fullmatch(name):
        raise UnusableSetting("a name has at most 32 lower-case letters, digits and dashes")
    table = msgspec.convert(given, _ProviderTable)
    secret = table.client_secret
    if table.client_secret_file:
        try:
            secret = Path(table.client_secret_file).read_text(encoding="utf-8").strip()
        except (OSError, ValueError) as error:
            raise UnusableSetting(f"cannot read {table.client_secret_file}") from error
    provider = IdentityProvider(
        name=name,
        label=table.label or name,
        issuer=table.issuer,
        client_id=table.client_id,
        client_secret=secret,
        scopes=table.scopes,
        groups_claim=table.groups_claim,
        name_claim=table.name_claim,
        roles=tuple(mapped_group(*row, LASTING) for row in table.roles.items()),
        may_sign_up=table.sign_up == "create",
        http_on_loopback=table.http_on_loopback,
    )
    problems = provider_problems(provider)
    if problems:
        raise UnusableSetting("; ".join(problems))
    return provider
