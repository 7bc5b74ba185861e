"""The metrics endpoint: its shape, its checks, and that JSON, CSV and the command line agree."""

import csv
import io
import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

import pytest
from starlette.testclient import TestClient

from actors import TESTER
from asking import FAILURE, Tenant, make_key, make_tenant, server_in_process
from databases import ON_SQLITE
from dora import test_real_histories as at_once
from dora.histories import SHARED, SHORT, sequences
from golden import examples
from golden.compare import differences
from golden.examples import Example
from golden.measured import observe_metrics
from golden.served import Served
from measuring import (
    AS_OF,
    METRICS,
    START_NS,
    ask_for_metrics,
    at_the_command_line,
    document,
    fill,
    known,
    read_csv,
    rows_of,
)
from theodora.app import Built
from theodora.dora.metrics.metrics import Metrics
from theodora.events.attributes import shortened
from theodora.web.api.metrics.json_document import OVERLAPS, SPANS_SERVICES

SEED = int(os.environ.get("THEODORA_TEST_SEED", "1"))
DAY_NS = 86_400 * 10**9


@dataclass
class Filled:
    """An organisation with events of a quarter, and the file they are in."""

    tenant: Tenant
    database: Path


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Filled]:
    folder = tmp_path_factory.mktemp("metrics")
    with server_in_process(folder) as (built, client):
        tenant = make_tenant(built, client)
        fill(tenant, Random(SEED))
        yield Filled(tenant, folder / "theodora.db")


@dataclass
class Asking:
    """Requests with an organisation's keys."""

    tenant: Tenant

    def request(self, method: str, path: str, **options: Any) -> Any:
        return self.tenant.ask(method, path, **options)


def deploy(tenant: Tenant, at_ns: int, **attributes: Any) -> str:
    return tenant.create(
        {"service": "web", "started_at": at_ns, "finished_at": at_ns, **attributes}
    )


# What is answered


def test_an_answer_has_the_documented_shape(filled: Filled):
    found = document(
        filled.tenant, group_by="service", interval="month", from_="2026-02-01", to="2026-04-01"
    )
    assert [resource["id"] for resource in found["data"]] == [
        *("total", "service:a%2Cb:c", "service:other", "service:pay", "service:web")
    ]
    resource = found["data"][-1]
    assert (resource["type"], resource["attributes"]["group"]) == (
        "dora_metrics",
        {"service": "web"},
    )
    figures = {
        "deployment_frequency": "count per_day per_week per_month active_days",
        "change_lead_time": "n mean p50 p75 p90 p95",
        "change_failure_rate": "value low high failed evaluated pending",
        "failed_deployment_recovery_time": "n mean p50 p75 p90 p95 unresolved",
        "deployment_rework_rate": "value low high rework evaluated",
        "incident_time_to_restore": "n mean p50 p75 p90 p95 open",
    }
    attributes = resource["attributes"]
    for metrics in (attributes["total"], attributes["previous"]):
        assert list(metrics) == list(Metrics.__struct_fields__)
        for name, members in figures.items():
            assert list(metrics[name]) == members.split(), name
    assert set(attributes["change"]) == set(Metrics.__struct_fields__)
    for change in attributes["change"].values():
        assert list(change) == ["delta", "relative", "within_noise"]
    february, march = attributes["series"]
    assert (february["start"], february["end"], february["partial"]) == (
        "2026-02-01T00:00:00Z",
        "2026-03-01T00:00:00Z",
        False,
    )
    assert set(figures) < set(march)
    assert set(attributes["score"]) == {
        *(name for name in figures if name != "incident_time_to_restore"),
        *("throughput", "stability", "overall"),
    }
    assert set(attributes["levels"]) == {"dora-2022", "dora-2021"}


