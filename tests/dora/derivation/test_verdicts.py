"""Whether a deployment failed, who says so, and what remedied it."""

import pytest

from dora.shop import HOUR_NS, shop
from golden.examples import instant_ns
from theodora.dora.derivation.derived import Derived
from theodora.dora.derivation.overrides import GivenRemediation, Override
from theodora.events import Failure, Remediation
from theodora.events.values import stage_averages

ROLLED_BACK = """
    d1  10:00  version=1
    d2  11:00  version=2
    d3  12:00  version=1
    d4  13:00  version=3
"""


def said(id_: str, failed: bool | None, *, at_ns: int = 0, **remediation: str) -> Override:
    given = GivenRemediation(**remediation) if remediation else None
    return Override(deployment_id=id_, change_failure=failed, remediation=given, at_ns=at_ns)


def verdict(derived: Derived) -> tuple[bool | None, str, int | None]:
    found = derived.verdict
    hours = None if found.recovery_time_ns is None else found.recovery_time_ns // HOUR_NS
    return found.change_failure, found.rule, hours


def test_a_link_marks_and_names_its_rule():
    found = shop(ROLLED_BACK)
    assert verdict(found["d2"]) == (True, "rollback", 1)
    assert found["d2"].verdict.remediation == Remediation("d3", "rollback")
    assert verdict(found["d1"]) == (False, "nothing", None)


def test_a_hand_that_clears_drops_the_remediation_and_leaves_its_type():
    found = shop(ROLLED_BACK, overrides=[said("d2", failed=False)])
    assert verdict(found["d2"]) == (False, "override", None)
    assert found["d2"].verdict.remediation is None
    assert found["d3"].verdict.deployment_type == "rollback"
    assert found["d2"].verdict.failing_links[0].remediation_id == "d3"


def test_a_hand_that_marks_keeps_the_remediation_of_the_rules():
    assert verdict(shop(ROLLED_BACK, overrides=[said("d2", failed=True)])["d2"]) == (
        True,
        "override",
        1,
    )


def test_a_hand_that_marks_what_no_rule_marks_leaves_it_unresolved():
    found = shop(ROLLED_BACK, overrides=[said("d4", failed=True)])["d4"]
    assert verdict(found) == (True, "override", None)
    assert found.flags == ()


def test_a_given_remediation_takes_the_given_type():
    given = said("d2", failed=True, id="d4", type="rollforward")
    found = shop(ROLLED_BACK, overrides=[given])
    assert verdict(found["d2"]) == (True, "override", 2)
    assert found["d2"].verdict.remediation == Remediation("d4", "rollforward")
    assert found["d4"].verdict.deployment_type == "rollforward"
    assert found["d4"].verdict.type_given_by == given
    assert found["d4"].decision.type == "standard"


def test_a_version_names_the_last_of_the_sequence_but_never_the_failure():
    by_own = said("d3", failed=True, version="1", type="rollforward")
    found = shop(ROLLED_BACK + "d5 14:00 version=1", overrides=[by_own])
    assert found["d3"].verdict.remediation == Remediation("d5", "rollforward")
    found = shop(ROLLED_BACK, overrides=[by_own])
    assert found["d3"].verdict.remediation == Remediation("d1", "rollforward")
    assert found["d3"].flags == ("remediation_dangling",)


def test_an_unknown_version_is_left_out_until_it_is_found():
    waiting = said("d2", failed=True, version="9", type="rollforward")
    found = shop(ROLLED_BACK, overrides=[waiting])["d2"]
    assert verdict(found) == (True, "override", None)
    assert found.verdict.remediation is None
    assert found.flags == ("remediation_dangling",)


def test_an_unknown_id_is_kept_as_given():
    waiting = said("d2", failed=True, id="nowhere", type="rollforward")
    found = shop(ROLLED_BACK, overrides=[waiting])["d2"]
    assert found.verdict.remediation == Remediation("nowhere", "rollforward")
    assert found.flags == ("remediation_dangling",)


@pytest.mark.parametrize("id_", ["d1", "d4"])
def test_a_remediation_that_cannot_be_gives_no_time_and_no_type(id_):
    found = shop(ROLLED_BACK, overrides=[said("d4", failed=True, id=id_, type="rollforward")])
    assert verdict(found["d4"]) == (True, "override", None)
    assert found["d4"].flags == ("remediation_dangling",)
    assert found[id_].verdict.deployment_type == "standard"


def test_a_remediation_at_the_very_same_time_took_no_time():
    block = "d1 10:00 version=1\nd2 10:00 version=2"
    given = said("d2", failed=True, id="d1", type="rollforward")
    assert verdict(shop(block, overrides=[given])["d2"]) == (True, "override", 0)


