"""The table of fields that a query may name, and that a list may be sorted by.

The parser, the matcher, the SQL compiler, error messages, completion, `docs/search.md` and
the tests read this table; a new searchable field is one row here.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from enum import Enum
from operator import attrgetter
from typing import Generic, TypeAlias, TypeVar

from theodora.events import Deployment, Failure, format_rfc3339
from theodora.events.pull_requests import PullRequestEvent, ShippingDeployment
from theodora.events.values import DEPLOYMENT_TEXTS, FAILURE_TEXTS, STAGE_AVERAGES

Event: TypeAlias = Deployment | Failure
Searched: TypeAlias = Event | PullRequestEvent
"""What a query may be about."""
Scalar: TypeAlias = str | int
"""A single value; booleans are among the integers."""
Value: TypeAlias = Scalar | tuple[str, ...] | None

E_contra = TypeVar("E_contra", contravariant=True)


class Kind(Enum):
    """The kinds of what is listed and searched."""

    DEPLOYMENT = "deployment"
    FAILURE = "failure"
    PULL_REQUEST = "pull_request"
    """It has fields of its own beside those that all share."""

    @property
    def words(self) -> str:
        """As people write it."""
        return self.value.replace("_", " ")


EVENT_KINDS = (Kind.DEPLOYMENT, Kind.FAILURE)
"""Those that have custom tags, and share the fields of `FIELDS`."""


class Type(Enum):
    """The type of a field's values, which defines how they are compared."""

    TEXT = "text"
    BOOLEAN = "boolean"
    NUMBER = "number"
    """An integer."""
    DURATION = "duration"
    """An integer number of seconds."""
    TIME = "time"
    """An integer number of nanoseconds since the Unix epoch."""


@dataclass(frozen=True, slots=True)
class FieldSource(Generic[E_contra]):
    """The attribute and the column of a field, for one kind of event."""

    read: Callable[[E_contra], Value]
    column: str | None
    """The SQL column; None if the values are in a side table."""
    is_own: bool = True
    """Whether the values are the event's, and not those of the deployments that shipped it."""


@dataclass(frozen=True, slots=True, eq=False)
class Field:
    """One row of the table. There is one value for each field, so identity is equality."""

    name: str
    type: Type
    about: str
    """One line for people, with the unit where there is one."""
    deployment: FieldSource[Deployment] | None = None
    failure: FieldSource[Failure] | None = None
    aliases: tuple[str, ...] = ()
    in_free_text: bool = False
    """Whether free text is searched in it."""
    pull_request: FieldSource[PullRequestEvent] | None = None

    def source(
        self, kind: Kind
    ) -> FieldSource[Deployment] | FieldSource[Failure] | FieldSource[PullRequestEvent] | None:
        """The source of the field in events of this kind; None if they do not have it."""
        match kind:
            case Kind.DEPLOYMENT:
                return self.deployment
            case Kind.FAILURE:
                return self.failure
            case Kind.PULL_REQUEST:
                return self.pull_request

    def is_searched(self, kind: Kind) -> bool:
        """Whether free text is searched in it, in events of this kind."""
        source = self.source(kind)
        return self.in_free_text and source is not None and source.is_own

    def values(self, event: Searched) -> tuple[Scalar, ...]:
        """The event's values of this field; none if it is absent, several if it is an array."""
        match self._read(event):
            case None:
                return ()
            case tuple() as values:
                return values
            case value:
                return (value,)

    def texts(self, event: Searched) -> tuple[str, ...]:
        """The event's values in their text form."""
        return tuple(self.text_form(value) for value in self.values(event))

    def text_form(self, value: Scalar) -> str:
        """A value as text: decimal, `true` or `false`, RFC 3339 in UTC."""
        if isinstance(value, str):
            return value
        if self.type is Type.TIME:
            return format_rfc3339(value)
        return str(value).lower()

    def _read(self, event: Searched) -> Value:
        match event:
            case Deployment():
                return self.deployment.read(event) if self.deployment else None
            case Failure():
                return self.failure.read(event) if self.failure else None
            case PullRequestEvent():
                return self.pull_request.read(event) if self.pull_request else None

    def __repr__(self) -> str:
        return f"<{self.name}>"


@dataclass(frozen=True, slots=True)
class Tag:
    """The values of the custom tags with one key; any name that is not in the table."""

    key: str

    def values(self, event: Searched) -> tuple[str, ...]:
        """The text after the first colon of each tag with this key."""
        divided = (tag.partition(":") for tag in event.custom_tags)
        return tuple(value for key, _, value in divided if key == self.key)

    def texts(self, event: Searched) -> tuple[str, ...]:
        """The values; they are texts."""
        return self.values(event)

    def text_form(self, value: Scalar) -> str:
        """A value as text, which it is."""
        return str(value)


