"""Eight real histories go in through the command line and come out of the list endpoint."""

import gzip
import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from asking import DERIVED, Tenant, make_tenant, server_in_process
from theodora.cli import main

DATA = Path(__file__).parents[3] / "shared" / "data" / "deployments"
COUNT = 30_085
SENT = ("service", "env", "version", "started_at", "finished_at", "commit_sha", "repository_url")

pytestmark = pytest.mark.slow


def page(tenant: Tenant, to: str | None) -> list[dict[str, Any]]:
    answer = tenant.search({"limit": 1000, "to": to}, params={"timestamps": "rfc3339"})
    assert answer.status_code == 200, answer.text
    return answer.json()["data"]


def listed_by_sliding_to(tenant: Tenant) -> list[str]:
    """The ids of all deployments, as clients page: the overlap of each page is dropped."""
    ids: dict[str, None] = {}
    to = None
    while True:
        found = page(tenant, to)
        before = len(ids)
        ids.update(dict.fromkeys(resource["id"] for resource in found))
        if len(ids) == before or len(found) < 1000:
            return list(ids)
        to = found[-1]["attributes"]["started_at"]


def everything(tenant: Tenant) -> dict[str, dict[str, Any]]:
    """The attributes of all deployments by id, paged in the other form of instants."""
    found: dict[str, dict[str, Any]] = {}
    to = None
    while True:
        rows = tenant.search({"limit": 1000, "to": to}).json()["data"]
        before = len(found)
        found.update({row["id"]: row["attributes"] for row in rows})
        if len(found) == before:
            return found
        to = page(tenant, to)[-1]["attributes"]["started_at"]


def test_all_are_listed_back_and_equal_what_went_in(tmp_path: Path) -> None:
    if not DATA.is_dir():
        pytest.skip("the real deployments (../shared/data/deployments) are not here")
    files = sorted(DATA.glob("*.jsonl.gz"))
    sent = [
        json.loads(line)
        for file in files
        for line in gzip.decompress(file.read_bytes()).splitlines()
    ]
    assert len(sent) == COUNT
    with server_in_process(tmp_path) as server:
        tenant = make_tenant(*server)
        command = ["import", "deployments", *map(str, files), "--org", tenant.organisation]
        environment = {"THEODORA_DATABASE": f"sqlite:///{tmp_path / 'theodora.db'}"}
        result = CliRunner().invoke(main, command, env=environment)
        assert (result.exit_code, result.stdout) == (
            0,
            "30,085 added, 0 replaced, 0 unchanged, 0 rejected\n",
        )
        ids = listed_by_sliding_to(tenant)
        assert len(ids) == COUNT
        found = everything(tenant)
    assert sorted(found) == sorted(ids)
    for attributes in found.values():
        git = attributes.pop("git")
        assert git.pop("repository_id") == git["repository_url"].removeprefix("https://")
        attributes.update(git)
        assert attributes.pop("source") == "import"
        for name in {"created_at", "duration", *DERIVED} & set(attributes):
            del attributes[name]
    expected = sorted(tuple(document[name] for name in SENT) for document in sent)
    assert sorted(tuple(attributes[name] for name in SENT) for attributes in found.values()) == (
        expected
    )
    assert all(set(attributes) == set(SENT) for attributes in found.values())
