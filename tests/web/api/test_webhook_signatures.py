"""Who may send a webhook: each scheme over HTTP, right, wrong, missing, replayed and re-encoded."""

import base64
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from actors import TESTER
from asking import Tenant, make_tenant, server_in_process
from databases import ON_SQLITE
from sources.webhooks.test_signatures import SIGN_BODIES, SIGN_TIMES, headers
from theodora.sources.webhooks.signatures import REPLAY_SECONDS, SCHEMES, Scheme
from theodora.sources.webhooks.table import SOURCES, SourceKind
from theodora.storage import InboxQuery, WebhookSource

pytestmark = ON_SQLITE

BODY = '{"café": "ü", "n": 1}'.encode()
PADDED = BODY + b" "
LIMIT_BYTES = 4_096


class Sender(NamedTuple):
    """What a case may use to sign a body."""

    scheme: Scheme
    secret: str
    others_secret: str
    """Of a source of the same kind in another organisation."""

    def signed(self, secret: str, body: bytes = BODY, late_sec: int = 0) -> dict[str, str]:
        return headers(self.scheme, secret, body, int(time.time()) - late_sec)

    def changed(self, change: Callable[[str], str]) -> dict[str, str]:
        """The right headers with each of them changed."""
        return {name: change(value) for name, value in self.signed(self.secret).items()}


class Case(NamedTuple):
    headers: Callable[[Sender], Mapping[str, Any]]
    status: int
    schemes: tuple[Scheme, ...] = tuple(SCHEMES)


CASES: Mapping[str, Case] = {
    "right": Case(lambda sender: sender.signed(sender.secret), 202),
    "missing": Case(lambda _: {}, 401),
    "empty": Case(lambda sender: sender.changed(lambda _: ""), 401),
    "wrong": Case(lambda sender: sender.signed("another secret"), 401),
    "of another organisation": Case(lambda sender: sender.signed(sender.others_secret), 401),
    "cut off": Case(lambda sender: sender.changed(lambda value: value[:-1]), 401),
    "in UTF-16": Case(
        lambda sender: {
            name: value.encode("utf-16-le") for name, value in sender.signed(sender.secret).items()
        },
        401,
    ),
    "with letters beyond ASCII": Case(
        lambda sender: {name: "é".encode() for name in sender.signed(sender.secret)}, 401
    ),
    "of another body": Case(lambda sender: sender.signed(sender.secret, PADDED), 401, SIGN_BODIES),
    "of the body in another encoding": Case(
        lambda sender: sender.signed(sender.secret, BODY.decode().encode("latin-1")),
        401,
        SIGN_BODIES,
    ),
    "the digest encoded once more": Case(
        lambda sender: sender.changed(lambda value: base64.b64encode(value.encode()).decode()), 401
    ),
    "a little late": Case(
        lambda sender: sender.signed(sender.secret, late_sec=REPLAY_SECONDS - 60), 202, SIGN_TIMES
    ),
    "replayed": Case(
        lambda sender: sender.signed(sender.secret, late_sec=REPLAY_SECONDS + 60), 401, SIGN_TIMES
    ),
    "of the future": Case(
        lambda sender: sender.signed(sender.secret, late_sec=-REPLAY_SECONDS - 60), 401, SIGN_TIMES
    ),
}


def kind_with(scheme: Scheme) -> SourceKind:
    return next(kind for kind in SOURCES if kind.scheme == scheme)


def add(tenant: Tenant, kind: str) -> WebhookSource:
    store = tenant.built.store
    org = store.keys.organisation(tenant.organisation)
    return store.sources.add(org, kind, kind, "{}", 1, actor=TESTER).result()


def stored(tenant: Tenant, source: WebhookSource) -> int:
    inbox = tenant.built.store.inbox
    return len(inbox.select(source.organisation, InboxQuery(source.kind, source.id)))


@pytest.mark.parametrize("scheme", SCHEMES)
def test_only_its_own_sender_can_send_a_webhook(
    tenant: Tenant, other_tenant: Tenant, scheme: Scheme
) -> None:
    kind = kind_with(scheme).name
    source, theirs = add(tenant, kind), add(other_tenant, kind)
    sender = Sender(scheme, source.secret, theirs.secret)
    path = f"/webhooks/{kind}/{source.id}"
    cases = {name: case for name, case in CASES.items() if scheme in case.schemes}
    statuses = {
        name: tenant.client.post(path, content=BODY, headers=case.headers(sender)).status_code
        for name, case in cases.items()
    }
    assert statuses == {name: case.status for name, case in cases.items()}
    assert stored(tenant, source) == list(statuses.values()).count(202)
    assert stored(other_tenant, theirs) == 0


def test_a_body_of_any_size_up_to_the_limit_is_verified(tmp_path: Path) -> None:
    unlimited = {"rate_limit_dora_ingest": "1000/60", "rate_limit_unauthenticated": "1000/60"}
    with server_in_process(tmp_path, max_json_bytes=str(LIMIT_BYTES), **unlimited) as (
        built,
        client,
    ):
        tenant = make_tenant(built, client)
        for scheme in SCHEMES:
            source = add(tenant, kind_with(scheme).name)
            for size, status in ((0, 202), (LIMIT_BYTES, 202), (LIMIT_BYTES + 1, 413)):
                body = b" " * size
                sent = headers(scheme, source.secret, body, int(time.time()))
                path = f"/webhooks/{source.kind}/{source.id}"
                answer = client.post(path, content=body, headers=sent)
                assert answer.status_code == status, (scheme, size)
            assert stored(tenant, source) == 2
