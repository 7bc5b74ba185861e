"""Every operation and form leaves exactly one audit entry, done or refused, or has a reason."""

import itertools
import time
from collections.abc import Mapping
from typing import Any, NamedTuple

import pytest

from actors import TESTER
from asking import Tenant, make_key
from databases import ON_SQLITE
from storage.test_isolation import ADA, LIMITS, Member, make, receiver_of
from theodora.query import Kind, sort_key
from theodora.storage import Selection
from theodora.storage.access.audit import AuditQuery
from theodora.storage.access.permissions import PERMISSIONS, READ
from theodora.storage.access.principals import key_principal
from theodora.storage.engine.audit import AuditEntry
from theodora.storage.engine.audit_actions import ActionName
from theodora.storage.goals import GoalSubject
from theodora.storage.saved_views import EVERYBODY, SavedView
from theodora.web.api.routes import OPERATIONS
from theodora.web.http.security import Credential
from theodora.web.pages.routes import PAGES
from visiting import Browser, sign_in

pytestmark = ON_SQLITE

_numbers = itertools.count(1)


class Ask(NamedTuple):
    """A request for an operation; `{}` in the path holds a name of `names_of`."""

    operation: str
    path: str
    attributes: Mapping[str, Any] | None
    action: ActionName


class Send(NamedTuple):
    """A form that is sent."""

    path: str
    fields: Mapping[str, str]
    action: ActionName


DORA = "/api/v2/dora"
VERSION = {"service": "shop", "env": "production", "version": "v1", "change_failure": True}
ASKS = (
    Ask("PatchDORADeploymentByVersion", f"{DORA}/deployments", VERSION, "verdict.set"),
    Ask(
        *("PatchDORADeployment", f"{DORA}/deployments/second"),
        *({"change_failure": True}, "verdict.set"),
    ),
    Ask(
        *("PutDORADeploymentVerdict", f"{DORA}/deployments/third/verdict"),
        *({"change_failure": False}, "verdict.set"),
    ),
    Ask(
        *("DeleteDORADeploymentVerdict", f"{DORA}/deployments/third/verdict"),
        *(None, "verdict.removed"),
    ),
    Ask("DeleteDORADeployment", f"{DORA}/deployment/fourth", None, "deployment.deleted"),
    Ask("DeleteDORAFailure", f"{DORA}/failure/down", None, "failure.deleted"),
    Ask(
        *("CreateDORAAnnotation", f"{DORA}/annotations"),
        *({"text": "x"}, "annotation.added"),
    ),
    Ask("DeleteDORAAnnotation", f"{DORA}/annotations/{{annotation}}", None, "annotation.removed"),
    Ask(
        *("CreateDORAGoal", f"{DORA}/goals"),
        *({"metric": "change_lead_time", "value": "3d"}, "goal.set"),
    ),
    Ask(
        "DeleteDORAGoal", f"{DORA}/goals/{GoalSubject('change_lead_time').id}", None, "goal.removed"
    ),
    Ask(
        *("CreateDORASavedView", f"{DORA}/saved_views"),
        *({"name": "Ours", "page": "/?range=1y"}, "view.saved"),
    ),
    Ask(
        "DeleteDORASavedView",
        f"{DORA}/saved_views/{SavedView(EVERYBODY, 'Ours', '/', '', is_start=False).id}",
        None,
        "view.deleted",
    ),
    Ask(
        *("CreateDORANotificationReceiver", f"{DORA}/notification_receivers"),
        *({"kind": "slack", "url": "https://hooks.slack.com/services/x"}, "receiver.added"),
    ),
    Ask(
        *("PatchDORANotificationReceiver", f"{DORA}/notification_receivers/{{receiver}}"),
        *({"name": "two"}, "receiver.changed"),
    ),
    Ask(
        *("DeleteDORANotificationReceiver", f"{DORA}/notification_receivers/{{receiver}}"),
        *(None, "receiver.removed"),
    ),
    Ask("PutDORASettings", f"{DORA}/settings", {"team": "one"}, "settings.changed"),
    Ask(
        *("PutDORAServiceSettings", f"{DORA}/settings/services/shop"),
        *({"team": "two"}, "settings.changed"),
    ),
    Ask(
        *("PutDORARetention", f"{DORA}/settings/retention"),
        *({"days": 36_000}, "retention.changed"),
    ),
)
READING = "it reads"
DATA = "what comes in is data"
SILENT: Mapping[str, str] = {
    **dict.fromkeys(
        (
            *("ListDORADeployments", "GetDORADeployment", "ExplainDORADeployment"),
            *("GetDORADeploymentVerdict", "GetDORASettings", "PreviewDORASettings"),
            *("GetDORARetention", "PreviewDORARetention", "ListDORAServices"),
            *("GetDORAServiceSettings", "PreviewDORAServiceSettings", "ListDORAFailures"),
            *("ListDORAPullRequests", "GetDORAPullRequest", "GetDORAPullRequestMetrics"),
            *("GetDORAFailure", "GetDORAMetrics", "ScrapeDORAMetrics", "GetBadge"),
            *("ListDORAInsights", "GetDORAAIImpact", "ListDORAAnnotations"),
            *("ListDORAGoals", "ListDORASavedViews", "ListDORANotificationReceivers"),
            *("ListAuditEntries", "Validate", "ValidateV2", "ValidateAPIKey", "SearchCommits"),
        ),
        READING,
    ),
    **dict.fromkeys(
        (
            *("CreateDORADeployment", "CreateDORAFailure", "CreateDORAIncident"),
            *("CreateAIImpactUserActivity", "UploadPackfile", "UploadTrackedFiles"),
            *("SubmitMetrics", "ReceiveIntakeWebhook", "CorrelateDeployment", "CorrelateImage"),
            *("TagPipeline", "ReceiveWebhook"),
        ),
        DATA,
    ),
}
"""Operations without an entry, and why."""

