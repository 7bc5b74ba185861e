"""Events computed from facts, in whatever order those came in."""

from collections.abc import Sequence
from itertools import permutations
from typing import Any

import pytest

from deliveries import (
    REPOSITORY_ID,
    Delivery,
    at,
    deployment,
    incident,
    ns,
    pull_request,
    reading,
    review,
    sha,
    status,
)
from theodora.dora import PullRequest
from theodora.events import ActivePeriod, Deployment, Failure
from theodora.sources.webhooks.facts import IncidentFact, encode_fact
from theodora.sources.webhooks.fold import event_id, fold
from theodora.storage import Folded, RepositoryPullRequest


def folded(kind: str, *deliveries: Delivery) -> Folded | None:
    """The one event that they add up to, the same in every order and however often they come."""
    facts = [fact for each in deliveries for fact in reading(kind, each).facts]
    [thing] = {fact.thing for fact in facts}
    documents = [fact.document for fact in facts]
    found = fold(kind, thing, documents)
    orders: Sequence[Any] = [documents[::-1], documents * 2]
    if len(documents) < 6:
        orders = [*orders, *permutations(documents)]
    for order in orders:
        assert fold(kind, thing, order) == found
    return found


def deployed(*deliveries: Delivery) -> Deployment:
    found = folded("github", *deliveries)
    assert isinstance(found, Deployment)
    return found


def failed(*deliveries: Delivery) -> Failure:
    found = folded("pagerduty", *deliveries)
    assert isinstance(found, Failure)
    return found


def requested(*deliveries: Delivery) -> PullRequest:
    found = folded("github", *deliveries)
    assert isinstance(found, RepositoryPullRequest)
    assert found.repository_id == REPOSITORY_ID
    return found.pull_request


PRODUCTION = deployment(7, 1, 10)


def test_the_first_success_finishes_a_deployment() -> None:
    found = deployed(
        status(PRODUCTION, "queued", 10.1),
        status(PRODUCTION, "in_progress", 10.2),
        status(PRODUCTION, "success", 11),
        status(PRODUCTION, "success", 15),
    )
    assert (found.service, found.env, found.source) == ("shop", "production", "github")
    assert (found.started_at_ns, found.finished_at_ns) == (ns(10.2), ns(11))
    assert found.git
    assert (found.git.commit_sha, found.git.repository_id) == (sha(1), REPOSITORY_ID)
    assert found.id == "github:github.com.acme.shop:7"


def test_a_deployment_that_was_never_at_work_began_when_it_was_created() -> None:
    assert deployed(status(PRODUCTION, "success", 11)).started_at_ns == ns(10)


@pytest.mark.parametrize("state", ["pending", "in_progress", "failure", "error"])
def test_a_deployment_that_never_succeeded_is_none(state: str) -> None:
    assert folded("github", status(PRODUCTION, state, 11)) is None


def test_a_deployment_that_succeeded_after_a_failure_is_one() -> None:
    found = deployed(status(PRODUCTION, "failure", 11), status(PRODUCTION, "success", 12))
    assert found.finished_at_ns == ns(12)


TRIGGERED = incident("triggered", 1)
RESOLVED = incident("resolved", 3)
REOPENED = incident("reopened", 5)
ENDED = incident("resolved", 6)


def test_an_incident_is_open_until_it_is_resolved() -> None:
    assert failed(TRIGGERED).finished_at_ns is None
    resolved = failed(TRIGGERED, incident("acknowledged", 2), RESOLVED)
    assert (resolved.started_at_ns, resolved.finished_at_ns) == (ns(0), ns(3))
    assert resolved.periods == ()
    assert (resolved.services, resolved.name) == (("checkout",), "Checkout is down")


def test_periods_of_an_incident_that_was_reopened_add_up() -> None:
    found = failed(TRIGGERED, RESOLVED, REOPENED, ENDED)
    assert found.periods == (ActivePeriod(ns(0), ns(3)), ActivePeriod(ns(5), ns(6)))
    assert found.time_to_restore == 4 * 3_600
    assert failed(TRIGGERED, RESOLVED, REOPENED).finished_at_ns is None


def test_messages_after_the_end_of_an_incident_do_not_move_it() -> None:
    later = incident("annotated", 9, status="resolved")
    assert failed(TRIGGERED, RESOLVED, later).finished_at_ns == ns(3)


def test_an_incident_that_ends_as_it_begins_has_ended() -> None:
    found = failed(incident("triggered", 0), incident("resolved", 0))
    assert (found.started_at_ns, found.finished_at_ns) == (ns(0), ns(0))


def test_an_incident_whose_start_is_unknown_waits_for_it() -> None:
    ended = incident("resolved", 3, created_at=None)
    assert folded("pagerduty", ended) is None
    found = failed(ended, incident("triggered", 1, created_at=None))
    assert (found.started_at_ns, found.finished_at_ns) == (ns(1), ns(3))


def test_the_last_word_about_an_incident_counts() -> None:
    found = failed(
        incident("triggered", 1, title="Something is slow"),
        incident("priority_updated", 2, title="Checkout is slow", priority={"summary": "P1"}),
        incident("acknowledged", 2.5, title="Checkout is slow"),
    )
    assert (found.name, found.severity) == ("Checkout is slow", "P1")


