"""`/.well-known/security.txt`: what it holds, where it is, and that there is none by default."""

import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from asking import server_in_process
from theodora.config import load
from theodora.errors import UnusableSetting
from theodora.web.api.security_contact import SECURITY_PATH, SecurityContact, security_text

CONTACT = "mailto:security@example.org"
NOON_NS = 1_700_049_600 * 10**9


def test_the_file_expires_a_year_after_the_start_of_the_day() -> None:
    expected = f"Contact: {CONTACT}\nExpires: 2024-11-14T00:00:00Z\n"
    assert security_text(SecurityContact(CONTACT, ""), "/dora", NOON_NS) == expected
    assert security_text(SecurityContact(CONTACT, ""), "", NOON_NS + 3_600 * 10**9) == expected


def test_the_file_names_each_of_its_places_once() -> None:
    at = SecurityContact(CONTACT, "https://dora.example.org")
    root, beneath = (
        f"Canonical: https://dora.example.org{prefix}{SECURITY_PATH}" for prefix in ("", "/dora")
    )
    assert security_text(at, "", NOON_NS).splitlines()[2:] == [root]
    assert security_text(at, "/dora", NOON_NS).splitlines()[2:] == [root, beneath]


def test_a_server_has_it_at_the_root_and_beneath_its_prefix(tmp_path: Path) -> None:
    with server_in_process(tmp_path, security_contact=CONTACT, path_prefix="/dora") as (_, client):
        for path in (SECURITY_PATH, f"/dora{SECURITY_PATH}"):
            answer = client.get(path)
            assert answer.headers["content-type"] == "text/plain; charset=utf-8"
            fields = dict(line.split(": ") for line in answer.text.splitlines())
            assert fields["Contact"] == CONTACT
            expires = datetime.fromisoformat(fields["Expires"])
            left = expires - datetime.fromtimestamp(time.time(), UTC)
            assert timedelta(days=363) < left <= timedelta(days=365)


def test_there_is_none_by_default(tmp_path: Path) -> None:
    with server_in_process(tmp_path) as (_, client):
        assert client.get(SECURITY_PATH).status_code == 404


@pytest.mark.parametrize(
    ("text", "is_usable"),
    [
        (CONTACT, True),
        ("https://example.org/security?a=b", True),
        ("", True),
        ("http://example.org/security", False),
        ("https://", False),
        ("security@example.org", False),
        ("mailto:security", False),
        ("mailto:a@example.org\nContact: mailto:b@example.org", False),
        ("mailto:a b@example.org", False),
    ],
)
def test_a_contact_is_an_address_or_an_https_url(text: str, is_usable: bool) -> None:
    environment = {"THEODORA_SECURITY_CONTACT": text}
    if is_usable:
        assert load(environment, {}).security_contact == text
    else:
        with pytest.raises(UnusableSetting, match="must be mailto:"):
            load(environment, {})
