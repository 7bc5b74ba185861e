"""Keys of providers."""

import base64
from typing import Any

import pytest

from openid import key
from theodora.web.oidc.signatures import read_keys


def rsa(bits: int) -> dict[str, Any]:
    """A public key of this size, written in as many bytes as one of 2,048 bits."""
    modulus = (1 << (bits - 1) | 1).to_bytes(256, "big")
    encoded = base64.urlsafe_b64encode(modulus).decode().rstrip("=")
    return {**key("RSA").as_dict(private=False), "n": encoded}


@pytest.mark.parametrize(("bits", "is_read"), [(2048, True), (2047, False), (1024, False)])
def test_a_short_rsa_key_is_ignored_whatever_zeros_are_before_it(bits: int, is_read: bool) -> None:
    assert bool(read_keys({"keys": [rsa(bits)]})) is is_read
