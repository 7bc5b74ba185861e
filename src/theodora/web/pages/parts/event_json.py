"""An event as formatted JSON."""

import re

import msgspec

from theodora.events import Deployment, Failure
from theodora.events.document import TimestampForm
from theodora.report.wording import TURNING
from theodora.web.api.wire import encode_event

_TURNING = re.compile(f"[{TURNING}]")


def event_json(event: Deployment | Failure) -> str:
    """In lines; marks that turn directions are escaped, as JSON allows, so that none acts."""
    text = msgspec.json.format(encode_event(event, TimestampForm.RFC3339), indent=2).decode()
    return _TURNING.sub(lambda mark: f"\\u{ord(mark[0]):04x}", text)
