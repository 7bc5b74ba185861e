"""`theodora keys`: making, listing and revoking them."""

import re

import pytest

from commands import Run
from theodora.storage import Store
from theodora.storage.access.keys import PERMISSIONS_OF


@pytest.mark.parametrize(("kind", "digits"), [("api", 32), ("application", 40)])
def test_a_key_is_printed_once_and_never_listed(run: Run, kind: str, digits: int) -> None:
    secret = run("keys", "create", kind, "--name", "for tests").stdout.strip()
    assert re.fullmatch(rf"[0-9a-f]{{{digits}}}", secret)
    listed = run("keys", "list").stdout
    assert secret not in listed
    permissions = " ".join(sorted(PERMISSIONS_OF[kind]))  # type: ignore[index]
    assert re.fullmatch(
        rf"[0-9a-f-]{{36}}  {kind}  \S+Z  active  {permissions}  for tests\n", listed
    )


def test_every_key_is_another(run: Run) -> None:
    assert len({run("keys", "create", "api").stdout for _ in range(5)}) == 5


def test_a_key_may_do_what_it_is_given(run: Run, url: str) -> None:
    created = run(
        *("keys", "create", "application", "--org", "acme"),
        *("--permission", "dora_metrics_read", "--permission", "dora_settings_write"),
    )
    with Store(url) as store:
        key = store.keys.find("application", created.stdout.strip())
        assert key is not None
        assert key.permissions == {"dora_metrics_read", "dora_settings_write"}
        assert key.organisation.name == "acme"


@pytest.mark.parametrize(
    ("kind", "permission"), [("application", "dora_everything"), ("api", "dora_metrics_read")]
)
def test_an_unknown_permission_is_refused(run: Run, kind: str, permission: str) -> None:
    result = run("keys", "create", kind, "--permission", permission)
    assert result.exit_code == 1
    assert f'permission "{permission}" must be one of' in result.stderr
    assert "Traceback" not in result.output


def test_a_revoked_key_says_since_when(run: Run, url: str) -> None:
    secret = run("keys", "create", "api").stdout.strip()
    id_ = run("keys", "list").stdout.split()[0]
    assert run("keys", "revoke", id_).stdout == f"revoked {id_}\n"
    first = run("keys", "list").stdout
    assert re.search(r"  revoked \S+Z  ", first)
    assert run("keys", "revoke", id_).exit_code == 0
    assert run("keys", "list").stdout == first
    with Store(url) as store:
        assert store.keys.find("api", secret) is None


def test_a_key_that_is_not_there_cannot_be_revoked(run: Run) -> None:
    run("keys", "create", "api")
    result = run("keys", "revoke", "nothing")
    assert (result.exit_code, result.stderr) == (
        1,
        'Error: no key "nothing" in organisation "default"\n',
    )


def test_a_key_of_another_organisation_cannot_be_revoked(run: Run) -> None:
    run("keys", "create", "api", "--org", "theirs")
    run("keys", "create", "api", "--org", "ours")
    id_ = run("keys", "list", "--org", "theirs").stdout.split()[0]
    assert run("keys", "revoke", id_, "--org", "ours").exit_code == 1
    assert "active" in run("keys", "list", "--org", "theirs").stdout
