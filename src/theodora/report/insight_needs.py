"""What needs attention, in sentences, whatever chance does."""

from collections.abc import Callable, Iterator, Mapping

from theodora.dora.metrics.calendar import Period
from theodora.dora.metrics.metrics import Metrics
from theodora.dora.metrics.report import Report
from theodora.dora.metrics.table import (
    CHANGE_FAILURE_RATE,
    FAILED_DEPLOYMENT_RECOVERY_TIME,
)
from theodora.events import Failure
from theodora.events.values import DAY_NS, SECOND_NS
from theodora.report import wording
from theodora.report.insight import OPEN, PENDING, UNFIXED, Insight, InsightFacts, group_words
from theodora.report.links import deployment_path, failure_path
from theodora.report.scope import Scope, service_path
from theodora.storage.derivation.undeployed import UndeployedCommits

UNDEPLOYED_DAYS = 1
"""So long commits wait for a deployment before it is reported."""


def _open_failures(_: Report, key: str, scope: Scope, facts: InsightFacts) -> Iterator[Insight]:
    if not facts.open_failures:
        return
    oldest = facts.open_failures[0]
    age = wording.duration((scope.now_ns - oldest.started_at_ns) / SECOND_NS)
    count = len(facts.open_failures)
    if count == 1:
        link, subject, words = failure_path(oldest.id), _failure_name(oldest), f"open for {age}"
        yield Insight("open_failures", None, subject, words, scope.href(link), "worse")
        return
    since = Period(oldest.started_at_ns, scope.now_ns)
    link = scope.link("/failures", query=scope.also(OPEN), **scope.within(since))
    counted = f"more than {count}" if facts.has_more_open else wording.number(count)
    words = f"{counted} are open, the oldest for {age}: {wording.plain(_failure_name(oldest))}"
    yield Insight("open_failures", None, "Failures", words, link, "worse")


def _failure_name(failure: Failure) -> str:
    return failure.name or ", ".join(failure.services) or failure.id


def _unfixed(report: Report, key: str, scope: Scope, facts: InsightFacts) -> Iterator[Insight]:
    count = report.overall.total[FAILED_DEPLOYMENT_RECOVERY_TIME].open
    if not count:
        return
    age = oldest = ""
    if facts.unfixed is not None:
        event = facts.unfixed
        age = wording.duration((scope.now_ns - event.finished_at_ns) / SECOND_NS)
        oldest = wording.plain(f"{event.service} {event.version or ''}".strip())
    link = scope.link("/deployments", query=scope.also(UNFIXED))
    if count == 1 and facts.unfixed is not None:
        link = scope.href(deployment_path(facts.unfixed))
        yield Insight(
            "unfixed", None, oldest, f"failed {age} ago, without a fix yet", link, "worse"
        )
        return
    which = f", the oldest for {age}: {oldest}" if age else _most(report, key, _open_of)
    words = f"{wording.number(count)} have no fix yet{which}"
    yield Insight("unfixed", None, "Failed deployments", words, link, "worse")


def _not_derived(_: Report, key: str, scope: Scope, facts: InsightFacts) -> Iterator[Insight]:
    if facts.not_derived:
        noun = "service and environment", "services and environments"
        words = f"failed for {wording.counted(facts.not_derived, *noun)}"
        link = scope.link("/data-health", check="derivation")
        yield Insight("not_derived", None, "Derivation", words, link, "worse")


def _silent(_: Report, key: str, scope: Scope, facts: InsightFacts) -> Iterator[Insight]:
    if not facts.silent:
        return
    first, *others = facts.silent
    since = wording.duration((scope.now_ns - first.last_ns) / SECOND_NS)
    words = f"no deployment for {since}, usually one every {wording.duration(first.gap_sec)}"
    if others:
        words += f"; {wording.number(len(others))} other{'s' if others[1:] else ''} silent too"
    link = scope.link("/data-health", check="sources")
    yield Insight("silent_sources", None, f"Source {first.name}", words, link)


def _undeployed(_: Report, key: str, scope: Scope, facts: InsightFacts) -> Iterator[Insight]:
    least_ns = scope.now_ns - UNDEPLOYED_DAYS * DAY_NS
    waiting = [each for each in facts.undeployed if each.since_ns <= least_ns]
    if not waiting:
        return
    first, *others = waiting
    words = undeployed_words(first, scope.now_ns)
    if count := len({each.service for each in others} - {first.service}):
        words += f"; {wording.counted(count, 'other service')} with older than a day"
    link = scope.link(service_path(first.service), query=None)
    yield Insight("undeployed", None, first.service, words, link)


def undeployed_words(found: UndeployedCommits, now_ns: int) -> str:
    """`14 commits merged but not deployed, the oldest for 3 d`."""
    age = wording.duration(max(0, now_ns - found.since_ns) / SECOND_NS)
    oldest = f"the oldest for {age}" if found.commits > 1 else f"for {age}"
    return f"{wording.counted(found.commits, 'commit')} merged but not deployed, {oldest}"


def _pending(report: Report, key: str, scope: Scope, facts: InsightFacts) -> Iterator[Insight]:
    count = report.overall.total[CHANGE_FAILURE_RATE].pending
    if count:
        words = f"{wording.counted(count, 'deployment')} pending{_most(report, key, _pending_of)}"
        link = scope.link("/deployments", query=scope.also(PENDING))
        yield Insight("pending", None, "Verdicts", words, link)


def _open_of(total: Metrics) -> int:
    return total[FAILED_DEPLOYMENT_RECOVERY_TIME].open


def _pending_of(total: Metrics) -> int:
    return total[CHANGE_FAILURE_RATE].pending


def _most(report: Report, key: str, count: Callable[[Metrics], int]) -> str:
    """The group with most of them, if there are several groups: `, 8 of search`."""
    counts = [(count(each.total), each.group[0]) for each in report.groups]
    if len(counts) < 2:
        return ""
    most, name = max(counts, key=lambda each: each[0])
    are_all = most == sum(each for each, _ in counts)
    some = "" if are_all else f"{wording.number(most)} "
    return f", {some}of {wording.plain(group_words(name, key))}"


NEEDS: Mapping[str, Callable[[Report, str, Scope, InsightFacts], Iterator[Insight]]] = {
    "open_failures": _open_failures,
    "unfixed": _unfixed,
    "not_derived": _not_derived,
    "silent_sources": _silent,
    "undeployed": _undeployed,
    "pending": _pending,
}
"""The kinds of what needs attention, the most urgent first, and how each is found."""


def needs_of(report: Report, key: str, scope: Scope, facts: InsightFacts) -> Iterator[Insight]:
    """The sentences of all kinds, the most urgent first."""
    for find in NEEDS.values():
        yield from find(report, key, scope, facts)
