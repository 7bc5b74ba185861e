"""The weekly digest: five metrics, what changed, and what needs attention, as a text."""

from collections.abc import Iterator, Sequence

from theodora.dora.metrics.calendar import Period
from theodora.dora.metrics.report import Report
from theodora.dora.metrics.table import DORA_METRICS
from theodora.notifications.receiver_scope import receiver_scope
from theodora.notifications.schedule import calendar_of, digest_week
from theodora.report import wording
from theodora.report.insight import Insight
from theodora.report.insight_facts import read_insights
from theodora.report.insights import Insights
from theodora.report.metric_words import Described
from theodora.report.scope import Scope
from theodora.storage import Organisation, Store
from theodora.storage.access.notifications import Message, Receiver, ReceiverSettings


def due_digest(
    store: Store, org: Organisation, receiver: Receiver, now_ns: int, url: str
) -> Message | None:
    """The digest that is due and was never queued; None without one. `url` is the dashboard's."""
    week = digest_week(receiver, now_ns)
    if week is None:
        return None
    key = f"digest:{calendar_of(receiver.settings).local_date(week.start_ns)}"
    if store.notifications.is_queued(org, receiver.id, key):
        return None
    title, body = digest_text(store, org, receiver.settings, week, now_ns, url)
    return Message(receiver.id, key, title, body)


def digest_text(
    store: Store, org: Organisation, settings: ReceiverSettings, week: Period, now_ns: int, url: str
) -> tuple[str, str]:
    """The title and the body of the digest of a week."""
    scope = receiver_scope(store, org, settings, week, now_ns, url)
    report, found = read_insights(store, org, "service", scope)
    whose = f"Team {wording.plain(settings.team)}" if settings.team else "All teams"
    return f"{whose}: {scope.clock.period(week)}", "\n".join(_lines(report, found, scope, url))


def _lines(report: Report, found: Insights, scope: Scope, url: str) -> Iterator[str]:
    total = report.overall.total
    for metric in DORA_METRICS:
        said = Described(metric, total)
        value = f"{said.words} ({said.basis})" if said.parts else said.nothing
        yield f"{metric.title}: {value}"
    yield from _section("What changed", found.changes, url)
    if not found.changes:
        yield "\nNo change beyond chance since the week before."
    yield from _section("What needs you", found.needs, url)
    if url:
        yield f"\n{scope.link('/')}"


def _section(title: str, found: Sequence[Insight], url: str) -> Iterator[str]:
    if found:
        yield f"\n{title}"
    for each in found:
        yield f"- {each.text}" + (f"\n  {each.link}" if url else "")


def sample_message(receiver: str, id_: str) -> Message:
    """A message that shows that the receiver is reached."""
    body = "If you can read this, digests and alerts arrive here."
    return Message(receiver, f"test:{id_}", "Theodora: test message", body)