KEYS = {"api_key": "api-key-of-the-test", "app_key": "app-key-of-the-test"}
SENDS = (
    Send("/settings/people/sessions", {"id": "{session}"}, "session.ended"),
    Send("/deployments/second/verdict", {"verdict": "failed", "reason": "x"}, "verdict.set"),
    Send("/failures/{open}/close", {"finished_at": "2026-01-01T00:00"}, "failure.closed"),
    Send("/failures/down/link", {"deployment": "third"}, "verdict.set"),
    Send("/views", {"page": "/?range=1y", "name": "Year"}, "view.saved"),
    Send("/views/delete", {"name": "Year"}, "view.deleted"),
    Send("/goals", {"metric": "lead_time", "value": "2d"}, "goal.set"),
    Send("/goals/remove", {"metric": "change_lead_time"}, "goal.removed"),
    Send("/annotations", {"text": "x"}, "annotation.added"),
    Send("/annotations/remove", {"id": "{annotation}"}, "annotation.removed"),
    Send("/settings/rules", {"lead_time_clock": "author_time"}, "settings.changed"),
    Send("/settings/services", {"service": "cart", "team": "x"}, "settings.changed"),
    Send("/settings/keys", {"name": "x", "kind": "api"}, "key.created"),
    Send("/settings/keys/rotate", {"id": "{key}", "overlap": "7"}, "key.rotated"),
    Send("/settings/keys/revoke", {"id": "{key}"}, "key.revoked"),
    Send("/settings/links/revoke", {"id": "{link}"}, "link.revoked"),
    Send("/settings/sources", {"kind": "github"}, "source.created"),
    Send("/settings/sources/all", {"settings": "env=x"}, "source.changed"),
    Send("/settings/sources/{source}/settings", {"settings": "env=y"}, "source.changed"),
    Send("/settings/sources/{source}/secret", {"secret": "another"}, "source.secret_changed"),
    Send("/settings/sources/{source}/replay", {}, "source.replayed"),
    Send("/settings/sources/{source}/remove", {}, "source.removed"),
    Send(
        "/settings/notifications",
        {"kind": "slack", "url": "https://hooks.slack.com/services/T/B/c"},
        "receiver.added",
    ),
    Send("/settings/notifications", {"id": "{receiver}", "hour": "7"}, "receiver.changed"),
    Send("/settings/notifications/test", {"id": "{receiver}"}, "receiver.tested"),
    Send("/settings/notifications/removed", {"id": "{receiver}"}, "receiver.removed"),
    Send("/settings/forwarding/drop", {"number": "{parked}"}, "forwarding.dropped"),
    Send("/settings/forwarding/retry", {"number": "{other}"}, "forwarding.retried"),
    Send("/settings/forwarding/pause", {}, "forwarding.paused"),
    Send("/settings/forwarding/resume", {}, "forwarding.resumed"),
    Send("/settings/forwarding/off", {}, "forwarding.ended"),
    Send("/settings/forwarding", {"site": "us5.datadoghq.com", **KEYS}, "forwarding.begun"),
    Send("/settings/retention", {"days": "36000"}, "retention.changed"),
    Send("/settings/people", {"id": ADA, "role": "editor"}, "person.role_changed"),
    Send(
        "/settings/organisation",
        {"name": "{name}", "events": "{events}"},
        "organisation.deletion_planned",
    ),
    Send("/settings/organisation/restore", {}, "organisation.deletion_withdrawn"),
    Send("/sign-out", {}, "session.ended"),
    Send("/sign-in", {"key": "{secret}"}, "session.started"),
)
"""In this order, in one organisation."""
UNSENT: Mapping[str, str] = {
    "/preferences": "a cookie of the browser",
    "/first-run/key": "test_first_run.py: only without events; it makes a key like the others",
    "/settings/links": "test_share_links.py: links are off by default",
    "/sign-in/{provider}/signed-out": "test_provider_sign_in.py: it ends sessions",
}
"""Forms that are not sent here, and why."""


