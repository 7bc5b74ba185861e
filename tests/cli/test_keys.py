"""`theodora keys`: making, listing and revoking them."""

import json
import re
from typing import Any

import pytest

from actors import TESTER
from commands import Run
from theodora.errors import Invalid
from theodora.events import format_second
from theodora.events.values import DAY_NS
from theodora.storage import Key, Store
from theodora.storage.access.audit import AuditQuery
from theodora.storage.access.key_secrets import PATTERN, has_checksum, new_secret
from theodora.storage.access.keys import PERMISSIONS_OF


@pytest.mark.parametrize(
    ("kind", "flags", "form"),
    [
        ("api", (), PATTERN),
        ("application", (), PATTERN),
        ("api", ("--format", "datadog"), "[0-9a-f]{32}"),
        ("application", ("--format", "datadog"), "[0-9a-f]{40}"),
    ],
)
def test_a_key_is_printed_once_and_never_listed(
    run: Run, kind: str, flags: tuple[str, ...], form: str
) -> None:
    secret = run("keys", "create", kind, "--name", "for tests", *flags).stdout.strip()
    assert re.fullmatch(form, secret)
    listed = run("keys", "list").stdout
    assert secret not in listed
    permissions = " ".join(sorted(PERMISSIONS_OF[kind]))  # type: ignore[index]
    assert re.fullmatch(
        rf"[0-9a-f-]{{36}}  {kind}  \S+…  \S+Z  active  {permissions}  for tests\n", listed
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


def test_limits_and_expiry_are_listed(run: Run) -> None:
    run(
        *("keys", "create", "api", "--service", "checkout-*", "--service", "cart"),
        *("--env", "production", "--repository", "github.com/acme/*", "--send", "deployments"),
        *("--from", "192.0.2.0/24", "--expires", "90d", "--name", "CI"),
    )
    assert re.search(
        r"  expires \S+Z  dora_ingest  services=checkout-\*,cart  environments=production  "
        r"repositories=github.com/acme/\*  operations=deployments  networks=192.0.2.0/24  CI\n",
        run("keys", "list").stdout,
    )


_LONG = tuple(part for number in range(50) for part in ("--service", f"{'*a' * 125}{number}"))


@pytest.mark.parametrize(
    ("flags", "problem"),
    [
        (("--from", "office"), '"office" must be an address or a network'),
        (("--service", ""), "services must have patterns of 1 to 255 characters"),
        (_LONG, "are too many and too long altogether"),
        (("--expires", "soon"), '"soon" must be a number and s, m, h or d'),
        (("--from", "::1") * 51, "networks must have at most 50 items"),
    ],
)
def test_what_is_no_limit_is_refused(run: Run, flags: tuple[str, ...], problem: str) -> None:
    result = run("keys", "create", "api", *flags)
    assert (result.exit_code, problem in result.stderr) == (1, True), result.stderr
    assert run("keys", "list").exit_code == 1 or not run("keys", "list").stdout


def test_only_api_keys_are_limited_in_what_they_send(run: Run) -> None:
    result = run("keys", "create", "application", "--service", "cart")
    assert "only API keys can be limited in what they send" in result.stderr


def test_a_rotated_key_has_the_same_limits_and_the_old_one_ends(run: Run, url: str) -> None:
    old = run("keys", "create", "api", "--service", "cart", "--name", "CI").stdout.strip()
    id_ = run("keys", "list").stdout.split()[0]
    new = run("keys", "rotate", id_, "--overlap", "7d").stdout.strip().splitlines()[-1]
    assert has_checksum(new)
    with Store(url) as store:
        first, second = (store.keys.find("api", secret) for secret in (old, new))
        assert first is not None
        assert second is not None
        assert (second.name, second.limits, second.expires_at_ns) == ("CI", first.limits, None)
        ends_at_ns = first.expires_at_ns or 0
        assert ends_at_ns == second.created_at_ns + 7 * DAY_NS
        assert first.is_usable("", ends_at_ns - 1)
        assert not first.is_usable("", ends_at_ns)


def test_a_key_that_expires_is_followed_by_one_that_lasts_as_long(run: Run, url: str) -> None:
    run("keys", "create", "api", "--expires", "3d")
    id_ = run("keys", "list").stdout.split()[0]
    rotated = run("keys", "rotate", id_, "--overlap", "30d")
    new = rotated.stdout.strip().splitlines()[-1]
    with Store(url) as store:
        old, key = store.keys.all_of("default")[0], store.keys.find("api", new)
        assert key is not None
        assert (key.expires_at_ns or 0) - key.created_at_ns == 3 * DAY_NS
        assert (old.expires_at_ns or 0) - old.created_at_ns == 3 * DAY_NS
    assert f"the old key expires {format_second(old.expires_at_ns or 0)}" in rotated.stderr


def test_a_key_has_one_valid_successor(run: Run, url: str) -> None:
    run("keys", "create", "api")
    id_ = run("keys", "list").stdout.split()[0]
    assert run("keys", "rotate", id_).exit_code == 0
    with Store(url) as store:
        before = store.keys.all_of("default")
        old, successor = sorted(before, key=lambda key: key.id != id_)
        assert (old.successor_id, successor.successor_id) == (successor.id, None)
    again = run("keys", "rotate", id_)
    assert again.exit_code == 1
    assert f'its successor is "{successor.id}", which begins with {successor.beginning}' in (
        again.stderr
    )
    with Store(url) as store:
        assert store.keys.all_of("default") == before
    run("keys", "revoke", successor.id)
    assert run("keys", "rotate", id_).exit_code == 0


def test_every_successor_lasts_as_long_as_the_first_key(run: Run, url: str) -> None:
    """Also one that is made again, when the rotation has given the old key an end."""
    run("orgs", "create", "default")
    with Store(url) as store:
        for lifetime_ns in (None, 90 * DAY_NS):
            now_ns = 80 * DAY_NS
            ends_at_ns = None if lifetime_ns is None else now_ns + lifetime_ns
            old = add_key(store, str(lifetime_ns), now_ns=now_ns, expires_at_ns=ends_at_ns)
            lost = rotate(store, old, now_ns + DAY_NS)
            store.keys.revoke("default", lost.id, now_ns, actor=TESTER).result()
            again = rotate(store, old, now_ns + 2 * DAY_NS)
            assert again.lifetime_ns == lost.lifetime_ns == lifetime_ns
            entry = store.audit.entries(old.organisation, AuditQuery(action="key.rotated"))[0]
            assert (entry.target, json.loads(entry.after)["id"]) == (old.id, again.id)


def test_a_key_is_not_rotated_while_a_later_successor_is_valid(run: Run, url: str) -> None:
    run("orgs", "create", "default")
    with Store(url) as store:
        first = add_key(store, "first", now_ns=DAY_NS)
        second = rotate(store, first, 2 * DAY_NS, overlap_ns=30 * DAY_NS)
        third = rotate(store, second, 3 * DAY_NS, overlap_ns=DAY_NS)
        with pytest.raises(Invalid, match=f'its successor is "{third.id}"'):
            rotate(store, first, 5 * DAY_NS)


def add_key(store: Store, secret: str, **given: Any) -> Key:
    permissions = frozenset(PERMISSIONS_OF["api"])
    added = store.keys.add(
        "default", "api", secret, name="", permissions=permissions, actor=TESTER, **given
    )
    return added.result()


def rotate(store: Store, key: Key, now_ns: int, overlap_ns: int = 7 * DAY_NS) -> Key:
    secret = new_secret("api")
    return store.keys.rotate("default", key.id, secret, overlap_ns, now_ns, actor=TESTER).result()


def test_a_key_that_is_not_valid_is_not_rotated(run: Run) -> None:
    run("keys", "create", "api")
    id_ = run("keys", "list").stdout.split()[0]
    run("keys", "revoke", id_)
    for unknown in (id_, "nothing"):
        result = run("keys", "rotate", unknown)
        assert (result.exit_code, "no key" in result.stderr) == (1, True)


@pytest.mark.parametrize(
    ("text", "is_one"),
    [
        ("thd_api_00000000000000000000000000" + "1k99S5", True),
        ("thd_api_00000000000000000000000000" + "1k99S6", False),
        ("thd_api_00000000000000000000000001" + "1k99S5", False),
        ("0123456789abcdef0123456789abcdef", False),
    ],
)
def test_the_checksum_tells_keys_from_what_is_similar(text: str, is_one: bool) -> None:
    assert has_checksum(text) == is_one
