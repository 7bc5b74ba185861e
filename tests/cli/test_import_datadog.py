"""`theodora import datadog`: from a played site with its faults, and from a second Theodora."""

import json
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest
from click.testing import Result

import datadog
import serving
from actors import TESTER
from commands import run
from forked_serving import forked
from theodora.events import Deployment
from theodora.query import Kind
from theodora.sources.datadog import client, listing
from theodora.storage import OverrideValues, Store

DAY = "2026-01-05"
PAGE = Path(__file__).parents[2] / "docs" / "import.md"
SHA = "66adc9350f2cc9b250b69abddab733dd55e1a588"


@pytest.fixture
def site() -> Iterator[datadog.Site]:
    with datadog.playing() as site:
        yield site


@pytest.fixture(autouse=True)
def _no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("theodora.cli.import_datadog.time.sleep", lambda _: None)


def import_(tmp_path: Path, site: datadog.Site, *arguments: str, **environment: str) -> Result:
    return run(
        *("import", "datadog", "--site", site.url, "--from", "2026-01-01"),
        *("--to", "2026-02-01", *arguments),
        **{"THEODORA_DATABASE": url(tmp_path), **datadog.KEYS, **environment},
    )


def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'theodora.db'}"


def deployment(id_: str, at: str, **others: Any) -> dict[str, Any]:
    attributes = {
        "service": "web",
        "env": "production",
        "started_at": f"{DAY}T{at}Z",
        "finished_at": f"{DAY}T23:00:00Z",
        **others,
    }
    return {"id": id_, "type": "dora_deployment", "attributes": attributes}


def stored(tmp_path: Path) -> list[Deployment]:
    with Store(url(tmp_path)) as store:
        return list(store.deployments.everything(store.keys.organisation("default")))


def test_events_keep_their_ids_and_what_was_sent(tmp_path: Path, site: datadog.Site) -> None:
    site.resources["deployments"] = [
        deployment(
            "eG42zNIkVjM",
            "10:00:00.123456",
            version="v1",
            team="shop",
            git={"commit_sha": SHA, "repository_id": "github.com/acme/web"},
            custom_tags=["region:eu"],
            change_failure=True,
            remediation={"id": "fix", "type": "rollback"},
            recovery_time_sec=60,
            change_lead_time=5,
            number_of_commits=7,
            created_at=1767609000000000000,
        ),
        deployment("fix", "11:00:00", version="v0", change_failure=False),
    ]
    live = {"service": ["web", "cart"], "env": ["production"], "name": ["down"]}
    times = {"started_at": [f"{DAY}T10:00:00Z"], "finished_at": f"{DAY}T11:00:00Z"}
    site.resources["failures"] = [
        {
            "id": "f-1",
            "type": "dora_failure",
            "attributes": {**live, **times, "severity": ["SEV-1"]},
        }
    ]

    done = import_(tmp_path, site)

    assert done.exit_code == 0, done.output
    assert "deployments: 2 added, 0 replaced, 0 unchanged, 0 already here, 0 skipped" in done.output
    assert "verdicts: 1 added" in done.output
    failed, fix = sorted(stored(tmp_path), key=lambda each: each.id)
    assert (failed.id, failed.source, fix.id) == ("eG42zNIkVjM", "datadog", "fix")
    assert failed.git
    assert failed.git.repository_id == "github.com/acme/web"
    assert (failed.change_failure, failed.failed_by) == (True, "override")
    assert failed.remediation
    assert failed.remediation.id == "fix"
    # Derived values are made here: the commits are not known, so there is no lead time.
    assert (failed.recovery_time_sec, failed.change_lead_time) == (0, None)
    assert (failed.started_at_ns, failed.created_at_ns) == (
        1767607200123456000,
        1767609000000000000,
    )
    assert fix.change_failure is None
    with Store(url(tmp_path)) as store:
        [failure] = store.failures.everything(store.keys.organisation("default"))
    assert (failure.id, failure.services, failure.env) == ("f-1", ("web", "cart"), "production")
    assert (failure.name, failure.severity, failure.time_to_restore) == ("down", "SEV-1", 3600)


def test_importing_again_changes_nothing(tmp_path: Path, site: datadog.Site) -> None:
    site.resources["deployments"] = [deployment("d-1", "10:00:00", change_failure=True)]
    import_(tmp_path, site)
    again = import_(tmp_path, site)
    assert "deployments: 0 added, 0 replaced, 1 unchanged" in again.output
    assert "verdicts: 0 added, 1 unchanged" in again.output