def test_what_was_left_to_defaults_is_told(filled: Filled):
    meta = document(filled.tenant, as_of=AS_OF)["meta"]
    assert meta | {"benchmark": None} == {
        "from": "2026-02-02T00:00:00Z",
        "to": AS_OF,
        "previous": {"from": "2025-11-16T12:00:00Z", "to": "2026-02-02T00:00:00Z"},
        "as_of": AS_OF,
        "timezone": "UTC",
        "week_start": "monday",
        "interval": "total",
        "group_by": [],
        "granularity": "commit",
        "stages": False,
        "query": "",
        "lead_time_clock": {"default": "author_time", "services": {}},
        "benchmark": None,
        "cautions": [SPANS_SERVICES],
    }
    benchmark = meta["benchmark"]
    assert (benchmark["id"], benchmark["segment"], benchmark["year"]) == (
        *("quickcheck-2025-industry", "all", 2025),
    )
    assert benchmark["means"]["change_lead_time"] == 5.5
    assert round(benchmark["means"]["overall"], 2) == 6.72
    assert [table["id"] for table in benchmark["levels"]] == ["dora-2022", "dora-2021"]


def test_without_as_of_the_answer_is_of_now(tenant: Tenant):
    meta = document(tenant)["meta"]
    assert meta["as_of"] == meta["to"]
    assert meta["cautions"] == []


def test_services_that_go_by_another_clock_are_named(tenant: Tenant):
    store = tenant.built.store
    org = store.keys.organisation(tenant.organisation)
    store.settings.put(org, {"lead_time_clock": "commit_time"}, actor=TESTER).result()
    store.settings.put(org, {"lead_time_clock": "author_time"}, "web", actor=TESTER).result()
    store.settings.put(org, {"lead_time_clock": "commit_time"}, "pay", actor=TESTER).result()
    assert document(tenant)["meta"]["lead_time_clock"] == {
        "default": "commit_time",
        "services": {"web": "author_time"},
    }


def test_groups_that_overlap_are_cautioned_about(tenant: Tenant):
    deploy(tenant, START_NS, custom_tags=["region:eu", "region:us"])
    span = {"from_": "2026-01-01", "to": "2026-02-01"}
    found = document(tenant, group_by="region", **span)
    assert [resource["id"] for resource in found["data"]] == ["total", "region:eu", "region:us"]
    assert found["meta"]["cautions"] == [OVERLAPS]
    assert document(tenant, group_by="service", **span)["meta"]["cautions"] == []


def test_several_keys_make_tuples(tenant: Tenant):
    deploy(tenant, START_NS, env="production")
    deploy(tenant, START_NS, version="2")
    found = document(tenant, group_by="service,env", from_="2026-01-01", to="2026-02-01")
    assert [resource["attributes"]["group"] for resource in found["data"][1:]] == [
        {"service": "web", "env": "(none)"},
        {"service": "web", "env": "production"},
    ]
    assert found["data"][1]["id"] == "service:web,env:(none)"


@pytest.mark.parametrize(
    "text",
    ["2026-01-02T03:04:05Z", "2026-01-02 04:04:05+0100", "1767323045", "1767323045000"],
)
def test_instants_may_be_written_in_many_ways(tenant: Tenant, text: str):
    assert document(tenant, from_=text, to="2026-02-01")["meta"]["from"] == "2026-01-02T03:04:05Z"


def test_an_instant_without_an_offset_is_local(tenant: Tenant):
    berlin = {"timezone": "Europe/Berlin"}
    meta = document(tenant, from_="2026-07-01", to="2026-07-02T12:30", **berlin)["meta"]
    assert (meta["from"], meta["to"]) == ("2026-06-30T22:00:00Z", "2026-07-02T10:30:00Z")


# Events behind it


@pytest.mark.parametrize(
    "group_by", ["service", "team", "env", "repository_id", "region", "service,team,env", "version"]
)
def test_the_searches_of_a_group_find_the_events_that_are_counted(filled: Filled, group_by: str):
    found = document(
        filled.tenant,
        group_by=group_by,
        query="-region:us OR service:web",
        from_="2026-01-10",
        to="2026-03-05T07:08:09.123456789Z",
        as_of=AS_OF,
    )
    assert len(found["data"]) > 1
    for resource in found["data"]:
        attributes = resource["attributes"]
        searches, total = attributes["events"], attributes["total"]
        incidents = total["incident_time_to_restore"]
        deployments = filled.tenant.found(query=searches["deployments"])
        assert len(deployments) == total["deployment_frequency"]["count"], resource["id"]
        failures = filled.tenant.found("/api/v2/dora/failures", query=searches["failures"])
        assert len(failures) == incidents["n"] + incidents["open"], resource["id"]


