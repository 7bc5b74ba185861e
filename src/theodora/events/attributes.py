"""The reader of event documents: attributes of the API's JSON, validated by rules.

Every rule that one pass can check is checked and every problem is listed, in the order of
`DocumentRule`: a caller fixes a document once, not problem by problem.
"""

import re
from collections.abc import Iterable
from enum import IntEnum, auto
from itertools import islice, pairwise
from typing import Any

from theodora.errors import Invalid, Problem
from theodora.events.input import (
    COMMIT_SHA,
    MAX_ID_CHARACTERS,
    MAX_SERVICES,
    MAX_TAG_CHARACTERS,
    MAX_TAGS,
    MAX_TEXT_CHARACTERS,
    MAX_URL_CHARACTERS,
    MIN_ID_CHARACTERS,
    DeploymentInput,
    FailureInput,
    is_id,
)
from theodora.events.json_values import JsonObject, JsonValue, exact_integer, is_object, type_name
from theodora.events.members import Members
from theodora.events.repository import without_credentials
from theodora.events.timestamps import nanoseconds_from_integer, nanoseconds_from_json
from theodora.events.values import (
    DEPLOYMENT_TEXTS,
    FAILURE_TEXTS,
    ActivePeriod,
    Deployment,
    Failure,
    Git,
    TextAttribute,
)

INSTANT = "a Unix timestamp or a date-time with an offset, such as 2025-10-01T10:00:00Z"

MAX_PROBLEMS = 50
"""Most problems listed for one document."""

_MAX_PERIODS = 1_000

CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")
_COMMIT_SHA = re.compile(COMMIT_SHA)

_GIT: Members = {"commit_sha": None, "repository_url": None, "repository_id": None}
"""Responses have the last one as well: what is read may be sent."""
DEPLOYMENT_MEMBERS: Members = {
    **dict.fromkeys(DeploymentInput.__struct_fields__),
    "git": _GIT,
}
"""The members that `read_deployment` reads."""
FAILURE_MEMBERS: Members = {
    **dict.fromkeys(("service", *FailureInput.__struct_fields__)),
    "git": _GIT,
}
"""The members that `read_failure` reads: also `service`, for `services` with one item."""

IMPORTED_PERIODS: Members = {"periods": dict.fromkeys(("started_at", "finished_at"))}
"""Members that `read_failure` also reads from imported failures."""

_UNITS = "seconds, milliseconds, microseconds or nanoseconds"


class DocumentRule(IntEnum):
    """The rules for documents, in the order in which problems are listed."""

    SERVICE = auto()
    TIME_TYPE = auto()
    TIME_FRACTION = auto()
    TIME_RANGE = auto()
    TIME_ORDER = auto()
    PERIODS = auto()
    ID = auto()
    TEXT_TYPE = auto()
    LENGTH = auto()
    CONTROL = auto()
    GIT = auto()
    COMMIT_SHA = auto()
    REPOSITORY_URL = auto()
    TAGS_TYPE = auto()
    TAGS_COUNT = auto()
    TAG_FORM = auto()


def read_deployment(attributes: JsonObject, *, imported: bool = False) -> Deployment:
    """The deployment that a document's attributes describe; `Invalid` lists all problems.

    An imported one may have an id shorter than the API takes, and date-times for instants.
    """
    reader = _Reader(attributes, imported=imported)
    service = reader.text("service", DocumentRule.SERVICE, required=True)
    started_at_ns, finished_at_ns = reader.times(finished_required=True)
    id_ = reader.id(1 if imported else MIN_ID_CHARACTERS)
    texts = reader.texts(DEPLOYMENT_TEXTS)
    git = reader.git()
    custom_tags = reader.custom_tags()
    reader.raise_problems()
    assert service is not None
    assert started_at_ns is not None
    assert finished_at_ns is not None
    return Deployment(
        id=id_,
        service=service,
        started_at_ns=started_at_ns,
        finished_at_ns=finished_at_ns,
        git=git,
        custom_tags=custom_tags,
        **texts,
    )


