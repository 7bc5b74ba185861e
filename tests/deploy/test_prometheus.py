"""`deploy/prometheus` and `deploy/grafana`: a Prometheus that scrapes a server runs them."""

import importlib.util
import json
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any
from urllib.parse import urlsplit

import httpx2
import pytest
import yaml

import serving
from actors import TESTER
from ci_systems import TOP
from postgresql import free_port
from theodora.dora.derivation.commits import Commit
from theodora.events import Deployment, Failure, Git
from theodora.storage import Store

PROMETHEUS = TOP / "deploy" / "prometheus"
GRAFANA = TOP / "deploy" / "grafana"
REPOSITORY = "github.com/acme/shop"
HOUR_NS = 3_600 * 10**9
PATIENCE_SECONDS = 60

integrations = pytest.mark.integrations


def needs(program: str) -> pytest.MarkDecorator:
    return pytest.mark.skipif(not shutil.which(program), reason=f"this machine has no {program}")


def dashboards_module() -> ModuleType:
    found = importlib.util.spec_from_file_location("dashboards", GRAFANA / "dashboards.py")
    assert found
    assert found.loader
    module = importlib.util.module_from_spec(found)
    found.loader.exec_module(module)
    return module


def test_the_dashboards_are_up_to_date() -> None:
    for name, text in dashboards_module().written().items():
        assert (GRAFANA / "dashboards" / name).read_text() == text, (
            "run deploy/grafana/dashboards.py"
        )


def test_every_alert_has_a_unit_test_in_which_it_fires() -> None:
    rules = yaml.safe_load((PROMETHEUS / "theodora.rules.yml").read_text())
    tests = yaml.safe_load((PROMETHEUS / "theodora.rules.test.yml").read_text())["tests"]
    cases = [case for each in tests for case in each["alert_rule_test"]]
    alerts = {rule["alert"] for group in rules["groups"] for rule in group["rules"]}
    for fires in (True, False):
        tested = {case["alertname"] for case in cases if bool(case.get("exp_alerts")) is fires}
        assert tested == alerts


