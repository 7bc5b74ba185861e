"""Which rule decides about a deployment, what it marks, and why the others did not."""

import pytest

from dora.shop import shop
from theodora.dora.derivation.derived import OUTCOMES, Derived, Outcome
from theodora.dora.derivation.rules import LinkedRule, StaticRule


def links(derived: Derived) -> list[str]:
    return [link.failed_id for link in derived.decision.links]


def outcomes(derived: Derived) -> dict[str, Outcome]:
    return {trial.rule: trial.outcome for trial in derived.decision.trials}


VERSIONS = """
    d1  10:00  version=1
    d2  11:00  version=2
    d3  12:00  version=3
    d4  13:00  version=1
"""


def test_a_rollback_marks_the_first_deployment_after_its_target():
    found = shop(VERSIONS)["d4"]
    assert found.decision.type == "rollback"
    assert links(found) == ["d2"]


def test_a_rollback_tells_the_code_it_fired_on():
    (link,) = shop(VERSIONS)["d4"].decision.links
    assert (link.rule, link.field, link.text) == ("rollback", "version", "1")
    by_sha = shop(VERSIONS.replace("version=", "sha=s"))["d4"].decision.links[0]
    assert (by_sha.field, by_sha.text) == ("commit_sha", "s1")


def test_rollbacks_may_be_switched_off():
    found = shop(VERSIONS, detect_rollbacks=False)["d4"]
    assert found.decision.type == "standard"
    assert outcomes(found)["rollback"] == "switched_off"


@pytest.mark.parametrize(("lookback", "type_"), [(3, "rollback"), (2, "standard")])
def test_a_rollback_may_be_kept_from_reaching_far(lookback, type_):
    found = shop(VERSIONS, rollback_lookback=lookback)["d4"]
    assert found.decision.type == type_


def test_a_rollback_that_reaches_beyond_ten_positions_is_flagged_and_counts():
    def rolled_back(after: int) -> Derived:
        between = "\n".join(f"d{n:02} {n:02}:00 version={n}" for n in range(1, after))
        return shop(f"d00 00:00 version=0\n{between}\nz 23:00 version=0")["z"]

    assert rolled_back(10).flags == ()
    assert rolled_back(11).flags == ("stale_target",)
    assert links(rolled_back(11)) == ["d01"]


@pytest.mark.parametrize(
    ("deployments", "outcome"),
    [
        ("d1 10:00", "no_code"),
        ("d1 10:00 version=1", "new_code"),
        ("d0 09:00 version=1\nd1 10:00 version=1", "redeployment"),
    ],
)
def test_why_there_was_no_rollback(deployments, outcome):
    assert outcomes(shop(deployments)["d1"])["rollback"] == outcome


def test_a_rollback_that_the_source_tells_of_needs_no_earlier_run():
    found = shop("d1 10:00 version=1\nd2 11:00 version=2", stated_rollbacks=["d2"])["d2"]
    assert found.decision.type == "rollback"
    assert links(found) == ["d1"]
    (link,) = found.decision.links
    assert (link.rule, link.field, link.text) == ("explicit", "tags", "deployment_type:rollback")


def test_a_rollback_that_the_source_tells_of_goes_by_its_target_if_there_is_one():
    found = shop(VERSIONS, stated_rollbacks=["d4"], detect_rollbacks=False)["d4"]
    assert links(found) == ["d2"]
    assert outcomes(found)["rollback"] == "skipped"


def test_a_first_deployment_called_a_rollback_marks_nothing():
    found = shop("d1 10:00 version=1", stated_rollbacks=["d1"])["d1"]
    assert (found.decision.type, links(found)) == ("rollback", [])


REVERTED = """
    a  08:00      | Base
    b  09:00  <a  | Add cart (#11)
    c  10:00  <b  | Tune search (#12)
    d  11:00  <c  | Revert "Add cart" (#13)
"""
ONE_BY_ONE = "d0 08:30 sha=a\nd1 09:30 sha=b\nd2 10:30 sha=c\nd3 11:30 sha=d"


