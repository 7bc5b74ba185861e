"""The columns of events, one table for each kind."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property, partial
from operator import attrgetter
from typing import Any, Generic, LiteralString, NamedTuple, TypeVar

import msgspec

from theodora.events import ActivePeriod, Deployment, Failure, Git, Remediation
from theodora.events.values import (
    DEPLOYMENT_TEXTS,
    FAILURE_TEXTS,
    STAGE_AVERAGES,
    stage_averages,
    text_values,
)
from theodora.query.fields import Field, Kind, Tag, Target
from theodora.query.words import words
from theodora.storage.engine.condition import Condition
from theodora.storage.engine.cursor import Row

E = TypeVar("E", Deployment, Failure)


class SideValues(NamedTuple):
    """Where the values of a field lie that are not in columns of table `e`."""

    rows: LiteralString
    """What follows FROM: the rows of one event."""
    which: Condition
    """Which of them are the field's."""
    value: LiteralString


_decode_texts = msgspec.json.Decoder(tuple[str, ...]).decode
_decode_periods = msgspec.json.Decoder(tuple[ActivePeriod, ...]).decode


@dataclass(frozen=True, eq=False)
class EventTable(Generic[E]):
    """The tables of one kind of event."""

    kind: Kind
    name: LiteralString
    elements: LiteralString
    postings: LiteralString
    numbers: LiteralString
    words: LiteralString
    watermark: LiteralString
    """The counter that holds, for each organisation, up to which key events are in postings,
    numbers and words."""
    unsegmented: LiteralString
    """Indexed events that no segment has yet."""
    segments: LiteralString
    trigrams: LiteralString
    columns: tuple[LiteralString, ...]
    """The columns that an event is read from, in the order of `from_row`."""
    sent_columns: tuple[LiteralString, ...]
    """The columns that a resent document replaces, in the order of `sent_values`."""
    derived_columns: tuple[LiteralString, ...]
    """The columns that derivation and overrides write, in the order of `derived_values`."""
    derived_fields: tuple[str, ...]
    """The members of an event that those columns hold."""
    from_row: Callable[[Row], E]
    sent_values: Callable[[E], tuple[Any, ...]]
    derived_values: Callable[[E], tuple[Any, ...]]
    posted: tuple[tuple[str, Callable[[E], Iterable[str | None]]], ...]
    """The fields whose values are posted, and their values; tags are posted too."""
    arrays: tuple[str, ...]
    """The posted fields that are arrays, and so have rows in `elements`."""
    ranged: tuple[tuple[str, Callable[[E], int | None]], ...]
    """The fields in `numbers`, and their values."""
    searched: Callable[[E], Iterable[str | None]]
    """The values that free text is searched in, in addition to tags."""
    narrowed: LiteralString
    """A condition that all events meet which may share a client's id with another one."""
    narrowing_of_given_id: Callable[[E], tuple[Any, ...]]
    """The values of that condition."""
    indexes: Mapping[str, LiteralString]
    """Instants that have an index of their own, which knows every event at once."""

    @property
    def select(self) -> LiteralString:
        """The column list of `from_row`, from a table that is called `e`."""
        return ", ".join([f"e.{column}" for column in self.columns])

    @cached_property
    def posted_fields(self) -> frozenset[str]:
        """The fields all of whose values are posted."""
        return frozenset(name for name, _ in self.posted) - {"id"}

    @cached_property
    def array_values(self) -> tuple[tuple[str, Callable[[E], Iterable[str | None]]], ...]:
        """The fields that are arrays, and their values."""
        return tuple((name, values) for name, values in self.posted if name in self.arrays)

    @cached_property
    def ranged_fields(self) -> frozenset[str]:
        return frozenset(name for name, _ in self.ranged)

    def side_values(self, target: Target) -> SideValues | None:
        """Where the values of a tag or an array lie; None for fields with a column, or without."""
        rows: LiteralString = f"{self.elements} x WHERE x.org = e.org AND x.event = e.key"
        match target:
            case Tag(key):
                return SideValues(rows, Condition("x.field = ?", ("@" + key,)), "x.value")
            case Field() if target.name == "tags":
                # Fields of tags begin with `@`, and `A` is the next character: the index finds them
                # all.
                which = Condition("x.field >= '@' AND x.field < 'A'")
                return SideValues(rows, which, "substr(x.field, 2) || ':' || x.value")
            case Field() if target.name in self.arrays:
                return SideValues(rows, Condition("x.field = ?", (target.name,)), "x.value")
            case Field():
                return None

    @property
    def production(self) -> Condition:
        """Queries have the environments of the settings in its place."""
        raise NotImplementedError("settings have not been put into the query")

    def column(self, field: Field) -> LiteralString | None:
        """The column of table `e` that holds a field; None if events have no such column."""
        source = field.source(self.kind)
        if source is None or source.column is None:
            return None
        known: tuple[LiteralString, ...] = (*self.columns, *self.sent_columns)
        return "e." + known[known.index(source.column)]


