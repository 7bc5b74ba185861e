"""Commits that the settings exclude from lead time, by author or by label of the pull request."""

from collections.abc import Iterable
from typing import Literal

from theodora.dora.derivation.commits import Commit, PullRequest
from theodora.dora.derivation.derived import LeftOutReason
from theodora.dora.derivation.name_globs import NameFilter
from theodora.dora.derivation.settings import ServiceSettings

_Member = Literal["exclude_authors", "exclude_labels"]


class Exclusions:
    """The exclusions of one service. Raises `Invalid` if its globs are too long together."""

    def __init__(self, settings: ServiceSettings) -> None:
        self._authors = _filter(settings.exclude_authors, "exclude_authors")
        self._labels = _filter(settings.exclude_labels, "exclude_labels")

    def reason(self, commit: Commit, pull_request: PullRequest | None) -> LeftOutReason | None:
        """Why the commit does not count; None if it does.

        `pull_request` is the one that brought the commit, if it is known.
        """
        if self._authors and self._authors.matches((commit.author_name, commit.author_email)):
            return "author"
        if self._labels and pull_request and self._labels.matches(pull_request.labels):
            return "label"
        return None


def _filter(globs: Iterable[str], member: _Member) -> NameFilter | None:
    return NameFilter(globs, member) if globs else None