@pytest.fixture
def it(tenant: Tenant) -> Member:
    """An organisation with something of everything."""
    return make(tenant.built.store, f"walked{next(_numbers)}")


@pytest.fixture
def walked(tenant: Tenant, it: Member) -> Tenant:
    keys = {
        f"DD-{kind}-KEY": make_key(tenant.built, it.org.name, kind)
        for kind in ("api", "application")
    }
    return Tenant(tenant.built, tenant.client, it.org.name, keys)


def names_of(it: Member, keys: Mapping[str, str]) -> dict[str, str]:
    sort = sort_key("started_at", Kind.FAILURE)
    assert sort
    found = it.store.failures.select(it.org, Selection(sort=sort, limit=9))
    now_ns = time.time_ns()
    it.store.sessions.add(
        key_principal(it.key), f"another {it.word}", now_ns, LIMITS, actor=TESTER
    ).result()
    session = it.store.sessions.find(f"another {it.word}", now_ns, LIMITS)
    assert session
    one, other = it.store.forwarding.parked(it.org, 2)
    return {
        "open": next(
            each.id for each in found if each.id != "down" and each.name == f"{it.word} is down"
        ),
        "key": it.key.id,
        "receiver": receiver_of(it).id,
        "annotation": it.store.annotations.newest(it.org, 1)[0].id,
        "link": it.shared.id,
        "session": session.id,
        "source": it.store.sources.all_of(it.org)[0].id,
        "parked": str(one.number),
        "other": str(other.number),
        "name": it.org.name,
        "secret": keys["DD-application-KEY"],
    }


def newest(it: Member) -> int:
    return it.store.audit.chain(it.org).last_number


def since(it: Member, number: int) -> list[AuditEntry]:
    """Entries after this one; refusals are not waited for."""
    until = time.monotonic() + 2
    while newest(it) == number and time.monotonic() < until:
        time.sleep(0.005)
    found = it.store.audit.entries(it.org, AuditQuery(limit=1_000))
    return [each for each in found if each.number > number]


def test_every_operation_and_form_has_a_request_or_a_reason() -> None:
    assert {each.name for each in OPERATIONS} == {each.operation for each in ASKS} | SILENT.keys()
    forms = {page.path for page in PAGES if page.method == "POST"}
    sent = {path for path in forms for each in SENDS if _fits(path, each.path)}
    assert forms == sent | UNSENT.keys()
    assert not sent & UNSENT.keys()


