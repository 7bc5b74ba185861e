"""Signatures of tokens, verified by joserfc (the extra `oidc`, so this module is loaded late)."""

from collections.abc import Sequence
from typing import Any, NamedTuple

from joserfc import jwk, jws, jwt
from joserfc.errors import JoseError
from joserfc.util import urlsafe_b64decode

from theodora.web.oidc.provider import SignInFailed

ALGORITHMS = {
    "RS256": ("RSA", None),
    "PS256": ("RSA", None),
    "ES256": ("EC", "P-256"),
    "EdDSA": ("OKP", "Ed25519"),
    "Ed25519": ("OKP", "Ed25519"),
}
"""What may sign a token, each with the type of key and its curve.

Neither `none` nor HMAC: with these, whoever knows public keys could sign.
"""

_LEAST_RSA_BITS = 2_048


class PublicKey(NamedTuple):
    """A key that a provider signs with."""

    kid: str | None
    alg: str | None
    type: str
    curve: str | None
    key: jwk.Key

    def fits(self, kid: object, alg: str) -> bool:
        if kid is not None and self.kid is not None and kid != self.kid:
            return False
        return self.alg in {None, alg} and (self.type, self.curve) == ALGORITHMS[alg]


class Signed(NamedTuple):
    """The claims of a token whose signature is right, and the algorithm of the signature."""

    claims: dict[str, Any]
    alg: str


class UnknownKey(Exception):
    """A token signed with a key that is not among those known: the provider may have a new one."""


class _Registry(jws.JWSRegistry):
    """Without joserfc's warning about the name `EdDSA`; `verified` checks algorithms itself."""

    def get_alg(self, name: str) -> Any:
        return self.algorithms[name]


_REGISTRY = _Registry(algorithms=list(ALGORITHMS), strict_check_header=False)


def read_keys(document: dict[str, Any]) -> tuple[PublicKey, ...]:
    """The keys of a JWK set that can verify tokens; others are ignored."""
    given = document.get("keys")
    if not isinstance(given, list):
        raise SignInFailed("no_answer", "the key set has no list of keys")
    each = (_read_key(one) for one in given)
    return tuple(key for key in each if key is not None)


def _read_key(given: Any) -> PublicKey | None:
    if not isinstance(given, dict) or given.get("use", "sig") != "sig":
        return None
    kind, curve = str(given.get("kty")), given.get("crv")
    if (kind, curve) not in ALGORITHMS.values() or "d" in given:
        return None
    try:
        if kind == "RSA" and _rsa_bits(given) < _LEAST_RSA_BITS:
            return None
        key = jwk.JWKRegistry.import_key(given)
    except (JoseError, ValueError, KeyError, TypeError, AttributeError):
        return None
    return PublicKey(given.get("kid"), given.get("alg"), kind, curve, key)


def _rsa_bits(given: dict[str, Any]) -> int:
    """The size of an RSA key, whose modulus may be written with zeros in front."""
    return int.from_bytes(urlsafe_b64decode(given["n"].encode()), "big").bit_length()


def verified(token: str, keys: Sequence[PublicKey]) -> Signed:
    """The claims of a token. Raises `UnknownKey`, or `SignInFailed` for a wrong signature."""
    try:
        header = jws.extract_compact(token.encode(), registry=_REGISTRY).headers()
    except (JoseError, ValueError) as error:
        raise SignInFailed("not_trusted", "the token cannot be read") from error
    alg, kid = str(header.get("alg")), header.get("kid")
    if alg not in ALGORITHMS:
        raise SignInFailed("not_trusted", f"the token is signed with {alg!r}")
    candidates = [key for key in keys if key.fits(kid, alg)]
    if not candidates:
        raise UnknownKey
    for candidate in candidates:
        try:
            decoded = jwt.decode(token, candidate.key, registry=_REGISTRY)
        except (JoseError, ValueError, TypeError):
            # The last for a `crit` of a wrong type: strangers send logout tokens, too.
            continue
        return Signed(decoded.claims, alg)
    raise SignInFailed("not_trusted", "the signature of the token is wrong")