def test_an_incident_that_was_merged_into_another_is_none() -> None:
    merged = incident("resolved", 2, resolve_reason={"type": "merge_resolve_reason"})
    assert folded("pagerduty", TRIGGERED, merged) is None
    assert failed(TRIGGERED, merged, REOPENED).finished_at_ns is None


OPENED = pull_request(3, "opened", 0)
READY = pull_request(3, "ready_for_review", 2)
MERGED = pull_request(
    3, "closed", 8, merged_at=at(8), merge_commit_sha=sha(9), labels=[{"name": "bug"}]
)


def test_a_pull_request_has_the_times_of_its_course() -> None:
    found = requested(
        OPENED,
        READY,
        review(3, "approved", 4),
        review(3, "changes_requested", 5),
        review(3, "approved", 6, id_=2),
        MERGED,
        review(3, "approved", 9, id_=3),
    )
    assert (found.created_at_ns, found.ready_at_ns) == (ns(0), ns(2))
    assert (found.last_approved_at_ns, found.merged_at_ns) == (ns(6), ns(8))
    assert (found.title, found.labels, found.branch) == ("Change 3", ("bug",), "change-3")
    assert found.merge_commit_sha == sha(9)


def test_a_dismissed_approval_does_not_count() -> None:
    given = (OPENED, review(3, "approved", 4), review(3, "approved", 6, id_=2), MERGED)
    assert requested(*given).last_approved_at_ns == ns(6)
    assert requested(*given, review(3, "dismissed", 7, id_=2)).last_approved_at_ns == ns(4)
    assert requested(*given, review(3, "dismissed", 9, id_=2)).last_approved_at_ns == ns(6)


def test_a_pull_request_has_its_author_its_size_and_who_reviewed_it() -> None:
    """An author who answers comments is no reviewer, nor is one who comes after the merge."""
    people = {"user": {"login": "ada"}, "base": {"ref": "main"}, "html_url": "https://x.example/1"}
    found = requested(
        pull_request(1, "opened", 1, **people, draft=True),
        review(1, "commented", 2, 1, by="ada"),
        review(1, "commented", 3, 2, by="bo"),
        review(1, "approved", 4, 3, by="bo"),
        review(1, "changes_requested", 3.5, 4, by="carmen"),
        pull_request(1, "closed", 5, merged_at=at(5), **people, additions=7, deletions=0),
        review(1, "approved", 6, 5, by="dae"),
    )
    assert (found.author, found.base, found.url) == ("ada", "main", "https://x.example/1")
    assert (found.additions, found.deletions, found.is_draft) == (7, 0, False)
    assert (found.reviewers, found.first_reviewed_at_ns) == (("bo", "carmen"), ns(3))
    assert found.last_approved_at_ns == ns(4)


def test_a_pull_request_is_closed_since_it_last_became_so() -> None:
    def moment(action: str, hour: float, closed: float | None) -> Delivery:
        return pull_request(1, action, hour, closed_at=closed and at(closed))

    course = [moment("closed", 2, 2), moment("reopened", 3, None), moment("closed", 4, 4)]
    assert requested(*course).closed_at_ns == ns(4)
    assert requested(*course, moment("edited", 6, 6)).closed_at_ns == ns(4)
    assert requested(*course[:2]).closed_at_ns is None
    assert requested(*course, pull_request(1, "closed", 7, merged_at=at(7))).closed_at_ns is None


def test_reviews_without_names_leave_the_reviewers_unknown() -> None:
    found = requested(pull_request(1, "opened", 1), review(1, "approved", 2))
    assert (found.reviewers, found.first_reviewed_at_ns) == (None, ns(2))
    assert requested(pull_request(1, "opened", 1)).reviewers == ()


def test_a_pull_request_that_is_open_has_no_merge() -> None:
    found = requested(pull_request(3, "synchronize", 1, merge_commit_sha=sha(4)))
    assert (found.merge_commit_sha, found.merged_at_ns, found.ready_at_ns) == (None, None, None)


def test_ready_after_the_merge_is_not_ready_for_it() -> None:
    late = pull_request(3, "ready_for_review", 9, merged_at=at(8), merge_commit_sha=sha(9))
    assert requested(OPENED, READY, MERGED, late).ready_at_ns == ns(2)


def test_facts_are_read_in_the_order_of_their_times_and_then_of_their_texts() -> None:
    """Not in the order of texts: 10 ns come after 9 ns."""

    def named(*facts: tuple[int, str]) -> str | None:
        documents = [
            encode_fact(
                IncidentFact(at_ns=at_ns, number="1", status="active", services=("a",), name=name)
            )
            for at_ns, name in facts
        ]
        found = fold("pagerduty", "incident:1", documents)
        assert isinstance(found, Failure)
        return found.name

    assert named((9, "first"), (10, "last")) == named((10, "last"), (9, "first")) == "last"
    assert named((9, "a"), (9, "b")) == named((9, "b"), (9, "a")) == "b"


def test_reviews_alone_make_no_pull_request() -> None:
    assert folded("github", review(3, "approved", 4)) is None


def test_the_id_of_an_event_names_its_source() -> None:
    assert event_id("pagerduty", "incident:Q1") == "pagerduty:Q1"
    long = event_id("gitlab", f"deployment:{'x' * 200}")
    assert len(long) < 128
    assert long.startswith("gitlab:")