def test_a_remediation_may_be_of_another_sequence():
    given = said("d2", failed=True, id="other", type="rollforward")
    elsewhere = {"other": instant_ns("15:00")}
    found = shop(ROLLED_BACK, overrides=[given], finished_elsewhere_ns=elsewhere)["d2"]
    assert verdict(found) == (True, "override", 4)


def test_a_failure_of_another_sequence_gives_its_remediation_here_the_type():
    given = said("other", failed=True, id="d4", type="rollforward")
    elsewhere = {"other": instant_ns("09:00")}
    found = shop(ROLLED_BACK, overrides=[given], finished_elsewhere_ns=elsewhere)["d4"]
    assert found.verdict.deployment_type == "rollforward"


def test_a_remediation_without_a_verdict_leaves_that_to_the_rules():
    both = [
        said("d2", None, id="d4", type="rollforward"),
        said("d1", None, id="d4", type="rollforward"),
    ]
    found = shop(ROLLED_BACK, overrides=both)
    assert verdict(found["d2"]) == (True, "rollback", 2)
    assert verdict(found["d1"]) == (False, "nothing", None)


def test_the_last_word_on_a_deployment_counts():
    words = [said("d2", failed=False), said("d2", failed=True)]
    assert verdict(shop(ROLLED_BACK, overrides=words)["d2"])[0] is True


def test_the_last_type_given_to_a_remediation_counts():
    late = said("d1", failed=True, at_ns=2, id="d4", type="rollback")
    early = said("d2", failed=True, at_ns=1, id="d4", type="rollforward")
    found = shop(ROLLED_BACK, overrides=[late, early])["d4"]
    assert found.verdict.deployment_type == "rollback"


def test_a_second_link_to_a_failure_changes_nothing_but_is_shown():
    block = """
        a  08:00      | Base
        b  09:00  <a  | Add cart
        c  10:00  <b  | Revert "Add cart"
        d  11:00  <c  | Revert "Add cart"
    """
    found = shop("d0 08:30 sha=a\nd1 09:30 sha=b\nd2 10:30 sha=c\nd3 11:30 sha=d", commits=block)
    assert found["d1"].verdict.remediation == Remediation("d2", "rollforward")
    assert [mark.remediation_id for mark in found["d1"].verdict.failing_links] == ["d2", "d3"]


UNKNOWN = "d1 10:00 sha=a\nd2 11:00 sha=b\nd3 12:00 sha=a"


def test_a_deployment_whose_commits_may_yet_come_is_pending():
    found = shop(UNKNOWN)
    assert verdict(found["d1"]) == (None, "pending", None)
    assert verdict(found["d2"]) == (True, "rollback", 1)


def test_a_hand_decides_what_is_pending():
    found = shop(UNKNOWN, overrides=[said("d1", failed=False)])
    assert verdict(found["d1"]) == (False, "override", None)


def test_without_a_source_of_commits_nothing_is_pending():
    assert verdict(shop(UNKNOWN, has_commit_source=False)["d1"]) == (False, "nothing", None)


OUTAGE = Failure(
    id="i1",
    services=("shop",),
    env="production",
    version="3",
    started_at_ns=instant_ns("13:30"),
    finished_at_ns=instant_ns("15:30"),
)


def test_incidents_mark_nothing_unless_the_service_wants_it():
    assert verdict(shop(ROLLED_BACK, incidents=[OUTAGE])["d4"]) == (False, "nothing", None)


def test_an_incident_that_names_a_deployment_may_mark_it():
    found = shop(ROLLED_BACK, incidents=[OUTAGE], incident_marks_failure=True)["d4"]
    assert verdict(found) == (True, "incident", None)
    assert found.verdict.incident_ids == ("i1",)


def test_a_derived_deployment_reads_as_an_event_in_whole_seconds():
    block = "a 09:00\nb 10:00 <a\nc 10:00:01 <b"
    found = shop("d0 09:30 sha=a\nd1 11:00 sha=c\nd2 12:00 sha=a", commits=block)
    event = found["d1"].event
    assert (event.change_failure, event.deployment_type) == (True, "standard")
    assert (event.remediation, event.recovery_time_sec) == (Remediation("d2", "rollback"), 3600)
    assert (event.number_of_commits, event.change_lead_time) == (2, 3600)
    assert found["d0"].event.number_of_commits is None


def test_the_average_of_a_stage_is_over_the_commits_that_went_through_it():
    """One of its commits was never in review, and none was approved: that is not 0."""
    block = "a 09:00\nb 10:00 <a\nc 10:00:01 <b"
    request = "#1 created=10:01 merged=10:30 merge=b method=rebase commits=b@10:00"
    found = shop("d0 09:30 sha=a\nd1 11:00 sha=c", commits=block, pull_requests=request)
    assert stage_averages(found["d1"].event) == (60, None, None, 2_700)
    assert stage_averages(found["d0"].event) == (None, None, None, None)