def decode_texts(encoded: str | None) -> tuple[str, ...]:
    """The texts of a column with an array."""
    return _decode_texts(encoded) if encoded else ()


_DEPLOYMENT_TEXTS: tuple[LiteralString, ...] = tuple([text.name for text in DEPLOYMENT_TEXTS])
_STAGE_AVERAGES: tuple[LiteralString, ...] = tuple([each.name for each in STAGE_AVERAGES])
_FAILURE_TEXTS: tuple[LiteralString, ...] = tuple([text.name for text in FAILURE_TEXTS])


def _text(name: str, event: Deployment | Failure) -> tuple[str | None]:
    return (getattr(event, name),)


def decode_periods(encoded: str | None) -> tuple[ActivePeriod, ...]:
    """The periods of a column with active periods."""
    return _decode_periods(encoded) if encoded else ()


def _encoded(values: tuple[str, ...] | tuple[ActivePeriod, ...]) -> str | None:
    return msgspec.json.encode(values).decode() if values else None


def _id_of_several_words(event: Deployment | Failure) -> tuple[str | None]:
    """An id that is not one word in lower case; free text finds the others by the id itself."""
    return (None if words(event.id) == [event.id] else event.id,)


def _git_values(git: Git | None) -> tuple[str | None, str | None, str | None]:
    return (git.commit_sha, git.repository_id, git.repository_url) if git else (None, None, None)


def _deployment(row: Row) -> Deployment:
    (
        id_, service, team_is_filled_in, started_at_ns, finished_at_ns,
        commit_sha, repository_url, custom_tags, source, created_at_ns,
        change_failure, deployment_type, remediation_id, remediation_type,
        recovery_time_sec, number_of_commits, change_lead_time, failed_by, lead_time_status,
        ready, review, merge, to_deploy, *texts,
    ) = row  # fmt: skip
    return Deployment(
        id=id_,
        service=service,
        team_is_filled_in=bool(team_is_filled_in),
        started_at_ns=started_at_ns,
        finished_at_ns=finished_at_ns,
        git=Git(commit_sha, repository_url) if commit_sha else None,
        custom_tags=decode_texts(custom_tags),
        source=source,
        created_at_ns=created_at_ns,
        change_failure=None if change_failure is None else bool(change_failure),
        deployment_type=deployment_type,
        remediation=Remediation(remediation_id, remediation_type) if remediation_id else None,
        recovery_time_sec=recovery_time_sec,
        number_of_commits=number_of_commits,
        change_lead_time=change_lead_time,
        failed_by=failed_by,
        lead_time_status=lead_time_status,
        avg_time_to_pr_ready=ready,
        avg_review_time=review,
        avg_merge_time=merge,
        avg_time_to_deploy=to_deploy,
        **dict(zip(_DEPLOYMENT_TEXTS, texts, strict=True)),
    )


def _sent_deployment(event: Deployment) -> tuple[Any, ...]:
    return (
        event.service,
        event.team_is_filled_in,
        event.started_at_ns,
        event.finished_at_ns,
        *_git_values(event.git),
        _encoded(event.custom_tags),
        event.source,
        event.duration,
        *text_values(event),
    )


def _derived_deployment(event: Deployment) -> tuple[Any, ...]:
    remediation = event.remediation
    return (
        event.change_failure,
        event.deployment_type,
        remediation and remediation.id,
        remediation and remediation.type,
        event.recovery_time_sec,
        event.number_of_commits,
        event.change_lead_time,
        event.failed_by,
        event.lead_time_status,
        *stage_averages(event),
    )


