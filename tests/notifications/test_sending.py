"""Messages that real receivers on this machine get: each once, also after a kill while sending."""

import signal
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from aiosmtpd.controller import Controller
from apprise.plugins.slack import NotifySlack
from standardwebhooks import Webhook

from actors import TESTER
from forked_serving import forked
from loopback import answering
from theodora.cli.tls_certificates import make_authority, make_server
from theodora.errors import Invalid
from theodora.notifications.channels import check_url
from theodora.notifications.worker import CLAIM_SECONDS, MOST_TRIES, Notifier
from theodora.storage import Organisation, Store
from theodora.storage.access.notifications import (
    Message,
    Receiver,
    ReceiverKind,
    ReceiverSettings,
)

# Apprise imports it for Pythons that have it.
pytestmark = pytest.mark.filterwarnings("ignore:'imghdr' is deprecated:DeprecationWarning")

SLACK_PATH = f"/services/{'T' * 9}/{'B' * 9}/{'c' * 24}"
_KILLED = """
import sys, time
from apprise.plugins.slack import NotifySlack
from theodora.notifications.worker import Notifier
from theodora.storage import Store
NotifySlack.webhook_url = sys.argv[2]
with Store(sys.argv[1]) as store:
    Notifier(store, "").send_due()
"""


class Post(NamedTuple):
    """A request that a receiver got."""

    path: str
    headers: dict[str, str]
    body: str


class Receiving:
    """A receiver of posts, which may answer with other statuses, or hold its first answer back."""

    def __init__(self) -> None:
        self.posts: list[Post] = []
        self.statuses: list[int] = []
        self.is_slow = False

    def handler(self, *arguments: Any) -> BaseHTTPRequestHandler:
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"])).decode()
                headers = {name.lower(): value for name, value in self.headers.items()}
                outer.posts.append(Post(self.path, headers, body))
                if outer.is_slow:
                    outer.is_slow = False
                    self.rfile.read(1)
                    return
                self.send_response(outer.statuses.pop() if outer.statuses else 200)
                self.send_header("location", "/elsewhere")
                self.end_headers()
                self.wfile.write(b"ok")

            def do_GET(self) -> None:
                outer.posts.append(Post(self.path, {}, ""))
                self.send_response(200)
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        return Handler(*arguments)


class Mailbox:
    """What an SMTP server received."""

    def __init__(self) -> None:
        self.mails: list[str] = []

    async def handle_DATA(self, _server: Any, _session: Any, envelope: Any) -> str:  # noqa: N802
        self.mails.append(envelope.content.decode())
        return "250 OK"


@contextmanager
def mailbox() -> Iterator[tuple[Mailbox, int]]:
    box = Mailbox()
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    controller = Controller(box, hostname="127.0.0.1", port=port)
    controller.start()
    try:
        yield box, port
    finally:
        controller.stop()


def add(store: Store, org: Organisation, kind: ReceiverKind, url: str) -> Receiver:
    settings = ReceiverSettings(digests=False, alerts=False)
    return store.notifications.add(org, kind, kind, url, settings, 1, actor=TESTER).result()


def queue(store: Store, org: Organisation, to: Receiver, key: str = "digest:1") -> None:
    message = Message(to.id, key, "Team web: last week", "Deployments: 3\n\nWhat changed\n- more")
    store.notifications.queue(org, [message], 1, actor=TESTER).result()


def states(store: Store, org: Organisation) -> dict[str, str]:
    names = {each.id: each.kind for each in store.notifications.receivers(org)}
    log = store.notifications.log(org, 99)
    return {names[each.message.receiver]: each.state for each in log}


def trusted(folder: Path) -> tuple[ssl.SSLContext, Path]:
    """What an https server of this machine needs, and the file of its authority."""
    now = datetime.now(UTC)
    authority = make_authority("Tests", now)
    certified = make_server(authority, ["127.0.0.1"], now)
    (folder / "server.pem").write_bytes(certified.certificate_pem + certified.key_pem)
    (folder / "authority.pem").write_bytes(authority.certificate_pem)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "server.pem")
    return context, folder / "authority.pem"


