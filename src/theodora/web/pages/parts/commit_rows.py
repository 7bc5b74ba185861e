"""The commits of a deployment as rows of a table, with links to their host."""

from collections.abc import Mapping
from typing import NamedTuple

from markupsafe import Markup

from theodora.dora.derivation.derived import Flag
from theodora.dora.derivation.explanation import CommitExplained
from theodora.dora.derivation.stages import STAGES
from theodora.events import Deployment
from theodora.events.timestamps import nanoseconds_from_rfc3339
from theodora.report import wording
from theodora.report.charts import spans_of, stage_bar, stages_words

_COMMIT_NOTES: Mapping[Flag, str] = {
    "squash_unresolved": "measured from the squash commit",
    "negative_span": "written after the deployment",
    "unreadable_time": "its date cannot be read",
}


class ForgePaths(NamedTuple):
    """The paths of pages at a host, below that of the repository."""

    commit: str
    pull_request: str
    compare: str
    """With `{old}` and `{new}`."""


_FORGES: Mapping[str, ForgePaths] = {
    "github.com": ForgePaths("/commit/", "/pull/", "/compare/{old}...{new}"),
    "gitlab.com": ForgePaths("/-/commit/", "/-/merge_requests/", "/-/compare/{old}...{new}"),
    "bitbucket.org": ForgePaths("/commits/", "/pull-requests/", "/branches/compare/{new}..{old}"),
}
"""By host."""


class CommitRow(NamedTuple):
    """A commit that the deployment brought."""

    subject: str
    sha: str
    link: str
    pull_request: int | None
    pull_request_link: str
    written_at_ns: int | None
    bar: Markup
    stages: str
    lead_time: str
    note: str
    author: str
    author_email: str
    assisted: str
    """Which assistants the commit names, and where; empty for none."""


def commit_row(event: Deployment, commit: CommitExplained, longest: float) -> CommitRow:
    """The row of a commit of `event`; `longest` is the length of a full bar in seconds."""
    stages = commit.stages
    spans = spans_of({each: getattr(stages, each) for each in STAGES}) if stages else ()
    commit_link, request_link = _links(event, commit)
    return CommitRow(
        wording.visible(commit.subject) or "(no subject)",
        commit.sha,
        commit_link,
        commit.pull_request,
        request_link,
        nanoseconds_from_rfc3339(commit.written_at) if commit.written_at else None,
        stage_bar(spans, longest) if spans else Markup(""),
        stages_words(spans),
        wording.duration(commit.lead_time, "no lead time"),
        ", ".join(words for flag, words in _COMMIT_NOTES.items() if flag in commit.flags),
        wording.visible(commit.author_name or commit.author_email.partition("@")[0]),
        wording.visible(commit.author_email),
        _assisted(commit),
    )


def _assisted(commit: CommitExplained) -> str:
    if commit.is_bot:
        return "by a bot: not in AI impact"
    places: dict[str, list[str]] = {}
    for each in commit.assistants:
        where = "its author" if each.source == "author" else each.source
        places.setdefault(each.title, []).append(where)
    named = (f"{title} ({', '.join(dict.fromkeys(where))})" for title, where in places.items())
    return f"assisted by {', '.join(named)}" if places else ""


def _links(event: Deployment, commit: CommitExplained) -> tuple[str, str]:
    """The pages of the commit and its pull request at the repository's host, if known."""
    repository = event.git.repository_id if event.git else ""
    forge = _FORGES.get(repository.partition("/")[0])
    if forge is None:
        return "", ""
    base = f"https://{repository}"
    return f"{base}{forge.commit}{commit.sha}", f"{base}{forge.pull_request}{commit.pull_request}"


def compare_link(event: Deployment, preceding: Deployment | None) -> str:
    """The changes since the deployment before it, at the repository's host; empty if not known."""
    if event.git is None or preceding is None or preceding.git is None:
        return ""
    repository, old, new = event.git.repository_id, preceding.git.commit_sha, event.git.commit_sha
    forge = _FORGES.get(repository.partition("/")[0])
    if forge is None or repository != preceding.git.repository_id or old == new:
        return ""
    return f"https://{repository}{forge.compare.format(old=old, new=new)}"