def test_a_revert_tells_what_it_fired_on_and_what_it_names():
    found = shop(ONE_BY_ONE, commits=REVERTED)["d3"]
    (link,) = found.decision.links
    assert (link.failed_id, link.rule, link.kind) == ("d1", "revert", "linked")
    assert (link.field, link.text) == ("commit_subject", 'Revert "Add cart" (#13)')
    (match,) = found.decision.fired.matches
    assert match.captured == "Add cart"


def test_one_deployment_may_remedy_several_in_their_order():
    block = REVERTED + '    e  12:00  <d  | Revert "Tune search" (#14)'
    found = shop(ONE_BY_ONE.replace("sha=d", "sha=e"), commits=block)["d3"]
    assert links(found) == ["d1", "d2"]


def test_the_first_text_that_names_a_failure_is_the_one_shown():
    known = '#13 merge=d method=rebase commits= | Revert "Add cart"'
    (link,) = shop(ONE_BY_ONE, commits=REVERTED, pull_requests=known)["d3"].decision.links
    assert (link.field, link.text) == ("pr_title", 'Revert "Add cart"')


def test_of_several_deployments_of_a_title_the_latest_is_named():
    block = REVERTED.replace("Tune search (#12)", "Add cart (#12)")
    assert links(shop(ONE_BY_ONE, commits=block)["d3"]) == ["d2"]


def test_what_the_deployment_itself_ships_again_is_not_marked():
    block = REVERTED + "    e  12:00  <d  | Add cart (#14)"
    found = shop(ONE_BY_ONE.replace("sha=d", "sha=e"), commits=block)["d3"]
    assert (found.decision.type, outcomes(found)["revert"]) == ("standard", "shipped_together")


def test_a_revert_of_something_unknown_marks_nothing():
    block = REVERTED.replace('"Add cart"', '"Add till"')
    assert outcomes(shop(ONE_BY_ONE, commits=block)["d3"])["revert"] == "not_found"


def test_subjects_of_merges_are_no_titles():
    block = REVERTED.replace("<b  | Tune", "<a,b  | Tune").replace('"Add cart"', '"Tune search"')
    assert outcomes(shop(ONE_BY_ONE, commits=block)["d3"])["revert"] == "not_found"


def test_titles_of_pull_requests_count_as_shipped():
    block = REVERTED.replace("Add cart (#11)", "cart")
    known = "#11 merge=b method=rebase commits=b@09:00 | Add cart"
    assert links(shop(ONE_BY_ONE, commits=block, pull_requests=known)["d3"]) == ["d1"]


def test_a_pull_request_held_by_its_merge_alone_counts_as_shipped():
    block = """
        a  08:00
        b  09:00  <a
        m  09:10  <a,b  | Merge branch 'cart'
        d  11:00  <m    | Revert "Add cart"
    """
    known = "#11 merge=m method=merge commits= | Add cart"
    found = shop(
        "d0 08:30 sha=a\nd1 09:30 sha=m\nd2 11:30 sha=d", commits=block, pull_requests=known
    )
    assert links(found["d2"]) == ["d1"]


def test_commits_outside_the_services_paths_are_not_shipped_for_rules():
    block = """
        a  08:00  paths=web/a
        b  09:00  <a paths=pay/a  | Add cart
        d  11:00  <b paths=web/a  | Revert "Add cart"
    """
    deployments = "d0 08:30 sha=a\nd1 09:30 sha=b\nd2 11:30 sha=d"
    assert links(shop(deployments, commits=block)["d2"]) == ["d1"]
    ours = shop(deployments, commits=block, path_globs=("web/**",))["d2"]
    assert outcomes(ours)["revert"] == "not_found"


def test_rules_see_commits_after_a_gap():
    late = ONE_BY_ONE.replace("11:30", "06-01T11:30")
    found = shop(late, commits=REVERTED)["d3"]
    assert (found.changes.status, links(found)) == ("gap", ["d1"])