def test_each_kind_of_receiver_gets_a_message_once(
    store: Store, org: Organisation, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    slack, teams, hook = Receiving(), Receiving(), Receiving()
    tls, authority = trusted(tmp_path)
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(authority))
    with (
        answering(slack.handler) as slack_port,
        answering(teams.handler, tls) as teams_port,
        answering(hook.handler) as hook_port,
        mailbox() as (box, smtp_port),
    ):
        monkeypatch.setattr(NotifySlack, "webhook_url", f"http://127.0.0.1:{slack_port}/services")
        add(store, org, "slack", f"https://hooks.slack.com{SLACK_PATH}")
        add(store, org, "teams", f"workflows://127.0.0.1:{teams_port}/workflow/signature")
        mail = f"mailto://127.0.0.1:{smtp_port}?from=dora@example.org&to=team@example.org"
        add(store, org, "email", f"{mail}&mode=insecure")
        signed = add(store, org, "webhook", f"http://127.0.0.1:{hook_port}/hook?a=1")
        for each in store.notifications.receivers(org):
            queue(store, org, each)
        assert Notifier(store, "").send_due() == 4
        assert Notifier(store, "").send_due() == 0
    assert states(store, org) == dict.fromkeys(("slack", "teams", "email", "webhook"), "sent")
    assert [each.path for each in slack.posts] == [SLACK_PATH]
    assert [each.path.partition("?")[0] for each in teams.posts] == [
        "/workflows/workflow/triggers/manual/paths/invoke"
    ]
    assert "Team web: last week" in slack.posts[0].body
    assert "AdaptiveCard" in teams.posts[0].body
    assert len(box.mails) == 1
    assert "Subject: Team web: last week" in box.mails[0]
    [post] = hook.posts
    assert post.path == "/hook?a=1"
    document = Webhook(signed.secret).verify(post.body, post.headers)
    assert document["type"] == "digest"
    assert document["data"]["title"] == "Team web: last week"


def test_what_is_refused_is_tried_again_and_given_up(store: Store, org: Organisation) -> None:
    hook = Receiving()
    with answering(hook.handler) as port:
        queue(store, org, add(store, org, "webhook", f"http://127.0.0.1:{port}/hook"))
        now_ns = time.time_ns()
        hook.statuses = [500] * MOST_TRIES
        for _ in range(MOST_TRIES + 1):
            Notifier(store, "").send_due(now_ns)
            assert Notifier(store, "").send_due(now_ns) == 0
            now_ns += 3_600 * 10**9
    assert len(hook.posts) == MOST_TRIES
    assert len({each.headers["webhook-id"] for each in hook.posts}) == 1
    [logged] = store.notifications.log(org, 9)
    assert (logged.state, logged.tries) == ("failed", MOST_TRIES)
    assert logged.reason == "the receiver answered 500"


@pytest.mark.parametrize("kind", ["slack", "webhook"])
def test_redirects_are_not_followed(
    store: Store, org: Organisation, kind: ReceiverKind, monkeypatch: pytest.MonkeyPatch
) -> None:
    receiving = Receiving()
    receiving.statuses = [302]
    with answering(receiving.handler) as port:
        base = f"http://127.0.0.1:{port}"
        monkeypatch.setattr(NotifySlack, "webhook_url", f"{base}/services")
        url = f"{base}/hook" if kind == "webhook" else f"https://hooks.slack.com{SLACK_PATH}"
        queue(store, org, add(store, org, kind, url))
        assert Notifier(store, "").send_due() == 0
    assert [each.path for each in receiving.posts] == [SLACK_PATH if kind == "slack" else "/hook"]
    [logged] = store.notifications.log(org, 9)
    assert (logged.state, logged.reason[-3:]) == ("waiting", "302")