@integrations
@needs("promtool")
@pytest.mark.parametrize(
    "arguments",
    [
        ("check", "rules", "theodora.rules.yml"),
        ("test", "rules", "theodora.rules.test.yml"),
        ("check", "config", "--syntax-only", "prometheus.yml"),
    ],
    ids=lambda arguments: "-".join(arguments[:2]),
)
def test_promtool_accepts_the_files(arguments: tuple[str, ...]) -> None:
    done = subprocess.run(
        ["promtool", *arguments], cwd=PROMETHEUS, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def fill(database: str) -> None:
    """Events of each kind, a source that has gone silent, and a sequence that cannot be derived."""
    now_ns = time.time_ns()
    with Store(database) as store:
        org = store.keys.ensure_organisation("default", now_ns, actor=TESTER).result()
        for number, version in enumerate(("v1", "v2", "v1", "v3", "v4")):
            at_ns = now_ns - (200 - 10 * number) * HOUR_NS
            for service in ("web", "pay"):
                deployment = Deployment(
                    id=f"{service}-{number}",
                    service=service,
                    env="production",
                    team="core",
                    version=version,
                    started_at_ns=at_ns,
                    finished_at_ns=at_ns + HOUR_NS,
                    git=Git(f"{int(version[1:]):040x}", f"https://{REPOSITORY}"),
                )
                store.deployments.add(org, deployment, at_ns, actor=TESTER).result()
        for number, length in enumerate((HOUR_NS, None)):
            start_ns = now_ns - 100 * HOUR_NS
            failure = Failure(
                id=f"failure-{number}",
                services=("web",),
                env="production",
                team="core",
                started_at_ns=start_ns,
                finished_at_ns=None if length is None else start_ns + length,
            )
            store.failures.add(org, failure, start_ns, actor=TESTER).result()
        commits = [
            Commit(
                sha=f"{number:040x}",
                parents=(f"{number - 1:040x}",) if number > 1 else (),
                author_time_ns=now_ns - (220 - 10 * number) * HOUR_NS,
                commit_time_ns=now_ns - (220 - 10 * number) * HOUR_NS,
            )
            for number in range(1, 5)
        ]
        store.commits.add_commits(org, REPOSITORY, commits, actor=TESTER).result()
        store.derivations.derive_all_queued(actor=TESTER)
        broken = {"id": "broken", "fields": ["version"], "pattern": "("}
        store.settings.put(org, {"static_rules": [broken]}, "pay", actor=TESTER).result()
        store.derivations.derive_all_queued(actor=TESTER)


@dataclass(frozen=True)
class Scraped:
    """A server, and the Prometheus that scrapes it."""

    server: serving.Server
    url: str

    def ask(self, path: str, **parameters: str) -> Any:
        answer = httpx2.get(f"{self.url}/api/v1/{path}", params=parameters).json()
        assert answer["status"] == "success", answer
        return answer["data"]


@pytest.fixture(scope="module")
def scraped(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scraped]:
    folder = tmp_path_factory.mktemp("scraped")
    fill(f"sqlite:///{folder}/theodora.db")
    with serving.serving(folder) as server, prometheus_for(server, folder) as url:
        scraped = Scraped(server, url)
        deadline = time.monotonic() + PATIENCE_SECONDS
        # Rates take two scrapes.
        while not scraped.ask("query", query="rate(theodora_requests_total[15s])")["result"]:
            assert time.monotonic() < deadline, (folder / "prometheus.log").read_text()
            time.sleep(0.5)
        yield scraped


@contextmanager
def prometheus_for(server: serving.Server, folder: Path) -> Iterator[str]:
    """A Prometheus with the files of this repository, which scrapes more often."""
    text = (PROMETHEUS / "prometheus.yml").read_text()
    (folder / "key").write_text(serving.APPLICATION_KEY)
    for old, new in (
        ("dora.example.org:8080", urlsplit(server.url).netloc),
        ("/etc/prometheus/theodora-application-key", str(folder / "key")),
        ("scrape_interval: 30s", "scrape_interval: 1s"),
        ("scrape_interval: 5m", "scrape_interval: 1s"),
    ):
        assert old in text
        text = text.replace(old, new)
    (folder / "prometheus.yml").write_text(f"global: {{evaluation_interval: 1s}}\n{text}")
    shutil.copy(PROMETHEUS / "theodora.rules.yml", folder)
    port = free_port()
    command = (
        "prometheus",
        f"--config.file={folder}/prometheus.yml",
        f"--storage.tsdb.path={folder}/data",
        f"--web.listen-address=127.0.0.1:{port}",
    )
    with (folder / "prometheus.log").open("w") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log)
    url = f"http://127.0.0.1:{port}"
    try:
        wait_for(f"{url}/-/ready", process, folder / "prometheus.log")
        yield url
    finally:
        process.terminate()
        process.wait(timeout=30)


def wait_for(url: str, process: subprocess.Popen[Any], log: Path) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while process.poll() is None and time.monotonic() < deadline:
        try:
            if httpx2.get(url).status_code == 200:
                return
        except httpx2.TransportError:
            pass
        time.sleep(0.1)
    raise AssertionError(log.read_text())


@integrations
@needs("prometheus")
def test_both_targets_are_up_and_sent_openmetrics(scraped: Scraped) -> None:
    targets = scraped.ask("targets")["activeTargets"]
    assert {target["labels"]["job"]: target["health"] for target in targets} == {
        "theodora": "up",
        "theodora-dora": "up",
    }
    known = scraped.ask("targets/metadata", metric="theodora_requests")
    assert {each["type"] for each in known} == {"counter"}, "only OpenMetrics has it without _total"
    [deployments] = scraped.ask(
        "query", query='theodora_dora_deployments{service="web", env="production", team="core"}'
    )["result"]
    assert deployments["value"][1] == "5"


