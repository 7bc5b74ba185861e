"""Searches, metrics and pages that take too long: ended, and answered 503 with the reason."""

import http.client
import json
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from urllib.parse import quote, urlsplit

import psutil
import pytest

import serving
from actors import TESTER
from databases import Databases
from forked_serving import forked
from theodora.events import Deployment
from theodora.storage import Store
from theodora.storage.access.key_secrets import KeyKind, new_secret
from theodora.storage.access.keys import PERMISSIONS_OF

pytestmark = pytest.mark.slow


def slow_query(patterns: int) -> str:
    """Matches nothing, after a look at the words of every event for each pattern.

    The text of all words fits each pattern, so that it does not rule the event out.
    """
    return " OR ".join(f"*a*k*{'*'.join(f'{number:03}')}*" for number in range(patterns))


SLOW_QUERY = slow_query(100)
"""No index finds any of these words; each event is compared with all of them, for some 25 ms."""
EVENTS = 1_200
METRICS = "/api/v2/dora/metrics"
SEARCH = "/api/v2/dora/deployments"
BODY = json.dumps(
    {
        "data": {
            "type": "dora_deployments_list_request",
            "attributes": {"query": f"service:web ({SLOW_QUERY})"},
        }
    }
)


@pytest.fixture(scope="module")
def database(
    databases: Databases, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[str, Path]]:
    """A database in which the search takes longer than any test waits."""
    folder = tmp_path_factory.mktemp("slow")
    now_ns = time.time_ns()
    tags = tuple(f"k{number}:{'a' * 150}" for number in range(40))
    with databases.new(folder) as url:
        with Store(url) as store:
            org = store.keys.ensure_organisation("default", 1, actor=TESTER).result()
            added = [
                store.deployments.add(
                    org,
                    Deployment(
                        service="web",
                        env="production",
                        started_at_ns=now_ns - number * 10**9,
                        finished_at_ns=now_ns - number * 10**9,
                        custom_tags=tags,
                    ),
                    1,
                    actor=TESTER,
                )
                for number in range(EVENTS)
            ]
            for each in added:
                each.result()
        yield url, folder


def connected(server: serving.Server) -> http.client.HTTPConnection:
    return http.client.HTTPConnection(urlsplit(server.url).netloc, timeout=60)


def begin_search(
    server: serving.Server, keys: dict[str, str] = serving.KEYS
) -> http.client.HTTPConnection:
    connection = connected(server)
    headers = {**keys, "Content-Type": "application/json"}
    connection.request("POST", SEARCH, BODY, headers)
    return connection


def test_a_slow_search_and_a_slow_page_are_answered_503(database: tuple[str, Path]) -> None:
    url, folder = database
    limit = {"THEODORA_READ_SECONDS": "1"}
    with forked(folder, database=url, environment=limit) as server:
        with closing(begin_search(server)) as search:
            answer = search.getresponse()
            [error] = json.loads(answer.read())["errors"]
        assert (answer.status, error["title"]) == (503, "Service Unavailable")
        assert error["detail"].startswith("no answer within 1 seconds; no index finds ")
        assert '"*a*k*0*0*0* OR *a*k*0*0*1*' in error["detail"]
        assert "service:web" not in error["detail"]
        with closing(connected(server)) as page:
            cookie = sign_in(page)
            page.request("GET", f"/deployments?query={quote(SLOW_QUERY)}", None, cookie)
            answer = page.getresponse()
            assert answer.status == 503
            assert "This takes too long" in answer.read().decode()
        with closing(connected(server)) as metrics:
            metrics.request("GET", f"{METRICS}?query={quote(SLOW_QUERY)}", None, serving.KEYS)
            answer = metrics.getresponse()
            [error] = json.loads(answer.read())["errors"]
            assert answer.status == 503
            assert error["detail"].startswith('no answer within 1 seconds; no index finds "*a*k*')


def sign_in(
    connection: http.client.HTTPConnection, key: str = serving.APPLICATION_KEY
) -> dict[str, str]:
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    connection.request("POST", "/sign-in", f"key={key}", form)
    answer = connection.getresponse()
    answer.read()
    return {"Cookie": answer.headers["Set-Cookie"].partition(";")[0], "Accept": "text/html"}


def test_a_search_ends_when_its_client_leaves(database: tuple[str, Path]) -> None:
    url, folder = database
    limit = {"THEODORA_READ_SECONDS": "3600"}
    with forked(folder, database=url, environment=limit) as server:
        searches = [begin_search(server) for _ in range(3)]
        wait_until(lambda: busy(url, server))
        for search in searches:
            search.close()
        wait_until(lambda: not busy(url, server))
        assert server.stop() == 0


