"""Events from facts: all that is known of a thing, in the order of the provider's times."""

import hashlib
import re
from collections.abc import Iterable, Sequence
from itertools import pairwise, takewhile
from typing import TypeVar

import msgspec

from theodora.dora import PullRequest
from theodora.events import ActivePeriod, Deployment, Failure, repository_id
from theodora.sources.json_lines import deployment_from_document, failure_from_document
from theodora.sources.webhooks.correlation import application_commit
from theodora.sources.webhooks.facts import (
    DeploymentFact,
    IncidentFact,
    MergeCommitFact,
    PullRequestFact,
    ReviewFact,
    StoredFact,
    decode_fact,
)
from theodora.sources.webhooks.payload import known_members
from theodora.storage import Correlation, Folded, RepositoryPullRequest

T = TypeVar("T")

_MAX_ID_CHARACTERS = 128
_NOT_IN_IDS = re.compile(r"[^A-Za-z0-9\-_.:]")
_RANK = {"active": 0, "resolved": 1, "removed": 2}
"""Of two states at one instant the later one counts last."""


def fold(
    kind: str, thing: str, documents: Sequence[str], correlations: Sequence[Correlation] = ()
) -> Folded | None:
    """The event that the stored facts about one thing add up to; None while there is none.

    Depends on the sets of facts and of correlations alone. Raises `Invalid` for an event that
    breaks a rule of events.
    """
    facts = [decode_fact(document) for document in sorted(documents)]
    facts.sort(key=lambda fact: fact.at_ns)
    id_ = event_id(kind, thing)
    if deploying := _of_type(facts, DeploymentFact):
        return _deployment(kind, id_, deploying, correlations)
    if incident := _of_type(facts, IncidentFact):
        return _failure(kind, id_, incident)
    return _pull_request(facts)


def event_id(kind: str, thing: str) -> str:
    """The id of the event about a thing, such as `pagerduty:Q05XJA8GDXGOB3`."""
    number = thing.partition(":")[2]
    id_ = f"{kind}:{_NOT_IN_IDS.sub('.', number)}"
    if len(id_) <= _MAX_ID_CHARACTERS:
        return id_
    return f"{kind}:{hashlib.sha256(thing.encode()).hexdigest()[:32]}"


def _of_type(facts: Iterable[StoredFact], kind: type[T]) -> list[T]:
    return [fact for fact in facts if isinstance(fact, kind)]


def _latest(facts: Sequence[object], name: str) -> object:
    """The last value of a member; later facts that do not mention it change nothing."""
    values = (getattr(fact, name) for fact in reversed(facts))
    return next((value for value in values if value not in (None, "", ())), None)


def _deployment(
    kind: str, id_: str, facts: Sequence[DeploymentFact], correlations: Sequence[Correlation]
) -> Deployment | None:
    """None until it has succeeded for the first time."""
    finished_at_ns = next((fact.at_ns for fact in facts if fact.status == "succeeded"), None)
    if finished_at_ns is None:
        return None
    texts = ("service", "env", "team", "version", "custom_tags")
    document = {name: _latest(facts, name) for name in texts}
    document |= _commit(facts, correlations)
    times = {
        "started_at": _deployment_start(facts, finished_at_ns),
        "finished_at": finished_at_ns,
    }
    return deployment_from_document({"id": id_, "source": kind, **times, **_listed(document)})


def _commit(
    facts: Sequence[DeploymentFact], correlations: Sequence[Correlation]
) -> dict[str, object]:
    """The commit of the application if it is known, else the one that the provider names."""
    service, commit_sha, url = (
        next((value for fact in reversed(facts) if (value := getattr(fact, name))), None)
        for name in ("service", "commit_sha", "repository_url")
    )
    images = next((fact.images for fact in reversed(facts) if fact.images), ())
    application = application_commit(correlations, service, commit_sha, images)
    if application is not None:
        commit_sha, url = application.commit_sha, application.repository_url
    return {"commit_sha": commit_sha, "repository_url": url} if commit_sha and url else {}


def _deployment_start(facts: Sequence[DeploymentFact], finished_at_ns: int) -> int:
    """When it was first at work; else when it was created, else its end."""
    for status in ("started", "created"):
        times = (fact.at_ns for fact in facts if fact.status == status)
        if (first := next(times, finished_at_ns)) < finished_at_ns:
            return first
    return finished_at_ns


def _failure(kind: str, id_: str, facts: Sequence[IncidentFact]) -> Failure | None:
    """None while its start is unknown, and for an incident that was merged into another."""
    changes = [(fact.at_ns, fact.status) for fact in facts if fact.status is not None]
    changes.sort(key=lambda change: (change[0], _RANK[change[1]]))
    began = [fact.began_at_ns for fact in facts if fact.began_at_ns is not None]
    opened = [at_ns for at_ns, status in changes if status == "active"]
    starts = began or opened
    if not starts or (changes and changes[-1][1] == "removed"):
        return None
    periods = _periods(min(starts), changes)
    names = ("services", "env", "team", "name", "severity", "version", "custom_tags")
    document = {name: _latest(facts, name) for name in names}
    times: dict[str, object] = {
        "started_at": periods[0].started_at_ns,
        "finished_at": periods[-1].finished_at_ns,
        "periods": [{"started_at": start, "finished_at": end} for start, end in periods],
    }
    return failure_from_document(
        {"id": id_, "source": kind, **known_members(times), **_listed(document)}
    )


