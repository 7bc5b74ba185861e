"""Repository identity, and the credentials that never get as far as the disk."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from theodora.events import repository_id, without_credentials

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
    ],
)
def test_each_step_of_the_derivation(url: str, identity: str) -> None:
    assert repository_id(url) == identity


@given(st.text(max_size=60))
def test_any_text_has_an_identity(url: str) -> None:
    assert isinstance(repository_id(url), str)


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
        ("https://user:s3cret@host?x=y", "https://host?x=y"),
        ("https://github.com/a/b", "https://github.com/a/b"),
        ("https://github.com/a@b", "https://github.com/a@b"),
        ("git@github.com:a/b.git", "git@github.com:a/b.git"),
        ("/srv/git/a@b.git", "/srv/git/a@b.git"),
    ],
)
def test_credentials_are_taken_out_and_the_rest_is_left_as_it_was(sent: str, kept: str) -> None:
    assert without_credentials(sent) == kept
