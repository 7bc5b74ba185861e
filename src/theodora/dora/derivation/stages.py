"""The stages of a commit's lead time, from writing it to running it."""

from collections.abc import Iterable
from typing import Literal, get_args

import msgspec

from theodora.dora.derivation.commits import PullRequest
from theodora.events import Deployment
from theodora.events.values import STAGE_AVERAGES

Stage = Literal[
    "time_to_pr_ready", "review_time", "merge_time", "time_to_deploy", "deploy_time", "other"
]

STAGES: tuple[Stage, ...] = get_args(Stage)


_AVERAGES = frozenset(each.name for each in STAGE_AVERAGES)
AVERAGED: tuple[tuple[str, Stage], ...] = tuple(
    (name, stage) for stage in STAGES if (name := f"avg_{stage}") in _AVERAGES
)
"""The averages that deployments have, and their stages."""


class Stages(msgspec.Struct, frozen=True, gc=False):
    """Nanoseconds by stage; None where a stage is not known or did not take place.

    `other` is the rest of the lead time, so that the stages add up to it.
    """

    time_to_pr_ready: int | None = None
    review_time: int | None = None
    merge_time: int | None = None
    time_to_deploy: int | None = None
    deploy_time: int | None = None
    other: int | None = None


def stages_of(
    time_ns: int, lead_time_ns: int, pull_request: PullRequest | None, deployment: Deployment
) -> Stages:
    """The stages of a commit of `time_ns` that ran after `lead_time_ns`.

    Datadog docs name the first five. Spans that began before the commit was written are
    clipped at the commit, so that a commit pushed late in a review is not charged for all of it.
    """
    started_at_ns = deployment.started_at_ns
    if pull_request is None:
        ready = review = merge = None
        waiting = started_at_ns - time_ns
    else:
        ready, review, merge = _pull_request_stages(time_ns, pull_request)
        waiting = _span(pull_request.merged_at_ns, started_at_ns, time_ns)
    named = [_known(span) for span in (ready, review, merge, waiting, _roll_out(deployment))]
    return Stages(*named, other=_known(lead_time_ns - sum(span or 0 for span in named)))


def mean_of(stages: Iterable[Stages | None]) -> Stages:
    """Of each stage that deployments have an average of, the mean over those that took place.

    It is rounded down to nanoseconds, so that rounding it to seconds is exact.
    """
    known = [each for each in stages if each is not None]
    return Stages(
        **{stage: _mean([getattr(each, stage) for each in known]) for _, stage in AVERAGED}
    )


def _mean(spans: Iterable[int | None]) -> int | None:
    known = [span for span in spans if span is not None]
    return sum(known) // len(known) if known else None


def _pull_request_stages(
    time_ns: int, pull_request: PullRequest
) -> tuple[int | None, int | None, int | None]:
    """Until ready for review, until the last approval, until the merge."""
    ready, approved = _ready(pull_request), _approved(pull_request)
    until_ready = None if ready is None or time_ns >= ready else ready - time_ns
    if approved is None:
        return until_ready, None, None
    review = None if time_ns >= approved else _span(ready, approved, time_ns)
    merge = _span(max(ready or 0, approved), pull_request.merged_at_ns, time_ns)
    return until_ready, review, merge


def _ready(pull_request: PullRequest) -> int | None:
    ready = pull_request.ready_at_ns
    return pull_request.created_at_ns if ready is None else ready


def _approved(pull_request: PullRequest) -> int | None:
    """The last approval, if it came before the merge."""
    approved, merged = pull_request.last_approved_at_ns, pull_request.merged_at_ns
    if approved is not None and merged is not None and approved > merged:
        return None
    return approved


def _roll_out(deployment: Deployment) -> int | None:
    """The time from start to finish; None if they are equal: then the source gave no start."""
    return deployment.finished_at_ns - deployment.started_at_ns or None


def _span(since_ns: int | None, until_ns: int | None, not_before_ns: int) -> int | None:
    if since_ns is None or until_ns is None:
        return None
    return until_ns - max(since_ns, not_before_ns)


def _known(span: int | None) -> int | None:
    """None for a span that would be negative: its ends came in another order."""
    return None if span is None or span < 0 else span