def _fits(route: str, path: str) -> bool:
    ours, theirs = route.split("/"), path.split("/")
    return len(ours) == len(theirs) and all(
        one == other or one.startswith("{") for one, other in zip(ours, theirs, strict=True)
    )


def test_each_operation_leaves_exactly_one_entry(walked: Tenant, it: Member) -> None:
    wrong: list[object] = []
    for ask in ASKS:
        before = newest(it)
        method = next(each.method for each in OPERATIONS if each.name == ask.operation)
        annotation = it.store.annotations.newest(it.org, 1)[0].id
        path = ask.path.format(annotation=annotation, receiver=receiver_of(it).id)
        answer = walked.ask(method, path, json=document(ask))
        said = [(each.action, each.actor.kind) for each in since(it, before)]
        if said != [(ask.action, "key")] or answer.status_code >= 300:
            wrong.append((ask.operation, said, answer.text))
    assert not wrong, wrong


def document(ask: Ask) -> Mapping[str, Any] | None:
    if ask.attributes is None:
        return None
    types = {
        "PatchDORADeployment": "dora_deployment_patch_request",
        "PatchDORADeploymentByVersion": "dora_deployment_patch_request",
        "PutDORADeploymentVerdict": "dora_deployment_verdict",
        "PutDORARetention": "dora_retention",
        "CreateDORAAnnotation": "dora_annotation",
        "CreateDORAGoal": "dora_goal",
        "CreateDORASavedView": "dora_saved_view",
        "CreateDORANotificationReceiver": "dora_notification_receiver",
        "PatchDORANotificationReceiver": "dora_notification_receiver",
    }
    return {
        "data": {"type": types.get(ask.operation, "dora_settings"), "attributes": ask.attributes}
    }


def test_each_operation_that_is_refused_leaves_exactly_one_entry(
    walked: Tenant, it: Member
) -> None:
    wrong: list[object] = []
    permissions = [each.name for each in PERMISSIONS][1:]
    for operation in OPERATIONS:
        needed = operation.access.permission
        if operation.access.credential is not Credential.BOTH_KEYS or needed is None:
            continue
        others = [each for each in permissions if each != needed]
        key = make_key(walked.built, it.org.name, "application", *others)
        before = newest(it)
        body = {} if operation.media_types else None
        answer = walked.ask(
            *(operation.method, operation.paths[0]),
            headers={"DD-application-KEY": key},
            json=body,
        )
        said = [(each.action, each.target, each.outcome) for each in since(it, before)]
        if answer.status_code != 403 or said != [("permission.refused", operation.name, "refused")]:
            wrong.append((operation.name, answer.status_code, said))
    assert not wrong, wrong


def test_each_form_leaves_exactly_one_entry(walked: Tenant, it: Member) -> None:
    browser, names = Browser(walked.client), names_of(it, walked.keys)
    browser.post("/sign-in", {"key": names["secret"]})
    wrong: list[object] = []
    for send in SENDS:
        before = newest(it)
        names["events"] = str(it.store.organisations.holdings(it.org).events)
        fields = {name: value.format_map(names) for name, value in send.fields.items()}
        answer = browser.post(send.path.format_map(names), fields)
        said = [(each.action, each.actor.kind) for each in since(it, before)]
        if said != [(send.action, "key")] or answer.status_code >= 400:
            wrong.append((send.path, answer.status_code, said))
    assert not wrong, wrong


def test_each_form_that_is_refused_leaves_exactly_one_entry(walked: Tenant, it: Member) -> None:
    browser = sign_in(walked, READ)
    wrong: list[object] = []
    for page in PAGES:
        if page.permission in {None, READ}:
            continue
        before = newest(it)
        ask = browser.post if page.method == "POST" else browser.get
        answer = ask(page.path)
        said = [(each.action, each.target) for each in since(it, before)]
        expected = [("permission.refused", f"{page.method} {page.path}")]
        if answer.status_code != 403 or said != expected:
            wrong.append((page.path, answer.status_code, said))
    assert not wrong, wrong
