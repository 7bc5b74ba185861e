"""The events that a receiver of digests and alerts learns about."""

from theodora.dora.metrics.calendar import Period
from theodora.events import format_rfc3339
from theodora.query import Everything, Production, all_of, to_text
from theodora.query.fields import resolve
from theodora.query.operands import equals
from theodora.report.scope import Scope, read_scope
from theodora.storage import Organisation, Store
from theodora.storage.access.notifications import ReceiverSettings


def receiver_scope(
    store: Store,
    org: Organisation,
    settings: ReceiverSettings,
    period: Period,
    now_ns: int,
    url: str,
) -> Scope:
    """Those of its team in production, and a period; `url` is the dashboard's, for links."""
    parts = [Production()] if store.settings.has_production(org) else []
    of_team = [equals(resolve("team"), settings.team)] if settings.team else []
    tree = all_of([*parts, *of_team]) if parts or of_team else Everything()
    given = {
        "from": format_rfc3339(period.start_ns),
        "to": format_rfc3339(period.end_ns),
        "interval": "day",
        "query": "" if tree == Everything() else to_text(tree),
        "timezone": settings.timezone,
    }
    return read_scope(given, now_ns, prefix=url)
