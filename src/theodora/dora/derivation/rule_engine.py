"""The rule engine: finds deployments that fix earlier ones, which are therefore marked failed.

The rules of a service are tried in a fixed order on each deployment, and the first match decides:
the source's own tag, a rollback, a linked rule, a static rule.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import lru_cache

import msgspec

from theodora.dora.derivation.cache import DerivationCache, Reading
from theodora.dora.derivation.derived import (
    Decision,
    Flag,
    Match,
    Outcome,
    RemediationLink,
    RuleAttempt,
    RuleKind,
)
from theodora.dora.derivation.rules import LinkedPattern, LinkedRule, StaticPattern, StaticRule
from theodora.dora.derivation.sequence import CodeHistory
from theodora.dora.derivation.settings import ServiceSettings
from theodora.dora.derivation.shipments import Shipment, ShippedBefore, field_texts
from theodora.events import Deployment, RemediationType

STATED_ROLLBACK = "deployment_type:rollback"
"""The custom tag with which the source of a deployment marks it as a rollback."""

STALE_AFTER = 10
"""A rollback that reaches back further is flagged: its target may be a coincidence."""


_REMEDIATION_TYPES: Mapping[RuleKind, RemediationType] = {
    "explicit": "rollback",
    "rollback": "rollback",
    "linked": "rollforward",
    "static": "rollforward",
}


class Candidate(msgspec.Struct, frozen=True, gc=False):
    """A deployment on which the rules are tried, and what came before it."""

    deployment: Deployment
    shipment: Shipment
    before: Sequence[Deployment]
    codes: CodeHistory
    shipped: ShippedBefore

    @property
    def position(self) -> int:
        return len(self.before)


class _Finding(msgspec.Struct, frozen=True, gc=False):
    """The result of one rule; without a type it did not match."""

    trials: tuple[RuleAttempt, ...]
    type: RemediationType | None = None
    links: tuple[RemediationLink, ...] = ()
    flags: tuple[Flag, ...] = ()


class Rules:
    """The compiled rules of a service. Raises `Invalid` for unusable rules."""

    def __init__(self, settings: ServiceSettings, cache: DerivationCache) -> None:
        self._settings = settings
        self._readings = cache.readings
        self._linked = [LinkedPattern(rule) for rule in settings.linked_rules]
        self._static = [StaticPattern(rule) for rule in settings.static_rules]
        self._steps: tuple[tuple[Callable[[Candidate], _Finding], tuple[RuleAttempt, ...]], ...] = (
            (self._explicit, _trials("explicit", ["explicit"], "skipped")),
            (self._rollback, _trials("rollback", ["rollback"], "skipped")),
            (self._linked_rollforward, _trials("linked", _ids(settings.linked_rules), "skipped")),
            (self._static_rollforward, _trials("static", _ids(settings.static_rules), "skipped")),
        )
        """The rules to try in turn, with the attempts to show after one has matched."""
        self._no_linked = _Finding(_trials("linked", _ids(settings.linked_rules), "no_match"))
        self._no_static = _Finding(_trials("static", _ids(settings.static_rules), "no_match"))

    @property
    def variables(self) -> frozenset[str]:
        """The index of earlier deployments for linked rules."""
        return frozenset(pattern.variable for pattern in self._linked)

    def decide(self, candidate: Candidate) -> Decision:
        """Try the rules in order; the first step that fires gives the type and the links."""
        trials: list[RuleAttempt] = []
        decided: _Finding | None = None
        for step, skipped in self._steps:
            if decided:
                trials += skipped
                continue
            finding = step(candidate)
            trials += finding.trials
            decided = finding if finding.type else None
        if not decided or not decided.type:
            return Decision("standard", tuple(trials))
        return Decision(decided.type, tuple(trials), decided.links, decided.flags)

    def _explicit(self, candidate: Candidate) -> _Finding:
        """The source marked it as a rollback."""
        if STATED_ROLLBACK not in candidate.deployment.custom_tags:
            return _Finding((_trial("explicit", "explicit", "not_stated"),))
        target = self._target(candidate)
        if isinstance(target, int):
            return _rolled_back("explicit", candidate, target)
        match = _match_before(("tags", STATED_ROLLBACK), candidate)
        fired = (RuleAttempt("explicit", "explicit", "fired", (match,)),)
        return _Finding(fired, "rollback", _link_before(candidate, "explicit", "explicit", match))

    def _rollback(self, candidate: Candidate) -> _Finding:
        """Earlier code runs again: the deployment that replaced it failed."""
        if not self._settings.detect_rollbacks:
            return _Finding((_trial("rollback", "rollback", "switched_off"),))
        target = self._target(candidate)
        if isinstance(target, int):
            return _rolled_back("rollback", candidate, target)
        return _Finding((_trial("rollback", "rollback", target),))

    def _target(self, candidate: Candidate) -> int | Outcome:
        """The last position with the same code and other code in between, or why there is none."""
        deployment = candidate.deployment
        if not deployment.git and not deployment.version:
            return "no_code"
        latest = candidate.codes.latest_same(deployment)
        if latest is None:
            return "new_code"
        distance, lookback = candidate.position - latest, self._settings.rollback_lookback
        # The same code twice in a row, such as a restart or a changed setting, takes nothing back.
        if distance == 1:
            return "redeployment"
        return "beyond_lookback" if lookback is not None and distance > lookback else latest

    def _linked_rollforward(self, candidate: Candidate) -> _Finding:
        """Texts name what they fix: the deployments that shipped it failed."""
        read = self._reading(candidate).linked
        if not any(read):
            return self._no_linked
        trials: list[RuleAttempt] = []
        links: dict[int, RemediationLink] = {}
        for pattern, captures in zip(self._linked, read, strict=True):
            matches: list[Match] = []
            for match, failed in _linked_matches(pattern, captures, candidate):
                matches.append(match)
                if failed is not None:
                    link = _link(candidate, failed, "linked", pattern.rule.id, match)
                    # The first text that names a deployment is the one that explanations show.
                    links.setdefault(failed, link)
            trials.append(_linked_trial(pattern, matches))
        in_order = tuple(links[failed] for failed in sorted(links))
        return _Finding(tuple(trials), "rollforward" if links else None, in_order)

    def _static_rollforward(self, candidate: Candidate) -> _Finding:
        """A text such as "hotfix" marks the previous deployment as failed."""
        read = self._reading(candidate).static
        if not any(read):
            return self._no_static
        trials: list[RuleAttempt] = []
        links: tuple[RemediationLink, ...] | None = None
        for pattern, found in zip(self._static, read, strict=True):
            rule = pattern.rule.id
            match = _match_before(found, candidate) if found and links is None else None
            if match:
                trials.append(RuleAttempt("static", rule, "fired", (match,)))
                links = _link_before(candidate, "static", rule, match)
            else:
                outcome = "no_match" if links is None else "skipped"
                trials.append(_trial("static", rule, outcome))
        if links is None:
            return _Finding(tuple(trials))
        return _Finding(tuple(trials), "rollforward", links)

    def _reading(self, candidate: Candidate) -> Reading:
        """The matches of the texts, from the cache if they are the same."""
        deployment, shipment = candidate.deployment, candidate.shipment
        known = self._readings.get(deployment.id)
        if known is None or not known.is_of(deployment, shipment):
            known = self._readings[deployment.id] = Reading(
                deployment.version,
                shipment,
                tuple(tuple(_captures(each, deployment, shipment)) for each in self._linked),
                tuple(_first_found(each, deployment, shipment) for each in self._static),
            )
        return known


def rules_in_order(settings: ServiceSettings) -> Iterator[tuple[RuleKind, str]]:
    """Kind and id of every rule, in the order in which they are tried."""
    yield "explicit", "explicit"
    yield "rollback", "rollback"
    for rule in settings.linked_rules:
        yield "linked", rule.id
    for rule in settings.static_rules:
        yield "static", rule.id


def _rolled_back(kind: RuleKind, candidate: Candidate, target: int) -> _Finding:
    """A rollback to `target`, as a finding: the first deployment after it failed."""
    # The code of `target` was good; the deployment after it replaced it with what had to go.
    failed, match = target + 1, _common_code(candidate, target)
    is_stale = candidate.position - target > STALE_AFTER
    return _Finding(
        (RuleAttempt(kind, kind, "fired", (match,)),),
        "rollback",
        (_link(candidate, failed, kind, kind, match),),
        ("stale_target",) if is_stale else (),
    )


def _common_code(candidate: Candidate, target: int) -> Match:
    ours, theirs = candidate.deployment, candidate.before[target]
    failed_id = candidate.before[target + 1].id
    if ours.git and theirs.git:
        return Match("commit_sha", ours.git.commit_sha, None, "fired", failed_id)
    return Match("version", ours.version or "", None, "fired", failed_id)


def _captures(
    pattern: LinkedPattern, deployment: Deployment, shipment: Shipment
) -> Iterator[tuple[str, str, str]]:
    """Field and text of every match of the pattern, and the value of its variable."""
    for field in pattern.rule.fields:
        for text in field_texts(field, deployment, shipment):
            for captured in pattern.captures(text):
                yield field, text, captured


def _linked_matches(
    pattern: LinkedPattern, captures: Iterable[tuple[str, str, str]], candidate: Candidate
) -> Iterator[tuple[Match, int | None]]:
    """Every text that the pattern matches, with the position of the failure it names."""
    for field, text, captured in captures:
        found = _named(pattern, text, captured, candidate)
        if isinstance(found, int):
            failed_id = candidate.before[found].id
            yield Match(field, text, captured, "fired", failed_id), found
        else:
            yield Match(field, text, captured, found), None


def _named(pattern: LinkedPattern, text: str, captured: str, candidate: Candidate) -> int | Outcome:
    """The deployment that shipped what `text` names, or why there is none."""
    # `Revert "Revert "X""` brings X back: nothing that shipped X has failed by that.
    if pattern.is_relanding(text):
        return "relanding"
    # A revert that is deployed together with what it reverts has fixed nothing in production.
    if candidate.shipment.ships(pattern.variable, captured, candidate.deployment):
        return "shipped_together"
    found = candidate.shipped.position(pattern.variable, captured, candidate.shipment)
    return "not_found" if found is None else found


def _linked_trial(pattern: LinkedPattern, matches: list[Match]) -> RuleAttempt:
    if not matches:
        return _trial("linked", pattern.rule.id, "no_match")
    has_link = any(match.failed_id for match in matches)
    outcome: Outcome = "fired" if has_link else matches[0].outcome
    return RuleAttempt("linked", pattern.rule.id, outcome, tuple(matches))


def _first_found(
    pattern: StaticPattern, deployment: Deployment, shipment: Shipment
) -> tuple[str, str] | None:
    """Field and text of the first match of the pattern."""
    for field in pattern.rule.fields:
        for text in field_texts(field, deployment, shipment):
            if pattern.found_in(text):
                return field, text
    return None


def _match_before(found: tuple[str, str], candidate: Candidate) -> Match:
    before = candidate.before
    return Match(*found, None, "fired", before[-1].id if before else None)


def _link_before(
    candidate: Candidate, kind: RuleKind, rule: str, match: Match
) -> tuple[RemediationLink, ...]:
    """A link to the deployment right before; none for the first."""
    if not candidate.before:
        return ()
    return (_link(candidate, candidate.position - 1, kind, rule, match),)


def _link(
    candidate: Candidate, failed: int, kind: RuleKind, rule: str, match: Match
) -> RemediationLink:
    return RemediationLink(
        failed_id=candidate.before[failed].id,
        remediation_id=candidate.deployment.id,
        type=_REMEDIATION_TYPES[kind],
        kind=kind,
        rule=rule,
        field=match.field,
        text=match.text,
    )


def _ids(rules: Iterable[LinkedRule | StaticRule]) -> list[str]:
    return [rule.id for rule in rules]


def _trials(kind: RuleKind, rules: Iterable[str], outcome: Outcome) -> tuple[RuleAttempt, ...]:
    return tuple(_trial(kind, rule, outcome) for rule in rules)


@lru_cache(maxsize=1024)
def _trial(kind: RuleKind, rule: str, outcome: Outcome) -> RuleAttempt:
    """A trial without matches: most are, and equal ones may be one value."""
    return RuleAttempt(kind, rule, outcome)
