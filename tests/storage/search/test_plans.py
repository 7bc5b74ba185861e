"""PostgreSQL finds what is asked for by its indexes: no statement walks the events for a few.

The server tells the plan of every statement that it has run, with the rows it has looked at. So
these are the plans of what the store sends, as it sends it.
"""

import json
import re
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any

import pytest

from actors import TESTER
from postgresql import PostgresqlServer, postgresql
from theodora.dora import MetricsQuery, Period
from theodora.events import Deployment, Failure, Git
from theodora.query import Kind, parse, sort_key
from theodora.storage import Organisation, OverrideValues, Selection, Store
from theodora.storage.copy.copy import Copying
from theodora.storage.open import open_copy, open_original

EVENTS = 10_000
SERVICES = 40
MOST_LOOKED_AT = 1_250
"""Rows that a statement may look at: an eighth of all events, several times those of a service."""
STEP_NS = 3_600 * 10**9
LARGE = re.compile(r"(deployment|failure)(s|_elements|_postings|_numbers|_words|_trigrams)|changes")
_PLAN = re.compile(r"plan:\n((?:\t.*\n)+)")


def deployment(number: int) -> Deployment:
    tags = (
        f"build:{number}",
        f"region:{'eu' if number % 3 else 'us'}",
        f"shard:{number % 64}",
        *(("incident:7",) if number % 3_500 == 7 else ()),
    )
    return Deployment(
        id=f"d{number}",
        service=f"service-{number % SERVICES}",
        env="production" if number % 4 else "staging",
        team=f"team-{number % 5}",
        version=f"v{number // SERVICES}",
        started_at_ns=number * STEP_NS,
        finished_at_ns=number * STEP_NS + (number % 97) * 10**9,
        git=Git(f"{number:040x}", f"https://github.com/acme/service-{number % SERVICES}"),
        custom_tags=tags,
    )


def failure(number: int) -> Failure:
    at_ns = number * 10 * STEP_NS
    services = (f"service-{number % SERVICES}",)
    return Failure(id=f"f{number}", services=services, started_at_ns=at_ns, finished_at_ns=at_ns)


def fill(url: str) -> None:
    with Store(url) as store:
        org = store.keys.ensure_organisation("default", 1, actor=TESTER).result()
        added: list[Future[Any]] = [
            *(
                store.deployments.add(org, deployment(number), number, actor=TESTER)
                for number in range(EVENTS)
            ),
            *(
                store.failures.add(org, failure(number), number, actor=TESTER)
                for number in range(EVENTS // 10)
            ),
        ]
        for each in added:
            each.result()
        store.derivations.derive_all_queued(actor=TESTER)


@dataclass
class Told:
    """A store, and the plans of what it has been asked."""

    server: PostgresqlServer
    store: Store
    org: Organisation

    def plans(self, ask: Callable[[], object]) -> list[dict[str, Any]]:
        """Those of the statements that `ask` has sent, and what the store did beside it."""
        log = self.server.folder / "log"
        before = log.stat().st_size
        ask()
        with log.open() as lines:
            lines.seek(before)
            return [json.loads(found) for found in _PLAN.findall(lines.read())]


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Told]:
    """A server that tells every plan, with a store that was filled elsewhere."""
    original = f"sqlite:///{tmp_path_factory.mktemp('plans') / 'theodora.db'}"
    fill(original)
    telling = {
        "session_preload_libraries": "auto_explain",
        "auto_explain.log_min_duration": "0",
        "auto_explain.log_analyze": "on",
        "auto_explain.log_timing": "off",
        "auto_explain.log_format": "json",
    }
    with postgresql() as server:
        copy_into(server.url(), original)
        for name, value in telling.items():
            server.set(name, value)
        with Store(server.url()) as store:
            yield Told(server, store, store.keys.organisation("default"))


def copy_into(url: str, original: str) -> None:
    with open_original(original) as opened, open_copy(url) as copy:
        copying = Copying(opened, copy)
        for _ in copying.copy():
            pass
        copying.finish()


def nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for part in plan.get("Plans", ()):
        yield from nodes(part)


def looked_at(node: dict[str, Any]) -> float:
    """Rows of a large table that a node of a plan has seen, whether it passed them on or not."""
    if not LARGE.fullmatch(node.get("Relation Name", "")) or "Scan" not in node["Node Type"]:
        return 0
    removed = ("Rows Removed by Filter", "Rows Removed by Index Recheck")
    seen = node["Actual Rows"] + sum(node.get(name, 0) for name in removed)
    return seen * node["Actual Loops"]


def assert_finds_by_index(told: Told, ask: Callable[[], object]) -> None:
    plans = told.plans(ask)
    assert plans
    for told_plan in plans:
        found = list(nodes(told_plan["Plan"]))
        walked = {node["Relation Name"] for node in found if node["Node Type"] == "Seq Scan"}
        assert not [name for name in walked if LARGE.fullmatch(name)], told_plan
        assert sum(map(looked_at, found)) <= MOST_LOOKED_AT, told_plan


def selection(query: str, kind: Kind, sort: str = "started_at", **window: int) -> Selection:
    by = sort_key(sort, kind)
    assert by
    return Selection(query=parse(query), sort=by, limit=20, **window)


