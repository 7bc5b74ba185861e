"""Incidents: which are the same and what they name."""

import msgspec
import pytest

from golden.examples import instant_ns, read_deployments
from theodora.dora import DeploymentSequence, ServiceSettings, derive
from theodora.dora.derivation.incidents import (
    distinct,
    incidents_by_deployment,
)
from theodora.events import Failure, Git, MatchKeys

OUTAGE = Failure(
    id="i1",
    services=("shop",),
    env="production",
    started_at_ns=instant_ns("12:00"),
    finished_at_ns=instant_ns("13:00"),
)

DEPLOYMENTS = read_deployments("""
    d1  10:00  sha=a version=1
    d2  11:00  sha=b version=2
    d3  12:30  sha=b version=3
""")


def changed(**fields) -> Failure:
    return msgspec.structs.replace(OUTAGE, **fields)


def named(**fields) -> list[str]:
    return list(incidents_by_deployment([changed(**fields)], DEPLOYMENTS))


def test_an_incident_given_twice_counts_as_given_last():
    again = changed(name="again")
    assert distinct([OUTAGE, again]) == [again]


def test_an_id_given_in_two_environments_or_to_other_services_stands_for_several():
    staging, other = changed(env="staging"), changed(services=("other",))
    assert distinct([OUTAGE, staging, other]) == [OUTAGE, staging, other]


def test_an_incident_with_one_service_more_is_the_same():
    more = changed(services=(*OUTAGE.services, "other"))
    assert distinct([OUTAGE, more]) == [more]


def test_without_ids_the_same_occasion_is_the_same_incident():
    one = changed(id="", services=("shop", "pay"))
    other = changed(id="", services=("pay", "shop"), name="again")
    elsewhere = changed(id="", services=("pay", "shop"), env="staging")
    assert distinct([one, other, elsewhere]) == [other, elsewhere]


def test_a_tag_names_a_deployment_by_id():
    assert named(custom_tags=("deployment_id:d1",), version="2") == ["d1"]


def test_a_commit_names_the_last_deployment_of_it_that_had_begun():
    assert named(git=Git("b", "https://github.com/acme/shop")) == ["d2"]


def test_of_several_that_had_begun_the_last_is_named():
    assert named(
        git=Git("b", "https://github.com/acme/shop"), started_at_ns=instant_ns("13:00")
    ) == ["d3"]


def test_where_clocks_disagree_the_first_of_a_code_is_named():
    assert named(version="3") == ["d3"]


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"version": "9"},
        {"version": "2", "env": "staging"},
        {"version": "2", "services": ("pay",)},
        {"git": Git("b", "https://github.com/acme/other")},
    ],
)
def test_an_incident_that_names_nothing_here_marks_nothing(fields):
    assert named(**fields) == []


def test_an_incident_without_env_may_be_of_any():
    assert named(version="2", env=None) == ["d2"]


def test_incidents_of_one_deployment_are_listed_by_their_start():
    later = changed(id="i0", version="2", started_at_ns=instant_ns("13:00"))
    earlier = changed(version="2")
    assert incidents_by_deployment([later, earlier], DEPLOYMENTS) == {"d2": (earlier, later)}


def test_an_incident_names_a_commit_under_another_form_of_its_repository():
    one, *_ = DEPLOYMENTS
    deployed = msgspec.structs.replace(one, git=Git("a" * 40, "https://github.com/Acme/App"))
    incident = changed(git=Git("a" * 40, "git@ssh.github.com:acme/app.git"), version=None)
    assert list(incidents_by_deployment([incident], [deployed])) == [one.id]
    incident = changed(git=Git("a" * 40, "https://old.example.com/app"), version=None)
    aliases = MatchKeys({"old.example.com/app": "github.com/acme/app"})
    assert list(incidents_by_deployment([incident], [deployed], keys=aliases)) == [one.id]
    assert not incidents_by_deployment([incident], [deployed])


def test_incidents_of_one_id_mark_each_a_deployment_in_its_part_of_a_divided_sequence():
    eu, us, also_eu = (
        msgspec.structs.replace(each, custom_tags=(f"region:{region}",), version=version)
        for each, region, version in zip(DEPLOYMENTS, ("eu", "us", "eu"), "122", strict=True)
    )
    of_eu, anywhere = changed(version="1"), changed(version="2", env=None)
    sequence = DeploymentSequence(
        deployments=(eu, us, also_eu),
        settings=ServiceSettings(sequence_tag="region", incident_marks_failure=True),
        incidents=(of_eu, anywhere),
    )
    marked = {each.deployment.id: each.verdict.incident_ids for each in derive(sequence)}
    assert marked == {"d1": ("i1",), "d2": ("i1",), "d3": ()}


def test_incidents_that_differ_at_first_stay_apart_in_a_divided_sequence():
    """The third is the first with one service more; it has one in common with the second too."""
    [deployed, *_] = DEPLOYMENTS
    first, second = changed(version="1"), changed(version="1", services=("pay",))
    both = changed(version="1", services=("shop", "pay"))
    one = DeploymentSequence(
        deployments=(msgspec.structs.replace(deployed, service="pay", custom_tags=("region:eu",)),),
        settings=ServiceSettings(incident_marks_failure=True),
        incidents=(first, second, both),
    )
    settings = msgspec.structs.replace(one.settings, sequence_tag="region")
    divided = msgspec.structs.replace(one, settings=settings)
    assert derive(divided)[0].verdict == derive(one)[0].verdict
    assert len(derive(divided)[0].verdict.incident_ids) == 2
