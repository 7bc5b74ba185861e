"""The MCP server, asked by the client of the official SDK, over both transports."""

import json
import re
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from importlib.util import find_spec
from typing import Any

import anyio
import httpx2
import pytest

import serving
from actors import TESTER
from databases import ON_SQLITE, Databases
from forked_serving import forked
from theodora.dora import PullRequest
from theodora.events import Deployment, Failure
from theodora.query import Kind
from theodora.query.fields import SORT_KEYS
from theodora.storage import Organisation, Store
from theodora.storage.access.key_secrets import new_secret
from theodora.web.mcp import protocol
from theodora.web.mcp.caller import ToolCaller
from theodora.web.mcp.tools import TOOLS, call_tool

# Imported where it is needed: that takes a second, which every process of tests would spend.
pytestmark = pytest.mark.skipif(
    find_spec("mcp") is None, reason="the SDK is not installed (extra mcp)"
)

SECOND_NS = 10**9
NOW_NS = time.time_ns()


def deployment(service: str, number: int) -> Deployment:
    at_ns = NOW_NS - (number + 1) * 3_600 * SECOND_NS
    return Deployment(
        service=service,
        env="production",
        version=f"v{number}",
        started_at_ns=at_ns,
        finished_at_ns=at_ns + 60 * SECOND_NS,
    )


def filled(store: Store, organisation: str, service: str, deployments: int) -> None:
    org = store.keys.organisation(organisation)
    for number in range(deployments):
        event = deployment(service, number)
        store.deployments.add(org, event, NOW_NS, actor=TESTER).result()


def with_pull_requests(store: Store, organisation: str, repository: str, numbers: int) -> None:
    """Merged requests of a commit an hour before the merge, the last of a bot."""
    org = store.keys.organisation(organisation)
    at_ns = NOW_NS - 3_600 * SECOND_NS
    requests = [
        PullRequest(
            number=number,
            title=f"Change {number}",
            author="ada" if number < numbers or numbers == 1 else "renovate[bot]",
            base="main",
            created_at_ns=at_ns - number * SECOND_NS,
            merged_at_ns=at_ns + 3_600 * SECOND_NS - number * SECOND_NS,
            additions=5,
            deletions=2,
        )
        for number in range(1, numbers + 1)
    ]
    store.commits.add_pull_requests(org, repository, requests, actor=TESTER).result()


