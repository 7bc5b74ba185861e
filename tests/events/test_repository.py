"""Repository identity, and the credentials that never get as far as the disk."""

from itertools import permutations, product

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from theodora.events import repository_id, without_credentials
from theodora.events.repository import MatchKeys, match_key, similar

ROWS = [
    (
        "https://github.com/organization/example-repository",
        "github.com/organization/example-repository",
    ),
    ("https://GitHub.com/Org/Repo.git/", "github.com/Org/Repo"),
    (
        "https://oauth2:s3cret@gitlab.example.com:8443/group/sub/app.git",
        "gitlab.example.com/group/sub/app",
    ),
    ("git@github.com:Org/repo.git", "github.com/Org/repo"),
    (
        "ssh://git@bitbucket.example.com:7999/PROJ/app.git",
        "bitbucket.example.com/PROJ/app",
    ),
    ("https://dev.azure.com/org/project/_git/app", "dev.azure.com/org/project/_git/app"),
    ("github.com/Org/repo", "github.com/Org/repo"),
    ("/srv/git/app.git", "/srv/git/app"),
]
"""The published table."""


@pytest.mark.parametrize(("url", "identity"), ROWS)
def test_every_row_of_the_table(url: str, identity: str) -> None:
    assert repository_id(url) == identity


@pytest.mark.parametrize(
    ("url", "identity"),
    [
        ("  https://github.com/Org/repo  ", "github.com/Org/repo"),
        ("HTTPS://github.com/Org/repo?ref=main#readme", "github.com/Org/repo"),
        ("https://github.com/Org/repo#at:8080/x", "github.com/Org/repo"),
        ("https://github.com//Org///repo.git//", "github.com/Org/repo"),
        ("https://github.com/Org/repo.git.git", "github.com/Org/repo.git"),
        ("https://user@host@github.com/Org/repo", "github.com/Org/repo"),
        ("git://GitHub.com/Org/repo", "github.com/Org/repo"),
        ("GitHub.com:Org/repo", "github.com/Org/repo"),
        ("git@github.com:/Org/repo.git", "github.com/Org/repo"),
        ("git@github.com:Org/repo:v2", "github.com/Org/repo:v2"),
        ("c:/code/app", "c:/code/app"),
        ("GITHUB.com/Org/repo/", "github.com/Org/repo"),
        ("./app.git", "./app"),
        ("../app/", "../app"),
        ("~/app.git/", "~/app"),
        ("/srv//git/app", "/srv/git/app"),
        ("file:///srv/git/app.git", "/srv/git/app"),
        ("https://github.com", "github.com"),
        ("[2001:db8::1]:acme/v.git", "[2001:db8::1]/acme/v"),
        ("git@[2001:DB8::1]:acme/v.git", "[2001:db8::1]/acme/v"),
        ("ssh://git@[2001:db8::1]:7999/acme/v", "[2001:db8::1]/acme/v"),
        ("[2001:db8::1]/acme/v", "[2001:db8::1]/acme/v"),
        ("ssh://git@github.com:Org/repo.git", "github.com/Org/repo"),
        ("scm:git:git@github.com:Org/repo.git", "github.com/Org/repo"),
        ("scm:git:github.com/Org/repo", "github.com/Org/repo"),
        ("git::https://github.com/Org/repo.git?ref=v1", "github.com/Org/repo"),
        ("file:/srv/git/app.git", "/srv/git/app"),
    ],
)
def test_each_step_of_the_derivation(url: str, identity: str) -> None:
    assert repository_id(url) == identity


@given(st.text(max_size=60) | st.text(alphabet="aB.:/@~?#[]%\\\\ ", max_size=30))
@example("..:0")
def test_any_text_has_an_identity(url: str) -> None:
    clean = without_credentials(url)
    assert without_credentials(clean) == clean
    key = match_key(repository_id(url))
    assert match_key(key) == key


