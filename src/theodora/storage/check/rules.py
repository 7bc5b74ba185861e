"""Rules for the rows of each table, as conditions that find the rows that break one."""

from typing import LiteralString, NamedTuple

from theodora.storage.check.findings import REPAIR, REPORT, RESTORE, Findings
from theodora.storage.engine.cursor import Cursor


class RowRule(NamedTuple):
    """Rows `t` of a table for which the condition holds have a fault."""

    table: LiteralString
    key: LiteralString
    problem: LiteralString
    condition: LiteralString
    advice: str = RESTORE


_NO_ORG: LiteralString = "NOT EXISTS (SELECT 1 FROM organisations o WHERE o.org = t.org)"
_STAYS: LiteralString = "NOT EXISTS (SELECT 1 FROM organisation_deletions d WHERE d.org = t.org)"
"""True unless the organisation is being deleted, table by table."""
_RECEIPT: LiteralString = (
    "coalesce((SELECT c.value FROM counters c WHERE c.org = t.org AND c.name = 'receipt'), 0)"
)
_OF_DERIVATION: tuple[LiteralString, ...] = ("deployment_measures", "deployment_commits")
_NO_DEPLOYMENT: LiteralString = (
    "NOT EXISTS (SELECT 1 FROM deployments d WHERE d.key = t.deployment AND d.org = t.org)"
)
_OF_ORGANISATIONS: tuple[tuple[LiteralString, LiteralString], ...] = (
    ("usage", "t.org"),
    ("keys", "t.org, t.id"),
    ("people", "t.id"),
    ("sessions", "t.id"),
    ("share_links", "t.id"),
    ("key_activity", "t.key_id, t.kind"),
    ("key_addresses", "t.key_id, t.address"),
    ("refusals", "t.key_id, t.kind, t.status, t.place"),
    ("ignored_members", "t.key_id, t.kind, t.place"),
    ("settings", "t.org, t.service"),
    ("retention", "t.org"),
    ("retention_plans", "t.org"),
    ("retention_refusals", "t.org"),
    ("stale_teams", "t.org, t.service"),
    ("stale_bots", "t.org"),
    ("organisations_to_index", "t.org"),
    ("repositories", "t.org, t.key"),
    ("mirrors", "t.repository_id"),
    ("sources", "t.id"),
    ("common_source_settings", "t.org"),
    ("leases", "t.org, t.work"),
    ("inbox", "t.number"),
    ("forwarding", "t.org"),
    ("outbox", "t.number"),
    ("source_things", "t.kind, t.thing"),
    ("source_facts", "t.kind, t.thing, t.digest"),
    ("source_keys", "t.key, t.kind, t.thing"),
    ("correlations", "t.key, t.repository_id"),
    ("user_activity", "t.day, t.user_email, t.tool"),
    ("annotations", "t.org, t.id"),
    ("goals", "t.org, t.metric, t.service, t.team"),
    ("saved_views", "t.org, t.owner, t.name"),
    ("receivers", "t.org, t.id"),
    ("messages", "t.org, t.receiver, t.key"),
    ("deployments", "t.key"),
    ("failures", "t.key"),
    ("parked_sequences", "t.service, t.env"),
    ("sequences", "t.org, t.service, t.env"),
    ("marks", "t.number"),
    ("changes", "t.org, t.number"),
)


def _events(name: LiteralString, kind: LiteralString) -> tuple[RowRule, ...]:
    elements: LiteralString = f"{kind}_elements"
    return (
        RowRule(
            name,
            "t.key",
            "the key or the receipt is above the counter of receipts",
            f"t.receipt > {_RECEIPT} OR t.key > {_RECEIPT}",
        ),
        RowRule(
            name,
            "t.key",
            "the key is another organisation's",
            # See `engine/organisations.py`.
            "t.key / 1099511627776 NOT IN (0, t.org)",
        ),
        RowRule(
            elements,
            "t.org, t.event, t.field",
            "there is no such event",
            f"NOT EXISTS (SELECT 1 FROM {name} e WHERE e.org = t.org AND e.key = t.event)",
            REPAIR,
        ),
    )


