"""docs/metrics.md: its examples do what it says, and it leaves nothing out."""

import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

import serving
from asking import SHOPIST
from test_readme import _EXAMPLE, run
from theodora.web.metrics_question import PARAMETERS
from theodora.web.prometheus import GAUGES, SPANS

PAGE = Path(__file__).parents[1] / "docs" / "metrics.md"
TEXT = PAGE.read_text()


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[serving.Server]:
    with serving.serving(tmp_path_factory.mktemp("metrics-page")) as server:
        yield server


@pytest.mark.skipif(not shutil.which("curl"), reason="this machine has no curl")
def test_every_example_works(
    served: serving.Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    document = json.dumps({"data": {"attributes": SHOPIST}})
    keys = 'curl -X POST -H "DD-API-KEY: ${DD_API_KEY}" -H "Content-Type: application/json"'
    run("curl", f"{keys} http://127.0.0.1:8080/api/v2/dora/deployment -d '{document}'", served)
    examples = _EXAMPLE.findall(TEXT)
    assert [kind for kind, _ in examples] == [
        *("curl", "curl", "theodora", "theodora", "curl", "theodora")
    ]
    as_json, as_csv, table, report, scraped, _ = (run(*each, served) for each in examples)
    assert [each["id"] for each in json.loads(as_json)["data"]] == ["total", "service:shopist"]
    assert as_csv.startswith("id,group.service,row,start,end,partial,deployment_frequency.count")
    assert "shopist" in table
    assert "Delivery in August 2023" in (tmp_path / "august.html").read_text()
    assert report.startswith("## Delivery, August 2023")
    assert "# TYPE theodora_dora_deployments gauge" in scraped
    assert sorted(file.stem for file in tmp_path.glob("*.parquet")) == [
        *("commits", "deployments", "failures")
    ]


def test_every_parameter_is_described() -> None:
    described = set(re.findall(r"`(\w+)`", "".join(re.findall(r"^\| `.*", TEXT, re.MULTILINE))))
    assert set(PARAMETERS) <= described


def test_every_gauge_is_named() -> None:
    named = set(re.findall(r"`(\w+)`", TEXT.partition("## Prometheus")[2]))
    assert {gauge.name for gauge in (*GAUGES, *SPANS)} <= named