DEPLOYMENTS = EventTable(
    kind=Kind.DEPLOYMENT,
    name="deployments",
    elements="deployment_elements",
    postings="deployment_postings",
    numbers="deployment_numbers",
    words="deployment_words",
    watermark="deployments_indexed",
    unsegmented="deployment_unsegmented",
    segments="deployment_segments",
    trigrams="deployment_trigrams",
    columns=(
        "id",
        "service",
        "team_is_filled_in",
        "started_at_ns",
        "finished_at_ns",
        "commit_sha",
        "repository_url",
        "custom_tags",
        "source",
        "created_at_ns",
        "change_failure",
        "deployment_type",
        "remediation_id",
        "remediation_type",
        "recovery_time_sec",
        "number_of_commits",
        "change_lead_time",
        "failed_by",
        "lead_time_status",
        *_STAGE_AVERAGES,
        *_DEPLOYMENT_TEXTS,
    ),
    sent_columns=(
        "service",
        "team_is_filled_in",
        "started_at_ns",
        "finished_at_ns",
        "commit_sha",
        "repository_id",
        "repository_url",
        "custom_tags",
        "source",
        "duration",
        *_DEPLOYMENT_TEXTS,
    ),
    derived_columns=(
        "change_failure",
        "deployment_type",
        "remediation_id",
        "remediation_type",
        "recovery_time_sec",
        "number_of_commits",
        "change_lead_time",
        "failed_by",
        "lead_time_status",
        *_STAGE_AVERAGES,
    ),
    derived_fields=(
        "change_failure",
        "deployment_type",
        "remediation",
        "recovery_time_sec",
        "number_of_commits",
        "change_lead_time",
        "failed_by",
        "lead_time_status",
        *_STAGE_AVERAGES,
    ),
    from_row=_deployment,
    sent_values=_sent_deployment,
    derived_values=_derived_deployment,
    posted=(
        ("service", lambda event: (event.service,)),
        *((name, partial(_text, name)) for name in _DEPLOYMENT_TEXTS),
        ("source", lambda event: (event.source,)),
        ("repository_id", lambda event: (event.git and event.git.repository_id,)),
        ("repository_url", lambda event: (event.git and event.git.repository_url,)),
        ("commit_sha", lambda event: (event.git and event.git.commit_sha,)),
        ("remediation.id", lambda event: (event.remediation and event.remediation.id,)),
        ("failed_by", lambda event: (event.failed_by,)),
        ("lead_time_status", lambda event: (event.lead_time_status,)),
        ("id", _id_of_several_words),
    ),
    arrays=(),
    ranged=(
        ("duration", lambda event: event.duration),
        ("number_of_commits", lambda event: event.number_of_commits),
        ("change_lead_time", lambda event: event.change_lead_time),
        ("recovery_time_sec", lambda event: event.recovery_time_sec),
        *((name, attrgetter(name)) for name in _STAGE_AVERAGES),
    ),
    searched=lambda event: (
        event.service,
        *text_values(event),
        event.git and event.git.repository_id,
        event.git and event.git.commit_sha,
        event.id,
    ),
    narrowed="service = ? AND env IS NOT DISTINCT FROM ?",
    narrowing_of_given_id=lambda event: (event.service, event.env),
    indexes={
        "started_at": "deployments_by_started_at",
        "finished_at": "deployments_by_finished_at",
        "created_at": "deployments_by_created_at",
    },
)


def _failure(row: Row) -> Failure:
    (
        id_, services, team_is_filled_in, started_at_ns, finished_at_ns, periods, commit_sha,
        repository_url, custom_tags, source, created_at_ns, *texts,
    ) = row  # fmt: skip
    return Failure(
        id=id_,
        services=decode_texts(services),
        team_is_filled_in=bool(team_is_filled_in),
        started_at_ns=started_at_ns,
        finished_at_ns=finished_at_ns,
        periods=decode_periods(periods),
        git=Git(commit_sha, repository_url) if commit_sha else None,
        custom_tags=decode_texts(custom_tags),
        source=source,
        created_at_ns=created_at_ns,
        **dict(zip(_FAILURE_TEXTS, texts, strict=True)),
    )


def _sent_failure(event: Failure) -> tuple[Any, ...]:
    return (
        _encoded(event.services),
        event.team_is_filled_in,
        event.started_at_ns,
        event.finished_at_ns,
        _encoded(event.periods),
        *_git_values(event.git),
        _encoded(event.custom_tags),
        event.source,
        event.time_to_restore,
        *text_values(event),
    )


FAILURES = EventTable(
    kind=Kind.FAILURE,
    name="failures",
    elements="failure_elements",
    postings="failure_postings",
    numbers="failure_numbers",
    words="failure_words",
    watermark="failures_indexed",
    unsegmented="failure_unsegmented",
    segments="failure_segments",
    trigrams="failure_trigrams",
    columns=(
        "id",
        "services",
        "team_is_filled_in",
        "started_at_ns",
        "finished_at_ns",
        "periods",
        "commit_sha",
        "repository_url",
        "custom_tags",
        "source",
        "created_at_ns",
        *_FAILURE_TEXTS,
    ),
    sent_columns=(
        "services",
        "team_is_filled_in",
        "started_at_ns",
        "finished_at_ns",
        "periods",
        "commit_sha",
        "repository_id",
        "repository_url",
        "custom_tags",
        "source",
        "time_to_restore",
        *_FAILURE_TEXTS,
    ),
    derived_columns=(),
    derived_fields=(),
    from_row=_failure,
    sent_values=_sent_failure,
    derived_values=lambda _: (),
    posted=(
        ("service", lambda event: event.services),
        *((name, partial(_text, name)) for name in _FAILURE_TEXTS),
        ("source", lambda event: (event.source,)),
        ("repository_id", lambda event: (event.git and event.git.repository_id,)),
        ("repository_url", lambda event: (event.git and event.git.repository_url,)),
        ("commit_sha", lambda event: (event.git and event.git.commit_sha,)),
        ("id", _id_of_several_words),
    ),
    arrays=("service",),
    ranged=(("time_to_restore", lambda event: event.time_to_restore),),
    searched=lambda event: (
        *event.services,
        *text_values(event),
        event.git and event.git.repository_id,
        event.git and event.git.commit_sha,
        event.id,
    ),
    narrowed="env IS NOT DISTINCT FROM ?",
    narrowing_of_given_id=lambda event: (event.env,),
    indexes={
        "started_at": "failures_by_started_at",
        "finished_at": "failures_by_finished_at",
        "created_at": "failures_by_created_at",
    },
)