def test_nothing_under_way_keeps_a_server_from_stopping(database: tuple[str, Path]) -> None:
    """Searches of two organisations, downloads that nobody reads, derivation."""
    url, folder = database
    keys = keys_of_another_organisation(url)
    limits = {"THEODORA_READ_SECONDS": "1", "THEODORA_STALL_SECONDS": "3"}
    add_quick_deployments(url, 1_000)
    with ExitStack() as stack:
        server = stack.enter_context(forked(folder, database=url, environment=limits))
        with closing(connected(server)) as signing_in:
            cookie = sign_in(signing_in)
        for _ in range(4):
            download = stack.enter_context(closing(connected(server)))
            download.request("GET", "/deployments.csv", None, cookie)
        for _ in range(12):
            stack.enter_context(closing(begin_search(server, keys)))
        searches = [stack.enter_context(closing(begin_search(server))) for _ in range(24)]
        wait_until(lambda: busy(url, server))
        assert server.stop() == 0
        assert searches[0].getresponse().status == 503
    assert "Traceback" not in (folder / "server.log").read_text()


def test_a_download_that_becomes_slow_is_broken_off(database: tuple[str, Path]) -> None:
    url, folder = database
    add_quick_deployments(url, 600)
    limit = {"THEODORA_READ_SECONDS": "2"}
    with (
        forked(folder, database=url, environment=limit) as server,
        closing(connected(server)) as client,
    ):
        cookie = sign_in(client)
        # One part has to take longer than the limit, however fast the machine is.
        query = quote(f"version:quick OR {slow_query(240)}")
        client.request("GET", f"/deployments.csv?query={query}", None, cookie)
        answer = client.getresponse()
        assert answer.status == 200
        with pytest.raises(http.client.IncompleteRead) as broken:
            answer.read()
        assert broken.value.partial.count(b"quick") > 400
    assert "answer took too long" in (folder / "server.log").read_text()


def add_quick_deployments(url: str, count: int) -> None:
    """Deployments that come before all others in lists and match without a look at their words."""
    now_ns = time.time_ns()
    with Store(url) as store:
        org = store.keys.organisation("default")
        added = [
            store.deployments.add(
                org,
                Deployment(
                    service="web",
                    version="quick",
                    started_at_ns=now_ns - number,
                    finished_at_ns=now_ns - number,
                ),
                1,
                actor=TESTER,
            )
            for number in range(count)
        ]
        for each in added:
            each.result()


def test_slow_searches_of_one_organisation_do_not_keep_another_waiting(
    database: tuple[str, Path],
) -> None:
    url, folder = database
    keys = keys_of_another_organisation(url)
    limit = {"THEODORA_READ_SECONDS": "3600"}
    with ExitStack() as stack:
        server = stack.enter_context(forked(folder, database=url, environment=limit))
        stack.callback(server.kill)
        for _ in range(64):
            stack.enter_context(closing(begin_search(server)))
        wait_until(lambda: busy(url, server))
        with closing(connected(server)) as other:
            cookie = sign_in(other, keys["DD-APPLICATION-KEY"])
            json_keys = {**keys, "Content-Type": "application/json"}
            for method, path, body, headers in (
                ("POST", SEARCH, BODY, json_keys),
                ("GET", METRICS, None, keys),
                ("GET", "/deployments", None, cookie),
                ("GET", "/deployments.csv", None, cookie),
            ):
                other.request(method, path, body, headers)
                answer = other.getresponse()
                answer.read()
                assert answer.status == 200, path


def keys_of_another_organisation(url: str) -> dict[str, str]:
    """Keys of an organisation without events, with every permission."""
    secrets: dict[KeyKind, str] = {
        "api": new_secret("api"),
        "application": new_secret("application"),
    }
    with Store(url) as store:
        store.keys.ensure_organisation("other", 1, actor=TESTER).result()
        for kind, secret in secrets.items():
            store.keys.add(
                "other",
                kind,
                secret,
                name="",
                permissions=frozenset(PERMISSIONS_OF[kind]),
                now_ns=1,
                actor=TESTER,
            ).result()
    return {"DD-API-KEY": secrets["api"], "DD-APPLICATION-KEY": secrets["application"]}


def busy(url: str, server: serving.Server) -> bool:
    """Whether a search runs: in this server's process or, on PostgreSQL, for it."""
    if url.startswith("sqlite"):
        return psutil.Process(server.process.pid).cpu_percent(0.5) > 20
    import psycopg  # noqa: PLC0415 - an extra of its own

    with psycopg.connect(url) as connection:
        rows = connection.execute(
            "SELECT count(*) FROM pg_stat_activity WHERE state = 'active' "
            "AND datname = current_database() AND pid <> pg_backend_pid()"
        ).fetchall()
    return rows[0][0] > 0


def wait_until(condition: Callable[[], bool]) -> None:
    until_sec = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < until_sec, "still not so after 30 seconds"
        time.sleep(0.1)