@pytest.mark.parametrize(
    "query",
    [
        *("", "service:service-3", "service:(service-3 OR service-4 OR service-5)", "env:staging"),
        *("NOT env:staging", "@incident:7", "@incident:8", "@incident:7 env:production"),
        *("*zzzqqq*", "*:*zzz*", "version:*zzq*", "*zzq* OR *qqz*"),
        *("service:*vice-3", "team:*vice*", "region:*s", "tags:*ion\\:u*"),
        *("@region:eu @shard:7", "@shard:(7 OR 8)", "@build:[100 TO 120]", "@build:1999*"),
        *("version:v7", "team:team-2 service:service-2", "id:d77", "id:d777*", "service-7", "eu"),
        *("service:service-3 @incident:7", "(@incident:7 OR @build:9) env:production"),
        *("duration:[96 TO *] @shard:5", "change_failure:true", "commit_sha:00000000000000000*"),
    ],
)
def test_a_list_looks_at_few_deployments(told: Told, query: str):
    asked = selection(query, Kind.DEPLOYMENT)
    assert_finds_by_index(told, lambda: told.store.deployments.documents(told.org, asked))


@pytest.mark.parametrize(
    "query", ["service:(service-3 OR service-5 OR service-7) env:production", "@region:(eu OR us)"]
)
def test_a_merge_of_terms_reads_little_more_than_it_returns(told: Told, query: str):
    """However many terms there are, and however many events each of them has."""
    asked = selection(query, Kind.DEPLOYMENT)
    plans = told.plans(lambda: told.store.deployments.documents(told.org, asked))
    rows = next(each["Plan"] for each in plans if "e.document" in each["Query Text"])
    assert sum(map(looked_at, nodes(rows))) < 8 * asked.limit


@pytest.mark.parametrize("sort", ["finished_at", "duration", "created_at"])
@pytest.mark.parametrize("query", ["", "env:production", "@incident:7"])
def test_a_list_in_another_order_looks_at_few(told: Told, query: str, sort: str):
    asked = selection(query, Kind.DEPLOYMENT, sort)
    assert_finds_by_index(told, lambda: told.store.deployments.documents(told.org, asked))


@pytest.mark.parametrize("query", ["", "service:service-3", "NOT service:service-3", "@incident:7"])
def test_a_window_in_the_past_is_found_at_once(told: Told, query: str):
    window = {"from_ns": 1_000 * STEP_NS, "to_ns": 1_100 * STEP_NS}
    for sort in ("started_at", "finished_at"):
        asked = selection(query, Kind.DEPLOYMENT, sort, **window)
        assert_finds_by_index(
            told, lambda asked=asked: told.store.deployments.documents(told.org, asked)
        )


@pytest.mark.parametrize("query", ["", "service:service-3", "@incident:7", "NOT env:staging"])
def test_a_list_looks_at_few_failures(told: Told, query: str):
    asked = selection(query, Kind.FAILURE)
    assert_finds_by_index(told, lambda: told.store.failures.documents(told.org, asked))


def test_writes_look_at_few(told: Told):
    """An event that comes, comes again, is judged, by its version too, and goes."""
    store, org = told.store, told.org
    new = Deployment(service="service-1", env="production", started_at_ns=1, finished_at_ns=2)
    named = "d777"

    def write() -> None:
        for event in (new, new, deployment(777)):
            store.deployments.add(org, event, 1, actor=TESTER).result()
        store.deployments.update(
            org, named, OverrideValues(change_failure=True), now_ns=1, actor=TESTER
        ).result()
        store.deployments.update_by_version(
            org,
            "service-7",
            "production",
            "v1",
            OverrideValues(change_failure=False),
            now_ns=1,
            actor=TESTER,
        ).result()
        store.deployments.delete(org, "d778", actor=TESTER).result()
        store.failures.add(org, failure(7), 1, actor=TESTER).result()
        store.failures.delete(org, "f8", actor=TESTER).result()

    assert_finds_by_index(told, write)


def test_derivation_looks_at_the_sequences_that_have_changed(told: Told):
    store, org = told.store, told.org

    def derive() -> None:
        store.deployments.add(org, deployment(EVENTS + 5), 1, actor=TESTER).result()
        assert store.derivations.derive_all_queued(actor=TESTER)

    assert_finds_by_index(told, derive)


def test_what_is_kept_in_memory_catches_up_by_keys(told: Told):
    """The first question reads every event; the next only those that have changed since."""
    store, org = told.store, told.org
    period = Period(0, EVENTS * STEP_NS)
    query = MetricsQuery(period=period, as_of_ns=period.end_ns, interval="week")
    store.metrics.report(org, query)

    def change_and_ask() -> None:
        for number in range(70):
            store.deployments.update(
                org,
                f"d{1000 + number}",
                OverrideValues(change_failure=True),
                now_ns=1,
                actor=TESTER,
            ).result()
        store.metrics.report(org, query)

    assert_finds_by_index(told, change_and_ask)


def test_values_of_a_tag_are_found_by_leaps(told: Told):
    store, org = told.store, told.org
    assert_finds_by_index(told, lambda: store.deployments.last_received(org))
    assert_finds_by_index(told, lambda: store.failures.last_received(org))
    assert_finds_by_index(told, lambda: store.verdicts.get(org, "d9"))
    assert_finds_by_index(told, lambda: store.derivations.explain(org, "d9"))


def test_retention_looks_at_the_oldest_alone(told: Told):
    now_ns = (100 * 24 + 40) * STEP_NS
    told.store.retention.put(told.org, 99, actor=TESTER).result()
    assert_finds_by_index(told, lambda: told.store.retention.preview(told.org, 99, now_ns))