def _segments(name: LiteralString, kind: LiteralString) -> tuple[RowRule, ...]:
    return (
        RowRule(
            f"{kind}_unsegmented",
            "t.org, t.event",
            "there is no such event",
            f"NOT EXISTS (SELECT 1 FROM {name} e WHERE e.key = t.event AND e.org = t.org)",
            REPAIR,
        ),
        RowRule(
            f"{kind}_segments",
            "t.org, t.segment",
            "the keys of its events cannot be read",
            "octet_length(t.events) % 8 <> 0 OR octet_length(t.events) > 8192",
            REPAIR,
        ),
        RowRule(
            f"{kind}_trigrams",
            "t.org, t.bucket, t.segment",
            "there is no such segment, or the entries cannot be read",
            "octet_length(t.entries) % 10 <> 0 OR NOT EXISTS (SELECT 1 "
            f"FROM {kind}_segments s WHERE s.org = t.org AND s.segment = t.segment)",
            REPAIR,
        ),
    )


def _counted(table: LiteralString, key: LiteralString) -> RowRule:
    return RowRule(
        table,
        key,
        "a count or a time is impossible",
        "t.requests < 1 OR t.first_at_ns > t.last_at_ns OR t.first_at_ns < 0",
    )


def _of_repository(table: LiteralString, key: LiteralString) -> RowRule:
    return RowRule(
        table,
        key,
        "there is no such repository",
        "NOT EXISTS (SELECT 1 FROM repositories r WHERE r.org = t.org AND r.key = t.repository)",
    )


def _of_pull_request(table: LiteralString, key: LiteralString, advice: str = RESTORE) -> RowRule:
    return RowRule(
        table,
        key,
        "there is no such pull request",
        "NOT EXISTS (SELECT 1 FROM pull_requests p WHERE p.org = t.org "
        "AND p.repository = t.repository AND p.number = t.number)",
        advice,
    )


