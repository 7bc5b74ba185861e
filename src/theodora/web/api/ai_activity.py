"""The handler of AI impact: the use of AI coding tools by person and day."""

from theodora.errors import Invalid, Problem
from theodora.events.activity import UserActivity, read_user_activity
from theodora.events.attributes import MAX_PROBLEMS
from theodora.events.json_values import JsonObject, JsonValue, is_object, type_name
from theodora.web.api.ignored_members import count_ignored
from theodora.web.api.wire import decode_body, member, quoted
from theodora.web.http.operations import Pending, Request
from theodora.web.http.responses import Reply

ENTRY_TYPE = "ai_impact_user_activity"
MAX_ENTRIES = 1_000

_CREATED = Reply(200)


def create_user_activity(request: Request) -> Pending:
    document = decode_body(request.body)
    activity = read_activities(document)
    count_ignored(request, "user_activity", document)
    written = request.store.activity.add(request.organisation, activity, actor=request.actor)
    return Pending(written, lambda _: _CREATED)


def read_activities(document: JsonObject) -> list[UserActivity]:
    """The activity in every entry of a document; `Invalid` lists the problems of all entries."""
    activity: list[UserActivity] = []
    problems: list[Problem] = []
    for number, entry in enumerate(_entries(document)):
        try:
            activity += _read_entry(entry)
        except Invalid as invalid:
            problems += (_of_entry(number, problem) for problem in invalid.problems)
    if problems:
        raise Invalid(*problems[:MAX_PROBLEMS])
    return activity


def _entries(document: JsonObject) -> list[JsonValue]:
    entries = document.get("data")
    if entries is None:
        raise Invalid(Problem('member "data" is required', ("data",)))
    if not isinstance(entries, list):
        detail = f'error decoding member "data": invalid type {type_name(entries)}'
        raise Invalid(Problem(detail, ("data",)))
    if not 1 <= len(entries) <= MAX_ENTRIES:
        detail = f'member "data" must have between 1 and {MAX_ENTRIES} items'
        raise Invalid(Problem(detail, ("data",)))
    return entries


def _read_entry(entry: JsonValue) -> tuple[UserActivity, ...]:
    """Paths of problems start at the entry; a wrong type hides what is in the attributes."""
    if not is_object(entry):
        raise Invalid(Problem(f'error decoding member "data": invalid type {type_name(entry)}'))
    problems: list[Problem] = []
    if entry.get("type") != ENTRY_TYPE:
        detail = f'got type "{quoted(entry.get("type"))}" expected one of "{ENTRY_TYPE}"'
        problems.append(Problem(detail, ("type",)))
    try:
        attributes = member(entry, "attributes", ())
    except Invalid as invalid:
        raise Invalid(*problems, *invalid.problems) from None
    if problems:
        raise Invalid(*problems)
    try:
        return read_user_activity(attributes)
    except Invalid as invalid:
        raise Invalid(*(problem.beneath("attributes") for problem in invalid.problems)) from None


def _of_entry(number: int, problem: Problem) -> Problem:
    return Problem(f"entry {number}: {problem.detail}", ("data", number, *problem.path))