@pytest.mark.parametrize("kind", ["slack", "webhook"])
def test_a_server_is_killed_while_sending(
    store: Store, org: Organisation, database: str, kind: ReceiverKind
) -> None:
    """Slack got it, and gets it no second time; a webhook gets it again with the same id."""
    receiving = Receiving()
    receiving.is_slow = True
    with answering(receiving.handler) as port:
        base = f"http://127.0.0.1:{port}"
        url = f"{base}/hook" if kind == "webhook" else f"https://hooks.slack.com{SLACK_PATH}"
        queue(store, org, add(store, org, kind, url))
        command = [sys.executable, "-c", _KILLED, database, f"{base}/services"]
        process = subprocess.Popen(command)
        until_sec = time.monotonic() + 60
        while not receiving.posts and time.monotonic() < until_sec:
            time.sleep(0.02)
        process.send_signal(signal.SIGKILL)
        process.wait()
        assert states(store, org) == {kind: "sending"}
        assert Notifier(store, "").send_due() == 0, "the claim has not run out"
        later_ns = time.time_ns() + (CLAIM_SECONDS + 1) * 10**9
        assert Notifier(store, "").send_due(later_ns) == (kind == "webhook")
    expected = ("sent", 2) if kind == "webhook" else ("unknown", 1)
    assert (states(store, org)[kind], len(receiving.posts)) == expected
    assert len({each.headers.get("webhook-id") for each in receiving.posts}) == 1


def test_servers_of_one_store_send_each_message_once(
    store: Store, org: Organisation, database: str, tmp_path: Path
) -> None:
    hook, folders = Receiving(), [tmp_path / name for name in ("one", "other")]
    for folder in folders:
        folder.mkdir()
    with ExitStack() as stack:
        port = stack.enter_context(answering(hook.handler))
        for folder in folders:
            stack.enter_context(forked(folder, database=database))
        to = add(store, org, "webhook", f"http://127.0.0.1:{port}/hook")
        for number in range(20):
            queue(store, org, to, f"digest:{number}")
        until_sec = time.monotonic() + 60
        while time.monotonic() < until_sec:
            if {each.state for each in store.notifications.log(org, 99)} == {"sent"}:
                break
            time.sleep(0.05)
    assert {each.state for each in store.notifications.log(org, 99)} == {"sent"}
    assert len(hook.posts) == len({each.headers["webhook-id"] for each in hook.posts}) == 20


@pytest.mark.parametrize(
    ("kind", "url", "by_page"),
    [
        ("slack", "https://hooks.slack.com/services/T/B/c", True),
        ("slack", "https://hooks.slack.com.evil.example/services/T/B/c", False),
        ("slack", "https://127.0.0.1/services/T/B/c", False),
        ("slack", "https://user@hooks.slack.com/services/T/B/c", False),
        ("slack", "https://hooks.slack.com:8443/services/T/B/c", False),
        ("slack", "slack://T/B/c", False),
        ("teams", "https://prod-1.westeurope.logic.azure.com:443/workflows/x", True),
        ("teams", "https://x.webhook.office.com/webhookb2/x", True),
        ("teams", "https://webhook.office.com.example/x", False),
        ("webhook", "http://127.0.0.1/hook", False),
        ("email", "mailtos://user:secret@smtp.example.org", False),
    ],
)
def test_a_page_may_name_providers_only(kind: ReceiverKind, url: str, by_page: bool) -> None:
    check_url(kind, url, from_page=False)
    if by_page:
        check_url(kind, url, from_page=True)
        return
    with pytest.raises(Invalid):
        check_url(kind, url, from_page=True)


@pytest.mark.parametrize("url", ["", "x", "file:///etc/passwd", "https://", "https://a\nb", "ü"])
def test_what_is_no_address_is_refused_from_anyone(url: str) -> None:
    for kind in ("slack", "webhook"):
        with pytest.raises(Invalid):
            check_url(kind, url, from_page=False)