@integrations
@needs("promtool")
@pytest.mark.parametrize("path", ["/metrics", "/metrics/dora"])
def test_promtool_finds_no_fault_in_the_metrics(scraped: Scraped, path: str) -> None:
    text = httpx2.get(f"{scraped.server.url}{path}", headers=serving.KEYS).text
    done = subprocess.run(
        ["promtool", "check", "metrics"], input=text, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@integrations
@needs("prometheus")
def test_the_alerts_apply_to_what_the_server_sends(scraped: Scraped) -> None:
    """Each is pending at once; promtool's tests show when it fires."""
    alerts = {
        each["labels"].pop("alertname"): each["labels"] for each in scraped.ask("alerts")["alerts"]
    }
    instance = urlsplit(scraped.server.url).netloc
    assert alerts["TheodoraSourceSilent"]["source"] == "api"
    assert alerts["TheodoraDerivationFailed"] == {"severity": "warning", "instance": instance}
    opened = alerts["TheodoraFailureOpen"]
    assert (opened["team"], opened["service"], opened["env"]) == ("core", "web", "production")
    assert alerts.keys() == {
        *("TheodoraSourceSilent", "TheodoraDerivationFailed", "TheodoraFailureOpen")
    }
    for group in scraped.ask("rules")["groups"]:
        for rule in group["rules"]:
            assert (rule["health"], rule.get("lastError", "")) == ("ok", "")


def panels(name: str) -> list[dict[str, Any]]:
    return json.loads((GRAFANA / "dashboards" / name).read_text())["panels"]


def targets(name: str) -> list[tuple[str, dict[str, Any]]]:
    return [(panel["title"], target) for panel in panels(name) for target in panel["targets"]]


@integrations
@needs("prometheus")
def test_every_query_of_the_dashboard_has_a_result(scraped: Scraped) -> None:
    empty: set[str] = set()
    for title, target in targets("prometheus.json"):
        expression = target["expr"].replace("$__rate_interval", "15s")
        for label in ("team", "service", "env"):
            expression = expression.replace(f"${label}", ".*")
        assert "$" not in expression
        if not scraped.ask("query", query=expression)["result"]:
            empty.add(title)
    assert empty == set()
    for label in ("team", "service", "env"):
        values = scraped.ask(f"label/{label}/values", **{"match[]": "theodora_dora_deployments"})
        assert values


@integrations
@needs("prometheus")
def test_every_query_of_the_json_api_has_its_columns(scraped: Scraped) -> None:
    now = time.time()
    for title, target in targets("api.json"):
        parameters = {each["key"]: each["value"] for each in target["url_options"]["params"]}
        for variable, seconds in (
            ("${__from:date:iso}", now - 90 * 86_400),
            ("${__to:date:iso}", now),
        ):
            at = time.strftime("%Y-%m-%dT%H:%M:%S.000Z", time.gmtime(seconds))
            parameters = {key: value.replace(variable, at) for key, value in parameters.items()}
        answer = httpx2.get(
            f"{scraped.server.url}{target['url']}",
            params=parameters,
            # As the provisioned data source sends it.
            headers={"Authorization": f"Bearer {serving.APPLICATION_KEY}"},
        )
        assert answer.status_code == 200, (title, answer.text)
        found = below(answer.json(), target["root_selector"])
        rows = found if isinstance(found, list) else [found]
        for column in target["columns"]:
            values = [below(row, column["selector"]) for row in rows]
            assert any(value is not None for value in values), (title, column)
            types = {"number": (int, float), "string": str, "timestamp": str}[column["type"]]
            assert all(value is None or isinstance(value, types) for value in values)


def below(document: Any, path: str) -> Any:
    """The value at a path with dots, as the data source reads it."""
    for part in path.split("."):
        if isinstance(document, list):
            document = document[int(part)]
        elif document is not None:
            assert part in document or not document, f"there is no {part} in {path}"
            document = document.get(part)
    return document


def test_the_provisioned_sources_are_of_the_kinds_that_dashboards_choose_from() -> None:
    provisioned = yaml.safe_load((GRAFANA / "provisioning/datasources/theodora.yml").read_text())
    kinds = {each["type"] for each in provisioned["datasources"]}
    chosen = {
        variable["query"]
        for name in ("prometheus.json", "api.json")
        for variable in json.loads((GRAFANA / "dashboards" / name).read_text())["templating"][
            "list"
        ]
        if variable["type"] == "datasource"
    }
    assert kinds == chosen