def test_a_tag_whose_key_is_a_fields_name_is_searched_as_a_tag(tenant: Tenant):
    deploy(tenant, START_NS, custom_tags=["version:one"], version="two")
    deploy(tenant, START_NS, version="one")
    found = document(tenant, group_by="version", from_="2026-01-01", to="2026-02-01")
    ids = [
        tenant.ids(query=resource["attributes"]["events"]["deployments"])
        for resource in found["data"][1:]
    ]
    assert [resource["id"] for resource in found["data"][1:]] == ["version:(none)", "version:one"]
    assert [len(each) for each in ids] == [1, 1]


def test_a_group_without_a_value_is_apart_from_one_called_so(tenant: Tenant):
    """In ids, groups, searches, order and CSV."""
    for team in (None, "(none)", "(none)x"):
        deploy(tenant, START_NS, team=team, version=str(team))
    span = {"from_": "2026-01-01", "to": "2026-02-01"}
    found = document(tenant, group_by="team", **span)["data"][1:]
    ids = ['team:"(none)"', "team:(none)", "team:(none)x"]
    assert [resource["id"] for resource in found] == ids
    assert [resource["attributes"]["group"]["team"] for resource in found] == [
        '"(none)"',
        "(none)",
        "(none)x",
    ]
    versions = [
        [
            each["attributes"]["version"]
            for each in tenant.found(query=resource["attributes"]["events"]["deployments"])
        ]
        for resource in found
    ]
    assert versions == [["(none)"], ["None"], ["(none)x"]]
    assert "_missing_:team" in found[1]["attributes"]["events"]["deployments"]
    rows = read_csv(ask_for_metrics(tenant, group_by="team", format="csv", **span).content)
    groups = list(dict.fromkeys((each["id"], each.get("group.team")) for each in rows))
    assert groups[1:] == list(zip(ids, ['"(none)"', "(none)", "(none)x"], strict=True))


# What is refused


def parameter_problem(detail: str, parameter: str) -> dict[str, Any]:
    source = {"parameter": parameter}
    return {"status": "400", "title": "Bad Request", "detail": detail, "source": source}


ONE_OF = {
    "interval": "total day week month quarter",
    "week_start": "monday sunday",
    "granularity": "commit deployment",
    "stages": "true false",
    "format": "json csv",
}
KNOWN = "from to query interval group_by timezone week_start granularity stages as_of format"


