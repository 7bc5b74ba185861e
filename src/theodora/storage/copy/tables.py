"""The tables of a copy with their columns, and the omissions with their reasons."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import LiteralString

from theodora.events.values import DEPLOYMENT_TEXTS, FAILURE_TEXTS
from theodora.storage.engine.cursor import Row

Columns = tuple[LiteralString, ...]


@dataclass(frozen=True, slots=True)
class CopiedTable:
    """A table whose rows are copied one by one, in the order of a key that none of them shares."""

    name: LiteralString
    key: Columns
    others: Columns = ()
    is_numbered: bool = False
    """Whether the key is a number, which the database gives out unless a row brings its own."""
    condition: LiteralString = "1 = 1"
    """Which rows are copied."""

    @property
    def columns(self) -> Columns:
        """The columns of a row, those of the key first."""
        return self.key + self.others

    def key_of(self, row: Row) -> Row:
        return row[: len(self.key)]


def _elements(name: LiteralString) -> CopiedTable:
    return CopiedTable(name, ("event", "field", "value"))


def _postings(name: LiteralString) -> CopiedTable:
    return CopiedTable(name, ("org", "term", "started_at_ns", "event"))


def _numbers(name: LiteralString) -> CopiedTable:
    return CopiedTable(name, ("org", "field", "value", "event"))


def _words(name: LiteralString) -> CopiedTable:
    return CopiedTable(name, ("org", "word", "term"))


_EVENT: Columns = (
    *("org", "id", "identity", "has_own_id", "receipt", "team_is_filled_in"),
    *("started_at_ns", "finished_at_ns", "commit_sha", "repository_id"),
    *("repository_url", "custom_tags", "source", "created_at_ns", "document", "words", "given_id"),
    "other_words",
)
_JUDGEMENT: Columns = (
    *("change_failure", "remediation_id", "remediation_version", "remediation_type", "reason"),
    *("given_by", "given_at_ns"),
)

TABLES: tuple[CopiedTable, ...] = (
    # The counter of commits is a database's own.
    CopiedTable("counters", ("name",), ("value",), condition="name <> 'commits'"),
    CopiedTable("organisations", ("org",), ("uuid", "name", "created_at_ns"), is_numbered=True),
    CopiedTable(
        "keys",
        ("id",),
        (
            *("org", "kind", "name", "hash", "permissions", "created_at_ns", "revoked_at_ns"),
            "last_used_at_ns",
        ),
    ),
    CopiedTable(
        "key_activity", ("org", "key_id", "kind"), ("first_at_ns", "last_at_ns", "requests")
    ),
    CopiedTable(
        "refusals",
        ("org", "key_id", "kind", "status", "place"),
        ("requests", "first_at_ns", "last_at_ns", "message"),
    ),
    CopiedTable(
        "ignored_members",
        ("org", "key_id", "kind", "place"),
        ("requests", "first_at_ns", "last_at_ns"),
    ),
    CopiedTable(
        "sessions",
        ("id",),
        ("hash", "former_hash", "key_id", "signed_in_at_ns", "renewed_at_ns", "seen_at_ns"),
    ),
    CopiedTable("settings", ("org", "service"), ("document",)),
    CopiedTable("retention", ("org",), ("days", "confirmed")),
    CopiedTable("retention_plans", ("org",), ("days", "begins_at_ns", "confirmed")),
    CopiedTable("retention_refusals", ("org",), ("at_ns", "reason")),
    CopiedTable("stale_teams", ("org", "service"), ("up_to",)),
    CopiedTable(
        "repositories",
        ("key",),
        ("org", "repository_id", "match_key", "generation"),
        is_numbered=True,
    ),
    CopiedTable(
        "commits",
        ("repository", "sha"),
        (
            *("received", "parents", "author_time_ns", "commit_time_ns", "subject", "message"),
            *("paths", "author_name", "author_email", "is_shallow", "is_guessed"),
        ),
    ),
    CopiedTable("pull_requests", ("repository", "number"), ("document", "undated")),
    CopiedTable("mirrors", ("org", "repository_id"), ("url", "tried_at_ns", "error")),
    CopiedTable(
        "sources",
        ("org", "id"),
        ("kind", "name", "secret", "settings", "created_at_ns", "disabled_at_ns"),
    ),
    CopiedTable(
        "inbox",
        ("org", "number"),
        (
            *("kind", "source", "received_at_ns", "headers", "body", "state", "reason"),
            "replays",
        ),
    ),
    CopiedTable("source_things", ("org", "kind", "thing"), ("event", "changed_at_ns")),
    CopiedTable("source_facts", ("org", "kind", "thing", "digest"), ("document", "delivery")),
    CopiedTable("user_activity", ("org", "day", "user_email", "tool"), ("is_active", "models")),
    CopiedTable(
        "deployments",
        ("key",),
        (
            *_EVENT,
            *(text.name for text in DEPLOYMENT_TEXTS),
            *("service", "change_failure", "deployment_type", "remediation_id"),
            *("remediation_type", "recovery_time_sec", "number_of_commits", "change_lead_time"),
            *("duration", "failed_by", "lead_time_status"),
        ),
        is_numbered=True,
    ),
    _elements("deployment_elements"),
    _postings("deployment_postings"),
    _numbers("deployment_numbers"),
    _words("deployment_words"),
    CopiedTable(
        "deployment_measures",
        ("deployment",),
        ("spans", "negative_spans", "digest"),
        is_numbered=True,
    ),
    CopiedTable("verdicts", ("deployment",), ("org", *_JUDGEMENT, "linked_id", "linked_type")),
    CopiedTable(
        "verdict_acts",
        ("number",),
        ("org", "deployment", "is_removal", *_JUDGEMENT),
        is_numbered=True,
    ),
    CopiedTable(
        "failures",
        ("key",),
        (*_EVENT, *(text.name for text in FAILURE_TEXTS), "services", "periods", "time_to_restore"),
        is_numbered=True,
    ),
    _elements("failure_elements"),
    _postings("failure_postings"),
    _numbers("failure_numbers"),
    _words("failure_words"),
    CopiedTable(
        "parked_sequences",
        ("org", "service", "env"),
        ("since_ns", "tried_at_ns", "next_at_ns", "tries", "error"),
    ),
    CopiedTable(
        "marks",
        ("number",),
        ("org", "kind", "service", "env", "deployment", "repository_id", "marked_at_ns"),
        is_numbered=True,
    ),
    CopiedTable("changes", ("number",), ("org", "kind", "event"), is_numbered=True),
)
"""In an order in which each row finds the rows that it refers to."""

LEFT_OUT: Mapping[str, str] = {
    "migrations": "each database notes its own",
    "sequences": "guards derivations that processes are writing, and a copy has no processes",
}
"""The other tables, and why their rows stay behind."""
