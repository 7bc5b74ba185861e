"""The handlers of goals: set, listed and removed."""

from decimal import Decimal
from typing import Annotated, Any

from msgspec import UNSET, Meta, Struct, UnsetType

from theodora.dora.metrics.table import Metric
from theodora.errors import NotFound, Problem
from theodora.events import format_rfc3339
from theodora.events.attributes import wrong_type
from theodora.events.input import MAX_TEXT_CHARACTERS
from theodora.events.json_values import JsonObject, JsonValue
from theodora.notifications.settings import read_name
from theodora.report.goals import (
    GOAL_METRICS,
    check_goal,
    goal_words,
    read_goal,
    read_goal_metric,
    read_goal_subject,
)
from theodora.report.parameters import Parameters
from theodora.storage.goals import Goal, GoalSubject
from theodora.web.api.wire import (
    Resource,
    decode_attributes,
    encode_data,
    problems_of_attributes,
    raise_all,
    read_text,
)
from theodora.web.http.operations import Pending, Request
from theodora.web.http.responses import Reply

TYPE = "dora_goal"

_VALUE = (
    "A number in the unit of the metric (seconds, a share of 1, deployments a day), or a text such "
    "as `2d`, `5 %` or `3 a week`."
)
_Name = Annotated[str, Meta(max_length=MAX_TEXT_CHARACTERS)]


class GoalInput(Struct, frozen=True):
    """A value to aim at. Without service and team it is for everything."""

    metric: Annotated[str, Meta(extra_json_schema={"enum": [*GOAL_METRICS]})]
    value: Annotated[float | str, Meta(description=_VALUE)]
    service: _Name | UnsetType = UNSET
    team: _Name | UnsetType = UNSET


class GoalAttributes(Struct, frozen=True):
    """A value to aim at, with what it is for: null for all."""

    metric: str
    value: float
    """Seconds, a share of 1, or deployments a day."""
    words: str
    """The value as people write it."""
    service: str | None
    team: str | None
    by: str
    """The name of a key, or of a person."""
    set_at: str


class GoalPath(Struct, frozen=True):
    """The names in the path."""

    id: Annotated[str, Meta(description="The goal's id.")]


def list_goals(request: Request) -> Reply:
    found = request.store.goals.all_of(request.organisation)
    return Reply(
        200, encode_data([_resource(each) for each in found if each.subject.metric in GOAL_METRICS])
    )


def set_goal(request: Request) -> Pending:
    subject, value = decode_attributes(request.body, _read, TYPE)
    goal = Goal(subject, value, request.now_ns, request.actor.name)
    written = request.store.goals.put(
        request.organisation, subject, value, request.now_ns, actor=request.actor
    )
    return Pending(written, lambda _: Reply(200, encode_data(_resource(goal))))


def delete_goal(request: Request) -> Pending:
    id_ = request.path_parameters["id"]
    goals = request.store.goals.all_of(request.organisation)
    subject = next((each.subject for each in goals if each.subject.id == id_), None)
    if subject is None:
        raise NotFound("there is no such goal")
    written = request.store.goals.remove(request.organisation, subject, actor=request.actor)
    return Pending(written, lambda _: Reply(202))


def _read(attributes: JsonObject) -> tuple[GoalSubject, float]:
    problems: list[Problem] = []
    texts = {
        name: read_text(attributes, name, problems) or "" for name in ("metric", "service", "team")
    }
    value = attributes.get("value")
    if isinstance(value, bool) or not isinstance(value, str | int | Decimal | None):
        problems.append(wrong_type("value", value))
    raise_all(problems)
    with problems_of_attributes():
        parameters = Parameters(texts)
        service, team = (parameters.read(name, read_name, "") for name in ("service", "team"))
        parameters.check()
        metric = read_goal_metric(texts["metric"])
        return read_goal_subject(metric, service, team), _value(metric, value)


def _value(metric: Metric[Any], value: JsonValue) -> float:
    if isinstance(value, str):
        return read_goal(metric, value)
    return check_goal(metric, float(value) if isinstance(value, int | Decimal) else None)


def _resource(goal: Goal) -> Resource:
    subject = goal.subject
    attributes = GoalAttributes(
        metric=subject.metric,
        value=goal.value,
        words=goal_words(GOAL_METRICS[subject.metric], goal.value),
        service=subject.service or None,
        team=subject.team or None,
        by=goal.set_by,
        set_at=format_rfc3339(goal.set_at_ns),
    )
    return Resource(subject.id, TYPE, attributes)