Target: TypeAlias = Field | Tag


def _both(
    name: str,
    type_: Type,
    about: str,
    read: Callable[[Event], Value],
    column: str | None,
    *,
    aliases: tuple[str, ...] = (),
    in_free_text: bool = False,
    pull_request: FieldSource[PullRequestEvent] | None = None,
) -> Field:
    source = FieldSource(read, column)
    return Field(name, type_, about, source, source, aliases, in_free_text, pull_request)


def _deployments(
    name: str,
    type_: Type,
    about: str,
    read: Callable[[Deployment], Value],
    column: str,
    *,
    aliases: tuple[str, ...] = (),
) -> Field:
    return Field(name, type_, about, FieldSource(read, column), None, aliases)


def _failures(
    name: str, type_: Type, about: str, read: Callable[[Failure], Value], column: str
) -> Field:
    return Field(name, type_, about, None, FieldSource(read, column))


def _of_deployments(
    read: Callable[[ShippingDeployment], str | None],
) -> FieldSource[PullRequestEvent]:
    """The values that the deployments have which shipped a pull request."""

    def values(event: PullRequestEvent) -> tuple[str, ...]:
        found = (read(each) for each in event.deployments)
        return tuple(dict.fromkeys(value for value in found if value is not None))

    return FieldSource(values, None, is_own=False)


_SHIPPED_TO: Mapping[str, FieldSource[PullRequestEvent]] = {
    "env": _of_deployments(lambda each: each.env),
    "team": _of_deployments(lambda each: each.team),
    "version": _of_deployments(lambda each: each.version),
}


def _texts() -> Iterator[Field]:
    """The text attributes; free text is searched in all of them."""
    of_deployments = {text.name for text in DEPLOYMENT_TEXTS}
    of_failures = {text.name for text in FAILURE_TEXTS}
    for text in dict.fromkeys((*DEPLOYMENT_TEXTS, *FAILURE_TEXTS)):
        source: FieldSource[Event] = FieldSource(attrgetter(text.name), text.name)
        yield Field(
            text.name,
            Type.TEXT,
            text.about,
            source if text.name in of_deployments else None,
            source if text.name in of_failures else None,
            in_free_text=True,
            pull_request=_SHIPPED_TO.get(text.name),
        )


