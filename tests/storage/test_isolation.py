"""No method of the store shows or changes what belongs to another organisation.

Two organisations hold events with the same ids, services, versions, repositories and commits, and
texts that differ. Every public method of every member of the store has a row in a table here: a
test finds them by reflection.
"""

import inspect
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
import pytest

from actors import TESTER
from deliveries import body_of, incident
from settling import STATES, once_free
from theodora.dora import Commit, MetricsQuery, Period, PullRequest
from theodora.dora.assistance.report import ImpactQuery
from theodora.dora.metrics.pull_requests import PullRequestQuery
from theodora.errors import BeingDeleted, NotFound
from theodora.events import Deployment, Failure, Git
from theodora.events.activity import UserActivity
from theodora.events.annotations import Annotation
from theodora.query import Field, Kind, parse, resolve, sort_key
from theodora.query.pull_request_fields import pull_request_field
from theodora.sources.webhooks.delivery import DEFAULT_SETTINGS
from theodora.sources.webhooks.fold import fold
from theodora.sources.webhooks.read import read_received
from theodora.storage import (
    Actor,
    InboxQuery,
    Key,
    Organisation,
    OverrideAuthor,
    OverrideRecord,
    OverrideValues,
    Person,
    PersonIdentity,
    Selection,
    Sending,
    Session,
    SessionLimits,
    Store,
    StoredDelivery,
    WebhookSource,
)
from theodora.storage.access.audit import AuditQuery
from theodora.storage.access.key_usage import KEPT_REFUSALS, Refused
from theodora.storage.access.notifications import (
    Message,
    MessageClaim,
    Receiver,
    ReceiverSettings,
    SendOutcome,
)
from theodora.storage.access.principals import key_principal, person_principal
from theodora.storage.access.share_links import ShareLink
from theodora.storage.annotations import StoredAnnotation
from theodora.storage.goals import GoalSubject
from theodora.storage.metrics.counts import PeriodCounts
from theodora.storage.saved_views import SavedView

DAY_NS = 86_400 * 10**9
NOW_NS = 20_000 * DAY_NS
PERIOD = Period(NOW_NS - 100 * DAY_NS, NOW_NS)
HALVES = [
    Period(PERIOD.start_ns, NOW_NS - 50 * DAY_NS),
    Period(NOW_NS - 50 * DAY_NS, PERIOD.end_ns),
]
IMPACT = ImpactQuery(
    period=Period(PERIOD.start_ns, NOW_NS + 1_000 * DAY_NS), as_of_ns=NOW_NS, interval="quarter"
)
REPOSITORY = "github.com/acme/shop"
OLD_REPOSITORY = "git.example.com/acme/shop"
SHAS = [f"{number:040x}" for number in range(1, 5)]
LIMITS = SessionLimits(idle_ns=DAY_NS, absolute_ns=DAY_NS)
EVERYTHING = parse("*")
PERMISSIONS = frozenset({"dora_metrics_read", "dora_metrics_write"})
QUERIES = (
    *("*", "service:shop", "shop", "*:shop", "sho*", "-team:nobody", "region:eu", "region:*"),
    *("env:production OR version:v1", "duration:>=0", "region:[a TO z]", "apple OR pear"),
    "is:production",
)
"""Each finds events of both organisations, and by a way of its own through the index."""


@dataclass(frozen=True)
class Member:
    """An organisation of the store."""

    store: Store
    org: Organisation
    word: str
    """Stands in all of its texts, and in none of another's."""
    key: Key

    @property
    def secret(self) -> str:
        """Of its key, and of its session."""
        return secret_of(self.word)

    @property
    def session(self) -> Session:
        session = self.store.sessions.find(self.secret, NOW_NS, LIMITS)
        assert session
        return session

    @property
    def shared(self) -> ShareLink:
        link = self.store.share_links.find(self.secret, NOW_NS)
        assert link
        return link


def secret_of(word: str) -> str:
    return f"the secret of {word}"


def deployment(word: str, id_: str, days_ago: int, **others: object) -> Deployment:
    at_ns = NOW_NS - days_ago * DAY_NS
    event = Deployment(
        id=id_,
        service="shop",
        env="production",
        started_at_ns=at_ns,
        finished_at_ns=at_ns + 60 * 10**9,
        custom_tags=("region:eu", f"owner:{word}"),
    )
    return msgspec.structs.replace(event, **others)


def failure(word: str, id_: str, days_ago: int, **others: object) -> Failure:
    at_ns = NOW_NS - days_ago * DAY_NS
    event = Failure(
        id=id_,
        services=("shop",),
        env="production",
        name=f"{word} is down",
        started_at_ns=at_ns,
        finished_at_ns=at_ns + 600 * 10**9,
        custom_tags=("region:eu",),
    )
    return msgspec.structs.replace(event, **others)


def git(number: int) -> Git:
    return Git(SHAS[number], f"https://{REPOSITORY}")


def commits(word: str, *numbers: int) -> list[Commit]:
    return [
        Commit(
            sha=SHAS[number],
            parents=(SHAS[number - 1],) if number else (),
            author_time_ns=NOW_NS - (90 - number) * DAY_NS,
            commit_time_ns=NOW_NS - (90 - number) * DAY_NS,
            subject=f"Change {word}",
            author_name=word,
        )
        for number in numbers
    ]


def used(word: str, day: str) -> list[UserActivity]:
    email = "dev@example.com"
    return [UserActivity(user_email=email, day=day, tool=word, is_active=True, models=(word,))]


def pull_request(word: str) -> PullRequest:
    """Merged as the commit that the second deployment ships first."""
    sha = commits(word, 1)[0].sha
    return PullRequest(
        number=1,
        title=word,
        author=word,
        labels=(word,),
        created_at_ns=NOW_NS - DAY_NS,
        merged_at_ns=NOW_NS - DAY_NS,
        merge_commit_sha=sha,
    )