RULES: tuple[RowRule, ...] = (
    *(
        RowRule(table, key, "there is no such organisation", _NO_ORG)
        for table, key in _OF_ORGANISATIONS
    ),
    # 0 is the server itself.
    RowRule(
        "audit_entries", "t.number", "there is no such organisation", f"t.org <> 0 AND {_NO_ORG}"
    ),
    RowRule("audit_chains", "t.org", "there is no such organisation", f"t.org <> 0 AND {_NO_ORG}"),
    RowRule(
        "counters", "t.org, t.name", "there is no such organisation", f"t.org <> 0 AND {_NO_ORG}"
    ),
    RowRule("counters", "t.org, t.name", "the counter is negative", "t.value < 0"),
    RowRule(
        "goals",
        "t.org, t.metric, t.service, t.team",
        "the value is not above 0",
        "t.value <= 0",
    ),
    RowRule(
        "goals",
        "t.org, t.metric, t.service, t.team",
        "it is for a service and a team",
        "t.service <> '' AND t.team <> ''",
    ),
    RowRule("saved_views", "t.org, t.owner, t.name", "the page is none", "t.path NOT LIKE '/%'"),
    RowRule("mirrors", "t.repository_id", "the number of failures is negative", "t.failures < 0"),
    RowRule(
        "counters",
        "t.org, t.name",
        "events are marked as indexed that do not exist",
        f"t.name IN ('deployments_indexed', 'failures_indexed') AND t.value > {_RECEIPT}",
        REPAIR,
    ),
    RowRule(
        "organisations",
        "t.org",
        "the key is above the counter of organisations",
        "t.org > (SELECT c.value FROM counters c WHERE c.org = 0 AND c.name = 'organisation')",
    ),
    _counted("key_activity", "t.key_id, t.kind"),
    _counted("refusals", "t.key_id, t.kind, t.status, t.place"),
    _counted("ignored_members", "t.key_id, t.kind, t.place"),
    RowRule(
        "key_addresses",
        "t.key_id, t.address",
        "there is no such key, or a time is impossible",
        "t.first_at_ns > t.last_at_ns "
        "OR NOT EXISTS (SELECT 1 FROM keys k WHERE k.id = t.key_id AND k.org = t.org)",
    ),
    RowRule(
        "sessions",
        "t.id",
        "there is no such key or person",
        "NOT EXISTS (SELECT 1 FROM keys k WHERE k.org = t.org AND k.id = t.key_id) AND "
        "NOT EXISTS (SELECT 1 FROM people p WHERE p.org = t.org AND p.id = t.person_id)",
    ),
    RowRule(
        "share_links",
        "t.id",
        "there is no such key or person",
        "NOT EXISTS (SELECT 1 FROM keys k WHERE k.org = t.org AND k.id = t.key_id) AND "
        "NOT EXISTS (SELECT 1 FROM people p WHERE p.org = t.org AND p.id = t.person_id)",
    ),
    RowRule(
        "share_links",
        "t.id",
        "the times contradict one another",
        "t.created_at_ns > t.expires_at_ns OR t.created_at_ns > t.revoked_at_ns",
    ),
    RowRule(
        "people",
        "t.id",
        "the times contradict one another",
        "t.created_at_ns > t.last_seen_at_ns",
    ),
    RowRule(
        "sessions",
        "t.id",
        "the times contradict one another",
        "t.signed_in_at_ns > t.renewed_at_ns OR t.signed_in_at_ns > t.seen_at_ns",
    ),
    RowRule(
        "retention",
        "t.org",
        "the limit is impossible",
        "t.days < 1 OR t.days > 36500 OR t.confirmed < 0",
    ),
    RowRule(
        "retention_plans",
        "t.org",
        "the limit or its time is impossible",
        "t.days < 1 OR t.days > 36500 OR t.begins_at_ns < 0 OR t.confirmed < 0",
    ),
    RowRule(
        "retention_refusals", "t.org", "it has no reason or time", "t.reason = '' OR t.at_ns < 0"
    ),
    RowRule(
        "organisation_deletions",
        "t.org",
        "there is no such organisation",
        f"t.finished_at_ns IS NULL AND {_NO_ORG}",
    ),
    RowRule(
        "organisation_deletions",
        "t.org",
        "the times contradict one another",
        "t.begun_at_ns < t.begins_at_ns OR t.finished_at_ns < t.begun_at_ns "
        "OR (t.finished_at_ns IS NOT NULL AND t.begun_at_ns IS NULL)",
    ),
    RowRule("stale_teams", "t.org, t.service", "the key was never given", f"t.up_to > {_RECEIPT}"),
    RowRule(
        "stale_bots", "t.org", "the place was never given", "t.repository < -1 OR t.number < -1"
    ),
    RowRule(
        "forwarding",
        "t.org",
        "it counts other changes than the outbox has",
        f"{_STAYS} AND t.queued <> (SELECT count(*) FROM outbox o WHERE o.org = t.org)",
    ),
    RowRule("outbox", "t.number", "the number was never given", f"t.number > {_RECEIPT}"),
    RowRule(
        "outbox",
        "t.number",
        "there is no such state or operation",
        "t.state NOT IN ('waiting', 'parked') OR t.operation NOT IN ('put', 'patch', 'delete') "
        "OR t.kind NOT IN ('deployment', 'failure')",
    ),
    RowRule(
        "outbox",
        "t.number",
        "the organisation does not forward",
        f"{_STAYS} AND NOT EXISTS (SELECT 1 FROM forwarding f WHERE f.org = t.org)",
    ),
    RowRule(
        "leases", "t.org, t.work", "there is no such work", "t.work NOT IN ('forwarding', 'inbox')"
    ),
    RowRule(
        "receivers",
        "t.org, t.id",
        "there is no such kind, or it has no address",
        "t.kind NOT IN ('slack', 'teams', 'email', 'webhook') OR t.url = '' "
        "OR (t.kind = 'webhook') = (t.secret = '')",
    ),
    RowRule(
        "messages",
        "t.org, t.receiver, t.key",
        "there is no such state, or it contradicts the time",
        "t.state NOT IN ('waiting', 'sending', 'sent', 'failed', 'unknown') "
        "OR (t.state IN ('waiting', 'sending')) <> (t.settled_at_ns IS NULL)",
    ),
    RowRule("inbox", "t.number", "the number was never given", f"t.number > {_RECEIPT}"),
    RowRule(
        "inbox",
        "t.number",
        "there is no such state",
        "t.state NOT IN ('waiting', 'done', 'ignored', 'failed')",
    ),
    RowRule(
        "source_things",
        "t.kind, t.thing",
        "there is no such event",
        "t.event <> '' "
        "AND NOT EXISTS (SELECT 1 FROM deployments d WHERE d.org = t.org AND d.id = t.event) "
        "AND NOT EXISTS (SELECT 1 FROM failures f WHERE f.org = t.org AND f.id = t.event)",
    ),
    RowRule(
        "source_facts",
        "t.kind, t.thing, t.digest",
        "it is about nothing",
        "NOT EXISTS (SELECT 1 FROM source_things s "
        "WHERE s.org = t.org AND s.kind = t.kind AND s.thing = t.thing)",
    ),
    RowRule(
        "source_keys",
        "t.key, t.kind, t.thing",
        "it is about nothing",
        "NOT EXISTS (SELECT 1 FROM source_things s "
        "WHERE s.org = t.org AND s.kind = t.kind AND s.thing = t.thing)",
    ),
    RowRule(
        "correlations",
        "t.key, t.repository_id",
        "the number was never given",
        f"t.delivery > {_RECEIPT}",
    ),
    RowRule("repositories", "t.org, t.key", "the generation is negative", "t.generation < 0"),
    _of_repository("commits", "t.org, t.repository, t.sha"),
    _of_repository("pull_requests", "t.org, t.repository, t.number"),
    *_events("deployments", "deployment"),
    *_segments("deployments", "deployment"),
    *_events("failures", "failure"),
    *_segments("failures", "failure"),
    *(
        RowRule(table, "t.org, t.deployment", "there is no such deployment", _NO_DEPLOYMENT, REPAIR)
        for table in _OF_DERIVATION
    ),
    RowRule(
        "deployment_commits",
        "t.org, t.deployment",
        "its commits were not measured",
        "NOT EXISTS (SELECT 1 FROM deployment_measures m "
        "WHERE m.org = t.org AND m.deployment = t.deployment)",
        REPAIR,
    ),
    RowRule(
        "pull_request_deployments",
        "t.org, t.repository, t.number, t.deployment",
        "there is no such deployment",
        _NO_DEPLOYMENT,
        REPAIR,
    ),
    _of_pull_request(
        "pull_request_deployments", "t.org, t.repository, t.number, t.deployment", REPAIR
    ),
    _of_pull_request("pull_request_elements", "t.org, t.repository, t.number, t.field, t.value"),
    RowRule("verdicts", "t.org, t.deployment", "there is no such deployment", _NO_DEPLOYMENT),
    RowRule(
        "verdicts",
        "t.org, t.deployment",
        "it is not in the history of verdicts",
        "NOT EXISTS (SELECT 1 FROM verdict_acts a WHERE a.org = t.org "
        "AND a.deployment = t.deployment AND a.is_removal = 0 "
        "AND a.given_at_ns = t.given_at_ns AND a.given_by = t.given_by)",
    ),
    RowRule("verdict_acts", "t.org, t.number", "there is no such deployment", _NO_DEPLOYMENT),
    RowRule(
        "verdict_acts",
        "t.org, t.number",
        "the number is above the counter of receipts",
        f"t.number > {_RECEIPT}",
    ),
    RowRule(
        "parked_sequences",
        "t.service, t.env",
        "the times contradict one another, or it was never tried",
        "t.tries < 1 OR t.next_at_ns < t.tried_at_ns",
        REPAIR,
    ),
    RowRule(
        "sequences", "t.org, t.service, t.env", "the generation is below 1", "t.generation < 1"
    ),
    RowRule(
        "marks",
        "t.number",
        "it does not name what it is about",
        "t.kind IN ('sequence', 'service') AND t.service IS NULL "
        "OR t.kind = 'repository' AND t.repository_id IS NULL",
        REPORT,
    ),
    RowRule(
        "changes",
        "t.org, t.number",
        "the event was never received",
        # Those below zero are marks of its history.
        f"t.event > {_RECEIPT}",
    ),
)


def apply_rules(cursor: Cursor, findings: Findings) -> None:
    for rule in RULES:
        statement: LiteralString = f"SELECT {rule.key} FROM {rule.table} t WHERE {rule.condition}"
        for key in cursor.execute(statement).fetchall():
            findings.add(rule.table, rule.problem, rule.advice, key)
