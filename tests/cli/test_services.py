"""`theodora services import`: settings from descriptions in a checkout."""

import sys
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from actors import TESTER
from theodora.cli import main
from theodora.storage import Store

WEB = "schema-version: v2.2\ndd-service: web\nlanguages: [python]\n"
CART = "apiVersion: v3\nkind: service\nmetadata: {name: cart, owner: checkout}\n"


def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'theodora.db'}"


def run(tmp_path: Path, *arguments: str) -> Result:
    with Store(url(tmp_path)) as store:
        store.keys.ensure_organisation("default", 1, actor=TESTER).result()
    command = ["services", "import", f"--database={url(tmp_path)}", *arguments]
    return CliRunner().invoke(main, command)


def given(tmp_path: Path, service: str) -> dict[str, Any]:
    with Store(url(tmp_path)) as store:
        return store.settings.given(store.keys.organisation("default"), service)


def checkout(tmp_path: Path) -> Path:
    top = tmp_path / "checkout"
    for name, text in (
        ("web/service.datadog.yaml", WEB),
        ("cart/entity.datadog.yaml", CART),
        ("node_modules/x/service.datadog.yaml", WEB.replace("web", "vendored")),
        (".github/CODEOWNERS", "/web/ @acme/storefront\n/cart/ @acme/other\n"),
    ):
        (top / name).parent.mkdir(parents=True, exist_ok=True)
        (top / name).write_text(text)
    return top


def test_a_checkout_sets_what_differs_and_keeps_the_rest(tmp_path: Path) -> None:
    top = str(checkout(tmp_path))
    shown = run(tmp_path, "--dry-run", top)
    assert shown.exit_code == 0, shown.output
    assert given(tmp_path, "web") == {}
    with Store(url(tmp_path)) as store:
        org = store.keys.organisation("default")
        before = {"path_globs": ["web/**"], "languages": ["perl"]}
        store.settings.put(org, before, "web", actor=TESTER).result()
    assert run(tmp_path, top).stdout.splitlines() == [
        "cart: team checkout",
        "web: languages python; team storefront",
    ]
    assert given(tmp_path, "cart") == {"team": "checkout"}
    assert given(tmp_path, "web") == {
        "path_globs": ["web/**"],
        "languages": ["python"],
        "team": "storefront",
    }
    assert given(tmp_path, "vendored") == {}
    assert run(tmp_path, top).stdout == "cart: unchanged\nweb: unchanged\n"


def test_a_file_that_cannot_be_read_is_rejected_and_the_others_are_not(tmp_path: Path) -> None:
    bad, good = tmp_path / "bad.yaml", tmp_path / "good.yaml"
    bad.write_bytes(b"\xff")
    good.write_text(CART)
    result = run(tmp_path, str(bad), str(good))
    assert result.exit_code == 1
    assert f"{bad}: rejected: not UTF-8" in result.output
    assert "files rejected: 1" in result.output
    assert given(tmp_path, "cart") == {"team": "checkout"}


def test_the_library_is_named_where_it_is_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = sys.modules["theodora.cli.services"]
    monkeypatch.setattr(module, "find_spec", lambda _: None)
    result = run(tmp_path, str(checkout(tmp_path)))
    assert (result.exit_code, 'pip install "theodora[yaml]"' in result.output) == (1, True)
