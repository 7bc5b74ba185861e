"""Pull requests as frozen values: what is known of one, and the deployments that shipped it."""

from typing import Literal, get_args

import msgspec

from theodora.events.values import whole_seconds

State = Literal["open", "draft", "merged", "closed"]
STATES: tuple[State, ...] = get_args(State)


class ShippingDeployment(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """The first deployment of a service and environment that shipped a pull request."""

    id: str
    service: str
    env: str | None = None
    team: str | None = None
    version: str | None = None
    started_at_ns: int
    finished_at_ns: int
    in_production: bool
    """By the settings of the service."""


class PullRequestEvent(msgspec.Struct, frozen=True, kw_only=True):
    """A pull request. Instants are nanoseconds since the Unix epoch; None where not known."""

    id: str
    repository_id: str
    number: int
    title: str = ""
    author: str = ""
    branch: str = ""
    base: str = ""
    """The branch that it is merged to."""
    url: str = ""
    labels: tuple[str, ...] = ()
    reviewers: tuple[str, ...] | None = None
    """Those who reviewed it, without the author; None if the source does not say."""
    commit_shas: tuple[str, ...] = ()
    """Its commits and the commit that it was merged as."""
    number_of_commits: int | None = None
    additions: int | None = None
    deletions: int | None = None
    is_draft: bool = False
    is_bot: bool = False
    """Whether a bot made it: all of its commits if they are known, else its author."""
    first_commit_at_ns: int | None = None
    """The author time of its first commit."""
    opened_at_ns: int | None = None
    ready_at_ns: int | None = None
    first_reviewed_at_ns: int | None = None
    approved_at_ns: int | None = None
    """The last approval before the merge."""
    merged_at_ns: int | None = None
    closed_at_ns: int | None = None
    """When it was closed without a merge."""
    deployments: tuple[ShippingDeployment, ...] = ()
    """In the order in which they finished."""

    @property
    def custom_tags(self) -> tuple[str, ...]:
        """None: those of events are sent with them."""
        return ()

    @property
    def state(self) -> State:
        if self.merged_at_ns is not None:
            return "merged"
        if self.closed_at_ns is not None:
            return "closed"
        return "draft" if self.is_draft else "open"

    @property
    def updated_at_ns(self) -> int | None:
        """The last of its instants, without deployments."""
        instants = (
            *(self.opened_at_ns, self.ready_at_ns, self.first_reviewed_at_ns),
            *(self.approved_at_ns, self.merged_at_ns, self.closed_at_ns),
        )
        return max((each for each in instants if each is not None), default=None)

    @property
    def cycle_time_ns(self) -> int | None:
        """From the first commit to the merge."""
        return _span(self.first_commit_at_ns, self.merged_at_ns)

    @property
    def time_to_ready_ns(self) -> int | None:
        """From the first commit until it was ready for review; None if it was so before."""
        return _span(self.first_commit_at_ns, self.ready_at_ns) or None

    @property
    def review_time_ns(self) -> int | None:
        """From ready, or the first commit if that is later, to the last approval."""
        first, approved = self.first_commit_at_ns, self.approved_at_ns
        if first is None or self.ready_at_ns is None or approved is None or first >= approved:
            return None
        return _span(max(self.ready_at_ns, first), approved)

    @property
    def merge_time_ns(self) -> int | None:
        """From the last approval, or what came later, to the merge."""
        first, approved = self.first_commit_at_ns, self.approved_at_ns
        if first is None or approved is None:
            return None
        return _span(max(self.ready_at_ns or 0, approved, first), self.merged_at_ns)

    @property
    def shipped(self) -> ShippingDeployment | None:
        """The first deployment that shipped it to production."""
        return next((each for each in self.deployments if each.in_production), None)

    @property
    def time_to_deploy_ns(self) -> int | None:
        """From the merge to the start of that deployment."""
        return _span(self.merged_at_ns, self.shipped.started_at_ns) if self.shipped else None

    @property
    def number_of_reviewers(self) -> int | None:
        return None if self.reviewers is None else len(self.reviewers)

    @property
    def lines(self) -> int | None:
        """Additions and deletions."""
        if self.additions is None or self.deletions is None:
            return None
        return self.additions + self.deletions


def pull_request_id(repository_id: str, number: int) -> str:
    """Such as `github.com:acme:shop:42`: a path in a URL may not hold a slash everywhere."""
    return f"{repository_id.replace('/', ':')}:{number}"


def in_seconds(span_ns: int | None) -> int | None:
    """A span in whole seconds."""
    return None if span_ns is None else whole_seconds(span_ns)


def _span(since_ns: int | None, until_ns: int | None) -> int | None:
    """None for a span that would be negative: its ends came in another order."""
    if since_ns is None or until_ns is None or until_ns < since_ns:
        return None
    return until_ns - since_ns
