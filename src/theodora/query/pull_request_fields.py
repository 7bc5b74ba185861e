"""The table of fields of pull requests.

Names that events do not have would be keys of custom tags in a search of events, so a query is
parsed for what it is about: see `resolver`.
"""

from collections.abc import Callable, Mapping
from typing import LiteralString

from theodora.events import Deployment, Failure
from theodora.events.pull_requests import PullRequestEvent, in_seconds
from theodora.query.fields import (
    FIELDS,
    SORT_KEYS,
    Field,
    FieldSource,
    Kind,
    Searched,
    Target,
    Type,
    Value,
    bare,
    resolve,
    sort_key,
)


def _field(
    name: LiteralString,
    type_: Type,
    about: str,
    read: Callable[[PullRequestEvent], Value],
    *,
    aliases: tuple[str, ...] = (),
    column: LiteralString | None = None,
    is_array: bool = False,
    in_free_text: bool = False,
) -> Field:
    source = FieldSource(read, None if is_array else column or name)
    return Field(
        name,
        type_,
        about,
        aliases=aliases,
        in_free_text=in_free_text,
        pull_request=source,
    )


def _text(
    name: LiteralString,
    about: str,
    read: Callable[[PullRequestEvent], str],
    *,
    aliases: tuple[str, ...] = (),
    in_free_text: bool = True,
) -> Field:
    return _field(
        name,
        Type.TEXT,
        about,
        lambda p: read(p) or None,
        aliases=aliases,
        in_free_text=in_free_text,
    )


def _time(
    name: LiteralString,
    about: str,
    read: Callable[[PullRequestEvent], int | None],
    aliases: tuple[str, ...] = (),
) -> Field:
    return _field(name, Type.TIME, about, read, aliases=aliases, column=f"{name}_ns")


def _duration(
    name: LiteralString,
    about: str,
    read_ns: Callable[[PullRequestEvent], int | None],
    aliases: tuple[str, ...] = (),
) -> Field:
    return _field(name, Type.DURATION, about, lambda p: in_seconds(read_ns(p)), aliases=aliases)


PULL_REQUEST_FIELDS: tuple[Field, ...] = (
    _field(
        "number",
        Type.NUMBER,
        "Its number in the repository.",
        lambda p: p.number,
        aliases=("pr", "pull_request"),
        in_free_text=True,
    ),
    _text("title", "Its title.", lambda p: p.title),
    _text("author", "Who opened it, by the name at the host.", lambda p: p.author),
    _text("branch", "The branch that it comes from.", lambda p: p.branch, aliases=("head",)),
    _text("base", "The branch that it is merged to.", lambda p: p.base),
    _text("state", "`open`, `draft`, `merged` or `closed`.", lambda p: p.state, in_free_text=False),
    _field(
        "label",
        Type.TEXT,
        "Each of its labels.",
        lambda p: p.labels,
        aliases=("labels",),
        is_array=True,
        in_free_text=True,
    ),
    _field(
        "reviewer",
        Type.TEXT,
        "Each person other than the author who reviewed it.",
        lambda p: p.reviewers,
        aliases=("reviewers",),
        is_array=True,
    ),
    _text("url", "Its page at the host.", lambda p: p.url, in_free_text=False),
    _field(
        "is_bot",
        Type.BOOLEAN,
        "Whether a bot made it.",
        lambda p: p.is_bot,
        aliases=("bot",),
    ),
    _field(
        "number_of_commits",
        Type.NUMBER,
        "How many commits its branch has.",
        lambda p: p.number_of_commits,
        aliases=("commits",),
    ),
    _field(
        "number_of_reviewers",
        Type.NUMBER,
        "How many people other than the author reviewed it.",
        lambda p: p.number_of_reviewers,
    ),
    _field("additions", Type.NUMBER, "Lines that it adds.", lambda p: p.additions),
    _field("deletions", Type.NUMBER, "Lines that it deletes.", lambda p: p.deletions),
    _field(
        "lines",
        Type.NUMBER,
        "Lines that it adds and deletes.",
        lambda p: p.lines,
        aliases=("size",),
    ),
    _duration("cycle_time", "From its first commit to the merge.", lambda p: p.cycle_time_ns),
    _duration(
        "time_to_ready",
        "From its first commit until it was ready for review.",
        lambda p: p.time_to_ready_ns,
        ("time_to_pr_ready",),
    ),
    _duration(
        "review_time", "From ready for review to the last approval.", lambda p: p.review_time_ns
    ),
    _duration("merge_time", "From the last approval to the merge.", lambda p: p.merge_time_ns),
    _duration(
        "time_to_deploy",
        "From the merge to the start of the first deployment to production.",
        lambda p: p.time_to_deploy_ns,
    ),
    _time("first_commit_at", "When its first commit was written.", lambda p: p.first_commit_at_ns),
    _time("opened_at", "When it was opened.", lambda p: p.opened_at_ns, ("created_at",)),
    _time("ready_at", "When it was last made ready for review.", lambda p: p.ready_at_ns),
    _time("first_reviewed_at", "When it was first reviewed.", lambda p: p.first_reviewed_at_ns),
    _time("approved_at", "When it was last approved.", lambda p: p.approved_at_ns),
    _time("merged_at", "When it was merged.", lambda p: p.merged_at_ns),
    _time("closed_at", "When it was closed without a merge.", lambda p: p.closed_at_ns),
    _time(
        "deployed_at",
        "When the first deployment to production that shipped it finished.",
        lambda p: p.shipped.finished_at_ns if p.shipped else None,
    ),
    _time(
        "updated_at",
        "When it was last opened, made ready, reviewed, merged or closed.",
        lambda p: p.updated_at_ns,
    ),
)
"""Those that only pull requests have."""