def pull_requests(it: Member) -> list[object]:
    """What every read of pull requests answers, with figures that are computed when read."""
    store, org = it.store.pull_requests, it.org
    selection = Selection(sort=pull_request_field("updated_at"), limit=10)
    query = PullRequestQuery(period=PERIOD, as_of_ns=NOW_NS, group_by=("service", "team"))
    report = store.report(org, query, EVERYTHING)
    return [
        store.select(org, selection),
        store.page(org, selection),
        store.count_states(org, EVERYTHING, 0, NOW_NS * 2),
        store.of_deployment(org, "second"),
        [
            (each.group, each.total, each.previous, each.change, each.series)
            for each in (report.overall, *report.groups)
        ],
    ]


def forward(it: Member, word: str) -> Future[None]:
    """Forwards what comes in, to a site of its own."""
    url = f"https://{word}.example"
    return it.store.forwarding.put(it.org, url, it.word, it.word, NOW_NS, actor=TESTER)


def park_some(it: Member) -> Future[None]:
    """Parks two changes, which another organisation has under other numbers."""
    numbers = [item.number for item in it.store.forwarding.waiting(it.org, 2)]
    sending = Sending(parked=[(number, it.word) for number in numbers])
    it.store.forwarding.lease(it.org, "x", NOW_NS * 4, 1, actor=TESTER).result()
    return once_free(lambda: it.store.forwarding.settle(it.org, "x", sending, 1, actor=TESTER))


def make(store: Store, word: str) -> Member:
    """A new organisation with something of everything that a store holds."""
    org = store.keys.ensure_organisation(word, 1, actor=TESTER).result()
    key = store.keys.add(
        word,
        "application",
        secret_of(word),
        name=word,
        permissions=PERMISSIONS,
        now_ns=NOW_NS,
        actor=TESTER,
    ).result()
    store.keys.note_used(key, NOW_NS, address=word, actor=TESTER)
    made = Member(store, org, word, key)
    events = (
        deployment(word, "first", 60, version="v1", git=git(0)),
        deployment(word, "second", 40, version="v2", git=git(1)),
        deployment(word, "third", 20, version="v1", git=git(0)),
        deployment(word, "fourth", 10, version="v2", git=git(1), team=word),
        deployment(word, "", 5, version="v3", env=None),
        deployment(word, "own", 7, service=word, env=word),
        deployment(word, "old", 80, service="cart"),
        deployment(word, "next", 70, service="cart"),
    )
    by_hand = OverrideValues(True, "third", None, "rollback")
    forward(made, word).result()
    for each in (
        store.settings.put(
            org, {"team": word, "repository_aliases": {OLD_REPOSITORY: word}}, actor=TESTER
        ),
        store.settings.put(
            org, {"production_envs": ["production", word], "team": word}, "shop", actor=TESTER
        ),
        store.commits.add_commits(
            org, REPOSITORY, commits(word, 0, 1), received=True, actor=TESTER
        ),
        store.commits.add_pull_requests(org, REPOSITORY, [pull_request(word)], actor=TESTER),
        *(store.deployments.add(org, event, NOW_NS, actor=TESTER) for event in events),
        store.failures.add(org, failure(word, "down", 40), NOW_NS, actor=TESTER),
        store.failures.add(org, failure(word, "", 5, finished_at_ns=None), NOW_NS, actor=TESTER),
        store.verdicts.put(
            org, "first", by_hand, now_ns=1, reason=word, actor=Actor("person", word)
        ),
        store.verdicts.link(org, "first", "down", now_ns=2, actor=Actor("person", word)),
        store.activity.add(org, used(word, "2026-01-01"), actor=TESTER),
        store.mirrors.add(org, REPOSITORY, f"https://{word}.example/shop", actor=TESTER),
        store.sessions.add(key_principal(key), secret_of(word), NOW_NS, LIMITS, actor=TESTER),
        share(made, "/", secret_of(word)),
        annotate(made, word),
        add_receiver(made, NOW_NS),
        aim(made, 1.5),
        save(made, "/"),
        store.retention.put(org, 36_500, actor=TESTER),
        store.people.sign_in(
            org.name, somebody(word), "viewer", NOW_NS, may_create=True, actor=TESTER
        ),
    ):
        each.result()
    park_some(made).result()
    tell(made, "first").result()
    tell(made, "second").result()
    fail_to_fetch(made).result()
    receive(made, "/data").result()
    store.sources.add(org, "pagerduty", word, "{}", NOW_NS, actor=TESTER).result()
    store.sources.change_common_settings(org, f'{{"env":"{word}"}}', actor=TESTER).result()
    for id_ in ("Q1", "Q2"):
        deliver(made, id_).result()
        read_inbox(made, word)
    deliver(made, "Q3").result()
    store.derivations.derive_all_queued(actor=TESTER)
    return made


def somebody(word: str) -> PersonIdentity:
    return PersonIdentity("proxy", "ada", f"Ada of {word}", f"ada@{word}.example")


def share(it: Member, path: str, secret: str) -> Future[str]:
    return it.store.share_links.add(
        key_principal(it.key),
        *(secret, path, it.word),
        expires_at_ns=NOW_NS + 1,
        now_ns=NOW_NS,
        actor=TESTER,
    )


def save(it: Member, path: str) -> Future[None]:
    view = SavedView("person:1", it.word, path, "", is_start=True)
    return it.store.saved_views.put(it.org, view, NOW_NS, actor=TESTER)


def goal_of(it: Member) -> GoalSubject:
    return GoalSubject("change_lead_time", "", it.word)


def aim(it: Member, value: float) -> Future[None]:
    return it.store.goals.put(it.org, goal_of(it), value, NOW_NS, actor=TESTER)


def annotation(word: str) -> Annotation:
    return Annotation(at_ns=NOW_NS, text=f"{word} moved", service="shop")


def annotate(it: Member, word: str) -> Future[StoredAnnotation]:
    return it.store.annotations.add(it.org, annotation(word), NOW_NS, actor=TESTER)


def receiver_of(it: Member) -> Receiver:
    return it.store.notifications.receivers(it.org)[0]


def add_receiver(it: Member, now_ns: int) -> Future[Receiver]:
    return it.store.notifications.add(
        it.org,
        *("slack", it.word, f"slack://{it.word}", ReceiverSettings(team=it.word), now_ns),
        actor=TESTER,
    )


def message(it: Member, key: str) -> Message:
    return Message(receiver_of(it).id, key, it.word, it.word)