def test_a_verdict_that_datadog_has_taken_back_is_taken_back(
    tmp_path: Path, site: datadog.Site
) -> None:
    site.resources["deployments"] = [deployment("d-1", "10:00:00", change_failure=True)]
    import_(tmp_path, site)
    site.resources["deployments"] = [deployment("d-1", "10:00:00", change_failure=False)]
    assert "1 taken back" in import_(tmp_path, site).output
    assert stored(tmp_path)[0].change_failure is None
    assert "verdicts: 1 added" in import_(tmp_path, site, "--verdicts", "all").output
    assert stored(tmp_path)[0].change_failure is False


def test_a_verdict_of_a_person_here_stays(tmp_path: Path, site: datadog.Site) -> None:
    site.resources["deployments"] = [deployment("d-1", "10:00:00", change_failure=True)]
    import_(tmp_path, site)
    with Store(url(tmp_path)) as store:
        org = store.keys.organisation("default")
        store.verdicts.put(
            org, "d-1", OverrideValues(False), now_ns=time.time_ns(), actor=TESTER
        ).result()
    assert "1 kept as given here" in import_(tmp_path, site).output
    assert stored(tmp_path)[0].change_failure is False


def test_what_came_here_on_another_way_is_not_doubled(tmp_path: Path, site: datadog.Site) -> None:
    """A pipeline may have sent the same deployment to both, each of which gave it an id."""
    site.resources["deployments"] = [deployment("d-1", "10:00:00", version="v1")]
    line = {**site.resources["deployments"][0]["attributes"], "custom_tags": ["k:here"]}
    run("import", "deployments", "-", given=json.dumps(line), THEODORA_DATABASE=url(tmp_path))
    assert (
        "deployments: 0 added, 0 replaced, 0 unchanged, 1 already" in import_(tmp_path, site).output
    )
    [found] = stored(tmp_path)
    assert (found.id == "d-1", found.custom_tags) == (False, ("k:here",))


@pytest.mark.parametrize("most", [2, 7])
def test_every_page_is_read_whatever_its_size(
    tmp_path: Path, site: datadog.Site, most: int
) -> None:
    """Several events share a second; the service reads `to` in milliseconds."""
    site.most = most
    times = [f"10:00:{second:02d}.{part:06d}" for second in range(9) for part in (1, 900, 5001)]
    site.resources["deployments"] = [
        deployment(f"d-{number}", at) for number, at in enumerate(times)
    ]
    done = import_(tmp_path, site, "--only", "deployments")
    assert "deployments: 27 added" in done.output
    assert ("warning" in done.output) == (most == 2), "two share each millisecond"


def test_an_instant_with_more_events_than_a_page_is_reported(
    tmp_path: Path, site: datadog.Site
) -> None:
    site.most = 3
    site.resources["deployments"] = [
        *(deployment(f"d-{number}", "10:00:00") for number in range(5)),
        deployment("older", "09:00:00"),
    ]
    done = import_(tmp_path, site, "--only", "deployments")
    assert "deployments: 4 added" in done.output
    assert "as many deployments share an instant after" in done.output


def test_a_server_that_ignores_the_period_is_left(tmp_path: Path, site: datadog.Site) -> None:
    listed = {"data": [deployment("d-1", "10:00:00"), deployment("d-2", "10:00:00")]}
    site.fault = datadog.Fault(200, body=json.dumps(listed))
    done = import_(tmp_path, site)
    assert (done.exit_code, len(site.asked)) == (1, 5)
    assert "its answers do not follow the end of the period" in done.output


def test_what_cannot_be_stored_is_shown_and_skipped(tmp_path: Path, site: datadog.Site) -> None:
    site.resources["deployments"] = [
        deployment("d-1", "10:00:00", custom_tags=["no-colon"]),
        deployment("d-2", "11:00:00"),
    ]
    done = import_(tmp_path, site)
    assert done.exit_code == 1
    assert 'skipped: deployment d-1: /custom_tags/0: attribute "custom_tags"' in done.output
    assert "1 added, 0 replaced, 0 unchanged, 0 already here, 1 skipped" in done.output


