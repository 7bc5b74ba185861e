"""`theodora forwarding`, and a server that forwards to a second one."""

import re
import socket
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx2
import pytest
from click.testing import Result

import commands
import datadog
import serving
from actors import TESTER
from forked_serving import forked
from theodora.events import Deployment, Failure
from theodora.sources.datadog.forwarding import Forwarder
from theodora.storage import Store
from theodora.storage.events import outbox
from theodora.storage.facts.override_history import OverrideValues

PAGE = Path(__file__).parents[2] / "docs" / "forwarding.md"
PATIENCE_SECONDS = 60


def ask(run: commands.Run, *arguments: object) -> Result:
    done = run("forwarding", *arguments)
    assert done.exit_code == 0, done.output
    return done


@pytest.fixture(autouse=True)
def _keys(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, key in datadog.KEYS.items():
        monkeypatch.setenv(name, key)


def test_what_waits_and_why_is_shown(run: commands.Run, url: str) -> None:
    with datadog.playing() as site:
        assert ask(run, "on", "--site", site.url).output == f"forwarding to {site.url}\n"
        with Store(url) as store:
            org = store.keys.organisation("default")
            for number in range(2):
                deployed = Deployment(service=f"web-{number}", started_at_ns=1, finished_at_ns=2)
                store.deployments.add(org, deployed, 1, actor=TESTER).result()
            site.faults += [datadog.Fault(400), datadog.Fault(503, {"Retry-After": "500"})]
            forwarder = Forwarder(store)
            forwarder.work_off()
            forwarder.close()
    shown = ask(run, "status").output
    assert f"site       {site.url}\n" in shown
    assert "waiting    503: a fault of the test; next try at 20" in shown
    assert re.search(r"queued     1, for \d+ s\nrefused    1\nsent       0\n", shown)
    [number] = re.findall(
        r"^(\d+) +put deployment +\w+ +400: a fault of the test", shown, re.MULTILINE
    )
    assert not any(key in shown for key in datadog.KEYS.values())
    assert ask(run, "pause").output == "forwarding is paused\n"
    assert "paused     paused by a command" in ask(run, "status").output
    assert ask(run, "retry", number).output == "1 refused changes are sent again\n"
    assert ask(run, "drop", "--all").output == "0 refused changes dropped\n"
    ask(run, "resume")
    assert "next try" not in ask(run, "status").output
    ask(run, "off")
    assert ask(run, "status").output == "forwarding is off\n"
    assert run("forwarding", "pause").exit_code == 1


def test_stored_events_are_sent_again(
    run: commands.Run, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They came in before forwarding was on; one has an override. The outbox has room for three."""
    monkeypatch.setattr(outbox, "MOST_QUEUED", 3)
    monkeypatch.setattr(sys.modules["theodora.cli.forwarding"], "_PATIENCE_SECONDS", 1)
    with Store(url) as store:
        org = store.keys.ensure_organisation("default", 1, actor=TESTER).result()
        for number in range(1, 4):
            deployed = Deployment(
                id=f"d{number}",
                service="web",
                started_at_ns=number * 3_600 * 10**9,
                finished_at_ns=10**15,
            )
            store.deployments.add(org, deployed, 1, actor=TESTER).result()
        failed = Failure(id="f1", services=("web",), started_at_ns=3_600 * 10**9)
        store.failures.add(org, failed, 1, actor=TESTER).result()
        values = OverrideValues(change_failure=True)
        store.deployments.update(org, "d3", values, now_ns=2, actor=TESTER).result()
        assert run("forwarding", "resend").output == "Error: forwarding is off\n"
        with datadog.playing() as site:
            ask(run, "on", "--site", site.url)
            full = run("forwarding", "resend", "--kind", "deployments")
            assert "2 of 3 are queued" in full.output
            forwarder = Forwarder(store)
            for options in (("--from", "1970-01-01T03:00:00Z"), ("--to", "1970-01-01T02:00:00Z")):
                forwarder.work_off()
                ask(run, "resend", *options)
            forwarder.work_off()
            forwarder.close()
    sent = [(each.method, each.document["data"]["attributes"].get("id")) for each in site.asked]
    rest = [("POST", "d3"), ("PATCH", None), ("POST", "d1"), ("POST", "f1")]
    assert sent == [("POST", "d1"), ("POST", "d2"), *rest]
    assert "queued     0" in ask(run, "status").output


def test_the_commands_of_the_page_work(run: commands.Run) -> None:
    ask(run, "on", "--site", "datadoghq.eu")
    blocks = re.findall(r"^theodora (forwarding .*)$", PAGE.read_text(), re.MULTILINE)
    inline = re.findall(r"`theodora (forwarding \w+)", PAGE.read_text())
    assert len(blocks) == 3
    assert set(inline) >= {f"forwarding {name}" for name in ("retry", "pause", "resume", "off")}
    for command in [*blocks, *(each for each in inline if not each.endswith(("drop", "off")))]:
        done = run(*command.split())
        assert done.exit_code == 0, done.output


def wait_until(reached: Callable[[], bool]) -> None:
    for _ in range(PATIENCE_SECONDS * 10):
        if reached():
            return
        time.sleep(0.1)
    raise AssertionError("it never came to that")


def test_a_server_forwards_to_a_second_one(tmp_path: Path) -> None:
    """Also what came in while the second was away, and what a killed server had not sent."""
    here, there = tmp_path / "here", tmp_path / "there"
    here.mkdir()
    there.mkdir()
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = str(free.getsockname()[1])
    commands.run(
        *("forwarding", "on", "--site", f"http://127.0.0.1:{port}"),
        THEODORA_DATABASE=f"sqlite:///{here / 'theodora.db'}",
        DD_API_KEY=serving.API_KEY,
        DD_APP_KEY=serving.APPLICATION_KEY,
    )
    with forked(here) as first:
        for number in range(3):
            send(first, f"while-the-second-is-away-{number}")
        first.kill()
    with forked(here) as first, forked(there, "--port", port) as second:
        send(first, "a-later-deployment")
        wait_until(lambda: len(listed(second)) == 4)
        assert listed(second) == listed(first)
        delete = f"{first.url}/api/v2/dora/deployment/a-later-deployment"
        httpx2.delete(delete, headers=serving.KEYS).raise_for_status()
        wait_until(lambda: len(listed(second)) == 3)
        exposition = httpx2.get(f"{first.url}/metrics").text
    assert 'theodora_forwarding_queued{state="parked"} 0.0' in exposition
    assert "theodora_forwarding_paused 0.0" in exposition


def send(server: serving.Server, id_: str) -> None:
    attributes = {"id": id_, "service": "web", "started_at": 1767600000, "finished_at": 1767600060}
    answer = httpx2.post(
        f"{server.url}/api/v2/dora/deployment",
        json={"data": {"attributes": attributes}},
        headers=serving.KEYS,
    )
    answer.raise_for_status()


def listed(server: serving.Server) -> list[Any]:
    """The ids and what was sent with them."""
    data = {"type": "dora_deployments_list_request", "attributes": {"limit": 1000}}
    answer = httpx2.post(
        f"{server.url}/api/v2/dora/deployments", json={"data": data}, headers=serving.KEYS
    )
    found = [(each["id"], each["attributes"]) for each in answer.json()["data"]]
    return sorted((id_, sent["service"], sent["started_at"]) for id_, sent in found)
