"""Settings of sign-in providers: of one by the table of settings, of several by a file."""

import re
import shlex
import sys
from pathlib import Path

import pytest

from ci_systems import blocks
from theodora.app import build, sign_in_ways
from theodora.config import check_names, load
from theodora.errors import UnusableSetting
from theodora.storage.access.role_mapping import (
    GrantedRole,
    MappedGroup,
    organisations_left,
    read_role_mapping,
    role_of,
)
from theodora.web.oidc.provider_file import read_providers

PAGE = Path(__file__).parents[3] / "docs" / "sign-in.md"
_SHELL = re.compile(r"```sh\n(export .*?)```", re.DOTALL)
GOOD = 'issuer = "https://id.example.org"\nclient_id = "theodora"\nroles = {"*" = "viewer"}\n'
ONE = {
    "oidc_issuer": "https://id.example.org",
    "oidc_client_id": "theodora",
    "oidc_roles": "*=viewer",
}


def test_a_file_names_a_provider_for_each_table(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("a-secret\n")
    file = tmp_path / "providers.toml"
    file.write_text(
        f"""
        [keycloak]
        {GOOD}
        label = "Keycloak"
        client_secret_file = "{tmp_path / "secret"}"
        scopes = ["openid", "groups"]
        sign_up = "refuse"

        [google]
        issuer = "https://accounts.google.com"
        client_id = "theodora"
        client_secret = "another"
        groups_claim = "hd"
        [google.roles]
        "example.org" = "viewer"
        "*" = "acme:owner"
        """
    )
    keycloak, google = read_providers(file)
    assert (keycloak.name, keycloak.label, keycloak.client_secret) == (
        *("keycloak", "Keycloak", "a-secret"),
    )
    assert (keycloak.scopes, keycloak.may_sign_up) == (("openid", "groups"), False)
    assert google.roles == (
        MappedGroup("example.org", "default", "viewer"),
        MappedGroup("*", "acme", "owner"),
    )
    assert (google.label, google.groups_claim, google.may_sign_up) == ("google", "hd", True)


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("[a", "is no TOML"),
        ("[keycloak]\nissuer = 1", "[keycloak]: Expected `str`"),
        (f"[keycloak]\n{GOOD}secret = 1", "[keycloak]: Object contains unknown field `secret`"),
        (f"[Key_Cloak]\n{GOOD}", "[Key_Cloak]: a name has at most 32 lower-case letters"),
        (f"[a]\n{GOOD}sign_up = 'maybe'", "[a]: Invalid enum value 'maybe'"),
        (f"[a]\n{GOOD}client_secret_file = '/nowhere'", "[a]: cannot read /nowhere"),
        (f"[a]\n{GOOD}scopes = ['email']", "[a]: scopes must include openid"),
        (f"[a]\n{GOOD.replace('viewer', 'king')}", '[a]: "*=king" must be GROUP=ROLE'),
        (f"[a]\n{GOOD.replace('roles', '#')}", "[a]: roles is missing"),
        ("[a]\nissuer = 'http://id.example.org'\nclient_id = 'a'", "[a]: issuer must be an https"),
        ("[a]\nissuer = 'https://id.example.org'\nclient_id = ''", "[a]: client_id is missing"),
    ],
)
def test_a_file_that_cannot_be_used_is_refused_in_a_line(
    tmp_path: Path, text: str, line: str
) -> None:
    file = tmp_path / "providers.toml"
    file.write_text(text)
    with pytest.raises(UnusableSetting) as refused:
        read_providers(file)
    assert str(refused.value).startswith("oidc_providers: ")
    assert line in str(refused.value)
    assert "\n" not in str(refused.value)
    with pytest.raises(UnusableSetting, match=r"^oidc_providers: cannot read .*nowhere"):
        read_providers(tmp_path / "nowhere")


@pytest.mark.parametrize(
    ("settings", "line"),
    [
        (ONE, "sign-in with OpenID Connect needs public_url"),
        ({**ONE, "oidc_client_id": ""}, "oidc_client_id is missing"),
        ({**ONE, "oidc_issuer": "http://id.example.org"}, "oidc_issuer must be an https URL"),
        ({**ONE, "oidc_issuer": "http://127.0.0.1:1"}, "oidc_issuer must be an https URL"),
        ({**ONE, "oidc_scopes": "email profile"}, "oidc_scopes must include openid"),
        ({**ONE, "oidc_roles": ""}, "oidc_roles is missing"),
        ({**ONE, "oidc_roles": "admins"}, 'oidc_roles: "=admins" must be GROUP=ROLE'),
        ({**ONE, "oidc_roles": "a=b=owner,=viewer"}, 'oidc_roles: "=viewer" must be'),
        ({"oidc_client_id": "a"}, "need oidc_issuer"),
        ({"public_url": "https://dora.example.org/dora"}, "a URL without a path"),
        ({"public_url": "dora.example.org"}, "a URL without a path"),
        ({"key_sign_in": "no"}, "nobody could sign in"),
        ({"oidc_sign_up": "maybe"}, "one of create refuse"),
    ],
)
def test_settings_that_do_not_fit_are_refused_at_the_start(
    tmp_path: Path, settings: dict[str, str], line: str
) -> None:
    known = {"database": f"sqlite:///{tmp_path / 'theodora.db'}", **settings}
    with pytest.raises(UnusableSetting, match=line):
        build(load({f"THEODORA_{name.upper()}": known[name] for name in known}, {}))