FIELDS: tuple[Field, ...] = (
    Field(
        "service",
        Type.TEXT,
        "The service deployed; of a failure, each service it affected.",
        FieldSource(lambda d: d.service, "service"),
        FieldSource(lambda f: f.services, None),
        aliases=("services",),
        in_free_text=True,
        pull_request=_of_deployments(lambda each: each.service),
    ),
    *_texts(),
    _both(
        "source",
        Type.TEXT,
        "How the event came in: `api`, or the name of an import or integration.",
        lambda e: e.source,
        "source",
    ),
    _both(
        "id",
        Type.TEXT,
        "The event's id.",
        lambda e: e.id,
        "id",
        in_free_text=True,
        pull_request=FieldSource(lambda p: p.id, "id"),
    ),
    _both(
        "repository_id",
        Type.TEXT,
        "The repository as `host/path`, however its URL was written.",
        lambda e: e.git and e.git.repository_id,
        "repository_id",
        aliases=("git.repository_id", "git.repository.id", "repository"),
        in_free_text=True,
        pull_request=FieldSource(lambda p: p.repository_id, "repository_id"),
    ),
    _both(
        "repository_url",
        Type.TEXT,
        "The repository's URL as sent, without credentials.",
        lambda e: e.git and e.git.repository_url,
        "repository_url",
        aliases=("git.repository_url",),
    ),
    _both(
        "commit_sha",
        Type.TEXT,
        "The commit's full SHA, in lower case.",
        lambda e: e.git and e.git.commit_sha,
        "commit_sha",
        aliases=("git.commit_sha", "git.commit.sha"),
        in_free_text=True,
        pull_request=FieldSource(lambda p: p.commit_shas, None),
    ),
    _deployments(
        "deployment_type",
        Type.TEXT,
        "`standard`, `rollback` or `rollforward`.",
        lambda d: d.deployment_type,
        "deployment_type",
    ),
    _deployments(
        "remediation.id",
        Type.TEXT,
        "The id of the deployment that fixed this one.",
        lambda d: d.remediation and d.remediation.id,
        "remediation_id",
        aliases=("remediation_id",),
    ),
    _deployments(
        "remediation.type",
        Type.TEXT,
        "How this deployment was fixed: `rollback` or `rollforward`.",
        lambda d: d.remediation and d.remediation.type,
        "remediation_type",
        aliases=("remediation_type",),
    ),
    _deployments(
        "change_failure",
        Type.BOOLEAN,
        "Whether the deployment failed; no value while there is no verdict.",
        lambda d: d.change_failure,
        "change_failure",
    ),
    _deployments(
        "failed_by",
        Type.TEXT,
        "What marked it as failed: a rule's id, `incident` or `override`.",
        lambda d: d.failed_by,
        "failed_by",
    ),
    _deployments(
        "lead_time_status",
        Type.TEXT,
        "Why known commits have no lead time: `baseline`, `gap` after a pause, `shallow` clone.",
        lambda d: d.lead_time_status,
        "lead_time_status",
    ),
    _deployments(
        "number_of_commits",
        Type.NUMBER,
        "How many commits the deployment shipped.",
        lambda d: d.number_of_commits,
        "number_of_commits",
    ),
    _deployments(
        "duration", Type.DURATION, "From start to finish.", lambda d: d.duration, "duration"
    ),
    _deployments(
        "change_lead_time",
        Type.DURATION,
        "The mean time from commit to deployment, over the deployment's commits.",
        lambda d: d.change_lead_time,
        "change_lead_time",
    ),
    *(
        _deployments(each.name, Type.DURATION, each.about, attrgetter(each.name), each.name)
        for each in STAGE_AVERAGES
    ),
    _deployments(
        "recovery_time_sec",
        Type.DURATION,
        "From the end of a failed deployment to the end of its remediation.",
        lambda d: d.recovery_time_sec,
        "recovery_time_sec",
        aliases=("recovery_time",),
    ),
    _failures(
        "time_to_restore",
        Type.DURATION,
        "How long it was active; no value while the failure is open.",
        lambda f: f.time_to_restore,
        "time_to_restore",
    ),
    _both(
        "started_at",
        Type.TIME,
        "When it started.",
        lambda e: e.started_at_ns,
        "started_at_ns",
        aliases=("timestamp",),
    ),
    _both(
        "finished_at",
        Type.TIME,
        "When it finished; no value while a failure is open.",
        lambda e: e.finished_at_ns,
        "finished_at_ns",
    ),
    _both(
        "created_at",
        Type.TIME,
        "When the event was first received.",
        lambda e: e.created_at_ns,
        "created_at_ns",
    ),
    _both(
        "tags",
        Type.TEXT,
        "Each custom tag, as `key:value`.",
        lambda e: e.custom_tags,
        None,
        aliases=("custom_tags",),
        in_free_text=True,
    ),
)

_BY_NAME: Mapping[str, Field] = {
    name: field for field in FIELDS for name in (field.name, *field.aliases)
}

_SORTED_BY_BOTH = (
    "id",
    "env",
    "team",
    "version",
    "source",
    "started_at",
    "finished_at",
    "created_at",
)

SORT_KEYS: Mapping[Kind, tuple[str, ...]] = {
    Kind.DEPLOYMENT: (
        *_SORTED_BY_BOTH,
        "service",
        "change_failure",
        "deployment_type",
        "recovery_time_sec",
        "number_of_commits",
        "change_lead_time",
        "duration",
        "repository_id",
        *(each.name for each in STAGE_AVERAGES),
    ),
    Kind.FAILURE: (*_SORTED_BY_BOTH, "name", "severity", "time_to_restore"),
}
"""The names a list may be sorted by, in the order in which an error message gives them."""

_SORTED_BY: Mapping[Kind, Mapping[str, Field]] = {
    kind: {name: field for name, field in _BY_NAME.items() if field.name in keys}
    for kind, keys in SORT_KEYS.items()
}


def resolve(name: str) -> Target:
    """The field called `name` or `@name`, else the custom tag with that key."""
    name = bare(name)
    return _BY_NAME.get(name) or Tag(name)


def sort_key(name: str, kind: Kind) -> Field | None:
    """The field to sort events of this kind by; aliases and a leading `@` are allowed."""
    return _SORTED_BY[kind].get(bare(name))


def bare(name: str) -> str:
    """`name` without the leading `@` that changes nothing."""
    return name[1:] if name.startswith("@") and len(name) > 1 else name
