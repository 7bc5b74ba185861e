"""Statements that the event loop sends to PostgreSQL itself: quick, or left to a thread."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest

from actors import TESTER
from databases import Databases
from loops import run_on_new_thread
from theodora.events import Deployment
from theodora.query import Kind, parse, sort_key
from theodora.storage import Selection, Store
from theodora.storage.engine.condition import Condition
from theodora.storage.engine.database import TakesLong
from theodora.storage.engine.postgresql import loop_reader
from theodora.storage.engine.postgresql.loop_reader import LoopReader
from theodora.storage.search.planner import Search

_ENDED = (
    "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity "
    "WHERE datname = current_database() AND pid <> pg_backend_pid()"
)


@pytest.fixture
def url(postgresql_databases: Databases, tmp_path: Path) -> Iterator[str]:
    with postgresql_databases.new(tmp_path) as url:
        yield url


def run(url: str, work: Callable[[LoopReader], Awaitable[None]]) -> None:
    async def main() -> None:
        async with opened(url) as reader:
            await work(reader)

    run_on_new_thread(main())


@asynccontextmanager
async def opened(url: str) -> AsyncIterator[LoopReader]:
    reader = LoopReader(url)
    await connected(reader)
    yield reader
    reader.close()


async def connected(reader: LoopReader) -> None:
    until_sec = time.monotonic() + 30
    while len(reader._lines) < loop_reader.LINES:
        assert time.monotonic() < until_sec
        await asyncio.sleep(0.01)


async def rows(reader: LoopReader, statement: Any, *values: Any) -> list[Any]:
    asked = reader.ask(statement, values)
    assert asked is not None
    return await asked


def test_statements_are_answered_in_order_however_many_are_on_their_way(
    url: str, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(loop_reader, "_LONG_SECONDS", 20)

    async def work(reader: LoopReader) -> None:
        texts = ["", "ö", "x" * 100_000]
        asked = [
            rows(reader, "SELECT CAST(? AS BIGINT), CAST(? AS TEXT), ?1 IS NULL", number, text)
            for number in range(10)
            for text in texts
        ]
        found = await asyncio.gather(*asked)
        assert found == [[(number, text, False)] for number in range(10) for text in texts]
        assert await rows(reader, "SELECT 1 WHERE FALSE") == []
        assert await rows(reader, "SELECT CAST(? AS TEXT)", "\0") == [("\1",)], "as by a cursor"

    run(url, work)


def test_what_takes_long_is_left_to_a_thread_and_keeps_nothing_waiting(url: str):
    async def work(reader: LoopReader) -> None:
        for _ in range(loop_reader.LINES):
            began_sec = time.monotonic()
            with pytest.raises(TakesLong):
                await rows(reader, "SELECT pg_sleep(20)")
            assert time.monotonic() - began_sec < 10
        assert reader.ask("SELECT 1", ()) is None, "no connection is left for the moment"
        await connected(reader)
        assert await rows(reader, "SELECT 1") == [(1,)]

    run(url, work)


def test_a_lost_connection_is_opened_again(url: str):
    async def work(reader: LoopReader) -> None:
        with psycopg.connect(url) as connection:
            connection.execute(_ENDED)
        for _ in range(loop_reader.LINES):
            if (asked := reader.ask("SELECT 1", ())) is not None:
                with pytest.raises(TakesLong):
                    await asked
        await connected(reader)
        assert await rows(reader, "SELECT 1") == [(1,)]

    run(url, work)


def test_what_the_server_or_the_driver_refuses_is_left_to_a_thread(url: str):
    async def work(reader: LoopReader) -> None:
        with pytest.raises(TakesLong):
            await rows(reader, "SELECT 1 / ?", 0)
        with pytest.raises(TakesLong):
            await rows(reader, "CREATE TABLE written (key BIGINT)")
        assert reader.ask("SELECT ?", (object(),)) is None

    run(url, work)


def test_no_more_statements_stay_prepared_than_are_asked_for_often(
    url: str, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(loop_reader, "LINES", 1)
    monkeypatch.setattr(loop_reader, "_LONG_SECONDS", 20)
    monkeypatch.setattr(loop_reader, "_MOST_PREPARED", 2)
    prepared = "SELECT count(*) FROM pg_prepared_statements"

    async def work(reader: LoopReader) -> None:
        for number in range(5):
            assert await rows(reader, f"SELECT {number}, ?", 7) == [(number, 7)]
        assert await rows(reader, prepared) == [(2,)]
        assert await rows(reader, prepared) == [(2,)]

    run(url, work)


def test_a_list_and_its_keys_are_read_without_a_thread_as_they_are_by_now(
    url: str, monkeypatch: pytest.MonkeyPatch
):
    """What another process has written since then counts."""
    monkeypatch.setattr(loop_reader, "_LONG_SECONDS", 20)
    queries = ("", "service:web", "service:(web OR api) NOT env:*", "duration:[0 TO 2]", "web")

    async def work(here: Store, there: Store) -> None:
        here.answer_briefly()
        await connected(here._database._loop_reader)  # type: ignore[attr-defined]
        key = there.keys.add(
            *("default", "api", "s"), name="", permissions=frozenset(), now_ns=1, actor=TESTER
        ).result()
        org = key.organisation
        other = there.keys.ensure_organisation("other", 1, actor=TESTER).result()
        for number in range(3):
            event = Deployment(id=f"{number}", service="web", started_at_ns=1, finished_at_ns=2)
            there.deployments.add(org, event, 1, actor=TESTER).result()
            for query in queries:
                page = await soon(here.deployments.documents_soon(org, listing(query)))
                ids = [id_ for id_, *_ in page.documents]
                assert ids == [str(each) for each in range(number + 1)], query
                assert (await soon(here.deployments.documents_soon(other, listing(query))))[0] == []
        keys = await soon(here.keys.now_soon())
        with pytest.raises(TakesLong):
            keys.find("api", "s")
        assert (await asyncio.to_thread(keys.find, "api", "s")).id == key.id
        assert (await soon(here.keys.now_soon())).find("api", "s").id == key.id
        there.keys.revoke("default", key.id, 2, actor=TESTER).result()
        keys = await soon(here.keys.now_soon())
        assert await asyncio.to_thread(keys.find, "api", "s") is None

    async def main() -> None:
        with Store(url) as here, Store(url) as there:
            await work(here, there)

    run_on_new_thread(main())


async def soon(asked: Awaitable[Any] | None) -> Any:
    assert asked is not None
    return await asked


def listing(query: str) -> Selection:
    sort = sort_key("started_at", Kind.DEPLOYMENT)
    assert sort
    return Selection(query=parse(query), sort=sort, limit=10)


def test_lists_that_take_long_or_look_something_up_are_left_to_a_thread(
    url: str, monkeypatch: pytest.MonkeyPatch
):
    async def work(store: Store) -> None:
        one, other = (
            store.keys.ensure_organisation(name, 1, actor=TESTER).result()
            for name in ("one", "other")
        )
        find = store.deployments.documents_soon
        assert find(one, listing("")) is None, "only the thread of the event loop has no other way"
        store.answer_briefly()
        await connected(store._database._loop_reader)  # type: ignore[attr-defined]
        for query in ("*web*", "service:*eb", "is:production"):
            assert find(one, listing(query)) is None
        with monkeypatch.context() as slow:
            slow.setattr(Search, "only_statement", lambda *_: Condition("SELECT pg_sleep(20)"))
            with pytest.raises(TakesLong):
                await soon(find(one, listing("")))
        assert find(one, listing("service:web")) is None, "the next ones are likely to take long"
        monkeypatch.setattr(loop_reader, "_LONG_SECONDS", 20)
        assert (await soon(find(other, listing("")))).documents == []

    async def main() -> None:
        with Store(url) as store:
            await work(store)

    run_on_new_thread(main())