def tell(it: Member, key: str) -> Future[int]:
    told = [message(it, key)]
    return once_free(lambda: it.store.notifications.queue(it.org, told, NOW_NS, actor=TESTER))


def fail_to_tell(it: Member, key: str) -> Future[None]:
    claim = MessageClaim(receiver_of(it), message(it, key), 0, NOW_NS)
    outcome = SendOutcome("failed", it.word)
    return once_free(
        lambda: it.store.notifications.settle(it.org, claim, outcome, NOW_NS, actor=TESTER)
    )


def claim_one(it: Member, now_ns: int) -> Future[MessageClaim | None]:
    return it.store.notifications.claim(it.org, now_ns, now_ns + 1, actor=TESTER)


def sign_in(it: Member, role: str) -> Future[Person]:
    return it.store.people.sign_in(
        it.org.name, somebody(it.word), role, NOW_NS + 1, may_create=True, actor=TESTER
    )


ADA = PersonIdentity("proxy", "ada").person_id


def fail_to_fetch(it: Member) -> Future[None]:
    mirror = it.store.mirrors.get(it.org, REPOSITORY)
    tried_at_ns = (mirror.tried_at_ns or NOW_NS) + 1
    return it.store.mirrors.note(mirror, tried_at_ns, f"{it.word} is away", actor=TESTER)


def receive(it: Member, place: str) -> Future[None]:
    count(it, place)
    return it.store.reception.write(actor=TESTER)


def count(it: Member, place: str) -> None:
    """Counts requests that the next `receive` writes down."""
    it.store.reception.accept(it.key, "deployment", NOW_NS)
    it.store.reception.refuse(it.key, "deployment", Refused(400, place, it.word), NOW_NS)
    it.store.reception.ignore(it.key, "deployment", [f"/data/{it.word}{place}"], NOW_NS)


def source_of(it: Member) -> WebhookSource:
    return it.store.sources.all_of(it.org)[0]


def deliver(it: Member, id_: str) -> Future[int]:
    body = body_of(incident("triggered", 1, id_, title=f"{it.word} is late"))
    source = source_of(it)
    return it.store.inbox.receive(
        it.org, "pagerduty", source.id, {"word": it.word}, body, NOW_NS, actor=TESTER
    )


def waiting(it: Member) -> list[StoredDelivery]:
    return it.store.inbox.waiting(it.org, 10)


def read_inbox(it: Member, reason: str) -> None:
    for received in waiting(it):
        reading = read_received(received, DEFAULT_SETTINGS, {})._replace(reason=reason)
        settle = partial(it.store.inbox.settle, [(received, reading)], fold, NOW_NS, actor=TESTER)
        assert once_free(settle).result()


def deliveries(it: Member) -> list[StoredDelivery]:
    return it.store.inbox.select(it.org, InboxQuery("pagerduty", source_of(it).id))


# What is read


def field(name: str) -> Field:
    found = resolve(name)
    assert isinstance(found, Field)
    return found


def selections(kind: Kind) -> Iterator[Selection]:
    by_start, by_team = sort_key("started_at", kind), sort_key("team", kind)
    assert by_start
    assert by_team
    for query in map(parse, QUERIES):
        yield Selection(query=query, sort=by_start, limit=100)
    yield Selection(sort=by_team, limit=100)
    yield Selection(sort=by_start, from_ns=PERIOD.start_ns, to_ns=NOW_NS, limit=2)


DEPLOYMENTS, FAILURES = ([*selections(kind)] for kind in (Kind.DEPLOYMENT, Kind.FAILURE))

LOOKS: dict[str, Callable[[PeriodCounts], object]] = {
    "count": lambda those: those.count(EVERYTHING),
    "values": lambda those: those.values(EVERYTHING, field("team"), 100),
    "verdicts": lambda those: those.verdicts(EVERYTHING, HALVES),
    "series": lambda those: those.series(EVERYTHING, field("team"), HALVES),
    "commits": lambda those: those.commits(EVERYTHING, [0, DAY_NS]),
    "newest": lambda those: those.newest(EVERYTHING, 100),
    "newest_by_value": lambda those: those.newest_by_value(
        EVERYTHING, field("service"), ("web", "shop")
    ),
    "summaries": lambda those: those.summaries(EVERYTHING, 100),
}


def reported(it: Member) -> object:
    """Figures and groups of a report, which are computed when they are read."""
    answers: list[object] = []
    for by in ((), ("team",), ("service", "owner")):
        query = MetricsQuery(
            period=PERIOD, as_of_ns=NOW_NS, interval="month", group_by=by, stages=True
        )
        report = it.store.metrics.report(it.org, query, parse("shop"))
        answers += [
            (each.group, each.total, each.previous, each.change, each.series)
            for each in (report.overall, *report.groups)
        ]
    return answers