ALL_PULL_REQUEST_FIELDS = (
    *(field for field in FIELDS if field.pull_request),
    *PULL_REQUEST_FIELDS,
)

_BY_NAME: Mapping[str, Field] = {
    name: field for field in PULL_REQUEST_FIELDS for name in (field.name, *field.aliases)
}

PULL_REQUEST_SORT_KEYS = (
    *("updated_at", "opened_at", "merged_at", "deployed_at", "id", "repository_id", "number"),
    *("title", "author", "state", "cycle_time", "time_to_ready", "review_time", "merge_time"),
    *("time_to_deploy", "number_of_commits", "number_of_reviewers", "lines"),
)


def resolve_in_pull_requests(name: str) -> Target:
    """What a name means in a search of pull requests; other names are as in one of events."""
    return _BY_NAME.get(bare(name)) or resolve(name)


def pull_request_field(name: str) -> Field:
    """A field of the table."""
    found = resolve_in_pull_requests(name)
    assert isinstance(found, Field), f"{name} is no field of pull requests"
    return found


def resolver(kind: Kind) -> Callable[[str], Target]:
    """What names mean in a search of this kind."""
    return resolve_in_pull_requests if kind is Kind.PULL_REQUEST else resolve


def fields_of(kind: Kind) -> tuple[Field, ...]:
    """Every field that a search of this kind may name."""
    return ALL_PULL_REQUEST_FIELDS if kind is Kind.PULL_REQUEST else FIELDS


def sort_keys_of(kind: Kind) -> tuple[str, ...]:
    """The names that a list of this kind may be sorted by."""
    return PULL_REQUEST_SORT_KEYS if kind is Kind.PULL_REQUEST else SORT_KEYS[kind]


def sort_field(name: str, kind: Kind) -> Field | None:
    """The field to sort a list of this kind by."""
    if kind is not Kind.PULL_REQUEST:
        return sort_key(name, kind)
    target = resolve_in_pull_requests(name)
    if isinstance(target, Field) and target.name in PULL_REQUEST_SORT_KEYS:
        return target
    return None


def kind_of(event: Searched) -> Kind:
    match event:
        case Deployment():
            return Kind.DEPLOYMENT
        case Failure():
            return Kind.FAILURE
        case PullRequestEvent():
            return Kind.PULL_REQUEST
