"""PagerDuty's REST API: incidents with the log of what became of them."""

import re
from collections.abc import Iterator, Mapping
from urllib.parse import quote

from theodora.events import format_rfc3339
from theodora.events.json_values import JsonObject, is_object
from theodora.events.values import DAY_NS
from theodora.sources.backfill.client import ApiLimit, ApiPage, Client
from theodora.sources.backfill.streams import (
    Deliveries,
    Extent,
    HistoricDelivery,
    HistoryStream,
)
from theodora.sources.webhooks.payload import needed_text

PAGERDUTY_URL = "https://api.pagerduty.com"
PAGERDUTY_LIMIT = ApiLimit("ratelimit-remaining", "ratelimit-reset", is_moment=False)

_WINDOW_NS = 30 * DAY_NS
"""PagerDuty answers at most half a year at once, and at most 10,000 incidents."""
_PAGE = 100
_OFFSET = re.compile(r"([?&]offset=)(\d+)")
_STATUSES: Mapping[str, tuple[str, str]] = {
    "trigger_log_entry": ("triggered", "incident.triggered"),
    "acknowledge_log_entry": ("acknowledged", "incident.acknowledged"),
    "unacknowledge_log_entry": ("triggered", "incident.unacknowledged"),
    "resolve_log_entry": ("resolved", "incident.resolved"),
    "reopen_log_entry": ("triggered", "incident.reopened"),
}
"""The status after an entry of the log, and the event that PagerDuty's webhook sends for it."""


def pagerduty_headers(token: str) -> dict[str, str]:
    return {
        "Authorization": f"Token token={token}",
        "Accept": "application/vnd.pagerduty+json;version=2",
    }


def pagerduty_streams(client: Client, extent: Extent) -> Iterator[HistoryStream]:
    """The incidents of the account, or of the service with the id `target`, window by window."""
    history = _PagerdutyHistory(client)
    only = f"&service_ids%5B%5D={quote(extent.target)}" if extent.target else ""
    for start_ns in range(extent.since_ns, extent.until_ns, _WINDOW_NS):
        start, end = (
            quote(format_rfc3339(at), safe="") for at in (start_ns, start_ns + _WINDOW_NS)
        )
        yield HistoryStream(
            f"incidents from {format_rfc3339(start_ns)[:10]}",
            f"incidents?since={start}&until={end}&time_zone=UTC&sort_by=created_at:asc"
            f"&limit={_PAGE}&offset=0{only}",
            history.incident,
            member="incidents",
            next_path=_next_offset,
        )


class _PagerdutyHistory:
    def __init__(self, client: Client) -> None:
        self._client = client

    def incident(self, incident: JsonObject) -> Deliveries:
        """The webhooks about it. Only one that ends it has the reason of the end."""
        path: str | None = (
            f"incidents/{quote(needed_text(incident, 'id'))}/log_entries?time_zone=UTC"
            f"&limit={_PAGE}&offset=0"
        )
        unresolved = {name: each for name, each in incident.items() if name != "resolve_reason"}
        while path is not None:
            answer = self._client.get(path)
            for entry in _entries(answer):
                status, event_type = _STATUSES.get(str(entry.get("type")), ("", ""))
                if status:
                    whole = incident if status == "resolved" else unresolved
                    data: JsonObject = {**whole, "type": "incident", "status": status}
                    yield _delivery(event_type, entry, data)
            path = _next_offset(path, answer)


def _delivery(event_type: str, entry: JsonObject, data: JsonObject) -> HistoricDelivery:
    event: JsonObject = {
        "event_type": event_type,
        "occurred_at": entry.get("created_at"),
        "data": data,
    }
    return HistoricDelivery({}, {"event": event})


def _entries(answer: ApiPage) -> Iterator[JsonObject]:
    entries = answer.value.get("log_entries") if is_object(answer.value) else None
    if isinstance(entries, list):
        yield from (each for each in entries if is_object(each))


def _next_offset(path: str, answer: ApiPage) -> str | None:
    """The next page, as long as the answer says that there is more."""
    if not is_object(answer.value) or answer.value.get("more") is not True:
        return None
    return _OFFSET.sub(lambda found: f"{found[1]}{int(found[2]) + _PAGE}", path)