READS: dict[str, Callable[[Member], object]] = {
    "pull_requests.count": lambda it: it.store.pull_requests.count(it.org),
    "pull_requests.count_states": pull_requests,
    "pull_requests.get": lambda it: [
        each
        for event in it.store.pull_requests.select(
            it.org, Selection(sort=pull_request_field("updated_at"), limit=10)
        )
        for each in [it.store.pull_requests.get(it.org, event.id)]
    ],
    "pull_requests.of_deployment": pull_requests,
    "pull_requests.page": pull_requests,
    "pull_requests.report": pull_requests,
    "pull_requests.select": pull_requests,
    "deployments.count": lambda it: it.store.deployments.count(it.org),
    "deployments.documents": lambda it: [
        it.store.deployments.documents(it.org, each) for each in DEPLOYMENTS
    ],
    "deployments.everything": lambda it: [*it.store.deployments.everything(it.org)],
    "deployments.exists": lambda it: [
        it.store.deployments.exists(it.org, id_) for id_ in ("first", "fifth")
    ],
    "deployments.get": lambda it: it.store.deployments.get(it.org, "first"),
    "deployments.last_received": lambda it: it.store.deployments.last_received(it.org),
    "deployments.select": lambda it: it.store.deployments.select(it.org, DEPLOYMENTS[0]),
    "deployments.tag_keys": lambda it: it.store.deployments.tag_keys(it.org, 100),
    "deployments.tag_values": lambda it: it.store.deployments.tag_values(it.org, "owner", "", 99),
    "failures.count": lambda it: it.store.failures.count(it.org),
    "failures.documents": lambda it: [
        it.store.failures.documents(it.org, each) for each in FAILURES
    ],
    "failures.everything": lambda it: [*it.store.failures.everything(it.org)],
    "failures.exists": lambda it: [it.store.failures.exists(it.org, id_) for id_ in ("down", "up")],
    "failures.get": lambda it: it.store.failures.get(it.org, "down"),
    "failures.last_received": lambda it: it.store.failures.last_received(it.org),
    "failures.select": lambda it: it.store.failures.select(it.org, FAILURES[0]),
    "derivations.explain": lambda it: it.store.derivations.explain(it.org, "third"),
    "derivations.preview": lambda it: [
        it.store.derivations.preview(it.org, {"team": "new"}, service) for service in ("", "shop")
    ],
    "derivations.parked": lambda it: it.store.derivations.parked(it.org),
    "derivations.undeployed": lambda it: it.store.derivations.undeployed(it.org),
    "derivations.waiting": lambda it: it.store.derivations.waiting(it.org),
    "settings.effective": lambda it: it.store.settings.effective(it.org, "shop"),
    "settings.given": lambda it: [
        it.store.settings.given(it.org, service) for service in ("", "shop")
    ],
    "settings.lead_time_clocks": lambda it: it.store.settings.lead_time_clocks(it.org),
    "settings.match_keys": lambda it: it.store.settings.match_keys(it.org).key(OLD_REPOSITORY),
    "settings.production_envs": lambda it: it.store.settings.production_envs(it.org),
    "settings.has_production": lambda it: it.store.settings.has_production(it.org),
    "settings.teams": lambda it: it.store.settings.teams(it.org),
    "settings.services": lambda it: it.store.settings.services(it.org),
    "verdicts.everything": lambda it: [*it.store.verdicts.everything(it.org)],
    "verdicts.links": lambda it: it.store.verdicts.links(it.org, "down"),
    "verdicts.get": lambda it: it.store.verdicts.get(it.org, "first"),
    "audit.chain": lambda it: it.store.audit.chain(it.org),
    "audit.entries": lambda it: it.store.audit.entries(it.org, AuditQuery()),
    "activity.everything": lambda it: it.store.activity.everything(it.org),
    "assistance.report": lambda it: it.store.assistance.report(it.org, IMPACT),
    "saved_views.seen_by": lambda it: it.store.saved_views.seen_by(it.org, "person:1"),
    "saved_views.start": lambda it: it.store.saved_views.start(it.org, "person:1"),
    "goals.all_of": lambda it: it.store.goals.all_of(it.org),
    "annotations.get": lambda it: it.store.annotations.get(it.org, annotation(it.word).id),
    "annotations.newest": lambda it: it.store.annotations.newest(it.org, 9),
    "notifications.due": lambda it: [
        org for org in it.store.notifications.due(NOW_NS * 2) if org == it.org
    ],
    "notifications.is_queued": lambda it: it.store.notifications.is_queued(
        it.org, receiver_of(it).id, "first"
    ),
    "notifications.never_queued": lambda it: it.store.notifications.never_queued(
        it.org,
        [message(it, key) for key in ("first", it.word)],
    ),
    "notifications.log": lambda it: it.store.notifications.log(it.org, 99),
    "notifications.receiver": lambda it: it.store.notifications.receiver(
        it.org, receiver_of(it).id
    ),
    "notifications.receivers": lambda it: it.store.notifications.receivers(it.org),
    "notifications.served": lambda it: [
        org for org in it.store.notifications.served() if org == it.org
    ],
    "commits.check_quota": lambda it: it.store.commits.check_quota(it.org, REPOSITORY),
    "commits.count": lambda it: it.store.commits.count(it.org),
    "commits.everything": lambda it: [*it.store.commits.everything(it.org)],
    "commits.known": lambda it: it.store.commits.known(it.org, REPOSITORY, SHAS),
    "commits.repositories": lambda it: it.store.commits.repositories(it.org),
    "commits.repository": lambda it: it.store.commits.repository(it.org, REPOSITORY),
    "commits.shas": lambda it: it.store.commits.shas(it.org, REPOSITORY),
    "commits.without_paths": lambda it: it.store.commits.without_paths(it.org, REPOSITORY, 100),
    "mirrors.everything": lambda it: [
        mirror for mirror in it.store.mirrors.everything() if mirror.organisation == it.org
    ],
    "mirrors.get": lambda it: it.store.mirrors.get(it.org, REPOSITORY),
    "metrics.at_one_moment": lambda it: it.store.metrics.at_one_moment(lambda: reported(it)),
    "metrics.in_period": lambda it: it.store.metrics.in_period(
        it.org, PERIOD, lambda those: [look(those) for look in LOOKS.values()]
    ),
    "metrics.newest_change": lambda it: it.store.metrics.newest_change(it.org),
    "metrics.newest_by_value": lambda it: it.store.metrics.newest_by_value(
        it.org, EVERYTHING, field("service"), ("web", "shop"), since_ns=0
    ),
    "metrics.report": reported,
    "metrics.value_counts": lambda it: [
        it.store.metrics.value_counts(it.org, PERIOD, EVERYTHING, field(name), 100)
        for name in ("team", "version")
    ],
    "deployments.counterpart": lambda it: it.store.deployments.counterpart(
        it.org, deployment("anybody", "first", 60)
    ),
    "failures.counterpart": lambda it: it.store.failures.counterpart(
        it.org, failure("anybody", "down", 40)
    ),
    "forwarding.get": lambda it: it.store.forwarding.get(it.org),
    "forwarding.due": lambda it: [
        org for org in it.store.forwarding.due("y", NOW_NS * 2) if org == it.org
    ],
    "forwarding.is_deleted_later": lambda it: (
        it.store.forwarding.is_deleted_later(it.org, it.store.forwarding.waiting(it.org, 1)[0])
        if it.store.forwarding.get(it.org)
        else None
    ),
    "forwarding.parked": lambda it: it.store.forwarding.parked(it.org, 9),
    "forwarding.waiting": lambda it: it.store.forwarding.waiting(it.org, 99),
    "health.look": lambda it: it.store.health.look(it.org),
    "health.not_derived": lambda it: it.store.health.not_derived(it.org),
    "health.received": lambda it: it.store.health.received(it.org),
    "keys.addresses": lambda it: it.store.keys.addresses(it.org),
    "keys.all_of": lambda it: it.store.keys.all_of(it.org.name),
    "keys.find": lambda it: it.store.keys.find("application", it.secret),
    "keys.now": lambda it: it.store.keys.now().find("application", it.secret),
    "keys.organisation": lambda it: it.store.keys.organisation(it.org.name),
    "people.all_of": lambda it: it.store.people.all_of(it.org),
    "people.find": lambda it: it.store.people.find(it.org, "proxy", "ada"),
    "people.get": lambda it: it.store.people.get(it.org, ADA),
    "reception.last_refusal": lambda it: it.store.reception.last_refusal(it.org),
    "share_links.all_of": lambda it: it.store.share_links.all_of(it.org, NOW_NS),
    "share_links.find": lambda it: it.store.share_links.find(it.secret, NOW_NS),
    "sessions.find": lambda it: it.store.sessions.find(it.secret, NOW_NS, LIMITS),
    "sessions.all_of": lambda it: it.store.sessions.all_of(it.org, NOW_NS, LIMITS),
    "sources.all_of": lambda it: it.store.sources.all_of(it.org),
    "sources.common_settings": lambda it: it.store.sources.common_settings(it.org),
    "sources.find": lambda it: it.store.sources.find(source_of(it).id),
    "sources.get": lambda it: it.store.sources.get(it.org, source_of(it).id),
    "inbox.due": lambda it: [org for org in it.store.inbox.due("y", NOW_NS * 2) if org == it.org],
    "inbox.counts": lambda it: it.store.inbox.counts(it.org),
    "inbox.get": lambda it: it.store.inbox.get(it.org, deliveries(it)[0].number),
    "inbox.known": lambda it: it.store.inbox.known(
        it.org, "pagerduty", [each.number for each in deliveries(it)], ["incident:Q1"]
    ),
    "inbox.select": deliveries,
    "inbox.waiting": waiting,
    "retention.days": lambda it: it.store.retention.days(it.org),
    "retention.settings": lambda it: it.store.retention.settings(it.org),
    "retention.preview": lambda it: it.store.retention.preview(it.org, 15, NOW_NS),
    "organisations.everything": lambda it: [
        record for record in it.store.organisations.everything() if record.organisation == it.org
    ],
    "organisations.get": lambda it: it.store.organisations.get(it.org.name),
    "organisations.holdings": lambda it: it.store.organisations.holdings(it.org),
}

