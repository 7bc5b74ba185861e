"""`Deployment`, `Failure` and their parts: frozen values with their invariants.

Instants are integers in nanoseconds since the Unix epoch, spans whole seconds.
"""

import hashlib
import uuid
from collections.abc import Sequence
from operator import attrgetter
from typing import Any, Literal, LiteralString, NamedTuple, TypeVar, get_args

import msgspec

from theodora.events.repository import repository_id

RemediationType = Literal["rollback", "rollforward"]
DeploymentType = Literal["standard", "rollback", "rollforward"]

REMEDIATION_TYPES: tuple[RemediationType, ...] = get_args(RemediationType)

SECOND_NS = 1_000_000_000
HOUR_NS = 3_600 * SECOND_NS
DAY_NS = 24 * HOUR_NS
INT64 = -(2**63), 2**63 - 1
"""The least and the greatest integer that a database holds."""

E = TypeVar("E", "Deployment", "Failure")

_FAILURE_NAMESPACE = uuid.uuid5(uuid.NAMESPACE_DNS, "dora_failure")


class Git(msgspec.Struct, frozen=True, gc=False):
    """The commit that a deployment shipped, or that a failure was seen on."""

    commit_sha: str
    """40 to 64 lower-case hexadecimal digits."""
    repository_url: str
    """As sent, without credentials."""

    @property
    def repository_id(self) -> str:
        return repository_id(self.repository_url)


UnmeasuredStatus = Literal["baseline", "gap", "shallow"]
"""The first deployment of its repository, one after a pause, and one whose history a shallow clone
cut off: see `dora/derivation/derived.py`."""


class Remediation(msgspec.Struct, frozen=True, gc=False):
    """The deployment that remedied a failed one, and how."""

    id: str
    type: RemediationType