@ON_SQLITE
@pytest.mark.parametrize(
    ("query_string", "parameter", "detail"),
    [
        *(
            (f"{name}=Wrong", name, f'parameter "{name}" must be one of "{choices}"')
            for name, choices in ONE_OF.items()
        ),
        ("form=json", "form", f'parameter "form" must be one of "{KNOWN}"'),
        ("from=2026-01-01&from=2026-02-01", "from", 'parameter "from" must be given once'),
        *(
            (
                f"from={text}",
                "from",
                (
                    'parameter "from" must be a date or a time like "2026-11-09" or '
                    f'"2026-11-09T14:00Z", not "{shown}"'
                ),
            )
            for text, shown in (
                ("yesterday", "yesterday"),
                ("2026-02-30", "2026-02-30"),
                ("0", "0"),
                ("-5", "-5"),
                ("1e9", "1e9"),
                ("9999-01-01", "9999-01-01"),
                ("0001-01-01", "0001-01-01"),
                ("99999999999999999999", "99999999999999999999"),
                ("2026-01-01T00:00:00 01:00:00", "2026-01-01T00:00:00 01:00:00"),
            )
        ),
        (
            "from=2026-02-01&to=2026-01-01",
            "from",
            'parameter "from" must be before parameter "to"',
        ),
        (
            "from=2026-02-01&to=2026-02-01",
            "from",
            'parameter "from" must be before parameter "to"',
        ),
        (
            "from=1970-01-02&to=2262-01-01&interval=day",
            "interval",
            'parameter "interval" must not cut the period into more than 10000 parts',
        ),
        (
            "from=2020-01-01&to=2026-01-01&interval=day&group_by=service",
            "interval",
            'parameter "interval" must not cut the period into more than 1000 parts',
        ),
        (
            "group_by=service,,team",
            "group_by",
            'parameter "group_by" must be different keys with commas between them',
        ),
        (
            "group_by=env,env",
            "group_by",
            'parameter "group_by" must be different keys with commas between them',
        ),
        ("group_by=a,b,c,d,e", "group_by", 'parameter "group_by" must have at most 4 keys'),
        (
            f"group_by={'k' * 201}",
            "group_by",
            'parameter "group_by" must have keys of at most 200 characters',
        ),
        *(
            (
                f"timezone={zone}",
                "timezone",
                f'parameter "timezone" must be an IANA time zone, not "{zone}"',
            )
            for zone in ("Mars", "../etc/passwd", "Europe", "/etc/passwd")
        ),
        (
            f"timezone={'a/' * 500}b",
            "timezone",
            f'parameter "timezone" must be an IANA time zone, not "{shortened("a/" * 500 + "b")}"',
        ),
        ("query=a)", "query", 'error parsing parameter "query": unexpected ")" at position 2'),
        (
            f"query={'a' * 4097}",
            "query",
            'parameter "query" must be at most 4096 characters',
        ),
    ],
)
def test_a_bad_parameter_is_refused_and_named(
    tenant: Tenant, query_string: str, parameter: str, detail: str
):
    answer = tenant.ask("GET", f"{METRICS}?{query_string}")
    assert answer.status_code == 400, answer.text
    assert answer.headers["content-type"] == "application/vnd.api+json"
    assert answer.json() == {"errors": [parameter_problem(detail, parameter)]}


@ON_SQLITE
def test_every_problem_is_listed_at_once(tenant: Tenant):
    answer = ask_for_metrics(tenant, interval="hour", timezone="Mars", query="(", from_="then")
    errors = answer.json()["errors"]
    assert {error["source"]["parameter"] for error in errors} == {
        *("interval", "timezone", "query", "from")
    }