OF_EVERYBODY = {
    *("derivations.are_due", "derivations.count_parked", "keys.exist", "metrics.memory_bytes"),
    *("metrics.save_due", "inbox.to_prune"),
    *("inbox.arrived", "reception.due", "reception.has_counted"),
    *("retention.guards", "retention.confirm_clock", "retention.count_refusals"),
    "forwarding.totals",
    *("organisations.guards", "organisations.deleted"),
}
"""What rounds of retention go by, whether there is work and how much cannot be done, whether there
is any key, how much memory is taken."""

ON_AN_EVENT_LOOP = {"deployments.documents_soon", "failures.documents_soon", "keys.now_soon"}
"""Other ways to reads that have rows: see `engine/postgresql/test_loop_reader.py`."""

WITHOUT_WORDS = {
    "pull_requests.count",
    *("deployments.count", "deployments.exists", "deployments.tag_keys", "failures.count"),
    "failures.exists",
    *(
        "derivations.parked",
        "derivations.undeployed",
        "metrics.newest_change",
        "derivations.waiting",
        "settings.lead_time_clocks",
        "settings.has_production",
    ),
    *(
        "commits.check_quota",
        "commits.count",
        "commits.known",
        "commits.repositories",
        "commits.shas",
    ),
    *("commits.without_paths", "health.received", "inbox.counts", "audit.chain"),
    "health.not_derived",
    *("retention.days", "retention.settings", "retention.preview"),
    *("organisations.holdings", "forwarding.is_deleted_later", "notifications.is_queued"),
}
"""Reads whose answers name nothing that differs from one organisation to the other."""


def answers(it: Member, names: Iterable[str] = READS) -> dict[str, object]:
    """All that the store says of an organisation, or as much as these methods say."""

    def answer(read: Callable[[Member], object]) -> object:
        try:
            return read(it)
        except (NotFound, BeingDeleted) as error:
            return str(error)

    return {name: answer(READS[name]) for name in names}


# What is written


def add_deployment(*given: Any, **others: Any) -> Callable[[Member], object]:
    return lambda it: it.store.deployments.add(
        it.org, deployment(it.word, *given, **others), NOW_NS + 1, actor=TESTER
    )


def add_failure(*given: Any, **others: Any) -> Callable[[Member], object]:
    return lambda it: it.store.failures.add(
        it.org, failure(it.word, *given, **others), NOW_NS + 1, actor=TESTER
    )


FAILED = OverrideValues(True, "fifth", None, "rollforward")
FINE = OverrideValues(change_failure=False)
GIVER = Actor("person", "somebody")