def read_failure(attributes: JsonObject, *, imported: bool = False) -> Failure:
    """The failure that a document's attributes describe; `Invalid` lists all problems.

    An imported one may have an id shorter than the API takes, date-times for instants, and the
    periods in which it was active.
    """
    reader = _Reader(attributes, imported=imported)
    services = reader.services()
    started_at_ns, finished_at_ns = reader.times(finished_required=False)
    periods = reader.periods(started_at_ns, finished_at_ns) if imported else ()
    id_ = reader.id(1 if imported else MIN_ID_CHARACTERS)
    texts = reader.texts(FAILURE_TEXTS)
    git = reader.git()
    custom_tags = reader.custom_tags()
    reader.raise_problems()
    assert started_at_ns is not None
    return Failure(
        id=id_,
        services=services,
        started_at_ns=started_at_ns,
        finished_at_ns=finished_at_ns,
        periods=periods,
        git=git,
        custom_tags=custom_tags,
        **texts,
    )


def missing(name: str, *path: str | int) -> Problem:
    """The problem of an attribute that has to be there and is not."""
    return Problem(f'attribute "{name}" is required', path or (name,))


def wrong_type(name: str, value: JsonValue, *path: str | int) -> Problem:
    """The problem of an attribute that is there with another type of JSON."""
    return Problem(
        f'error decoding attribute "{name}": invalid type {type_name(value)}', path or (name,)
    )


def no_timestamp(name: str, *path: str | int) -> Problem:
    """The problem of a number that is no instant in any of the units."""
    return Problem(f'attribute "{name}" must be a Unix timestamp in {_UNITS}', path or (name,))


def shortened(text: str) -> str:
    """A value sent by a client, as it is quoted in a message."""
    return text if len(text) <= 64 else text[:64]


