"""Behind a proxy: whose word is taken for where a request comes from."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx2
import pytest

import serving
from commands import run
from forked_serving import forked

LIMIT = {"THEODORA_RATE_LIMIT_UNAUTHENTICATED": "600/86400"}


@contextmanager
def limited(folder: Path, *flags: str) -> Iterator[serving.Server]:
    """A server that answers an address 600 times a day."""
    with forked(folder, *flags, environment=LIMIT) as server:
        yield server


def remaining(server: serving.Server, forwarded_for: str) -> int:
    """Requests without a key that are left to a client at this address after one more."""
    answer = httpx2.get(f"{server.url}/unknown", headers={"X-Forwarded-For": forwarded_for})
    assert answer.headers["x-ratelimit-name"] == "unauthenticated"
    return int(answer.headers["x-ratelimit-remaining"])


def test_a_trusted_proxy_is_believed(tmp_path: Path) -> None:
    with limited(tmp_path, "--trusted-proxies", "127.0.0.0/8,10.0.0.1") as server:
        assert remaining(server, "192.0.2.1") == 599
        assert remaining(server, "192.0.2.2") == 599
        assert remaining(server, "192.0.2.1, 10.0.0.1") == 598


def test_without_trusted_proxies_nobody_is_believed(tmp_path: Path) -> None:
    with limited(tmp_path) as server:
        assert remaining(server, "192.0.2.1") == 599
        assert remaining(server, "192.0.2.2") == 598


def test_of_several_addresses_the_last_that_no_proxy_has_counts(tmp_path: Path) -> None:
    """What stands before it, the client may have written."""
    with limited(tmp_path, "--trusted-proxies", "127.0.0.1") as server:
        assert remaining(server, "192.0.2.1") == 599
        assert remaining(server, "203.0.113.1, 192.0.2.1") == 598
        assert remaining(server, "127.0.0.1, 203.0.113.2, 192.0.2.1, 127.0.0.1") == 597


def test_where_everybody_is_trusted_the_nearest_proxy_is_believed(tmp_path: Path) -> None:
    with limited(tmp_path, "--trusted-proxies", "*,anyone-may-lie") as server:
        assert remaining(server, "192.0.2.1") == 599
        assert remaining(server, "203.0.113.1, 192.0.2.1") == 598
        assert remaining(server, "203.0.113.2,192.0.2.1") == 597
        assert remaining(server, "192.0.2.3") == 599


@pytest.mark.parametrize("text", ["proxy.example.org", "10.0.0.0/33", "10.0.0.1, x"])
def test_what_is_no_address_is_refused(text: str) -> None:
    done = run("serve", "--trusted-proxies", text)

    assert done.exit_code == 1
    assert f'--trusted-proxies: "{text}" must be addresses or networks' in done.output