_FORMS = (
    "https://user:{}@gitlab.example.com/shop/app.git",
    "https://{}@gitlab.example.com/shop/app.git",
    "https://{}:x-oauth-basic@gitlab.example.com/shop/app.git",
    "HTTPS://user:{}@GitLab.example.com:8443/shop/app",
    "https://joe@corp.com:{}@gitlab.example.com/shop/app",
    "https:/user:{}@gitlab.example.com/shop/app",
    "https:user:{}@gitlab.example.com/shop/app",
    "https:///user:{}@gitlab.example.com/shop/app",
    "git+https://user:{}@gitlab.example.com/shop/app",
    "ssh://git:{}@gitlab.example.com:7999/shop/app.git",
    "gitlab-ci-token:{}@gitlab.example.com/shop/app.git",
    "x:{}@gitlab.example.com/shop/app.git",
    "{}@gitlab.example.com/shop/app.git",
    "git:{}@gitlab.example.com:shop/app.git",
    "//user:{}@gitlab.example.com/shop/app.git",
    "/user:{}@gitlab.example.com/shop/app.git",
    "scm:git:https://user:{}@gitlab.example.com/shop/app.git",
    "git::https://user:{}@gitlab.example.com/shop/app.git",
    "https://proxy.example.com/https://user:{}@gitlab.example.com/shop/app.git",
    "https://user:{}@https://gitlab.example.com/shop/app.git",
    "user:{}@https://gitlab.example.com/shop/app.git",
    "https://gitlab.example.com/shop/app.git?private_token={}",
    "https://gitlab.example.com/shop/app.git#access_token={}",
    "gitlab.example.com/shop/app.git?private_token={}",
)
_PARTS = ("q7wk", "J8VP", "90210", "x4tz")
_SEPARATORS = ("", "/", "@", ":", "?", "#", "%2F", ".", "-", "+", "=")


@pytest.mark.parametrize("form", _FORMS)
def test_a_secret_stands_nowhere_whatever_the_form(form: str) -> None:
    for separator, parts in product(_SEPARATORS, permutations(_PARTS)):
        url = form.format(separator.join(parts))
        clean, identity = without_credentials(url), repository_id(url)
        named = [part for part in _PARTS if part in clean or part.lower() in identity.lower()]
        assert not named, clean
        assert without_credentials(clean) == clean
        assert identity == "gitlab.example.com/shop/app", url
        assert match_key(identity) == identity


@given(st.text(alphabet="abAB.:/@~?#g it", max_size=30))
def test_an_identity_of_a_url_with_a_scheme_has_no_user_and_no_query(rest: str) -> None:
    identity = repository_id(f"https://user:secret@example.com/{rest}")
    assert "secret" not in identity
    assert "?" not in identity
    assert "#" not in identity


@pytest.mark.parametrize(
    ("sent", "kept"),
    [
        (
            "https://gitlab-ci-token:s3cret@gitlab.example.com/a/b.git",
            "https://gitlab.example.com/a/b.git",
        ),
        ("https://s3cret@github.com/a/b", "https://github.com/a/b"),
        ("https://a:b@c:d@github.com/a/b", "https://github.com/a/b"),
        ("http://user:s3cret@host:8080/a@b", "http://host:8080/a@b"),
        ("ssh://git:s3cret@host:7999/a/b", "ssh://git@host:7999/a/b"),
        ("SSH://git@host/a/b", "SSH://git@host/a/b"),
        ("https://user:s3cret@host", "https://host"),
        ("https://user:s3cret@host?x=y", "https://host"),
        ("https://host/a/b?private_token=s3cret#readme", "https://host/a/b"),
        ("gitlab-ci-token:s3cret@host/a.git", "host/a.git"),
        ("s3cret@gitlab.example.com/a/b", "gitlab.example.com/a/b"),
        ("https:/x:s3cret@host/a", "https:/host/a"),
        ("https:x:s3cret@host/a", "https:host/a"),
        ("//x:s3cret@host/a", "host/a"),
        ("scm:git:https://x:s3cret@host/a", "scm:git:https://host/a"),
        ("https://x:s3cret@https://host/a", "https://host/a"),
        ("x:s3cret@https://host/a", "https://host/a"),
        (
            "https://proxy.example.com/https://x:s3cret@host/a",
            "https://proxy.example.com/https://host/a",
        ),
        ("https://x:s3/cr?et@host.example.com/a", "https://host.example.com/a"),
        ("x:s3cret@host:a/b", "host:a/b"),
        ("git@host:a/b?token=s3cret", "git@host:a/b"),
        ("/srv/git/a?token=s3cret", "/srv/git/a"),
        ("git@[2001:db8::1]:a/b", "git@[2001:db8::1]:a/b"),
        ("git@github.com:app@v2", "git@github.com:app@v2"),
        ("https://git.example.com/~joe@corp.com/app", "https://git.example.com/~joe@corp.com/app"),
        ("c:/code/joe@corp.com/app", "c:/code/joe@corp.com/app"),
        ("file:///srv/git/a@b.com/c.git", "file:///srv/git/a@b.com/c.git"),
        ("https://github.com/a/b", "https://github.com/a/b"),
        ("https://github.com/a@b", "https://github.com/a@b"),
        ("git@github.com:a/b.git", "git@github.com:a/b.git"),
        ("/srv/git/a@b.git", "/srv/git/a@b.git"),
    ],
)
def test_credentials_are_taken_out_and_the_rest_is_left_as_it_was(sent: str, kept: str) -> None:
    assert without_credentials(sent) == kept


