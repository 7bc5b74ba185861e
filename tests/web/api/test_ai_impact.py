"""The operation of AI impact: its answer as JSON and CSV, and whom it shows nothing of."""

import csv
import io
import re
from typing import Any

import pytest

from actors import TESTER
from asking import Tenant
from databases import ON_SQLITE
from storage.test_assistance import PEOPLE, active, fill
from theodora.storage import Organisation, Store

pytestmark = ON_SQLITE

IMPACT = "/api/v2/dora/ai_impact"
PERIOD = {"from": "2024-10-04", "to": "2024-11-03", "as_of": "2025-01-01"}
ACTIVITY = "/api/v2/ai_impact/user_activity"


def opened(tenant: Tenant) -> tuple[Store, Organisation]:
    store = tenant.built.store
    return store, store.keys.organisation(tenant.organisation)


def ask(tenant: Tenant, **parameters: str) -> Any:
    return tenant.ask("GET", IMPACT, params={**PERIOD, **parameters})


def attributes(tenant: Tenant, **parameters: str) -> Any:
    answer = ask(tenant, **parameters)
    assert answer.status_code == 200, answer.text
    return answer.json()["data"]["attributes"]


def test_the_sides_are_compared(tenant: Tenant) -> None:
    fill(*opened(tenant))
    answer = ask(tenant, interval="month").json()
    found = answer["data"]["attributes"]
    assert found["level"] == "commit"
    assert found["tools"] == [{"name": "cursor", "by_commit": True, "by_user_day": False}]
    total = found["total"]
    assert total["withheld"] is None
    assert total["share"]["commits"]["hits"] == 6
    assert total["assisted"]["people"] == total["not_assisted"]["people"] == 6
    assert total["change"]["change_lead_time"]["within_noise"] is False
    assert total["change"]["change_failure_rate"]["within_noise"] is True
    assert total["bot_commits"] == 1
    # Requests are of one author a side.
    assert total["share"]["requests"] is None
    assert total["assisted"]["request_cycle_time"] is None
    assert [each["start"] for each in found["series"]] == [
        "2024-10-01T00:00:00Z",
        "2024-11-01T00:00:00Z",
    ]
    assert found["series"][1]["withheld"] == "no_commits"
    assert "does not prove a cause" in answer["meta"]["caution"]


def test_an_answer_names_no_person(tenant: Tenant) -> None:
    store, org = opened(tenant)
    fill(store, org)
    store.activity.add(org, active(PEOPLE, "2024-10-04"), actor=TESTER).result()
    for form in ("json", "csv"):
        for level in ("commit", "user_day"):
            text = ask(tenant, interval="day", format=form, level=level).text.lower()
            assert "withheld" in text
            assert set(PEOPLE).isdisjoint(re.findall(r"\w+", text))
            assert "@" not in text


def test_activity_that_was_sent_decides_at_the_level_of_days(tenant: Tenant) -> None:
    store, org = opened(tenant)
    fill(store, org)
    before = attributes(tenant, level="user_day")["total"]
    assert (before["withheld"], before["unknown"]) == (
        "no_activity",
        {"people": 6, "commits": 12},
    )
    entries = [
        {
            "type": "ai_impact_user_activity",
            "attributes": {
                "user_email": f"{name.upper()}@example.org",
                "day": day,
                "is_active": True,
                "tools": ["GitHub Copilot"],
            },
        }
        for name in PEOPLE
        for day in ("2024-10-04", "2024-10-20")
    ]
    assert tenant.post(ACTIVITY, json={"data": entries}).status_code == 200
    after = attributes(tenant, level="user_day")["total"]
    assert (after["assisted"]["commits"], after["not_assisted"]["commits"]) == (12, 0)
    chosen = attributes(tenant, level="user_day", tool="Cursor")["total"]
    assert (chosen["assisted"]["commits"], chosen["not_assisted"]["commits"]) == (0, 12)


def test_a_table_has_the_same_figures(tenant: Tenant) -> None:
    fill(*opened(tenant))
    answer = ask(tenant, interval="month", format="csv")
    assert answer.headers["content-disposition"] == 'attachment; filename="ai-impact.csv"'
    total, october, november = csv.DictReader(io.StringIO(answer.text))
    assert (total["row"], total["level"], total["assisted.commits"]) == ("total", "commit", "6")
    assert total["change.change_lead_time.within_noise"] == "false"
    assert october["assisted.change_lead_time.p50"] == total["assisted.change_lead_time.p50"]
    assert (november["withheld"], november["assisted.commits"]) == ("no_commits", "")


def test_groups_are_compared_and_those_of_few_people_withheld(tenant: Tenant) -> None:
    fill(*opened(tenant))
    answer = ask(tenant, group_by="service, repository_id").json()
    found = answer["data"]["attributes"]
    assert answer["meta"]["group_by"] == ["service", "repository_id"]
    assert [list(each["group"]) for each in found["groups"]] == [["service", "repository_id"]]
    [group] = found["groups"]
    assert group["assisted"] == found["total"]["assisted"]
    total, row = csv.DictReader(io.StringIO(ask(tenant, group_by="service", format="csv").text))
    assert (total["group.service"], row["row"]) == ("", "group")
    assert row["group.service"] == group["group"]["service"]
    assert row["assisted.commits"] == total["assisted.commits"] == "6"


def test_another_organisation_has_nothing_of_it(tenant: Tenant, other_tenant: Tenant) -> None:
    fill(*opened(tenant))
    found = attributes(other_tenant)
    assert (found["tools"], found["total"]["withheld"]) == ([], "no_commits")
    assert found["total"]["reason"].startswith("No deployment of this period")


@pytest.mark.parametrize(
    ("parameters", "detail"),
    [
        ({"level": "person"}, 'parameter "level" must be one of'),
        ({"tool": ",x"}, 'parameter "tool" must be at most 20 names of tools'),
        ({"interval": "day", "from": "2000-01-01"}, 'parameter "interval" must not cut the period'),
        ({"author": "ada"}, 'parameter "author" must be one of'),
        ({"group_by": "author"}, 'parameter "group_by" must be different ones of "service team'),
        ({"group_by": "team,team"}, 'parameter "group_by" must be different ones of'),
        ({"group_by": "team", "interval": "month"}, 'parameter "interval" must be "total" with'),
    ],
)
def test_a_question_that_cannot_be_answered_is_refused(
    tenant: Tenant, parameters: dict[str, str], detail: str
) -> None:
    answer = ask(tenant, **parameters)
    assert answer.status_code == 400
    assert detail in answer.text.replace('\\"', '"')