WRITES: tuple[tuple[str, Callable[[Member], object]], ...] = (
    ("deployments.add", add_deployment("fifth", 3, version="v1", git=git(2))),
    ("deployments.add", add_deployment("third", 19, version="v9", service="cart")),
    ("deployments.add", add_deployment("", 5, version="v3", env=None, team="new")),
    (
        "deployments.add_all",
        lambda it: it.store.deployments.add_all(
            it.org,
            [
                deployment(it.word, "fifth", 3, version="v2", git=git(2)),
                deployment(it.word, "", 6, version="v3", env=None, team="new"),
            ],
            NOW_NS + 1,
            actor=TESTER,
        ),
    ),
    ("failures.add", add_failure("down", 39, severity="high")),
    ("failures.add", add_failure("", 5, services=("shop", "cart"))),
    (
        "deployments.update",
        lambda it: it.store.deployments.update(it.org, "second", FAILED, now_ns=5, actor=GIVER),
    ),
    (
        "deployments.update_by_version",
        lambda it: it.store.deployments.update_by_version(
            it.org, "shop", "production", "v2", FAILED, now_ns=5, actor=GIVER
        ),
    ),
    (
        "verdicts.put",
        lambda it: it.store.verdicts.put(it.org, "first", FAILED, now_ns=5, actor=GIVER),
    ),
    (
        "verdicts.add",
        lambda it: it.store.verdicts.add(
            it.org, OverrideRecord("first", FINE, OverrideAuthor("x", 9, "y")), actor=TESTER
        ),
    ),
    (
        "verdicts.delete",
        lambda it: it.store.verdicts.delete(
            it.org, "first", now_ns=10, reason="z", actor=Actor("person", "x")
        ),
    ),
    (
        "verdicts.link",
        lambda it: it.store.verdicts.link(it.org, "first", "down", now_ns=11, actor=GIVER),
    ),
    (
        "verdicts.unlink",
        lambda it: it.store.verdicts.unlink(it.org, "first", "down", now_ns=12, actor=GIVER),
    ),
    ("settings.put", lambda it: it.store.settings.put(it.org, {"team": "everybody"}, actor=TESTER)),
    (
        "settings.put",
        lambda it: it.store.settings.put(
            it.org,
            {"production_envs": ["test"], "lead_time_clock": "commit_time", "team": "us"},
            "shop",
            actor=TESTER,
        ),
    ),
    (
        "settings.merge",
        lambda it: it.store.settings.merge(
            it.org, {"team": "you"}, ["lead_time_clock"], "shop", actor=TESTER
        ),
    ),
    (
        "commits.add_commits",
        lambda it: it.store.commits.add_commits(
            it.org, REPOSITORY, commits("other", 1, 2, 3), received=True, actor=TESTER
        ),
    ),
    (
        "commits.add_pull_requests",
        lambda it: it.store.commits.add_pull_requests(
            it.org,
            REPOSITORY,
            [PullRequest(number=1, title="other"), PullRequest(number=2)],
            actor=TESTER,
        ),
    ),
    (
        "activity.add",
        lambda it: it.store.activity.add(it.org, used("other", "2026-01-01"), actor=TESTER),
    ),
    (
        "activity.erase",
        lambda it: it.store.activity.erase(it.org, "dev@example.com", actor=TESTER),
    ),
    ("mirrors.note", fail_to_fetch),
    (
        "mirrors.add",
        lambda it: it.store.mirrors.add(it.org, REPOSITORY, "https://other.example", actor=TESTER),
    ),
    ("mirrors.remove", lambda it: it.store.mirrors.remove(it.org, REPOSITORY, actor=TESTER)),
    ("reception.accept", lambda it: receive(it, "/data")),
    ("reception.refuse", lambda it: receive(it, "/other")),
    ("reception.ignore", lambda it: receive(it, "/fourth")),
    ("reception.write", lambda it: receive(it, "/third")),
    (
        "sessions.note_seen",
        lambda it: it.store.sessions.note_seen(it.session, NOW_NS + 1, actor=TESTER),
    ),
    (
        "sessions.renew",
        lambda it: it.store.sessions.renew(it.session, it.secret, NOW_NS + 2, actor=TESTER),
    ),
    ("sessions.end", lambda it: it.store.sessions.end(it.session, actor=TESTER)),
    (
        "sessions.add",
        lambda it: it.store.sessions.add(
            key_principal(it.key), it.secret, NOW_NS, LIMITS, actor=TESTER
        ),
    ),
    (
        "sessions.end_by_id",
        lambda it: it.store.sessions.end_by_id(it.org, it.session.id, actor=TESTER),
    ),
    ("share_links.add", lambda it: share(it, "/failures", f"{it.secret} of failures")),
    (
        "share_links.note_used",
        lambda it: it.store.share_links.note_used(it.shared, NOW_NS, actor=TESTER),
    ),
    (
        "share_links.revoke",
        lambda it: it.store.share_links.revoke(it.org, it.shared.id, NOW_NS, actor=TESTER),
    ),
    ("saved_views.put", lambda it: save(it, "/failures")),
    (
        "saved_views.remove",
        lambda it: it.store.saved_views.remove(it.org, "person:1", it.word, actor=TESTER),
    ),
    ("goals.put", lambda it: aim(it, 2.0)),
    ("goals.remove", lambda it: it.store.goals.remove(it.org, goal_of(it), actor=TESTER)),
    ("annotations.add", lambda it: annotate(it, f"{it.word} again")),
    (
        "annotations.remove",
        lambda it: it.store.annotations.remove(
            it.org, annotation(f"{it.word} again").id, actor=TESTER
        ),
    ),
    ("notifications.add", lambda it: add_receiver(it, NOW_NS + 1)),
    (
        "notifications.change",
        lambda it: it.store.notifications.change(
            it.org, receiver_of(it).id, it.word, ReceiverSettings(hour=7), actor=TESTER
        ),
    ),
    ("notifications.queue", lambda it: tell(it, "third")),
    ("notifications.claim", lambda it: claim_one(it, NOW_NS)),
    ("notifications.settle", lambda it: fail_to_tell(it, "first")),
    (
        "notifications.retry",
        lambda it: it.store.notifications.retry(it.org, receiver_of(it).id, "first", actor=TESTER),
    ),
    (
        "notifications.test",
        lambda it: it.store.notifications.test(it.org, message(it, "test:1"), 1, actor=TESTER),
    ),
    (
        "notifications.remove",
        lambda it: it.store.notifications.remove(it.org, receiver_of(it).id, actor=TESTER),
    ),
    ("people.sign_in", lambda it: sign_in(it, "editor")),
    (
        "sessions.add",
        lambda it: it.store.sessions.add(
            person_principal(it.store.people.get(it.org, ADA)),
            f"{it.secret} of ada",
            NOW_NS,
            LIMITS,
            actor=TESTER,
        ),
    ),
    (
        "sessions.end_of_person",
        lambda it: it.store.sessions.end_of_person(it.org, ADA, actor=TESTER),
    ),
    ("people.leave", lambda it: it.store.people.leave(it.org, ADA, actor=TESTER)),
    ("people.set_role", lambda it: it.store.people.set_role(it.org, ADA, "owner", actor=TESTER)),
    ("people.set_teams", lambda it: it.store.people.set_teams(it.org, ADA, ["x"], actor=TESTER)),
    ("people.disable", lambda it: it.store.people.disable(it.org, ADA, 9, actor=TESTER)),
    ("people.enable", lambda it: it.store.people.enable(it.org, ADA, actor=TESTER)),
    (
        "keys.note_used",
        lambda it: it.store.keys.note_used(it.key, NOW_NS + 1, address=f"{it.word}2", actor=TESTER),
    ),
    (
        "keys.rotate",
        lambda it: it.store.keys.rotate(
            it.org.name, it.key.id, f"after {it.word}", NOW_NS, NOW_NS, actor=TESTER
        ),
    ),
    (
        "keys.add",
        lambda it: it.store.keys.add(
            it.org.name, "api", "another", name="", permissions=frozenset(), now_ns=1, actor=TESTER
        ),
    ),
    ("keys.revoke", lambda it: it.store.keys.revoke(it.org.name, it.key.id, NOW_NS, actor=TESTER)),
    (
        "deployments.send_again",
        lambda it: it.store.deployments.send_again(it.org, ["fourth", "down"], actor=TESTER),
    ),
    (
        "failures.send_again",
        lambda it: it.store.failures.send_again(it.org, ["down"], actor=TESTER),
    ),
    ("deployments.delete", lambda it: it.store.deployments.delete(it.org, "fourth", actor=TESTER)),
    ("failures.add", add_failure("again", 50)),
    (
        "failures.close",
        lambda it: it.store.failures.close(
            it.org, it.store.failures.get(it.org, "again").ended(NOW_NS), NOW_NS, actor=TESTER
        ),
    ),
    (
        "audit.note",
        lambda it: it.store.audit.note(it.org, "data.exported", it.word, actor=TESTER),
    ),
    (
        "audit.refuse",
        lambda it: it.store.audit.refuse(
            it.org, "permission.refused", it.word, it.word, NOW_NS, actor=TESTER
        ),
    ),
    ("failures.delete", lambda it: it.store.failures.delete(it.org, "again", actor=TESTER)),
    (
        "retention.change",
        lambda it: it.store.retention.change(it.org, 30, NOW_NS, old(it, 30), actor=TESTER),
    ),
    ("retention.confirm", lambda it: it.store.retention.confirm(it.org, 1_000, actor=TESTER)),
    ("retention.put", lambda it: it.store.retention.put(it.org, 35, actor=TESTER)),
    ("retention.remove_old", lambda it: it.store.retention.remove_old(NOW_NS, actor=TESTER)),
    ("inbox.receive", lambda it: deliver(it, "Q4")),
    ("inbox.settle", lambda it: read_inbox(it, "read")),
    (
        "inbox.replay",
        lambda it: it.store.inbox.replay(it.org, "pagerduty", source_of(it).id, actor=TESTER),
    ),
    (
        "sources.add",
        lambda it: it.store.sources.add(it.org, "github", it.word, "{}", 9, actor=TESTER),
    ),
    (
        "sources.change_secret",
        lambda it: it.store.sources.change_secret(it.org, source_of(it).id, "x", actor=TESTER),
    ),
    (
        "sources.change_settings",
        lambda it: it.store.sources.change_settings(
            it.org, source_of(it).id, '{"env":"x"}', actor=TESTER
        ),
    ),
    (
        "sources.change_common_settings",
        lambda it: it.store.sources.change_common_settings(it.org, '{"env":"y"}', actor=TESTER),
    ),
    (
        "sources.remove",
        lambda it: it.store.sources.remove(it.org, source_of(it).id, actor=TESTER),
    ),
    ("forwarding.put", lambda it: forward(it, "again")),
    (
        "forwarding.pause",
        lambda it: it.store.forwarding.pause(it.org, "by hand", actor=TESTER),
    ),
    ("forwarding.resume", lambda it: it.store.forwarding.resume(it.org, actor=TESTER)),
    (
        "forwarding.lease",
        lambda it: it.store.forwarding.lease(it.org, "x", NOW_NS, NOW_NS * 3, actor=TESTER),
    ),
    ("forwarding.settle", park_some),
    (
        "inbox.lease",
        lambda it: it.store.inbox.lease(it.org, "x", NOW_NS, NOW_NS * 3, actor=TESTER),
    ),
    ("inbox.end_lease", lambda it: it.store.inbox.end_lease(it.org, "x", actor=TESTER)),
    ("forwarding.retry", lambda it: it.store.forwarding.retry(it.org, actor=TESTER)),
    ("forwarding.settle", park_some),
    ("forwarding.drop", lambda it: it.store.forwarding.drop(it.org, actor=TESTER)),
    ("forwarding.remove", lambda it: it.store.forwarding.remove(it.org, actor=TESTER)),
    (
        "organisations.plan_deletion",
        lambda it: it.store.organisations.plan_deletion(
            it.org, NOW_NS, it.store.organisations.holdings(it.org).events, actor=TESTER
        ),
    ),
    (
        "organisations.take_back",
        lambda it: it.store.organisations.take_back(it.org, actor=TESTER),
    ),
)

