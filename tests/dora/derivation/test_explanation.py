"""What an explanation tells of one deployment."""

from msgspec.structs import replace

from dora.shop import HOUR, shop
from golden.examples import REPOSITORY, read_commits, read_deployments, read_pull_requests
from theodora.dora import (
    DeploymentSequence,
    GivenRemediation,
    Override,
    Repository,
    ServiceSettings,
    derive,
)
from theodora.dora.derivation.derived import Derived
from theodora.dora.derivation.explanation import FLAGS, STATUSES, Explanation, explain

COMMITS = """
a 09:00
b 10:00 <a | Add cart
c 11:00 <b | Revert "Add cart"
"""
USUAL = ServiceSettings()
DEPLOYMENTS = """
d0 12:00 sha=a
d1 13:00 sha=b
d2 14:00 sha=c
"""


def explained(
    derived: dict[str, Derived],
    id_: str,
    settings: ServiceSettings = USUAL,
    **repository: object,
) -> Explanation:
    each = derived[id_]
    before = next(
        (one.deployment for one in derived.values() if one.position == each.position - 1), None
    )
    known = Repository(**repository) if repository else None
    return explain(each, before, known, settings)


def test_a_gap_is_told_with_the_days_that_the_service_allows():
    settings = ServiceSettings(lead_time_gap_days=1)
    later = "d0 12:00 sha=a\nd1 03-03T13:00 sha=b"
    found = explained(shop(later, commits=COMMITS, lead_time_gap_days=1), "d1", settings)
    assert found.lead_time.status == "gap"
    assert found.lead_time.meaning.startswith("the one before is older than 1 day,")


def test_what_a_shallow_clone_cut_off_is_told_with_what_to_do():
    cut = [replace(each, is_shallow=True) for each in read_commits("c 11:00 <b\na 09:00")]
    commits = {each.sha: each for each in cut}
    sequence = DeploymentSequence(
        deployments=read_deployments("d0 12:00 sha=a\nd1 13:00 sha=c"),
        repositories={REPOSITORY: Repository(commits=commits)},
    )
    derived = {each.deployment.id: each for each in derive(sequence)}
    found = explained(derived, "d1", commits=commits)
    assert "a shallow clone cut its history off" in found.lead_time.meaning
    assert [flag.flag for flag in found.flags] == ["shallow"]
    assert any("git fetch --unshallow" in missing for missing in found.missing)


def test_a_commit_without_a_date_was_written_at_no_time():
    commits = {each.sha: replace(each, author_time_ns=None) for each in read_commits(COMMITS)}
    sequence = DeploymentSequence(
        deployments=read_deployments(DEPLOYMENTS),
        repositories={REPOSITORY: Repository(commits=commits)},
    )
    derived = {each.deployment.id: each for each in derive(sequence)}
    (commit,) = explained(derived, "d1", commits=commits).lead_time.commits
    assert (commit.written_at, commit.lead_time) == (None, None)
    assert commit.flags == ("unreadable_time",)


def known() -> dict[str, object]:
    return {"commits": {commit.sha: commit for commit in read_commits(COMMITS)}}


def test_commits_are_told_with_their_subjects_and_stages():
    explanation = explained(shop(DEPLOYMENTS, commits=COMMITS), "d1", **known())
    (commit,) = explanation.lead_time.commits
    assert (commit.subject, commit.lead_time) == ("Add cart", 3 * HOUR)
    assert commit.stages is not None
    assert commit.stages.time_to_deploy == 3 * HOUR
    assert explanation.preceding is not None
    assert explanation.preceding.id == "d0"


def test_a_rule_is_told_with_the_text_it_fired_on():
    derived = shop(DEPLOYMENTS, commits=COMMITS)
    revert = next(
        rule for rule in explained(derived, "d2", **known()).type.rules if rule.rule == "revert"
    )
    assert [(match.text, match.captured, match.failed_id) for match in revert.matches] == [
        ('Revert "Add cart"', "Add cart", "d1")
    ]
    (mark,) = explained(derived, "d1", **known()).failure.marked_by
    assert (mark.remediation_id, mark.rule, mark.text) == ("d2", "revert", 'Revert "Add cart"')


def test_an_override_is_told_with_who_when_and_why():
    override = Override(
        deployment_id="d1",
        change_failure=True,
        remediation=GivenRemediation(type="rollforward", version="later"),
        by="ann",
        at_ns=1_700_000_000 * 10**9,
        reason="checkout was down",
    )
    derived = shop(DEPLOYMENTS, commits=COMMITS, overrides=[override])
    failure = explained(derived, "d1", **known()).failure
    assert failure.override is not None
    assert failure.override.by == "ann"
    assert failure.override.at == "2023-11-14T22:13:20Z"
    assert failure.override.reason == "checkout was down"
    flags = [flag.flag for flag in explained(derived, "d1", **known()).flags]
    assert flags == ["remediation_dangling"]


def test_what_would_say_more_is_named():
    derived = shop(DEPLOYMENTS, commits=COMMITS)
    (missing,) = explained(derived, "d1", **known()).missing
    assert "pull requests" in missing
    pull_requests = read_pull_requests("#1 merge=b | Add cart")
    complete = explained(derived, "d1", **known(), pull_requests=pull_requests)
    assert complete.missing == ()


def test_every_status_and_every_flag_has_a_meaning():
    assert all(STATUSES.values())
    assert all(FLAGS.values())