_SAME = [
    ("github.com/acme/app", "github.com/Acme/App"),
    ("github.com/acme/app", "ssh://git@ssh.github.com:443/acme/App.git"),
    ("github.com/acme/app", "https://www.github.com/acme/app"),
    ("gitlab.com/acme/app", "git@altssh.gitlab.com:Acme/app.git"),
    ("bitbucket.org/acme/app", "ssh://git@altssh.bitbucket.org:443/acme/app"),
    ("ssh://git@bitbucket.example.com:7999/PROJ/app", "https://bitbucket.example.com/scm/PROJ/app"),
    ("ssh://git@bitbucket.example.com/~joe/app", "https://bitbucket.example.com/scm/~joe/app.git"),
    ("ssh://git@example.com:7999/PROJ/app", "https://example.com/bitbucket/scm/PROJ/app.git"),
    ("ssh://joe@gerrit.example.com:29418/plat/app", "https://gerrit.example.com/a/plat/app"),
    ("ssh://joe@gerrit.example.com:29418/app", "https://gerrit.example.com/a/app"),
    ("https://acme@dev.azure.com/acme/Shop/_git/app", "git@ssh.dev.azure.com:v3/acme/Shop/app"),
    ("https://dev.azure.com/acme/Shop/_git/app", "acme@vs-ssh.visualstudio.com:v3/acme/Shop/app"),
    ("https://dev.azure.com/acme/Shop/_git/app", "https://acme.visualstudio.com/Shop/_git/app"),
    (
        "https://dev.azure.com/Acme/shop/_git/App",
        "https://acme.visualstudio.com/DefaultCollection/Shop/_git/app",
    ),
    ("https://dev.azure.com/acme/app/_git/app", "https://dev.azure.com/acme/_git/app"),
    ("git@ssh.dev.azure.com:v3/acme/app/app", "https://acme.visualstudio.com/_git/app"),
    ("git@ssh.dev.azure.com:v3/acme/My%20Shop/app", "https://dev.azure.com/acme/My Shop/_git/app"),
    ("https://acme.visualstudio.com/Shop/_git/_full/app", "dev.azure.com/acme/Shop/_git/app"),
]


@pytest.mark.parametrize(("one", "other"), _SAME)
def test_known_forms_of_one_repository_have_one_key(one: str, other: str) -> None:
    assert repository_id(one) != repository_id(other)
    assert match_key(repository_id(one)) == match_key(repository_id(other))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("git.example.com/acme/app", "git.example.com/Acme/App"),
        ("github.com/a/app", "github.com/app"),
        ("github.com/scm/acme/app", "github.com/acme/app"),
        ("git.example.com/scm/app", "git.example.com/app"),
        ("git.example.com/scm/a/b/app", "git.example.com/a/b/app"),
        ("dev.azure.com/acme/Shop/_git/app", "dev.azure.com/acme/Store/_git/app"),
        ("/srv/git/app", "/srv/git/App"),
    ],
)
def test_others_keep_keys_of_their_own(one: str, other: str) -> None:
    assert match_key(repository_id(one)) != match_key(repository_id(other))


def test_aliases_lead_to_one_key_whichever_way_a_repository_is_written() -> None:
    keys = MatchKeys(
        {"GitHub.com/Old/App": "git.example.com/mid", "git.example.com/mid": "new.example.com/app"}
    )
    assert keys.key("github.com/old/app") == "new.example.com/app"
    assert keys.key("ssh.github.com/Old/App") == "new.example.com/app"
    assert keys.key("git.example.com/other") == "git.example.com/other"
    assert keys.same("git.example.com/mid") == {
        "github.com/old/app",
        "git.example.com/mid",
        "new.example.com/app",
    }
    assert not keys.is_circular("github.com/old/app")


def test_aliases_that_lead_in_a_circle_are_found_and_followed_no_further() -> None:
    keys = MatchKeys(
        {
            "h.example/d/a": "h.example/b/b",
            "h.example/b/b": "h.example/c",
            "h.example/c": "h.example/b/b",
        }
    )
    assert [keys.is_circular(f"h.example/{name}") for name in ("d/a", "b/b", "c")] == [
        False,
        True,
        True,
    ]
    assert keys.key("h.example/b/b") in {"h.example/b/b", "h.example/c"}
    assert MatchKeys({"github.com/a/b": "GitHub.com/A/B"}).is_circular("github.com/A/b")


def test_similar_repositories_come_in_order_of_likeness() -> None:
    known = ["h.example/x/app", "h.example/ORG/App", "other.example/Org/App", "h.example/x/web"]
    assert similar("h.example/Org/App", known) == [
        "h.example/ORG/App",
        "other.example/Org/App",
        "h.example/x/app",
    ]
    assert similar("h.example/Org/App", ["h.example/Org/App"]) == []
