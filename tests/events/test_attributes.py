"""Reading events from attributes: every problem is listed, in the order of the rules."""

from decimal import Decimal
from typing import Any

import pytest

from theodora.errors import Invalid
from theodora.events import Git
from theodora.events.attributes import MAX_PROBLEMS, read_deployment, read_failure

SHA = "66adc9350f2cc9b250b69abddab733dd55e1a588"
DEPLOYMENT = {"service": "shopist", "started_at": 1693491974, "finished_at": 1693491984}
FAILURE = {"services": ["shopist"], "started_at": 1693491974}


def problems(read: Any, attributes: dict[str, Any]) -> list[str]:
    with pytest.raises(Invalid) as raised:
        read(attributes)
    return [str(problem) for problem in raised.value.problems]


def test_a_deployment_is_read_as_it_was_meant() -> None:
    deployment = read_deployment(
        {
            **DEPLOYMENT,
            "service": "  shopist\n",
            "env": " ",
            "team": None,
            "version": "v1",
            "git": {"commit_sha": SHA.upper(), "repository_url": " https://u:p@host/a.git "},
            "custom_tags": ["b:2", "a:1", " b:2 ", "B:2"],
            "unheard_of": {"anything": []},
        }
    )
    assert deployment.service == "shopist"
    assert (deployment.env, deployment.team, deployment.version) == (None, None, "v1")
    assert deployment.git == Git(SHA, "https://host/a.git")
    assert deployment.custom_tags == ("b:2", "a:1", "B:2")


def test_the_problems_of_a_deployment_come_in_the_order_of_the_rules() -> None:
    found = problems(
        read_deployment,
        {
            "custom_tags": ["novalue", 7, *(f"k{n}:v" for n in range(101))],
            "git": {"commit_sha": "abc", "repository_url": "x" * 2049},
            "version": "a\x00b",
            "team": "t" * 256,
            "env": {},
            "id": "short",
            "finished_at": -1,
            "started_at": Decimal("1.5"),
            "service": 5,
        },
    )
    assert [line.split(":")[0] for line in found] == [
        *("/service", "/started_at", "/finished_at", "/id", "/env", "/team"),
        *("/version", "/git/commit_sha", "/git/repository_url", "/custom_tags/1"),
        *("/custom_tags", "/custom_tags/0"),
    ]


def test_the_problems_of_a_failure_come_in_the_order_of_the_rules() -> None:
    found = problems(
        read_failure,
        {
            "custom_tags": [":v"],
            "git": {},
            "name": "n" * 1025,
            "severity": 1,
            "env": "e" * 256,
            "id": "short",
            "finished_at": 1,
            "started_at": 2,
            "services": ["", 5, "s\x7f"],
        },
    )
    assert [line.split(":")[0] for line in found] == [
        *("/services/1", "/services/0", "/finished_at", "/id", "/severity", "/env", "/name"),
        *("/services/2", "/git/commit_sha", "/git/repository_url", "/custom_tags/0"),
    ]


def test_no_more_than_fifty_problems_are_listed() -> None:
    found = problems(read_deployment, {**DEPLOYMENT, "custom_tags": [1] * 60})
    assert len(found) == MAX_PROBLEMS == 50
    assert found[49].startswith("/custom_tags/49: ")


@pytest.mark.parametrize("attributes", [{"service": "shopist"}, {"services": ["shopist"]}])
def test_the_early_form_of_a_failure_with_one_service_is_read(attributes: dict[str, Any]) -> None:
    assert read_failure({**attributes, "started_at": 1}).services == ("shopist",)


def test_services_go_before_the_early_form() -> None:
    assert read_failure({**FAILURE, "service": "other"}).services == ("shopist",)


@pytest.mark.parametrize(
    ("attributes", "services", "team"),
    [
        ({"team": "backend"}, (), "backend"),
        ({"team": "backend", "services": []}, (), "backend"),
        ({"team": "backend", "services": None}, (), "backend"),
        ({"team": "backend", "services": [" a "]}, ("a",), "backend"),
    ],
)
def test_a_failure_is_of_services_or_of_a_team(
    attributes: dict[str, Any], services: tuple[str, ...], team: str
) -> None:
    failure = read_failure({**attributes, "started_at": 1})
    assert (failure.services, failure.team) == (services, team)


@pytest.mark.parametrize(
    "attributes", [{}, {"services": []}, {"services": [], "team": " "}, {"service": ""}]
)
def test_a_failure_of_nobody_is_refused(attributes: dict[str, Any]) -> None:
    assert problems(read_failure, {**attributes, "started_at": 1}) == [
        '/services: attribute "services" is required when attribute "team" is not given'
    ]


@pytest.mark.parametrize("id_", ["1", "a.b", "x" * 128])
def test_an_import_may_have_short_ids(id_: str) -> None:
    assert read_deployment({**DEPLOYMENT, "id": id_}, imported=True).id == id_


@pytest.mark.parametrize("id_", ["a b", "x" * 129, "é"])
def test_an_import_may_not_have_any_id(id_: str) -> None:
    assert problems(
        lambda attributes: read_deployment(attributes, imported=True), {**DEPLOYMENT, "id": id_}
    ) == ['/id: attribute "id" must be 1 to 128 characters of a-z A-Z 0-9 - _ . :']
