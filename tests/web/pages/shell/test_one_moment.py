"""Every page that only reads does so in one transaction: what it shows was so at one moment."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from asking import DEPLOYMENTS, FAILURE, SHOPIST, Tenant, make_tenant, server_in_process
from theodora.dora import MetricsQuery, Period
from theodora.storage import Organisation
from theodora.storage.engine.postgresql.readers import Readers
from theodora.storage.engine.sqlite.database import SqliteDatabase
from theodora.storage.facts.settings import Settings
from theodora.web.pages.routes import PAGES
from theodora.web.pages.shell.health_badge import HealthMonitor
from theodora.web.pages.shell.page import Page
from theodora.web.pages.shell.sharing import SHARED_PATH
from visiting import sign_in

READING = [
    page
    for page in PAGES
    # A share link has no page of its own.
    if page.method == "GET" and not page.asks_provider and page.path != SHARED_PATH
]


@pytest.fixture
def transactions(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The pools whose threads have opened a transaction to read in, one entry for each."""
    opened: list[str] = []

    def counted(open_one: Callable[..., Any]) -> Callable[..., Any]:
        def count(*arguments: Any) -> Any:
            pool = threading.current_thread().name.partition("_")[0]
            if pool in {"handler", "download"}:
                opened.append(pool)
            return open_one(*arguments)

        return count

    monkeypatch.setattr(SqliteDatabase, "_read", counted(SqliteDatabase._read))
    monkeypatch.setattr(Readers, "_read_once", counted(Readers._read_once))
    return opened


@pytest.mark.parametrize("page", READING, ids=lambda page: page.name)
def test_a_page_opens_one_transaction(
    tenant: Tenant, page: Page, transactions: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    deployment = tenant.create(SHOPIST)
    failure = tenant.create({"services": ["shopist"], "started_at": 1_693_491_990}, FAILURE)
    browser = sign_in(tenant)
    # What is wrong with the data is looked for now and then: here for each page.
    monkeypatch.setattr(HealthMonitor, "LOOKS_AFTER_NS", 0)
    ids = {"deployment": deployment, "failure": failure}
    path = page.path.replace("{id}", ids.get(page.name, ""))
    path = path.replace("{service:path}", "shopist").replace("{operation}", "GetDORADeployment")
    transactions.clear()
    answer = browser.get(path, params={"from": "2023-08-01", "to": "2023-10-01"})
    assert answer.status_code in {200, 303}
    # Computing the rows of many downloads keeps no thread from a list or a page.
    assert transactions == ["download" if page.is_download else "handler"], page.name


def test_a_list_after_a_page_shows_what_was_sent_meanwhile(tenant: Tenant) -> None:
    """The snapshot ends with the page, be that drawn or refused."""
    browser = sign_in(tenant)
    for number, path in enumerate(("/", "/?query=(", "/deployments/nowhere", "/nowhere")):
        browser.get(path)
        version = f"v1.{number}"
        tenant.create({**SHOPIST, "version": version})
        assert len(tenant.ids(DEPLOYMENTS)) == number + 1
        found = browser.page("/deployments?query=&from=2023-08-01&to=2023-10-01")
        assert version in found.text


def test_a_page_that_a_write_overtakes_counts_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It begins again, but neither signs in nor takes from the limit a second time."""
    has_production, runs = Settings.has_production, list[bool]()
    query = MetricsQuery(period=Period(0, 1), as_of_ns=1, interval="total")

    def overtaken(settings: Settings, org: Organisation) -> bool:
        """The cache of columns goes on before the page has asked for any."""
        runs.append(has_production(settings, org))
        if len(runs) < 3:
            with ThreadPoolExecutor(1) as executor:
                tenant.create({**SHOPIST, "version": f"v1.{len(runs)}"})
                executor.submit(tenant.built.store.metrics.report, org, query).result()
        return runs[-1]

    with server_in_process(tmp_path, rate_limit_dora_read="1/3600") as server:
        tenant = make_tenant(*server)
        browser = sign_in(tenant)
        monkeypatch.setattr(Settings, "has_production", overtaken)
        page = browser.page("/?from=2023-08-01&to=2023-10-01")
        assert "2 deployments in" in page.text
        assert len(runs) == 3
        assert browser.get("/").status_code == 429
