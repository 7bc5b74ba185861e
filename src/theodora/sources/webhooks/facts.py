"""Facts: what one delivery says about a deployment, an incident or a pull request.

A fact is stored as it was made and never changed. An event is computed from all facts about one
thing in the order of the provider's times (`fold.py`), so it does not depend on how often or in
which order deliveries come in.
"""

from typing import Literal

import msgspec

from theodora.dora import Commit
from theodora.events import repository_id

DeploymentStatus = Literal["created", "started", "succeeded", "failed"]
IncidentStatus = Literal["active", "resolved", "removed"]
MergeMethod = Literal["merge", "squash", "rebase"]
ReviewStatus = Literal["approved", "standing", "dismissed", "commented"]
"""`standing`: approved then or before, from a provider that does not send when. `commented` is a
review that neither approves nor takes an approval back."""


class _Fact(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="fact"):
    at_ns: int
    """When it became true, by the provider's clock."""


class DeploymentFact(_Fact, frozen=True, kw_only=True, omit_defaults=True, tag="deployment"):
    """Part of the course of a deployment; a member that is not said here is None."""

    number: str
    """The provider's id of the deployment."""
    is_global: bool = False
    """Whether the number is unique without the repository, which not every message may have."""
    status: DeploymentStatus | None = None
    """The first `succeeded` finishes it."""
    service: str | None = None
    env: str | None = None
    team: str | None = None
    version: str | None = None
    repository_url: str | None = None
    commit_sha: str | None = None
    custom_tags: tuple[str, ...] = ()
    members: tuple[str, ...] = ()
    """Members of the payload that queries of the settings name, as tags."""
    images: tuple[str, ...] = ()
    """Names of what runs since, by which a correlation finds the commit of the application."""

    @property
    def thing(self) -> str:
        if self.is_global or not self.repository_url:
            return f"deployment:{self.number}"
        return f"deployment:{repository_id(self.repository_url)}:{self.number}"


class IncidentFact(_Fact, frozen=True, kw_only=True, omit_defaults=True, tag="incident"):
    """Part of the course of an incident; a member that is not said here is None."""

    number: str
    """The provider's id of the incident."""
    status: IncidentStatus | None = None
    """What it is from `at_ns` on; an incident that was merged into another is `removed`."""
    began_at_ns: int | None = None
    """When it began, if the message has that."""
    services: tuple[str, ...] = ()
    env: str | None = None
    team: str | None = None
    name: str | None = None
    severity: str | None = None
    version: str | None = None
    custom_tags: tuple[str, ...] = ()
    members: tuple[str, ...] = ()
    """Members of the payload that queries of the settings name, as tags."""

    @property
    def thing(self) -> str:
        return f"incident:{self.number}"


class PullRequestFact(_Fact, frozen=True, kw_only=True, omit_defaults=True, tag="pull_request"):
    """A pull request as it was at one moment."""

    repository_url: str
    number: int
    title: str = ""
    labels: tuple[str, ...] = ()
    branch: str = ""
    head_sha: str | None = None
    """The last commit of its branch."""
    commit_count: int = 0
    """How many commits its branch has; 0 if the provider does not say."""
    merge_commit_sha: str | None = None
    merge_method: MergeMethod | None = None
    created_at_ns: int | None = None
    merged_at_ns: int | None = None
    became_ready: bool = False
    """Whether this was the moment at which it stopped being a draft."""
    author: str = ""
    """By the name that people sign in with; empty if this message does not say."""
    base: str = ""
    """The branch that it is to be merged to."""
    url: str = ""
    """Its page."""
    is_draft: bool = False
    closed_at_ns: int | None = None
    """When it was closed, merged or not."""
    additions: int | None = None
    deletions: int | None = None
    """Lines; None if the provider does not count them."""

    @property
    def thing(self) -> str:
        return pull_request_thing(self.repository_url, self.number)


class ReviewFact(_Fact, frozen=True, kw_only=True, omit_defaults=True, tag="review"):
    """A review of a pull request, or the dismissal of one."""

    repository_url: str
    number: int
    """Of the pull request."""
    review: str
    """The provider's id of the review, or of who reviewed; a dismissal of `""` ends all of them."""
    status: ReviewStatus
    reviewer: str = ""
    """Who reviewed, by the same name as an author; empty if this message does not say."""

    @property
    def thing(self) -> str:
        return pull_request_thing(self.repository_url, self.number)


class MergeCommitFact(_Fact, frozen=True, kw_only=True, omit_defaults=True, tag="merge_commit"):
    """The commit as which a pull request was merged, where the pull request does not name it."""

    repository_url: str
    number: int
    """Of the pull request."""
    sha: str

    @property
    def thing(self) -> str:
        return pull_request_thing(self.repository_url, self.number)


StoredFact = DeploymentFact | IncidentFact | PullRequestFact | ReviewFact | MergeCommitFact
"""Facts about one thing, from which an event is computed."""


class CorrelatedCommit(msgspec.Struct, frozen=True, kw_only=True):
    """The commit of an application from which a commit of configuration, or an image, was made."""

    keys: tuple[str, ...]
    """As in `correlation.py`; whatever was deployed under one of them contains the commit."""
    repository_url: str
    commit_sha: str


class PushedCommits(msgspec.Struct, frozen=True, kw_only=True):
    """Commits that a push names. They are stored as commits, since what is known of a commit only
    grows. A push does not name parents: the adapter guesses them."""

    repository_url: str
    commits: tuple[Commit, ...]


WebhookFact = StoredFact | PushedCommits | CorrelatedCommit


def begun_and_ended(
    end: DeploymentFact, began_at_ns: int, begin: DeploymentStatus = "started"
) -> tuple[DeploymentFact, DeploymentFact]:
    """The facts of a run whose beginning and end one message has."""
    return msgspec.structs.replace(end, at_ns=began_at_ns, status=begin), end


def pull_request_thing(repository_url: str, number: int) -> str:
    """The name of a pull request among the things that facts are about."""
    return f"pull_request:{repository_id(repository_url)}:{number}"


def encode_fact(fact: StoredFact) -> str:
    """A fact as it is stored: the same fact is always the same text."""
    return _encode(fact).decode()


def decode_fact(document: str) -> StoredFact:
    """The fact that `encode_fact` wrote."""
    return _decode(document)


_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(StoredFact).decode