def _periods(started_at_ns: int, changes: Sequence[tuple[int, str]]) -> list[ActivePeriod]:
    """When it was active, from its start on; each period ends with the first message of its end."""
    turns = [started_at_ns]
    for at_ns, status in changes:
        is_active = len(turns) % 2 == 1
        # A period may have no length, but two do not touch.
        is_later = at_ns >= turns[-1] if is_active else at_ns > turns[-1]
        if is_later and is_active != (status == "active"):
            turns.append(at_ns)
    ends: list[int | None] = [*turns, None]
    pairs = [(start, end) for start, end in pairwise(ends)][::2]
    return [ActivePeriod(start, end) for start, end in pairs if start is not None]


def _pull_request(facts: Sequence[StoredFact]) -> RepositoryPullRequest | None:
    """None while nothing but reviews and its merge commit is known."""
    snapshots, reviews = _of_type(facts, PullRequestFact), _of_type(facts, ReviewFact)
    merges = [fact.sha for fact in _of_type(facts, MergeCommitFact)]
    if not snapshots:
        return None
    newest = snapshots[-1]
    merged_at_ns = next(
        (each.merged_at_ns for each in reversed(snapshots) if each.merged_at_ns), None
    )
    ready = [each.at_ns for each in snapshots if each.became_ready]
    merge_commit_sha = newest.merge_commit_sha or next(iter(merges), None)
    pull_request = PullRequest(
        number=newest.number,
        title=newest.title,
        labels=newest.labels,
        branch=newest.branch,
        head_sha=newest.head_sha,
        commit_count=newest.commit_count,
        merge_commit_sha=merge_commit_sha if merged_at_ns else None,
        merge_method=newest.merge_method,
        created_at_ns=newest.created_at_ns,
        ready_at_ns=_last_before(ready, merged_at_ns),
        last_approved_at_ns=_last_before(_approvals(reviews, merged_at_ns), merged_at_ns),
        merged_at_ns=merged_at_ns,
        closed_at_ns=None if merged_at_ns else _closed_at_ns(snapshots),
        is_draft=newest.is_draft and not merged_at_ns,
        base=newest.base,
        url=newest.url,
    )
    pull_request = _with_people(pull_request, snapshots, reviews)
    return RepositoryPullRequest(repository_id(newest.repository_url), pull_request)


def _with_people(
    pull_request: PullRequest, snapshots: Sequence[PullRequestFact], reviews: Sequence[ReviewFact]
) -> PullRequest:
    """The pull request with its author, size and reviewers, which not every message has."""
    author = next((each.author for each in reversed(snapshots) if each.author), "")
    sized = next((each for each in reversed(snapshots) if each.additions is not None), None)
    first_reviews = _first_reviews(reviews, author, pull_request.merged_at_ns)
    reviewers = tuple(filter(None, first_reviews))
    return msgspec.structs.replace(
        pull_request,
        author=author,
        additions=sized.additions if sized else None,
        deletions=sized.deletions if sized else None,
        first_reviewed_at_ns=min(first_reviews.values(), default=None),
        reviewers=reviewers if reviewers or not first_reviews else None,
    )


def _closed_at_ns(snapshots: Sequence[PullRequestFact]) -> int | None:
    """Since when it is closed: it may have been changed since, or reopened before."""
    closed = takewhile(lambda each: each.closed_at_ns is not None, reversed(snapshots))
    return min((each.closed_at_ns for each in closed if each.closed_at_ns), default=None)


def _first_reviews(
    reviews: Sequence[ReviewFact], author: str, merged_at_ns: int | None
) -> dict[str, int]:
    """When each reviewer first reviewed before the merge, earliest first.

    Authors who answer comments are no reviewers. Without names, a review counts for the time of
    the first one alone.
    """
    found: dict[str, int] = {}
    for each in reviews:
        is_late = merged_at_ns is not None and each.at_ns > merged_at_ns
        if each.status == "dismissed" or is_late or (author and each.reviewer == author):
            continue
        found.setdefault(each.reviewer, each.at_ns)
    return found


def _approvals(reviews: Sequence[ReviewFact], merged_at_ns: int | None) -> list[int]:
    """Times of approvals that still stood at the merge."""
    dismissals = [
        each
        for each in reviews
        if each.status == "dismissed" and (merged_at_ns is None or each.at_ns <= merged_at_ns)
    ]
    surviving = [
        approval
        for approval in reviews
        if approval.status in {"approved", "standing"}
        and not any(
            each.review in {"", approval.review} and each.at_ns >= approval.at_ns
            for each in dismissals
        )
    ]
    first_standing: dict[str, int] = {}
    for each in surviving:
        if each.status == "standing":
            first_standing.setdefault(each.review, each.at_ns)
    approved = (each.at_ns for each in surviving if each.status == "approved")
    return [*approved, *first_standing.values()]


def _last_before(times: Iterable[int], end_ns: int | None) -> int | None:
    return max((time for time in times if end_ns is None or time <= end_ns), default=None)


def _listed(document: dict[str, object]) -> dict[str, object]:
    """The members that have a value, arrays as JSON has them."""
    return {
        name: list(value) if isinstance(value, tuple) else value
        for name, value in known_members(document).items()
    }