class Deployment(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A finished deployment of one service to one environment, with its derived values."""

    id: str = ""
    """Unique in its organisation; empty until the store has given it one."""
    service: str
    env: str | None = None
    team: str | None = None
    """Its own if it was sent with one, else that of its service, from the settings."""
    team_is_filled_in: bool = False
    """Whether the team comes from the settings, and so follows their changes."""
    version: str | None = None
    started_at_ns: int
    finished_at_ns: int
    git: Git | None = None
    custom_tags: tuple[str, ...] = ()
    """Each `key:value`, in the order sent, without exact duplicates."""
    source: str = "api"
    """`api`, or the import or integration that the event came from."""
    created_at_ns: int = 0
    """When the event was first received."""

    change_failure: bool | None = None
    """None while there is no verdict."""
    deployment_type: DeploymentType = "standard"
    remediation: Remediation | None = None
    recovery_time_sec: int | None = None
    number_of_commits: int | None = None
    change_lead_time: int | None = None
    """Seconds, the mean over the deployment's commits."""
    avg_time_to_pr_ready: int | None = None
    """Seconds, the mean over the commits that went through this stage, as in those below."""
    avg_review_time: int | None = None
    avg_merge_time: int | None = None
    avg_time_to_deploy: int | None = None
    failed_by: str | None = None
    """What marked it as failed: the id of a rule, `override` or `incident`."""
    lead_time_status: UnmeasuredStatus | None = None
    """Why it has no lead time although its commits are known."""

    @property
    def duration(self) -> int:
        """Seconds from start to finish."""
        return whole_seconds(self.finished_at_ns - self.started_at_ns)

    @property
    def place(self) -> object:
        """A client's id is unique within this place."""
        return self.service, self.env

    def shares_id_with(self, other: "Deployment") -> bool:
        """Whether the two are one event if a client gives both the same id."""
        return self.place == other.place

    def identity(self, org: str) -> str:
        """The key that identifies a deployment sent without an id: 64 hex digits.

        `org` is the organisation's UUID. The first 16 digits are the id of a deployment
        that came without one.
        """
        return _sha256(
            _compact(
                "dora_deployment",
                org,
                self.service,
                self.env,
                self.version,
                self.started_at_ns,
                self.finished_at_ns,
                self.git.commit_sha if self.git else None,
            )
        )

    @staticmethod
    def id_of(identity: str, attempt: int = 0) -> str:
        """The id of a deployment sent without one; later attempts are for ids already taken."""
        return identity[:16] if not attempt else _sha256(f"{identity}#{attempt}")[:16]


class ActivePeriod(NamedTuple):
    """A time during which a failure was active."""

    started_at_ns: int
    finished_at_ns: int | None
    """None while it lasts."""


class Failure(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """An incident: what failed, from when, and until when if it has ended."""

    id: str = ""
    """Unique in its organisation; empty until the store has given it one."""
    services: tuple[str, ...] = ()
    """Each once, in the order sent."""
    env: str | None = None
    team: str | None = None
    """Its own if it was sent with one, else that of all its services, from the settings."""
    team_is_filled_in: bool = False
    """Whether the team comes from the settings, and so follows their changes."""
    version: str | None = None
    name: str | None = None
    severity: str | None = None
    started_at_ns: int
    finished_at_ns: int | None = None
    periods: tuple[ActivePeriod, ...] = ()
    """When it was active, if it was reopened: two or more, in order. Empty if it was active from
    start to finish. The first begins at the start of the failure, the last ends at its end."""
    git: Git | None = None
    custom_tags: tuple[str, ...] = ()
    source: str = "api"
    created_at_ns: int = 0

    @property
    def time_to_restore_ns(self) -> int | None:
        """How long it was active; None while it is open, and if it ends before it starts."""
        return active_ns(self.started_at_ns, self.finished_at_ns, self.periods)

    @property
    def time_to_restore(self) -> int | None:
        """The same in seconds."""
        span_ns = self.time_to_restore_ns
        return None if span_ns is None else whole_seconds(span_ns)

    @property
    def last_opened_at_ns(self) -> int:
        """When it began, or was reopened last."""
        return self.periods[-1].started_at_ns if self.periods else self.started_at_ns

    def ended(self, finished_at_ns: int) -> "Failure":
        """The failure with this end, which is that of its last period."""
        periods = self.periods
        if periods:
            periods = (*periods[:-1], ActivePeriod(periods[-1].started_at_ns, finished_at_ns))
        return msgspec.structs.replace(self, finished_at_ns=finished_at_ns, periods=periods)

    def unless_late(self, former: "Failure") -> "Failure":
        """The failure; with the times of `former` if that was restored after this one opened.

        A message that a failure opened may arrive after the one that it was restored.
        """
        restored_at_ns = former.finished_at_ns
        if self.finished_at_ns is not None or restored_at_ns is None:
            return self
        if self.last_opened_at_ns > restored_at_ns:
            return self
        return msgspec.structs.replace(
            self,
            started_at_ns=former.started_at_ns,
            finished_at_ns=restored_at_ns,
            periods=former.periods,
        )

    @property
    def place(self) -> object:
        """Distinguishes events that share a client's id."""
        return self.env, frozenset(self.services) or self.team

    def shares_id_with(self, other: "Failure") -> bool:
        """Whether the two are one event if a client gives both the same id.

        Services of an incident may be added and removed while it lasts: one in common will do.
        """
        if self.env != other.env:
            return False
        if self.services and other.services:
            return not set(self.services).isdisjoint(other.services)
        return self.team == other.team

    def identity(self, org: str) -> str:
        """The key that identifies a failure sent without an id: a UUID, also its id."""
        services = sorted(set(self.services))
        team = None if self.services else self.team
        name = _compact(org, self.env, services, team, self.started_at_ns)
        return str(uuid.uuid5(_FAILURE_NAMESPACE, name))

    @staticmethod
    def id_of(identity: str, attempt: int = 0) -> str:
        """The id of a failure sent without one; later attempts are for ids already taken."""
        return identity if not attempt else str(uuid.uuid5(uuid.UUID(identity), str(attempt)))


class TextAttribute(NamedTuple):
    """An optional text that events are sent with, stored in a column of the same name."""

    name: LiteralString
    label: str
    """As pages call it."""
    about: str
    max_characters: int = 255


_BOTH = (
    TextAttribute("env", "Environment", "The environment."),
    TextAttribute("team", "Team", "The team."),
    TextAttribute("version", "Version", "The version deployed, or seen to fail."),
)
DEPLOYMENT_TEXTS: tuple[TextAttribute, ...] = _BOTH
FAILURE_TEXTS: tuple[TextAttribute, ...] = (
    *_BOTH,
    TextAttribute("name", "Name", "What the failure is called.", max_characters=1_024),
    TextAttribute("severity", "Severity", "The failure's severity."),
)
"""In the order of documents. Documents, their rules and schemas, columns, search, exports and pages
read these tables."""


class StageAverage(NamedTuple):
    """A derived number of deployments: how long a stage of their lead times took on average."""

    name: LiteralString
    """As Datadog documents it: `avg_` and the stage."""
    about: str


STAGE_AVERAGES = (
    StageAverage(
        "avg_time_to_pr_ready",
        "The mean time from a commit until its pull request was ready for review.",
    ),
    StageAverage("avg_review_time", "The mean time from ready for review to the last approval."),
    StageAverage("avg_merge_time", "The mean time from the last approval to the merge."),
    StageAverage(
        "avg_time_to_deploy", "The mean time from the merge to the start of the deployment."
    ),
)
"""Each is over the deployment's commits that went through the stage, in seconds; no value if none
did. The stage after them, the deployment itself, is its duration. Documents, columns, search,
exports and pages read this table."""


_DEPLOYMENT_NAMES = tuple(text.name for text in DEPLOYMENT_TEXTS)
_FAILURE_NAMES = tuple(text.name for text in FAILURE_TEXTS)
_stage_averages = attrgetter(*(each.name for each in STAGE_AVERAGES))
_deployment_texts = attrgetter(*_DEPLOYMENT_NAMES)
_failure_texts = attrgetter(*_FAILURE_NAMES)


def text_values(event: "Deployment | Failure") -> tuple[str | None, ...]:
    """The text attributes of an event, in the order of its table."""
    return _deployment_texts(event) if isinstance(event, Deployment) else _failure_texts(event)


def stage_averages(deployment: "Deployment") -> tuple[int | None, ...]:
    """The averages of stages, in the order of their table."""
    return _stage_averages(deployment)


def texts_of(event: "Deployment | Failure") -> dict[str, Any]:
    """The text attributes of an event by their names."""
    if isinstance(event, Deployment):
        return dict(zip(_DEPLOYMENT_NAMES, _deployment_texts(event), strict=True))
    return dict(zip(_FAILURE_NAMES, _failure_texts(event), strict=True))


def _compact(*members: object) -> str:
    return msgspec.json.encode(members).decode()


def content_id(*values: str | int) -> str:
    """An id made of the values: the same for the same ones in this order."""
    return hashlib.sha256(msgspec.json.encode(values)).hexdigest()[:32]


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def active_ns(
    started_at_ns: int, finished_at_ns: int | None, periods: Sequence[ActivePeriod]
) -> int | None:
    """How long a failure was active that is restored; None for any other, and for a negative time.

    `periods` is empty if it was active from start to finish.
    """
    if finished_at_ns is None or finished_at_ns < started_at_ns:
        return None
    whole = (ActivePeriod(started_at_ns, finished_at_ns),)
    return sum(ended - began for began, ended in periods or whole if ended is not None)


def whole_seconds(span_ns: int) -> int:
    """A span in nanoseconds as the nearest whole second, halves up."""
    return (span_ns + SECOND_NS // 2) // SECOND_NS


def with_team_of_services(event: E, team: str | None) -> E:
    """The event with the team of its services, unless it was sent with one of its own."""
    has_own = event.team is not None and not event.team_is_filled_in
    if has_own or event.team == team:
        return event
    return msgspec.structs.replace(event, team=team, team_is_filled_in=team is not None)