class _Reader:
    """Reads the parts of one document and collects its problems."""

    def __init__(self, attributes: JsonObject, *, imported: bool) -> None:
        self._attributes = attributes
        self._imported = imported
        self._found: list[tuple[DocumentRule, Problem]] = []

    def raise_problems(self) -> None:
        if self._found:
            ordered = sorted(self._found, key=lambda found: found[0])
            raise Invalid(*(problem for _, problem in islice(ordered, MAX_PROBLEMS)))

    def text(
        self,
        name: str,
        rule: DocumentRule = DocumentRule.TEXT_TYPE,
        *,
        required: bool = False,
        max_characters: int = MAX_TEXT_CHARACTERS,
    ) -> str | None:
        """A text without the white space around it; an empty one is absent."""
        text = self._string(self._attributes.get(name), name, rule, (name,), needed=required)
        if text is not None:
            self._check_text(text, name, (name,), max_characters)
        return text

    def texts(self, attributes: Iterable[TextAttribute]) -> dict[str, Any]:
        """The optional texts by the names of their attributes."""
        return {
            each.name: self.text(each.name, max_characters=each.max_characters)
            for each in attributes
        }

    def times(self, *, finished_required: bool) -> tuple[int | None, int | None]:
        """`started_at` and `finished_at` in nanoseconds."""
        started_at_ns = self._instant(self._attributes, "started_at", required=True)
        finished_at_ns = self._instant(self._attributes, "finished_at", required=finished_required)
        if started_at_ns and finished_at_ns and finished_at_ns < started_at_ns:
            detail = 'attribute "finished_at" must not be before attribute "started_at"'
            self._add(DocumentRule.TIME_ORDER, Problem(detail, ("finished_at",)))
        return started_at_ns, finished_at_ns

    def periods(
        self, started_at_ns: int | None, finished_at_ns: int | None
    ) -> tuple[ActivePeriod, ...]:
        """The periods of a failure that was reopened; empty for one that was not."""
        items = self._attributes.get("periods")
        if items is None:
            return ()
        if not isinstance(items, list):
            self._add(DocumentRule.PERIODS, wrong_type("periods", items))
            return ()
        if len(items) > _MAX_PERIODS:
            detail = f'attribute "periods" must have at most {_MAX_PERIODS} items'
            self._add(DocumentRule.PERIODS, Problem(detail, ("periods",)))
            return ()
        before = len(self._found)
        periods = tuple(self._period(item, at) for at, item in enumerate(items))
        if len(self._found) == before:
            self._check_periods(periods, started_at_ns, finished_at_ns)
        return periods if len(periods) > 1 else ()

    def _period(self, item: JsonValue, at: int) -> ActivePeriod:
        path = ("periods", at)
        if not is_object(item):
            self._add(DocumentRule.PERIODS, wrong_type("periods", item, *path))
            return ActivePeriod(0, None)
        started_at_ns = self._instant(item, "started_at", path, required=True)
        return ActivePeriod(started_at_ns or 0, self._instant(item, "finished_at", path))

    def _check_periods(
        self,
        periods: tuple[ActivePeriod, ...],
        started_at_ns: int | None,
        finished_at_ns: int | None,
    ) -> None:
        """Checks that they follow one another from the start of the failure to its end."""
        if not periods:
            return
        for at, (began, ended) in enumerate(periods):
            if ended is not None and ended < began:
                detail = 'attribute "periods" must have items that do not end before they start'
                self._add(DocumentRule.PERIODS, Problem(detail, ("periods", at)))
        for at, (earlier, later) in enumerate(pairwise(periods), 1):
            if earlier.finished_at_ns is None or later.started_at_ns <= earlier.finished_at_ns:
                detail = 'attribute "periods" must have items that start after the one before ended'
                self._add(DocumentRule.PERIODS, Problem(detail, ("periods", at)))
        if started_at_ns is not None and periods[0].started_at_ns != started_at_ns:
            detail = 'attribute "periods" must begin at attribute "started_at"'
            self._add(DocumentRule.PERIODS, Problem(detail, ("periods", 0)))
        if periods[-1].finished_at_ns != finished_at_ns:
            detail = 'attribute "periods" must end at attribute "finished_at"'
            self._add(DocumentRule.PERIODS, Problem(detail, ("periods", len(periods) - 1)))

    def id(self, min_characters: int) -> str:
        """The id given by the client; empty if there is none."""
        id_ = self._string(self._attributes.get("id"), "id", DocumentRule.ID, ("id",))
        if id_ is not None and not (is_id(id_) and len(id_) >= min_characters):
            length = f"{min_characters} to {MAX_ID_CHARACTERS}"
            detail = f'attribute "id" must be {length} characters of a-z A-Z 0-9 - _ . :'
            self._add(DocumentRule.ID, Problem(detail, ("id",)))
        return id_ or ""

    def git(self) -> Git | None:
        git = self._attributes.get("git")
        if git is None:
            return None
        if not is_object(git):
            self._add(DocumentRule.GIT, wrong_type("git", git))
            return None
        commit_sha = self._git_text(git, "commit_sha")
        if commit_sha is not None and not _COMMIT_SHA.fullmatch(commit_sha):
            detail = 'attribute "commit_sha" must be 40 to 64 hexadecimal characters'
            self._add(DocumentRule.COMMIT_SHA, Problem(detail, ("git", "commit_sha")))
        url = self._git_text(git, "repository_url")
        if url is not None:
            self._check_url(url)
        if commit_sha is None or url is None:
            return None
        return Git(commit_sha.lower(), without_credentials(url))

    def custom_tags(self) -> tuple[str, ...]:
        """Tags in the order sent, exact duplicates once."""
        tags = self._texts("custom_tags", DocumentRule.TAGS_TYPE)
        for at, tag in tags:
            self._check_tag(tag, at)
        distinct = tuple(dict.fromkeys(tag for _, tag in tags))
        if len(distinct) > MAX_TAGS:
            detail = f'attribute "custom_tags" must have at most {MAX_TAGS} items'
            self._add(DocumentRule.TAGS_COUNT, Problem(detail, ("custom_tags",)))
        return distinct

    def services(self) -> tuple[str, ...]:
        """The services of a failure, each once; `service`, a string, is read as an array of one.

        A failure without any has to name a team.
        """
        if self._attributes.get("services") is None:
            service = self.text("service", DocumentRule.SERVICE)
            services = [] if service is None else [(0, service)]
            given = self._is_given("service")
        else:
            services = self._texts("services", DocumentRule.SERVICE)
            given = self._attributes["services"] != []
            for at, service in services:
                self._check_service(service, at)
        if not given and not self._is_given("team"):
            detail = 'attribute "services" is required when attribute "team" is not given'
            self._add(DocumentRule.SERVICE, Problem(detail, ("services",)))
        if len(services) > MAX_SERVICES:
            detail = f'attribute "services" must have at most {MAX_SERVICES} items'
            self._add(DocumentRule.SERVICE, Problem(detail, ("services",)))
        return tuple(dict.fromkeys(service for _, service in services))

    def _is_given(self, name: str) -> bool:
        """Whether there is a value, even one of the wrong type; blank text counts as absent."""
        value = self._attributes.get(name)
        return bool(value.strip()) if isinstance(value, str) else value is not None

    def _add(self, rule: DocumentRule, problem: Problem) -> None:
        self._found.append((rule, problem))

    def _string(
        self,
        value: JsonValue,
        name: str,
        rule: DocumentRule,
        path: tuple[str | int, ...],
        *,
        needed: bool = False,
    ) -> str | None:
        if value is not None and not isinstance(value, str):
            self._add(rule, wrong_type(name, value, *path))
            return None
        text = (value or "").strip()
        if not text and needed:
            self._add(rule, missing(name, *path))
        return text or None

    def _check_text(
        self, text: str, name: str, path: tuple[str | int, ...], max_characters: int
    ) -> None:
        if len(text) > max_characters:
            detail = f'attribute "{name}" must be at most {max_characters} characters'
            self._add(DocumentRule.LENGTH, Problem(detail, path))
        self._check_control(text, name, path)

    def _check_control(self, text: str, name: str, path: tuple[str | int, ...]) -> None:
        if not text.isprintable() and CONTROL.search(text):
            detail = f'attribute "{name}" must not contain control characters'
            self._add(DocumentRule.CONTROL, Problem(detail, path))

    def _instant(
        self,
        members: JsonObject,
        name: str,
        path: tuple[str | int, ...] = (),
        *,
        required: bool = False,
    ) -> int | None:
        value, place = members.get(name), (*path, name)
        if value is None:
            if required:
                self._add(DocumentRule.TIME_TYPE, missing(name, *place))
            return None
        if self._imported and isinstance(value, str):
            return self._date_time(value, name, place)
        if type_name(value) != "number":
            self._add(DocumentRule.TIME_TYPE, wrong_type(name, value, *place))
            return None
        integer = exact_integer(value)
        if integer is None:
            detail = f'attribute "{name}" must be an integer'
            self._add(DocumentRule.TIME_FRACTION, Problem(detail, place))
            return None
        instant_ns = nanoseconds_from_integer(integer)
        if instant_ns is None:
            self._add(DocumentRule.TIME_RANGE, no_timestamp(name, *place))
        return instant_ns

    def _date_time(self, text: str, name: str, place: tuple[str | int, ...]) -> int | None:
        instant_ns = nanoseconds_from_json(text)
        if instant_ns is not None and instant_ns > 0:
            return instant_ns
        detail = f'attribute "{name}" must be {INSTANT}'
        self._add(DocumentRule.TIME_RANGE, Problem(detail, place))
        return None

    def _git_text(self, git: JsonObject, name: str) -> str | None:
        return self._string(git.get(name), name, DocumentRule.GIT, ("git", name), needed=True)

    def _check_url(self, url: str) -> None:
        path = ("git", "repository_url")
        if len(url) > MAX_URL_CHARACTERS:
            detail = f'attribute "repository_url" must be at most {MAX_URL_CHARACTERS} characters'
            self._add(DocumentRule.REPOSITORY_URL, Problem(detail, path))
        self._check_control(url, "repository_url", path)

    def _texts(self, name: str, rule: DocumentRule) -> list[tuple[int, str]]:
        """The strings of an array without the white space around them, and their indexes."""
        values = self._attributes.get(name)
        if values is None:
            return []
        if not isinstance(values, list):
            self._add(rule, wrong_type(name, values))
            return []
        texts: list[tuple[int, str]] = []
        for at, value in enumerate(values):
            if isinstance(value, str):
                texts.append((at, value.strip()))
            else:
                self._add(rule, wrong_type(name, value, name, at))
        return texts

    def _check_tag(self, tag: str, at: int) -> None:
        path = ("custom_tags", at)
        key, _, value = tag.partition(":")
        if not key or not value:
            detail = 'attribute "custom_tags" must have items of the form "key:value"'
            self._add(DocumentRule.TAG_FORM, Problem(detail, path))
        if len(tag) > MAX_TAG_CHARACTERS:
            detail = (
                'attribute "custom_tags" must have items of at most '
                f"{MAX_TAG_CHARACTERS} characters"
            )
            self._add(DocumentRule.TAG_FORM, Problem(detail, path))
        self._check_control(tag, "custom_tags", path)

    def _check_service(self, service: str, at: int) -> None:
        path = ("services", at)
        if not service:
            detail = 'attribute "services" must have items that are not empty'
            self._add(DocumentRule.SERVICE, Problem(detail, path))
        self._check_text(service, "services", path, MAX_TEXT_CHARACTERS)