ALONG_THE_WAY = {
    *("keys.ensure_organisation", "derivations.derive_queued", "derivations.derive_all_queued"),
    *("organisations.create", "organisations.delete_due", "inbox.prune"),
    *("audit.remove_old", "audit.take_unlogged", "share_links.remove_ended"),
    *("metrics.save_columns", "sessions.remove_ended"),
}
"""Called to make the organisations, after every write, for all organisations at once, and by the
tests of organisations."""


def old(it: Member, days: int) -> int:
    """How many events a limit would delete."""
    return it.store.retention.preview(it.org, days, NOW_NS).events


def written(write: Callable[[Member], object], it: Member) -> None:
    result = write(it)
    if isinstance(result, Future):
        result.result()


def public(it: object) -> list[str]:
    return [name for name, _ in inspect.getmembers(it) if not name.startswith("_")]


COUNTED_IN_MEMORY = {"reception.accept", "reception.refuse", "reception.ignore"}
"""Write nothing themselves: `reception.write` does, later."""


def test_every_write_requires_who_asks_and_no_read_does(store: Store) -> None:
    written = ({name for name, _ in WRITES} | ALONG_THE_WAY) - COUNTED_IN_MEMORY
    for name in (*written, *READS):
        member, _, method = name.partition(".")
        signature = inspect.signature(getattr(getattr(store, member), method))
        parameter = signature.parameters.get("actor")
        assert (parameter is not None) == (name in written), name
        if parameter is not None:
            assert parameter.kind is parameter.KEYWORD_ONLY, name
            assert parameter.default is parameter.empty, name