@pytest.fixture(scope="module")
def server(
    databases: Databases, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[serving.Server]:
    """A real server with deployments of two organisations."""
    folder = tmp_path_factory.mktemp("mcp")
    flags = ("--public-url", "https://dora.example.org")
    with (
        databases.new(folder) as url,
        forked(folder, *flags, database=url) as server,
    ):
        with Store(url) as store:
            filled(store, "default", "checkout", 7)
            store.organisations.create("other", NOW_NS, actor=TESTER).result()
            filled(store, "other", "hidden", 2)
            with_pull_requests(store, "default", "github.com/acme/shop", 1)
            with_pull_requests(store, "other", "github.com/acme/hidden", 1)
        yield server


@asynccontextmanager
async def over_http(url: str, key: str) -> AsyncIterator[Any]:
    from mcp.client.streamable_http import streamable_http_client  # noqa: PLC0415

    # As long as the SDK's own clients: the first message loads the SDK.
    async with (
        httpx2.AsyncClient(headers={"Authorization": f"Bearer {key}"}, timeout=60) as http,
        streamable_http_client(f"{url}/mcp", http_client=http) as streams,
    ):
        yield streams


def over_stdio(server: serving.Server) -> AbstractAsyncContextManager[Any]:
    from mcp.client.stdio import StdioServerParameters, stdio_client  # noqa: PLC0415

    arguments = ["-m", "theodora", "mcp", "--database", server.database_url]
    url = "https://dora.example.org"
    return stdio_client(
        StdioServerParameters(command=sys.executable, args=[*arguments, "--url", url])
    )


@ON_SQLITE
@pytest.mark.parametrize("transport", ["http", "http of old clients", "stdio"])
def test_a_client_of_the_sdk_reads_by_every_tool(server: serving.Server, transport: str) -> None:
    """Also the order of a real conversation: tools, a page, the next one, an error, a prompt."""
    from mcp.client import Client  # noqa: PLC0415

    async def talk() -> None:
        is_local = transport == "stdio"
        reached = over_stdio(server) if is_local else over_http(server.url, serving.APPLICATION_KEY)
        mode = "legacy" if transport == "http of old clients" else "auto"
        async with Client(reached, mode=mode) as client:
            tools = (await client.list_tools()).tools
            assert [tool.name for tool in tools] == [tool.name for tool in TOOLS]
            assert all(tool.annotations and tool.annotations.read_only_hint for tool in tools)

            found = await client.call_tool("search_dora_events", {"query": "v3"})
            text = found.content[0].text
            assert not found.is_error
            assert "checkout" in text
            assert "https://dora.example.org/deployments/ID" in text

            wrong = await client.call_tool("search_dora_events", {"query": "service:("})
            assert wrong.is_error
            assert "position 10" in wrong.content[0].text

            measured = await client.call_tool("aggregate_dora_events", {"from": "now-2d"})
            assert "7 deployments" in measured.content[0].text
            assert "https://dora.example.org/?from=" in measured.content[0].text

            about = {"event_type": "pull_request"}
            requests = await client.call_tool("search_dora_events", about)
            assert "https://dora.example.org/pull-requests/ID" in requests.content[0].text
            assert rows(requests.content[0].text) == ["github.com:acme:shop:1"]
            medians = await client.call_tool("aggregate_dora_events", about)
            assert "1 merged, 0 deployed" in medians.content[0].text
            fields = await client.call_tool("get_dora_fields", about)
            assert "`time_to_ready`" in fields.content[0].text

            hidden = await client.call_tool("search_dora_events", {"query": "service:hidden"})
            assert hidden.content[0].text == "No deployments match."

            assert [prompt.name for prompt in (await client.list_prompts()).prompts] == [
                "review_month"
            ]
            review = await client.get_prompt("review_month", {"month": time.strftime("%Y-%m")})
            assert "## Delivery" in review.messages[0].content.text
            with pytest.raises(Exception, match="month: must be a month such as 2026-10"):
                await client.get_prompt("review_month", {"month": "October"})

    anyio.run(talk)


INITIALIZE = {
    "jsonrpc": "2.0",
    "id": 1,
    "method": "initialize",
    "params": {
        "protocolVersion": "2025-06-18",
        "capabilities": {},
        "clientInfo": {"name": "test", "version": "1"},
    },
}


def post(server: serving.Server, **headers: str) -> httpx2.Response:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    accepted = {"Accept": "application/json, text/event-stream"}
    return httpx2.post(
        f"{server.url}/mcp", json=INITIALIZE, headers={**accepted, **named}, timeout=60
    )


@ON_SQLITE
def test_keys_are_asked_for_as_by_every_read(server: serving.Server) -> None:
    assert post(server).status_code == 403
    assert post(server, Authorization=f"Bearer {serving.API_KEY}").status_code == 403
    both = post(server, DD_API_KEY=serving.API_KEY, DD_APPLICATION_KEY=serving.APPLICATION_KEY)
    assert both.status_code == 200
    assert both.json()["result"]["serverInfo"]["name"] == "theodora"
    assert "X-RateLimit-Limit" in both.headers
    assert both.headers["content-type"] == "application/json"
    assert "mcp-session-id" not in both.headers
    with Store(server.database_url) as store:
        secret = new_secret("application")
        store.keys.add(
            *("default", "application", secret),
            name="",
            permissions=frozenset({"dora_audit_read"}),
            now_ns=NOW_NS,
            actor=TESTER,
        ).result()
    assert post(server, Authorization=f"Bearer {secret}").status_code == 403


@pytest.mark.parametrize(
    ("origin", "status"),
    [
        ("https://dora.example.org", 200),
        ("vscode-file://vscode-app", 200),
        ("https://evil.example.org", 403),
        ("null", 403),
    ],
)
@ON_SQLITE
def test_pages_of_other_sites_are_refused(server: serving.Server, origin: str, status: int) -> None:
    answer = post(server, Authorization=f"Bearer {serving.APPLICATION_KEY}", Origin=origin)
    assert answer.status_code == status


@ON_SQLITE
def test_there_is_no_stream_to_open(server: serving.Server) -> None:
    answer = httpx2.get(f"{server.url}/mcp", headers=serving.KEYS)
    assert (answer.status_code, answer.headers["allow"]) == (405, "POST")


@ON_SQLITE
def test_the_sdk_is_not_loaded_at_the_start() -> None:
    code = "import sys, theodora.cli; print([n for n in sys.modules if n.split('.')[0] == 'mcp'])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@ON_SQLITE
def test_without_the_sdk_the_path_says_what_to_install(
    tenant: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(protocol, "find_spec", lambda _: None)
    for method in ("POST", "GET"):
        answer = tenant.ask(method, "/mcp", json=INITIALIZE)
        assert answer.status_code == 404
        assert "theodora[mcp]" in answer.text


@pytest.fixture
def caller(store: Store, org: Organisation) -> ToolCaller:
    """The caller of tools in an organisation with seven deployments and a failure."""
    filled(store, "default", "checkout", 7)
    failure = Failure(
        services=("checkout",), name="down", severity="High", started_at_ns=NOW_NS - SECOND_NS
    )
    store.failures.add(org, failure, NOW_NS, actor=TESTER).result()
    return ToolCaller(store, org, NOW_NS, "")


def rows(text: str) -> list[str]:
    """The ids in a table of events."""
    table = text.partition("\nThe page of one")[0].partition("\nThere are more")[0]
    return [line.split()[-1] for line in table.splitlines()[1:]]


@ON_SQLITE
@pytest.mark.parametrize("sort", [p + key for key in SORT_KEYS[Kind.DEPLOYMENT] for p in ("", "-")])
def test_pages_by_cursor_are_the_list(caller: ToolCaller, sort: str) -> None:
    everything = call_tool(caller, "search_dora_events", {"sort": sort, "limit": 50})
    asked: dict[str, Any] = {"sort": sort, "limit": 3, "from": "now-2d"}
    found: list[str] = []
    while True:
        text, is_error = call_tool(caller, "search_dora_events", asked)
        assert not is_error, text
        found += rows(text)
        more = re.search(r'"cursor": "([^"]+)", "from": "([^"]+)"', text)
        if more is None:
            break
        asked |= {"cursor": more[1], "from": more[2]}
    assert found == rows(everything.text)
    assert len(found) == 7


def test_pull_requests_are_found_page_by_page_and_shown_whole(caller: ToolCaller) -> None:
    with_pull_requests(caller.store, "default", "github.com/acme/shop", 4)
    asked = {"event_type": "pull_request", "limit": 3, "query": "is_bot:false", "from": "now-1d"}
    first = call_tool(caller, "search_dora_events", {**asked, "limit": 2}).text
    more = re.search(r'"cursor": "([^"]+)", "from": "([^"]+)"', first)
    assert more
    rest = {**asked, "cursor": more[1], "from": more[2]}
    last = call_tool(caller, "search_dora_events", rest).text
    ids = [f"github.com:acme:shop:{number}" for number in (1, 2, 3)]
    assert [*rows(first), *rows(last)] == ids
    one, _ = call_tool(caller, "search_dora_events", {"event_type": "pull_request", "id": ids[0]})
    document, _, link = one.partition("\n")
    assert json.loads(document)["attributes"]["title"] == "Change 1"
    assert link == "/pull-requests/github.com:acme:shop:1"


def test_metrics_of_pull_requests_leave_out_bots_and_are_short(caller: ToolCaller) -> None:
    with_pull_requests(caller.store, "default", "github.com/acme/shop", 4)
    asked: dict[str, Any] = {"event_type": "pull_request", "from": "now-2d"}
    text, is_error = call_tool(caller, "aggregate_dora_events", asked)
    assert not is_error, text
    assert "Of pull requests of the organisation, without those of bots\n3 merged" in text
    assert re.search(r"^Lines +3 +7 +7 +7 ", text, re.MULTILINE)
    assert re.search(r"^Cycle time +0 +— ", text, re.MULTILINE)
    assert re.search(r"\n/pull-requests\?from=\S+$", text)
    grouped = {**asked, "bots": True, "group_by": ["base"], "interval": "day", "query": "shop"}
    text, _ = call_tool(caller, "aggregate_dora_events", grouped)
    assert "Of pull requests that match shop\n4 merged" in text
    assert re.search(r"^main +4 +0 ", text, re.MULTILINE)
    cut, _ = call_tool(caller, "aggregate_dora_events", {**grouped, "from": "now-400d"})
    assert len(cut.splitlines()) <= 153
    assert "lines left out: narrow the query" in cut


def test_failures_are_found_and_shown_whole(caller: ToolCaller) -> None:
    text, _ = call_tool(caller, "search_dora_events", {"event_type": "failure"})
    assert "down" in text
    assert "/failures/ID" in text
    [id_] = rows(text)
    one, _ = call_tool(caller, "search_dora_events", {"event_type": "failure", "id": id_})
    document, _, link = one.partition("\n")
    assert json.loads(document)["attributes"]["severity"] == "High"
    assert link == f"/failures/{id_}"


@pytest.mark.parametrize(
    ("tool", "arguments", "text"),
    [
        ("search_dora_events", {"limit": 51}, "limit"),
        ("search_dora_events", {"limt": 5}, "limt"),
        ("search_dora_events", {"from": "yesterday"}, 'argument "from"'),
        ("search_dora_events", {"sort": "-colour"}, 'argument "sort"'),
        ("search_dora_events", {"cursor": "x"}, 'argument "cursor"'),
        ("search_dora_events", {"id": "nothing"}, "does not exist"),
        ("aggregate_dora_events", {"group_by": ["a", "b", "c", "d", "e"]}, "group_by"),
        ("aggregate_dora_events", {"timezone": "Mars"}, "timezone"),
        ("aggregate_dora_events", {"interval": "fortnight"}, "interval"),
        ("aggregate_dora_events", {"bots": True}, "bots: must not be given with event_type"),
        (
            "aggregate_dora_events",
            {"event_type": "pull_request", "stages": True, "granularity": "commit"},
            "granularity: must not be given with event_type pull_request",
        ),
        ("aggregate_dora_events", {"event_type": "pull_request", "group_by": ["x"]}, "group_by"),
        ("search_dora_events", {"event_type": "pull_request", "sort": "started_at"}, "updated_at"),
        ("search_dora_events", {"event_type": "pull_request", "id": "no"}, "does not exist"),
        ("get_dora_insights", {"timezone": "Mars"}, "timezone"),
        ("get_dora_insights", {"group_by": "env"}, "group_by"),
        ("explain_dora_deployment", {}, "id"),
        ("explain_dora_deployment", {"id": "nothing"}, "does not exist"),
        ("drop_everything", {}, "search_dora_events"),
    ],
)
@ON_SQLITE
def test_an_error_names_the_argument(
    caller: ToolCaller, tool: str, arguments: dict[str, Any], text: str
) -> None:
    answer = call_tool(caller, tool, arguments)
    assert answer.is_error
    assert text in answer.text


@ON_SQLITE
def test_what_nobody_expected_is_not_shown(
    caller: ToolCaller, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("secret")

    monkeypatch.setattr(caller.store.health, "look", broken)
    answer = call_tool(caller, "get_dora_data_health", {})
    assert answer.is_error
    assert "secret" not in answer.text


def test_metrics_say_what_is_noise_and_are_short(caller: ToolCaller) -> None:
    asked = {"from": "now-7d", "group_by": ["service"], "interval": "day"}
    text, is_error = call_tool(caller, "aggregate_dora_events", asked)
    assert not is_error
    assert "Deployment frequency" in text
    assert "checkout" in text
    long = {**asked, "from": "now-400d"}
    cut, _ = call_tool(caller, "aggregate_dora_events", long)
    assert len(cut.splitlines()) <= 153
    assert "lines left out: narrow the query" in cut


def test_insights_are_sentences_with_their_pages(caller: ToolCaller) -> None:
    text, is_error = call_tool(caller, "get_dora_insights", {"from": "now-7d"})
    assert not is_error
    changed, _, needs = text.partition("\nWhat needs attention:\n")
    assert changed == "What changed: nothing that chance does not explain"
    assert re.search(r"^- down: open for .* /failures/\S+$", needs, re.MULTILINE)
    quiet = {"query": "service:nobody", "group_by": "team"}
    assert call_tool(caller, "get_dora_insights", quiet).text.endswith("attention: nothing")


def test_fields_explanations_and_data_health(caller: ToolCaller) -> None:
    assert "change_failure" in call_tool(caller, "get_dora_fields", {}).text
    assert "cycle_time" not in call_tool(caller, "get_dora_fields", {}).text.partition("list")[0]
    found = rows(call_tool(caller, "search_dora_events", {}).text)
    explained = call_tool(caller, "explain_dora_deployment", {"id": found[0]}).text
    assert explained.startswith("checkout in production")
    assert explained.endswith(f"/deployments/{found[0]}")
    health = call_tool(caller, "get_dora_data_health", {}).text
    assert "7 deployments without lead times: no commit was sent with it." in health
    assert "/data-health?check=commits" in health


@ON_SQLITE
def test_instants_may_be_relative_to_now(caller: ToolCaller) -> None:
    assert caller.instant("now-1d") == caller.instant("now-24h")
    assert caller.instant("now-2w") < caller.instant("now-10d") < caller.instant("now")
    assert caller.instant("now-99999w") == "1970-01-01T00:00:00Z"
    assert caller.instant("2026-10-01") == "2026-10-01"
