"""What a browser is sent stays small: pages over a company's history and over 300 services."""

import gzip
import time
from collections.abc import Iterator
from itertools import chain
from pathlib import Path

import pytest

from actors import TESTER
from asking import Tenant, make_tenant, server_in_process
from theodora.cli.demo import load_demo
from theodora.events import Deployment, Failure
from theodora.web.pages.routes import PAGES
from theodora.web.pages.shell.assets import assets
from visiting import Browser, Element, sign_in

MOST_PAGE_BYTES = 60_000
MOST_STYLE_BYTES = 30_000
MOST_SCRIPT_BYTES = 15_000
"""Compressed."""

DAY_NS = 86_400 * 10**9
SERVICES = [f"payments-settlement-reconciler-{number:03d}" for number in range(300)]
RANGES = ("24h", "7d", "4w", "12w", "26w", "1y")
LONGEST_OPERATION = "GetDORAMetrics"
SHOWN = [page for page in PAGES if page.method == "GET" and page.template]


@pytest.fixture(scope="module", params=["company", "many services"])
def browser(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Browser]:
    folder: Path = tmp_path_factory.mktemp("sizes")
    with server_in_process(folder, rate_limit_dora_read="100000/60") as server:
        tenant = make_tenant(*server)
        fill = load_company if request.param == "company" else load_many_services
        fill(tenant)
        add_deliveries(tenant)
        yield sign_in(tenant)


def add_deliveries(tenant: Tenant) -> None:
    """More than a page of a source shows."""
    store = tenant.built.store
    org = store.keys.organisation(tenant.organisation)
    source = store.sources.add(org, "github", "Repositories", "{}", 1, actor=TESTER).result()
    for _ in range(60):
        store.inbox.receive(org, "github", source.id, {}, "{}", 1, actor=TESTER).result()


def load_company(tenant: Tenant) -> None:
    store = tenant.built.store
    load_demo(store, store.keys.ensure_organisation(tenant.organisation, 1, actor=TESTER).result())


def load_many_services(tenant: Tenant) -> None:
    """A year of 300 services: the first is deployed ten times a day, the others once a month."""
    store, now_ns = tenant.built.store, time.time_ns()
    org = store.keys.ensure_organisation(tenant.organisation, 1, actor=TESTER).result()
    busy = ((SERVICES[0], now_ns - step * DAY_NS // 10) for step in range(3_600))
    others = (
        (service, now_ns - (step * 30 + place % 30) * DAY_NS)
        for place, service in enumerate(SERVICES)
        for step in range(12)
    )
    events = chain(enumerate(busy), enumerate(others))
    added = [
        store.deployments.add(org, deployment(*each, step), now_ns, actor=TESTER)
        for step, each in events
    ]
    added += [
        store.failures.add(org, failure(now_ns, number), now_ns, actor=TESTER)
        for number in range(300)
    ]
    for each in added:
        each.result()
    store.derivations.derive_all_queued(actor=TESTER)


def deployment(service: str, finished_at_ns: int, step: int) -> Deployment:
    """Every tenth goes back to the version before it, so that the one between has failed."""
    version = step + 2 if step % 10 == 0 else step
    return Deployment(
        service=service,
        env="production",
        team=f"payments-settlement-{int(service[-3:]) % 40:02d}",
        version=f"release-2026.{10_000 - version}+build",
        started_at_ns=finished_at_ns - 10**9,
        finished_at_ns=finished_at_ns,
        source="continuous-delivery",
    )


def failure(now_ns: int, number: int) -> Failure:
    return Failure(
        name=f"Settlements of region {number} are late",
        services=(SERVICES[number], SERVICES[0]),
        env="production",
        severity="critical",
        started_at_ns=now_ns - number * DAY_NS,
    )


def paths(browser: Browser) -> Iterator[str]:
    """Every page there is, of the event or service that is found first."""
    service = browser.page("/").one("table", class_="big").one("tbody").all("th")[0].one("a")
    listed = {
        "/deployments/": browser.page("/deployments?query=change_failure:true&range=1y")
        .all("td", class_="fi")[0]
        .one("a"),
        "/failures/": browser.page("/failures?range=1y")
        .one("table")
        .one("tbody")
        .all("tr")[1]
        .all("a")[0],
        "/pull-requests/": pull_request_of(browser),
        "/settings/sources/": browser.page("/settings/sources").one("tbody").all("a")[0],
    }
    for page in SHOWN:
        place, brace, _ = page.path.partition("{")
        if not brace:
            yield page.path
            if page.path == "/":
                yield "/?compare=service"
                yield "/?show=all"
            if page.path == "/pull-requests":
                yield f"{page.path}?group_by=interval&interval=day"
        elif place == "/help/api/":
            yield f"{place}{LONGEST_OPERATION}"
        else:
            yield service["href"] if place == "/services/" else listed[place]["href"]


def pull_request_of(browser: Browser) -> Element:
    """The link to one, if there is any; else to the list."""
    page = browser.page("/pull-requests?range=1y")
    shown = [each for each in page.all("a") if each["href"].startswith("/pull-requests")]
    return next((each for each in shown if "/pull-requests/" in each["href"]), shown[0])


def test_a_page_is_at_most_60_kb(browser: Browser) -> None:
    """Whatever the range, before compression."""
    found = {
        (path, name): len(browser.get(f"{path}{'&' if '?' in path else '?'}range={name}").content)
        for path in paths(browser)
        for name in RANGES
    }
    too_long = [f"{path} {name}: {size}" for (path, name), size in found.items()]
    assert [each for each in too_long if int(each.split()[-1]) > MOST_PAGE_BYTES] == []
    assert len(found) == (len(SHOWN) + 3) * len(RANGES)


def test_the_stylesheet_is_at_most_30_kb() -> None:
    assert len(assets()["theodora.css"].body) <= MOST_STYLE_BYTES


def test_the_script_is_at_most_15_kb_compressed() -> None:
    assert len(gzip.compress(assets()["theodora.js"].body)) <= MOST_SCRIPT_BYTES
