"""The history of a deployment: received, marked failed, overridden, with its incidents."""

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from theodora.dora.derivation.explanation import Explanation
from theodora.events import Deployment, Failure
from theodora.events.values import SECOND_NS
from theodora.report import wording
from theodora.report.links import deployment_path, failure_path
from theodora.report.reasons import Piece, cause_pieces, rule_name
from theodora.storage import OverrideHistory, OverrideRecord


class Past(NamedTuple):
    """One thing that happened to the deployment."""

    at_ns: int
    pieces: tuple[Piece, ...]


def history_of(
    event: Deployment,
    explanation: Explanation,
    known: Mapping[str, Deployment],
    overrides: OverrideHistory,
    incidents: Mapping[str, Failure],
) -> list[Past]:
    """What happened to a deployment, newest first. `known` and `incidents` are by their ids."""
    past = [Past(act.author.at_ns, tuple(_act_words(act, incidents))) for act in overrides.history]
    for link in explanation.failure.marked_by:
        if link.remediation_id in known:
            remedy = known[link.remediation_id]
            past.append(Past(remedy.finished_at_ns, tuple(_mark_words(remedy, link.rule))))
    override = explanation.failure.override
    named = {*explanation.failure.incident_ids, *(override.failure_ids if override else ())}
    past += [
        Past(each.started_at_ns, tuple(_incident_words(each)))
        for id_, each in incidents.items()
        if id_ in named
    ]
    received = wording.duration((event.created_at_ns - event.finished_at_ns) / SECOND_NS)
    came = Piece(f"Received by {wording.visible(event.source)}, {received} after it finished")
    past.append(Past(event.created_at_ns, (came,)))
    return sorted(past, key=lambda each: -each.at_ns)


def _act_words(act: OverrideRecord, failures: Mapping[str, Failure]) -> Iterator[Piece]:
    who = wording.visible(act.author.by) or "A person"
    if act.values is None:
        yield Piece(f"{who} removed the override: the rules decide")
        return
    said = {True: "failed", False: "not failed", None: "as the rules decide"}
    yield Piece(f"{who} marked it {said[act.values.change_failure]}")
    named = act.values.remediation_id or act.values.remediation_version
    if named:
        yield Piece(", fixed by ")
        yield Piece(wording.visible(named), is_name=True)
    yield from cause_pieces(act.values.failure_ids, failures)
    if act.author.reason:
        yield Piece(f": “{wording.visible(act.author.reason)}”")


def _mark_words(remedy: Deployment, rule: str) -> Iterator[Piece]:
    yield Piece(f"Marked failed by rule {rule_name(rule)} when ")
    yield Piece(wording.visible(remedy.version or remedy.id), deployment_path(remedy), is_name=True)
    yield Piece(" was deployed")


def _incident_words(incident: Failure) -> Iterator[Piece]:
    yield Piece("Incident ")
    yield Piece(wording.visible(incident.name or incident.id), failure_path(incident.id))
    closed = incident.time_to_restore
    yield Piece(" began" if closed is None else f" began, over after {wording.duration(closed)}")