def test_two_providers_with_one_issuer_are_refused(tmp_path: Path) -> None:
    """Their people would be the same, and have the role of the provider that they used last."""
    file = tmp_path / "providers.toml"
    file.write_text(f"[second]\n{GOOD}")
    settings = {**ONE, "public_url": "https://dora.example.org", "oidc_providers": str(file)}
    with pytest.raises(UnusableSetting, match="oidc and second have the same issuer"):
        sign_in_ways(load({f"THEODORA_{name.upper()}": settings[name] for name in settings}, {}))


def test_without_the_extra_the_start_names_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "joserfc", None)
    for name in [name for name in sys.modules if name.startswith("joserfc.")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.delitem(sys.modules, "theodora.web.oidc.signatures", raising=False)
    known = {**ONE, "public_url": "https://dora.example.org", "database": f"sqlite:///{tmp_path}/t"}
    with pytest.raises(UnusableSetting, match=r'pip install "theodora\[oidc\]"'):
        build(load({f"THEODORA_{name.upper()}": known[name] for name in known}, {}))


def test_addresses_at_this_server_have_its_prefix() -> None:
    settings = {**ONE, "public_url": "https://dora.example.org/", "path_prefix": "dora"}
    config = load({f"THEODORA_{name.upper()}": settings[name] for name in settings}, {})
    back = sign_in_ways(config).callback("oidc")
    assert back == "https://dora.example.org/dora/sign-in/oidc/callback"


@pytest.mark.parametrize("block", _SHELL.findall(PAGE.read_text()))
def test_the_settings_of_the_documentation_fit(block: str) -> None:
    words = shlex.split(block)
    given = dict(word.split("=", 1) for word in words if word != "export")
    given.pop("THEODORA_OIDC_CLIENT_SECRET_FILE", None)
    check_names(given)
    config = load({"THEODORA_PUBLIC_URL": "https://dora.example.org", **given}, {})
    (client,) = sign_in_ways(config).clients.values()
    assert (client.provider.name, client.provider.issuer) == ("oidc", config.oidc_issuer)


def test_the_file_of_the_documentation_fits(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("a secret")
    (text,) = blocks("sign-in.md", "providers.toml")
    file = tmp_path / "providers.toml"
    file.write_text(re.sub("/run/secrets/[a-z]+", str(tmp_path / "secret"), text))
    assert [each.name for each in read_providers(file)] == ["okta", "google"]


@pytest.mark.parametrize(
    ("groups", "row"),
    [
        (["sre"], ("sre", "default", "admin")),
        (["dev", "sre"], ("sre", "default", "admin")),
        (["example:web"], ("example:web", "acme", "editor")),
        (["CN=a"], ("CN=a", "default", "owner")),
        (["SRE", ""], None),
        ([], None),
    ],
)
def test_the_first_row_with_a_group_of_the_person_counts(
    groups: list[str], row: tuple[str, str, str] | None
) -> None:
    text = "sre=admin, dev=viewer,example:web=acme:editor,CN=a=owner,"
    mapping = read_role_mapping(text, "default")
    granted = row and GrantedRole(row[1], row[2], None)
    assert role_of(groups, mapping) == granted
    everybody = (*mapping, MappedGroup("*", "default", "viewer"))
    assert role_of(groups, everybody) == (granted or GrantedRole("default", "viewer", None))


@pytest.mark.parametrize(
    ("groups", "granted"),
    [
        ({"a"}, GrantedRole("default", "editor", ("search: one",))),
        ({"a", "b", "c", "d"}, GrantedRole("default", "editor", ("search: one", "web"))),
        ({"everything", "a"}, GrantedRole("default", "admin", ())),
        ({"all", "c"}, GrantedRole("default", "editor", ())),
        ({"d"}, GrantedRole("acme", "viewer", None)),
        ({"e"}, None),
    ],
)
def test_an_editor_of_teams_has_those_of_all_groups(
    groups: set[str], granted: GrantedRole | None
) -> None:
    text = "everything=admin,a=editor of search: one,all=editor,b=default:editor of web,"
    mapping = read_role_mapping(f"{text}c=editor of web,d=acme:viewer,f=other:viewer", "default")
    found = role_of(groups, mapping)
    assert (found and found._replace(teams=found.teams and tuple(found.teams))) == granted
    stays = {granted.organisation} if granted else set[str]()
    stays |= {"acme"} & ({"acme"} if "d" in groups else set())
    assert set(organisations_left(groups, mapping)) == {"default", "acme", "other"} - stays


@pytest.mark.parametrize("role", ["viewer of web", "editor of ", "editors of web", "admin of a"])
def test_a_role_that_has_no_teams_is_given_none(role: str) -> None:
    with pytest.raises(UnusableSetting):
        read_role_mapping(f"group={role}", "default")