def test_more_groups_than_anybody_reads_are_refused(
    tenant: Tenant, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("theodora.web.api.metrics.answer.MOST_CELLS", 5)
    for number in range(2):
        deploy(tenant, START_NS + number, custom_tags=[f"build:{number}"])
    asked = {"from_": "2026-01-01", "to": "2026-01-02", "group_by": "build"}
    assert ask_for_metrics(tenant, **asked).status_code == 200
    refused = ask_for_metrics(tenant, interval="day", **asked)
    (error,) = refused.json()["errors"]
    assert error["source"] == {"parameter": "group_by"}
    assert "there are 2 groups" in error["detail"]


def test_reading_takes_the_permission_to_read(
    shared_server: tuple[Built, TestClient], tenant: Tenant
):
    key = make_key(shared_server[0], tenant.organisation, "application", "dora_metrics_write")
    answer = tenant.ask("GET", METRICS, headers={"DD-APPLICATION-KEY": key})
    assert answer.status_code == 403
    assert tenant.client.get(METRICS).status_code == 403


def test_a_failure_that_names_a_service_twice_counts_once_in_its_group(tenant: Tenant):
    hour = {"started_at": START_NS, "finished_at": START_NS + 3_600 * 10**9}
    minute = {"started_at": START_NS + 1, "finished_at": START_NS + 1 + 60 * 10**9}
    tenant.create({"services": ["web", "web", "pay"], **hour}, FAILURE)
    tenant.create({"services": ["web"], **minute}, FAILURE)
    found = document(tenant, from_="2026-01-01", to="2026-02-01", group_by="service")
    total = {each["id"]: each["attributes"]["total"] for each in found["data"]}
    restored = {id_: each["incident_time_to_restore"] for id_, each in total.items()}
    assert {id_: each["n"] for id_, each in restored.items()} == {
        "total": 2,
        "service:web": 2,
        "service:pay": 1,
    }
    assert restored["service:web"]["p50"] == 1_830


def test_organisations_see_nothing_of_each_other(
    shared_server: tuple[Built, TestClient], tenant: Tenant
):
    other = make_tenant(*shared_server)
    deploy(other, START_NS)
    failure = {"services": ["web"], "started_at": START_NS, "finished_at": START_NS + DAY_NS}
    other.create(failure, FAILURE)
    asked = {"from_": "2026-01-01", "to": "2026-02-01", "group_by": "service"}
    found = document(tenant, **asked)
    assert [resource["id"] for resource in found["data"]] == ["total"]
    assert found["data"][0]["attributes"]["total"]["deployment_frequency"]["count"] == 0
    assert len(document(other, **asked)["data"]) == 2


# One answer in three forms


def random_question(rng: Random) -> dict[str, str]:
    start = rng.randrange(120)
    parameters = {
        "from": str(START_NS // 10**9 + start * 86_400 + rng.choice((0, 0, 12_345))),
        "to": str(START_NS // 10**9 + (start + rng.randrange(1, 120)) * 86_400),
        "as_of": AS_OF,
        "query": rng.choice(("", "env:production", "service:(web OR pay)", "region:eu -team:red")),
        "interval": rng.choice(("total", "day", "week", "month", "quarter")),
        "group_by": rng.choice(
            ("", "service", "team", "region", "service,env", "=1", "team,region")
        ),
        "timezone": rng.choice(("UTC", "Europe/Berlin", "America/St_Johns")),
        "week_start": rng.choice(("monday", "sunday")),
        "granularity": rng.choice(("commit", "deployment")),
    }
    return {name: value for name, value in parameters.items() if value and rng.random() < 0.9}


def test_json_csv_and_the_command_line_say_the_same(filled: Filled):
    rng = Random(SEED)
    for _ in range(40):
        parameters = {**random_question(rng), "as_of": AS_OF}
        answers = {
            form: filled.tenant.ask("GET", METRICS, params={**parameters, "format": form})
            for form in ("json", "csv")
        }
        for form, answer in answers.items():
            if answer.status_code == 400:
                assert "before parameter" in answer.text, (SEED, parameters)
                continue
            printed = at_the_command_line(
                filled.tenant, filled.database, {**parameters, "format": form}
            )
            assert printed == answer.content, (SEED, parameters)
        if answers["json"].status_code == 200:
            rows = read_csv(answers["csv"].content)
            assert rows == known(rows_of(answers["json"].json())), (SEED, parameters)


def test_csv_is_as_rfc_4180_has_it(filled: Filled):
    answer = ask_for_metrics(filled.tenant, format="csv", group_by="service", as_of=AS_OF)
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    assert answer.headers["content-disposition"] == 'attachment; filename="dora-metrics.csv"'
    assert answer.content.endswith(b"\r\n")
    rows = list(csv.reader(io.StringIO(answer.text, newline=""), strict=True))
    assert len({len(row) for row in rows}) == 1
    assert rows[0][:6] == ["id", "group.service", "row", "start", "end", "partial"]
    assert ["a,b:c" in row for row in rows].count(True) == 2


@pytest.mark.parametrize("name", ["=1+1", "+1", "-1", "@SUM(A1)", "=cmd|' /C calc'!A0"])
def test_no_text_of_csv_is_a_formula(tenant: Tenant, name: str):
    deploy(tenant, START_NS, service=name)
    answer = ask_for_metrics(
        tenant, format="csv", group_by="service", from_="2026-01-01", to="2026-02-01"
    )
    cells = [cell for row in csv.reader(io.StringIO(answer.text)) for cell in row]
    assert "'" + name in cells
    assert [cell for cell in cells if cell.startswith(("=", "+", "@"))] == []
    assert [cell for cell in cells if cell.startswith("-") and not _is_number(cell)] == []


def _is_number(cell: str) -> bool:
    return isinstance(json.loads(cell), int | float)


# Worked examples and real histories


@pytest.fixture
def ask(tenant: Tenant) -> Any:
    """Asks for a document, and makes sure that the CSV has the same."""

    def ask(parameters: dict[str, str]) -> Any:
        answer, as_csv = (
            tenant.ask("GET", METRICS, params={**parameters, "format": form})
            for form in ("json", "csv")
        )
        assert answer.status_code == 200, answer.text
        assert read_csv(as_csv.content) == known(rows_of(answer.json()))
        return answer.json()

    return ask


@ON_SQLITE
@pytest.mark.parametrize("example", examples.load(), ids=str)
def test_an_example_comes_out_as_worked_by_hand(example: Example, tenant: Tenant, ask: Any):
    store = tenant.built.store
    org = store.keys.organisation(tenant.organisation)
    Served(Asking(tenant), store, org).send(example)  # type: ignore[arg-type]
    store.derivations.derive_all_queued(actor=TESTER)
    found = observe_metrics(example, ask)
    expected = {name: example.expect[name] for name in found}
    assert list(differences(expected, found, example.id)) == []


def test_the_stages_of_lead_times_add_up(tenant: Tenant, ask: Any):
    """Of the example whose commits went through every stage, each stage with an n of its own."""
    (example,) = (each for each in examples.load() if each.id == "G27")
    store = tenant.built.store
    org = store.keys.organisation(tenant.organisation)
    Served(Asking(tenant), store, org).send(example)  # type: ignore[arg-type]
    store.derivations.derive_all_queued(actor=TESTER)
    march = {"from": "2026-03-01", "to": "2026-04-01", "as_of": "2026-04-01"}
    found = ask(march | {"interval": "week", "stages": "true"})
    assert found["meta"]["stages"]
    assert "stages" not in found["data"][0]["attributes"]["series"][0]["change_lead_time"]
    lead_time = found["data"][0]["attributes"]["total"]["change_lead_time"]
    stages = lead_time["stages"]
    assert list(stages) == [
        *("time_to_pr_ready", "review_time", "merge_time", "time_to_deploy", "deploy_time"),
        "other",
    ]
    for stage in stages.values():
        assert list(stage) == ["n", "mean", "p50", "p75", "p90", "p95"]
        assert stage["n"]
    assert len({stage["n"] for stage in stages.values()}) > 1
    whole = sum(stage["n"] * stage["mean"] for stage in stages.values())
    assert whole == pytest.approx(lead_time["n"] * lead_time["mean"])


@pytest.mark.skipif(not SHARED.exists(), reason=f"{SHARED} is not there")
@pytest.mark.parametrize("service", SHORT)
def test_the_totals_of_a_real_history_agree(service: str, filled: Filled):
    tenant = make_tenant(filled.tenant.built, filled.tenant.client)
    figures = json.loads((SHARED / "real_expected.json").read_text("utf-8"))
    store = tenant.built.store
    org = store.keys.organisation(tenant.organisation)
    for sequence in sequences(service).values():
        for each in sequence.deployments:
            store.deployments.add(org, each, 1, actor=TESTER)
        for id_, repository in sequence.repositories.items():
            store.commits.add_commits(
                org, id_, list(repository.commits.values()), actor=TESTER
            ).result()
    store.derivations.derive_all_queued(actor=TESTER)
    window = {"from_": figures["window"]["from"], "to": figures["window"]["to"]}
    found = document(tenant, group_by="env", **window)
    totals = {
        resource["attributes"]["group"]["env"]: resource["attributes"]["total"]
        for resource in found["data"][1:]
    }
    by_deployment = document(tenant, group_by="env", granularity="deployment", **window)
    for env, expected in figures["services"][service].items():
        total = totals[env]
        observed = {
            "deployments": total["deployment_frequency"]["count"],
            "change_failure_rate": at_once._rounded(total["change_failure_rate"]),
            "rework": at_once._rounded(total["deployment_rework_rate"]),
            "recovery_seconds": at_once._rounded(total["failed_deployment_recovery_time"]),
            "lead_time_commit_seconds": at_once._rounded(total["change_lead_time"]),
            "lead_time_deployment_seconds": at_once._rounded(
                next(
                    resource["attributes"]["total"]["change_lead_time"]
                    for resource in by_deployment["data"]
                    if resource["attributes"]["group"].get("env") == env
                )
            ),
        }
        assert list(differences({name: expected[name] for name in observed}, observed)) == []
