"""Secrets that were removed or replaced are no longer in a SQLite file."""

from pathlib import Path

from actors import TESTER
from theodora.storage import Store

_NOW_NS = 1_790_000_000 * 10**9
_SITE = "https://api.datadoghq.eu"


def test_removed_and_replaced_secrets_are_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "theodora.db"
    names = ("replaced-key", "removed-key", "replaced-secret", "removed-secret")
    # Long, as a secret may be that lies on pages of its own.
    secrets = {name: f"{name}-".encode() * 900 for name in names}
    texts = {name: secret.decode() for name, secret in secrets.items()}
    with Store(f"sqlite:///{path}") as store:
        org = store.keys.ensure_organisation("default", _NOW_NS, actor=TESTER).result()
        for name in ("replaced-key", "removed-key"):
            store.forwarding.put(org, _SITE, texts[name], "short", _NOW_NS, actor=TESTER).result()
        source = store.sources.add(org, "github", "", "{}", _NOW_NS, actor=TESTER).result()
        for name in ("replaced-secret", "removed-secret"):
            store.sources.change_secret(org, source.id, texts[name], actor=TESTER).result()
    assert [name for name, secret in secrets.items() if secret[:400] in path.read_bytes()] == [
        "removed-key",
        "removed-secret",
    ]
    with Store(f"sqlite:///{path}") as store:
        store.forwarding.remove(org, actor=TESTER).result()
        store.sources.remove(org, source.id, actor=TESTER).result()
    left = path.read_bytes()
    assert not any(secret[:20] in left for secret in secrets.values())
