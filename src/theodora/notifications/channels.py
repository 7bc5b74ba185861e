"""Channels: the kinds of receivers, with their addresses and how they are sent to.

Webhooks are signed as Standard Webhooks describes (https://www.standardwebhooks.com) and have one
id for all tries, by which their receiver knows a repetition. Apprise sends everything else.
"""

import hashlib
import logging
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import NamedTuple, get_args
from urllib.parse import urlsplit

import msgspec

from theodora.errors import Invalid, NoAnswer, Problem
from theodora.events import format_rfc3339
from theodora.events.attributes import CONTROL
from theodora.events.values import SECOND_NS
from theodora.sources.http_client import HttpClient
from theodora.storage.access.notifications import MessageClaim, ReceiverKind

MAX_URL_CHARACTERS = 2_000
_TIMEOUT_SECONDS = 10.0
_MAX_ANSWER_BYTES = 65_536
_INSTALL = "the extra notifications is not installed: pip install 'theodora[notifications]'"


class Channel(NamedTuple):
    """A kind of receivers."""

    label: str
    address: str
    """What its URL looks like."""
    schemes: tuple[str, ...]
    """Of URLs that whoever runs the server may use."""
    hosts: re.Pattern[str] | None
    """Of https URLs that a page may use: the provider's own. None where a page may use none, as it
    must not make the server ask servers of its own network."""


CHANNELS: Mapping[ReceiverKind, Channel] = {
    "slack": Channel(
        "Slack",
        "https://hooks.slack.com/services/…",
        ("https", "slack"),
        re.compile(r"hooks\.slack\.com"),
    ),
    "teams": Channel(
        "Microsoft Teams",
        "https://….logic.azure.com/workflows/…",
        ("https", "workflows", "msteams"),
        re.compile(
            r"[a-z0-9.-]+\.(logic\.azure\.com|api\.powerplatform\.com|webhook\.office\.com)"
        ),
    ),
    "email": Channel(
        "E-mail", "mailtos://user:password@smtp.example.org?to=…", ("mailto", "mailtos"), None
    ),
    "webhook": Channel("Webhook", "https://example.org/hook", ("https", "http"), None),
}


def check_kind(text: str) -> ReceiverKind:
    """Raises `Invalid` for a kind that there is not."""
    for kind in get_args(ReceiverKind):
        if kind == text:
            return kind
    raise Invalid(Problem(f'must be one of "{" ".join(CHANNELS)}"', parameter="kind"))


def check_url(kind: ReceiverKind, url: str, *, from_page: bool) -> None:
    """Raises `Invalid` for a URL that messages of the kind cannot, or may not, be sent to."""
    channel = CHANNELS[kind]
    if len(url) > MAX_URL_CHARACTERS or CONTROL.search(url) or not url.isascii():
        detail = f"must have at most {MAX_URL_CHARACTERS} printable ASCII characters"
        raise Invalid(Problem(detail, parameter="url"))
    try:
        parts = urlsplit(url)
        host, is_plain = parts.hostname or "", parts.port in {None, 443} and not parts.username
    except ValueError:
        host, parts, is_plain = "", urlsplit(""), False
    if parts.scheme not in channel.schemes or not (host or parts.netloc):
        raise Invalid(Problem(f"must look like {channel.address}", parameter="url"))
    if not from_page:
        return
    if channel.hosts is None:
        detail = "can be added by theodora notifications add only"
        raise Invalid(Problem(detail, parameter="kind"))
    if parts.scheme != "https" or not is_plain or not channel.hosts.fullmatch(host):
        raise Invalid(Problem(f"must look like {channel.address}", parameter="url"))


def send(claim: MessageClaim, now_ns: int) -> str:
    """Sends a message; why it was not sent, or nothing if it was."""
    return _send_webhook(claim, now_ns) if claim.receiver.kind == "webhook" else _send(claim)


def _send(claim: MessageClaim) -> str:
    # Imported with the first message: most servers send none.
    try:
        from apprise import Apprise, AppriseAsset  # noqa: PLC0415
    except ImportError:
        return _INSTALL
    # Redirects would lead to servers that nobody named.
    apprise = Apprise(asset=AppriseAsset(http_redirects=False))
    if not apprise.add(claim.receiver.url):
        return "the address of the receiver cannot be used"
    statuses = _Statuses()
    logger = logging.getLogger("apprise")
    logger.addHandler(statuses)
    try:
        is_sent = apprise.notify(claim.message.body, claim.message.title, body_format="text")
    finally:
        logger.removeHandler(statuses)
    return "" if is_sent else statuses.reason


class _Statuses(logging.Handler):
    """Statuses in what Apprise logs; the rest may have the address in it, which is a secret."""

    reason = "the receiver could not be reached, or did not accept it"

    def emit(self, record: logging.LogRecord) -> None:
        if found := re.search(r"error=(\d{3})", record.getMessage()):
            self.reason = f"the receiver refused it with status {found[1]}"


def _send_webhook(claim: MessageClaim, now_ns: int) -> str:
    try:
        from standardwebhooks import Webhook  # noqa: PLC0415
    except ImportError:
        return _INSTALL
    body = webhook_body(claim)
    id_ = webhook_id(claim)
    at = datetime.fromtimestamp(now_ns // SECOND_NS, UTC)
    headers = {
        "content-type": "application/json",
        "webhook-id": id_,
        "webhook-timestamp": str(now_ns // SECOND_NS),
        "webhook-signature": Webhook(claim.receiver.secret).sign(id_, at, body),
    }
    parts = urlsplit(claim.receiver.url)
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    client = HttpClient(
        f"{parts.scheme}://{parts.netloc}", _TIMEOUT_SECONDS, max_answer_bytes=_MAX_ANSWER_BYTES
    )
    try:
        answer = client.ask("POST", path, headers, body.encode())
    except NoAnswer as error:
        return str(error)
    finally:
        client.close()
    return "" if 200 <= answer.status < 300 else f"the receiver answered {answer.status}"


def webhook_id(claim: MessageClaim) -> str:
    """The same for every try."""
    subject = f"{claim.receiver.id}:{claim.message.key}"
    return f"msg_{hashlib.sha256(subject.encode()).hexdigest()[:32]}"


def webhook_body(claim: MessageClaim) -> str:
    """The document of a webhook, the same for every try."""
    message = claim.message
    document = {
        "type": message.key.partition(":")[0],
        "timestamp": format_rfc3339(claim.queued_at_ns),
        "data": {"title": message.title, "text": message.body},
    }
    return msgspec.json.encode(document).decode()