def test_every_method_of_the_store_has_a_row(store: Store) -> None:
    members = {name: it for name, it in vars(store).items() if not name.startswith("_")}
    found = {f"{name}.{method}" for name, it in members.items() for method in public(it)}
    others = OF_EVERYBODY | ALONG_THE_WAY | ON_AN_EVENT_LOOP
    assert found == READS.keys() | {name for name, _ in WRITES} | others
    assert set(public(PeriodCounts)) == LOOKS.keys()


@pytest.mark.parametrize("index", STATES, indirect=True)
def test_no_answer_holds_a_text_of_another_organisation(store: Store) -> None:
    ours, theirs = make(store, "apple"), make(store, "pear")
    for own, other in ((ours, theirs), (theirs, ours)):
        for name, answer in answers(own).items():
            assert other.word not in repr(answer).replace("apple OR pear", ""), name
            assert name in WITHOUT_WORDS or own.word in repr(answer), name


def shown_by(write: str) -> list[str]:
    """Reads of which at least one has to show what was written."""
    member, method = write.split(".")
    if method == "send_again":
        member = "forwarding"
    return ["health.look", *(name for name in READS if name.startswith(f"{member}."))]


WRITES_AT_ONCE = 4
"""After so many, all answers are read: that takes much longer than the writes."""


@pytest.mark.parametrize("index", ["everything indexed"], indirect=True)
def test_no_write_changes_an_answer_to_another_organisation(database: str, store: Store) -> None:
    ours = make(store, "apple")
    before = answers(ours)
    theirs = make(store, "pear")
    assert answers(ours) == before
    for first in range(0, len(WRITES), WRITES_AT_ONCE):
        some = WRITES[first : first + WRITES_AT_ONCE]
        for name, write in some:
            theirs_before = answers(theirs, shown_by(name))
            written(write, theirs)
            shown = answers(theirs, shown_by(name))
            assert shown != theirs_before, f"{name} changed nothing at all"
            assert store.derivations.waiting(ours.org) == before["derivations.waiting"], name
            store.derivations.derive_all_queued(actor=TESTER)
        after = answers(ours)
        names = [name for name, _ in some]
        assert {each for each in READS if after[each] != before[each]} == set(), names
    with Store(database) as another:
        assert answers(replace(ours, store=another)) == before
        assert answers(replace(theirs, store=another)) == answers(theirs)


def test_deriving_for_one_organisation_leaves_what_another_waits_for(store: Store) -> None:
    ours, theirs = make(store, "apple"), make(store, "pear")
    written(add_deployment("fifth", 3, version="v1", git=git(0)), theirs)
    written(add_deployment("fifth", 3, version="v1", git=git(0)), ours)
    written(add_deployment("sixth", 2, version="v2", git=git(1)), theirs)
    store.derivations.derive_all_queued(actor=TESTER)
    for it in (ours, theirs):
        assert store.deployments.get(it.org, "fifth").deployment_type == "rollback"


def test_a_key_is_revoked_by_its_own_organisation_alone(store: Store) -> None:
    ours, theirs = make(store, "apple"), make(store, "pear")
    with pytest.raises(NotFound):
        store.keys.revoke(theirs.org.name, ours.key.id, NOW_NS, actor=TESTER).result()
    found = store.keys.find("application", ours.secret)
    assert found is not None
    assert found.id == ours.key.id


def test_a_flood_of_refusals_takes_none_of_another_organisation(store: Store) -> None:
    ours, theirs = make(store, "apple"), make(store, "pear")
    for number in range(KEPT_REFUSALS + 1):
        refused = Refused(400, f"/{number}", theirs.word)
        store.reception.refuse(theirs.key, "deployment", refused, NOW_NS + number)
    store.reception.write(actor=TESTER).result()
    assert [each.message for each in store.health.look(ours.org).refusals] == [ours.word]


def derived(it: Member) -> list[Deployment]:
    """The deployments; without the ids that are made from the organisation's own."""
    own = {"first", "second", "third", "fourth", "fifth", "own", "old", "next"}
    return [
        event if event.id in own else msgspec.structs.replace(event, id="")
        for event in it.store.deployments.everything(it.org)
    ]


@pytest.mark.parametrize("index", STATES, indirect=True)
def test_an_organisation_is_derived_as_if_it_were_alone(store: Store, tmp_path: Path) -> None:
    ours = make(store, "apple")
    for write in (
        add_deployment("third", 15, version="v1", git=git(0)),
        add_deployment("fifth", 2, version="v1", git=git(1)),
        add_deployment("newest", 1, version="v2"),
        add_deployment("twin of the fourth", 10, version="v2", git=git(1), team="zoo"),
        add_deployment("another twin", 10, version="v2"),
        add_deployment("newest of all", 1, version="v3", env=None),
    ):
        written(write, ours)
    store.derivations.derive_all_queued(actor=TESTER)
    theirs = make(store, "pear")
    with Store(f"sqlite:///{tmp_path / 'alone.db'}") as other_store:
        alone = make(other_store, "pear")
        for name, write in (("by version", give_verdict_by_version), *WRITES):
            for it in (theirs, alone):
                written(write, it)
            assert derived(theirs) == derived(alone), name
            for it in (theirs, alone):
                it.store.derivations.derive_all_queued(actor=TESTER)
            assert derived(theirs) == derived(alone), name


def give_verdict_by_version(it: Member) -> object:
    verdict = OverrideValues(True, None, "v2", "rollforward")
    return it.store.deployments.update(it.org, "second", verdict, now_ns=5, actor=GIVER)