NUMBERS = LinkedRule("number", ("commit_subject",), r"Fix of #$pr_number")


@pytest.mark.parametrize("subject", ["Add cart (#11)", "Merge pull request #11 from acme/cart"])
def test_numbers_are_read_from_subjects(subject):
    merged = "<a,x" if subject.startswith("Merge") else "<a"
    block = f"""
        a  08:00
        b  09:00  {merged}  | {subject}
        c  10:00  <b  | Fix of #11 (#12)
    """
    found = shop(
        "d0 08:30 sha=a\nd1 09:30 sha=b\nd2 10:30 sha=c", commits=block, linked_rules=(NUMBERS,)
    )
    assert links(found["d2"]) == ["d1"]


def test_numbers_of_known_pull_requests_need_not_stand_in_a_subject():
    block = "a 08:00\nb 09:00 <a\nc 10:00 <b | Fix of #11"
    known = "#11 merge=b method=rebase commits= | Add cart"
    found = shop(
        "d0 08:30 sha=a\nd1 09:30 sha=b\nd2 10:30 sha=c",
        commits=block,
        pull_requests=known,
        linked_rules=(NUMBERS,),
    )
    assert links(found["d2"]) == ["d1"]


VERSION = LinkedRule("fixes", ("version",), ".*-fixes-$version")


def test_a_version_names_the_latest_deployment_of_it():
    block = "d1 10:00 version=1\nd2 11:00 version=1\nd3 12:00 version=2-fixes-1"
    assert links(shop(block, linked_rules=(VERSION,))["d3"]) == ["d2"]


def test_a_deployment_does_not_remedy_its_own_version():
    own = LinkedRule("own", ("version",), "$version")
    found = shop("d1 10:00 version=1\nd2 11:00 version=1", linked_rules=(own,))["d2"]
    assert outcomes(found)["own"] == "shipped_together"


HOTFIX = StaticRule("hotfix", ("version", "pr_branch"), "hotfix")
URGENT = StaticRule("urgent", ("version",), "urgent|hotfix")


def test_a_static_rule_marks_the_deployment_right_before():
    found = shop("d1 10:00 version=1\nd2 11:00 version=2-HOTFIX", static_rules=(HOTFIX,))["d2"]
    assert (found.decision.type, links(found)) == ("rollforward", ["d1"])
    assert found.decision.links[0].text == "2-HOTFIX"


def test_of_two_static_rules_the_first_to_match_decides():
    def tried(version: str) -> tuple[Outcome, Outcome]:
        found = shop(f"d1 10:00 version={version}", static_rules=(HOTFIX, URGENT))["d1"]
        return outcomes(found)["hotfix"], outcomes(found)["urgent"]

    assert tried("hotfix") == ("fired", "skipped")
    assert tried("urgent") == ("no_match", "fired")
    assert tried("1") == ("no_match", "no_match")


def test_an_empty_text_is_no_text():
    anything = StaticRule("anything", ("version", "pr_branch", "commit_message"), "")
    assert shop("d1 10:00", static_rules=(anything,))["d1"].decision.type == "standard"


def test_a_message_is_the_subject_where_no_more_is_known():
    rule = StaticRule("urgent", ("commit_message",), "urgent")
    block = "a 08:00\nb 09:00 <a | Urgent: mend totals"
    found = shop("d0 08:30 sha=a\nd1 09:30 sha=b", commits=block, static_rules=(rule,))["d1"]
    assert found.decision.type == "rollforward"


def test_earlier_rules_keep_later_ones_from_being_tried():
    found = shop(VERSIONS.replace("version=1", "version=hotfix"), static_rules=(HOTFIX,))["d4"]
    assert outcomes(found) == {
        "explicit": "not_stated",
        "rollback": "fired",
        "revert": "skipped",
        "conventional-revert": "skipped",
        "hotfix": "skipped",
    }


def test_every_outcome_has_a_sentence():
    assert set(OUTCOMES) == set(Outcome.__args__)
