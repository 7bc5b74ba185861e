"""Sentences that explain a deployment's verdict, with links to what they name."""

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple
from urllib.parse import quote

from theodora.dora.derivation.explanation import Explanation, LinkExplained, OverrideExplained
from theodora.events import Deployment, Failure
from theodora.events.timestamps import nanoseconds_from_rfc3339
from theodora.report import wording
from theodora.report.clock import Clock
from theodora.report.links import failure_path, path_of

RULES: Mapping[str, str] = {
    "explicit": "Tagged as rollback",
    "rollback": "Rollback",
    "revert": "Revert",
    "conventional-revert": "Revert of a conventional commit",
    "hotfix": "Hotfix",
}
"""The names of built-in rules on pages; other rules are shown by their ids."""

JUDGES: Mapping[str, str] = {**RULES, "override": "Override", "incident": "Incident"}
"""The names of everything that can mark a deployment as failed."""

_PLACES: Mapping[str, str] = {
    "explicit": "else",
    "rollback": "else",
    "incident": "else",
    "override": "",
}
"""The anchors on the page of rules of those without a row of their own; empty for none."""

TEXTS: Mapping[str, str] = {
    "pr_title": "pull request title",
    "pr_label": "pull request label",
    "pr_branch": "branch",
    "commit_subject": "commit subject",
    "commit_message": "commit message",
    "version": "version",
    "commit_sha": "commit",
}


class Piece(NamedTuple):
    """Some words of a sentence."""

    words: str
    path: str = ""
    """Where they lead, if they do."""
    is_name: bool = False
    """Whether they are a version or the like."""


Pieces = Iterator[Piece]


class Reasons:
    """Writes the sentences about one deployment.

    `known` are other deployments that they name, `failures` the failures, both by id.
    """

    def __init__(
        self,
        explanation: Explanation,
        known: Mapping[str, Deployment],
        failures: Mapping[str, Failure],
        clock: Clock,
    ) -> None:
        self._explanation = explanation
        self._known = known
        self._failures = failures
        self._clock = clock

    def verdict(self) -> Pieces:
        """The sentence about what decided the verdict."""
        failure = self._explanation.failure
        if failure.decided_by == "override" and failure.override:
            yield from self._override(failure.override)
        elif failure.decided_by == "incident":
            yield from self._incidents(failure.incident_ids)
        elif failure.decided_by == "pending":
            yield Piece(f"No verdict yet: {self._explanation.lead_time.meaning}.")
        elif failure.marked_by:
            yield from self._link(failure.marked_by[0], failure.recovery_time)
        else:
            yield Piece("No later deployment rolled it back or fixed it, and no incident names it.")

    def remedied(self) -> Pieces:
        """The sentence about what it fixed, if anything."""
        found = self._explanation.type
        if found.given_by:
            yield Piece(f"{self._by(found.given_by)} named it as the fix of ")
            yield self._name(found.given_by.deployment_id)
            yield Piece(".")
        elif found.remedied:
            first = found.remedied[0]
            yield Piece(f"It is a {found.deployment_type} by rule ")
            yield Piece(rule_name(first.rule))
            yield Piece(" and fixed ")
            for number, link in enumerate(found.remedied):
                yield Piece(", " if number else "")
                yield self._name(link.failed_id)
            yield Piece(".")

    def _link(self, link: LinkExplained, recovery_sec: float | None) -> Pieces:
        yield self._name(link.remediation_id)
        after = "" if recovery_sec is None else f" after {wording.duration(recovery_sec)}"
        rule = rule_name(link.rule)
        if link.rule == "rollback" and link.text:
            yield Piece(" rolled back to ")
            yield Piece(_code(link), is_name=True)
            yield Piece(f"{after}, so rule {rule} marks this one failed.")
        elif link.text:
            yield Piece(f" fixed it{after}: its {TEXTS.get(link.field or '', 'text')} ")
            yield Piece(f"“{wording.visible(link.text)}” matches rule {rule}.")
        else:
            yield Piece(f" rolled it back{after}, so rule {rule} marks this one failed.")

    def _override(self, override: OverrideExplained) -> Pieces:
        said = "failed" if override.change_failure else "not failed"
        at_ns = nanoseconds_from_rfc3339(override.at) if override.at else None
        when = f" on {self._clock.moment(at_ns)}" if at_ns else ""
        yield Piece(f"{self._by(override)} marked it {said}{when}")
        yield from cause_pieces(override.failure_ids, self._failures)
        yield Piece(f": “{wording.visible(override.reason)}”" if override.reason else ".")

    def _incidents(self, ids: tuple[str, ...]) -> Pieces:
        yield Piece("Named by the " + ("incident " if len(ids) == 1 else "incidents "))
        for number, id_ in enumerate(ids):
            yield Piece(", " if number else "")
            yield Piece(id_, failure_path(id_), is_name=True)
        yield Piece(", so the rules of this service mark it failed.")

    def _name(self, id_: str) -> Piece:
        known = self._known.get(id_)
        name = (known.version if known else None) or id_
        return Piece(wording.visible(name), path_of(id_) if known else "", is_name=True)

    def _by(self, override: OverrideExplained) -> str:
        return wording.visible(override.by) if override.by else "A person"


def cause_pieces(failure_ids: Sequence[str], failures: Mapping[str, Failure]) -> Pieces:
    """The failures that a deployment caused, as the end of a sentence; nothing without any."""
    for number, id_ in enumerate(failure_ids):
        yield Piece(", " if number else " as the cause of ")
        known = failures.get(id_)
        name = (known.name if known else None) or id_
        yield Piece(wording.visible(name), failure_path(id_) if known else "", is_name=not known)


def rule_name(rule: str) -> str:
    return RULES.get(rule, wording.visible(rule))


def judge_name(judge: str) -> str:
    """The label of a value of `Deployment.failed_by`."""
    return JUDGES.get(judge, wording.visible(judge))


def rule_anchor(judge: str) -> str:
    """Its anchor on the page of rules; empty for what is no rule."""
    return _PLACES.get(judge, f"rule-{quote(judge, safe='')}")


def _code(link: LinkExplained) -> str:
    text = link.text or ""
    return wording.short_sha(text) if link.field == "commit_sha" else wording.visible(text)
