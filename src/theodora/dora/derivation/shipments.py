"""Shipped titles, pull request numbers and versions, as the rules read them."""

from collections.abc import Callable, Collection, Iterable, Mapping, Set
from functools import cached_property

import msgspec

from theodora.dora.derivation.commits import Commit, PullRequest
from theodora.dora.derivation.rules import Field, plain_title, subject_number
from theodora.dora.derivation.sequence import CodeHistory
from theodora.events import Deployment


class Shipment(msgspec.Struct, frozen=True, dict=True):
    """The new commits of a deployment that belong to the service, and their pull requests."""

    match_key: str = ""
    """That of the repository."""
    commits: tuple[Commit, ...] = ()
    """Without merges."""
    merges: tuple[Commit, ...] = ()
    pull_requests: tuple[PullRequest, ...] = ()

    @cached_property
    def titles(self) -> Set[str]:
        """Titles of pull requests and subjects of commits, as they are compared."""
        given = [pull_request.title for pull_request in self.pull_requests]
        given += [commit.subject for commit in self.commits]
        return {plain_title(title) for title in given}

    @cached_property
    def numbers(self) -> Set[str]:
        """Numbers of pull requests: known ones and those in commit subjects."""
        known = {str(pull_request.number) for pull_request in self.pull_requests}
        subjects = (commit.subject for commit in (*self.commits, *self.merges))
        return known | {number for each in subjects if (number := subject_number(each))}

    def ships(self, variable: str, captured: str, deployment: Deployment) -> bool:
        """Whether `deployment`, with this shipment, ships what a linked rule captured."""
        if variable == "pr_title":
            return captured in self.titles
        if variable == "pr_number":
            return captured in self.numbers
        return captured == deployment.version


NOTHING_SHIPPED = Shipment()

_TEXTS: Mapping[Field, Callable[[Deployment, Shipment], Iterable[str]]] = {
    "pr_title": lambda _, shipment: (each.title for each in shipment.pull_requests),
    "pr_label": lambda _, shipment: (
        label for each in shipment.pull_requests for label in each.labels
    ),
    "pr_branch": lambda _, shipment: (each.branch for each in shipment.pull_requests),
    "commit_subject": lambda _, shipment: (each.subject for each in shipment.commits),
    "commit_message": lambda _, shipment: (
        each.message or each.subject for each in shipment.commits
    ),
    "version": lambda deployment, _: (deployment.version or "",),
}


def field_texts(field: Field, deployment: Deployment, shipment: Shipment) -> Iterable[str]:
    """The values of one field of rules in a deployment, without empty ones."""
    return filter(None, _TEXTS[field](deployment, shipment))


class ShippedBefore:
    """The last deployment so far that shipped each title, pull request and version."""

    def __init__(self, codes: CodeHistory, variables: Collection[str]) -> None:
        """`variables` are those of the rules: nothing else is asked for."""
        self._codes = codes
        self._variables = variables
        self._titles: dict[str, int] = {}
        self._numbers: dict[tuple[str, str], int] = {}

    def add(self, position: int, shipment: Shipment) -> None:
        if "pr_title" in self._variables:
            self._titles.update(dict.fromkeys(shipment.titles, position))
        if "pr_number" in self._variables:
            for number in shipment.numbers:
                self._numbers[shipment.match_key, number] = position

    def position(self, variable: str, captured: str, shipment: Shipment) -> int | None:
        """The last deployment so far that shipped what a linked rule captured in `shipment`."""
        if variable == "pr_title":
            return self._titles.get(captured)
        if variable == "pr_number":
            return self._numbers.get((shipment.match_key, captured))
        return self._codes.latest_version(captured)