def test_it_waits_where_a_limit_or_a_fault_asks_for_it(
    tmp_path: Path, site: datadog.Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    waited: list[float] = []
    monkeypatch.setattr("theodora.cli.import_datadog.time.sleep", waited.append)
    site.resources["deployments"] = [deployment("d-1", "10:00:00")]
    site.faults += [
        datadog.Fault(429, {"X-RateLimit-Reset": "7"}),
        datadog.Fault(503, {"Retry-After": "9"}),
        datadog.Fault(502),
    ]
    done = import_(tmp_path, site, "--only", "deployments")
    assert "deployments: 1 added" in done.output
    assert waited[:2] == [7, 9]
    assert 1 <= waited[2] <= 4
    assert "waiting 7 s: 429: a fault of the test" in done.output


def test_it_rests_once_a_limit_is_used_up(site: datadog.Site) -> None:
    waited: list[float] = []
    used_up = {"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": "12"}
    site.faults += [datadog.Fault(200, used_up, '{"data":[]}')]
    asking = client.DatadogClient(site.url, client.DatadogKeys("a", "b"))
    pages = listing.DatadogListing(asking, Kind.DEPLOYMENT, 1, 2, lambda sec, _: waited.append(sec))
    assert [page.resources for page in pages.pages()] == [[]]
    assert waited == [12]
    asking.close()


@pytest.mark.parametrize(
    ("fault", "shown"),
    [
        (datadog.Fault(401, body='{"errors":["Unauthorized"]}'), "(401: Unauthorized)"),
        (datadog.Fault(403, body='{"errors":["Forbidden"]}'), "(403: Forbidden)"),
        (datadog.Fault(404, body="<html>"), "there is no DORA API here (404: <html>)"),
        (datadog.Fault(302, {"Location": "https://elsewhere.example"}), "no DORA API here"),
        (datadog.Fault(400, body='{"errors":[{"detail":"got type"}]}'), "400: got type"),
        (datadog.Fault(200, body="{"), "the answer is no list of events"),
    ],
)
def test_a_refusal_ends_the_command_with_its_reason(
    tmp_path: Path, site: datadog.Site, fault: datadog.Fault, shown: str
) -> None:
    site.fault = fault
    done = import_(tmp_path, site)
    assert (done.exit_code, shown in done.output) == (1, True), done.output
    assert len(site.asked) == 1
    assert not any(key in done.output for key in datadog.KEYS.values())


def test_a_site_that_stays_away_is_given_up(tmp_path: Path) -> None:
    with datadog.playing() as site:
        pass
    done = import_(tmp_path, site)
    assert done.exit_code == 1
    assert "Connection refused" in done.output
    assert done.output.count("waiting") == listing._MAX_TRIES


@pytest.mark.parametrize(
    ("arguments", "environment", "shown"),
    [
        (("--site", "datadoghq.de"), {}, "is not a site of Datadog"),
        (("--from", "yesterday"), {}, "--from: must be a date or a time"),
        (("--from", "2026-03-01"), {}, "--from: must not be after --to"),
        ((), {"DD_APP_KEY": ""}, "set DD_APP_KEY in the environment"),
        ((), {"DD_API_KEY": "schlüssel"}, "DD_API_KEY is not a key"),
    ],
)
def test_what_cannot_be_asked_makes_no_database(
    tmp_path: Path,
    site: datadog.Site,
    arguments: tuple[str, ...],
    environment: dict[str, str],
    shown: str,
) -> None:
    done = import_(tmp_path, site, *arguments, **environment)
    assert (done.exit_code, shown in done.output) == (1, True), done.output
    assert not (tmp_path / "theodora.db").exists()


def test_the_commands_of_the_page_work(tmp_path: Path, site: datadog.Site) -> None:
    section = PAGE.read_text().partition("# Move from Datadog")[2]
    commands = re.findall(r"^theodora (import datadog .*)$", section, re.MULTILINE)
    site.resources["deployments"] = [deployment("d-1", "10:00:00", change_failure=False)]
    assert len(commands) == 2
    for command in commands:
        arguments = command.replace("datadoghq.eu", site.url).split()
        environment = {"THEODORA_DATABASE": url(tmp_path), **datadog.KEYS}
        done = run(*arguments, **environment)
        assert done.exit_code == 0, done.output
    assert stored(tmp_path)[0].change_failure is False


def test_a_second_server_is_imported_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    with forked(tmp_path / "other") as server:
        send = {"service": "web", "env": "production", "started_at": 1767600000}
        with httpx2.Client(base_url=server.url, headers=serving.KEYS) as asking:
            for number in range(30):
                attributes = {**send, "finished_at": 1767600060, "version": f"v{number}"}
                asking.post(
                    "/api/v2/dora/deployment", json={"data": {"attributes": attributes}}
                ).raise_for_status()
            down = {"services": ["web"], "started_at": 1767600100}
            asking.post("/api/v2/dora/failure", json={"data": {"attributes": down}})
        done = run(
            *("import", "datadog", "--site", server.url, "--from", "2026-01-01"),
            THEODORA_DATABASE=url(tmp_path),
            DD_API_KEY=serving.API_KEY,
            DD_APP_KEY=serving.APPLICATION_KEY,
        )
        assert "deployments: 30 added" in done.output
        assert "failures: 1 added" in done.output
        with Store(server.database_url) as store:
            there = list(store.deployments.everything(store.keys.organisation("default")))
    assert sorted(each.id for each in stored(tmp_path)) == sorted(each.id for each in there)
