"""docs/metrics.md: its examples do what it says, and it leaves nothing out.

When its table lags, write it again: PYTHONPATH=tests .venv/bin/python tests/test_metrics_page.py
"""

import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

import serving
from asking import SHOPIST
from forked_serving import forked
from forking import forking
from theodora.dora.metrics.table import METRICS, Figure, Metric
from theodora.query.reference import code, table, with_tables
from theodora.web.api.metrics.question import PARAMETERS

PAGE = Path(__file__).parents[1] / "docs" / "metrics.md"
TEXT = PAGE.read_text()
HOST = "http://127.0.0.1:8080"

_EXAMPLE = re.compile(r"<!-- run: (\w+) -->\n```\w+\n(.*?)```", re.DOTALL)


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[serving.Server]:
    with forked(tmp_path_factory.mktemp("metrics-page")) as server:
        yield server


@pytest.fixture
def programs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder with a quick `theodora`."""
    folder = tmp_path_factory.mktemp("programs")
    with forking(folder):
        yield folder


def run(text: str, server: serving.Server, programs: Path) -> str:
    """What an example prints, with the host changed and the keys in the environment."""
    environment = {
        **os.environ,
        "DD_API_KEY": serving.API_KEY,
        "DD_APP_KEY": serving.APPLICATION_KEY,
        "THEODORA_DATABASE": server.database_url,
        "PATH": f"{programs}:{os.environ['PATH']}",
    }
    done = subprocess.run(
        ["bash", "-ec", text.replace(HOST, server.url)],
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.skipif(not shutil.which("curl"), reason="this machine has no curl")
def test_every_example_works(
    served: serving.Server, tmp_path: Path, programs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    document = json.dumps({"data": {"attributes": SHOPIST}})
    keys = 'curl -X POST -H "DD-API-KEY: ${DD_API_KEY}" -H "Content-Type: application/json"'
    run(f"{keys} http://127.0.0.1:8080/api/v2/dora/deployment -d '{document}'", served, programs)
    examples = _EXAMPLE.findall(TEXT)
    assert [kind for kind, _ in examples] == [
        *("curl", "curl", "theodora", "theodora", "curl", "theodora")
    ]
    as_json, as_csv, table, report, scraped, _ = (
        run(text, served, programs) for _, text in examples
    )
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


def written() -> str:
    """The page as it should be."""
    rows = (
        (
            code(f"{metric.name}.{figure.name}"),
            metric.about_figure(figure.name),
            _gauge(metric, figure),
            code(metric.columns[figure.name]) if figure.name in metric.columns else "",
        )
        for metric in METRICS
        for figure in metric.figures
    )
    head = ("figure", "meaning", "Prometheus", "column")
    return with_tables(PAGE.read_text(), {"figures": table(head, rows)})


def _gauge(metric: Metric, figure: Figure) -> str:
    if figure.name in metric.gauges:
        return code(metric.gauges[figure.name])
    if re.fullmatch(r"p\d\d", figure.name):
        return code(f'{metric.quantiles}{{quantile="0.{figure.name[1:].rstrip("0")}"}}')
    return ""


def test_every_figure_is_listed() -> None:
    """The tables are those that the code writes."""
    assert written() == TEXT


@pytest.mark.parametrize("metric", METRICS, ids=lambda metric: metric.name)
def test_every_metric_is_defined(metric: Metric) -> None:
    title = metric.full_title.lower()
    row = re.search(rf"^\| {title} \| .+ \| {metric.counted_by} \|$", TEXT, re.MULTILINE)
    assert row, f"add a row for the {title} to the definitions of docs/metrics.md"


if __name__ == "__main__":
    PAGE.write_text(written())
