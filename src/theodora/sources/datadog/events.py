"""Events of Datadog's lists as events of the store.

What was sent to Datadog is taken, and its verdict. Values that Datadog derived are left out:
they are derived here, from the commits and rules that are here.
"""

from typing import Any, TypeVar

import msgspec

from theodora.errors import Invalid, Problem
from theodora.events import Deployment, Failure
from theodora.events.attributes import read_deployment, read_failure
from theodora.events.json_values import JsonObject, is_object
from theodora.events.timestamps import nanoseconds_from_json
from theodora.events.values import DEPLOYMENT_TEXTS, FAILURE_TEXTS, REMEDIATION_TYPES
from theodora.storage import OverrideValues

E = TypeVar("E", Deployment, Failure)

SOURCE = "datadog"

_TEXTS = {"service", *(text.name for text in (*DEPLOYMENT_TEXTS, *FAILURE_TEXTS))}
_ONE_OF_A_LIST = _TEXTS | {"started_at", "finished_at"}


def deployment_from_resource(resource: JsonObject) -> Deployment:
    """Raises `Invalid` for one that cannot be stored."""
    attributes = _attributes(resource)
    return _received(read_deployment(attributes, imported=True), attributes)


def failure_from_resource(resource: JsonObject) -> Failure:
    """Its attributes may be arrays of one text, as the live service writes them.

    Raises `Invalid` for one that cannot be stored.
    """
    attributes = _attributes(resource)
    return _received(read_failure(attributes, imported=True), attributes)


def verdict_from_resource(resource: JsonObject) -> OverrideValues:
    """Whether the deployment failed at Datadog, and what fixed it; empty without a verdict."""
    attributes: Any = resource.get("attributes")
    if not is_object(attributes):
        return OverrideValues()
    failed, remediation = attributes.get("change_failure"), attributes.get("remediation")
    if not isinstance(failed, bool):
        return OverrideValues()
    if not (failed and is_object(remediation)):
        return OverrideValues(failed)
    id_, type_ = remediation.get("id"), remediation.get("type")
    if isinstance(id_, str) and id_:
        for known in REMEDIATION_TYPES:
            if known == type_:
                return OverrideValues(failed, id_, None, known)
    return OverrideValues(failed)


def started_at_ns(resource: JsonObject) -> int | None:
    """When it started, in either form of instants."""
    attributes: Any = resource.get("attributes")
    if not is_object(attributes):
        return None
    return nanoseconds_from_json(_first(attributes.get("started_at")))


def _attributes(resource: JsonObject) -> JsonObject:
    given: Any = resource.get("attributes")
    if not is_object(given):
        raise Invalid(Problem("it has no attributes"))
    attributes: JsonObject = {
        name: _first(value) if name in _ONE_OF_A_LIST else value for name, value in given.items()
    }
    services = given.get("service")
    if isinstance(services, list) and "services" not in attributes:
        attributes["services"] = services
    attributes["id"] = resource.get("id")
    attributes["git"] = _with_repository_url(attributes.get("git"))
    return attributes


def _first(value: Any) -> Any:
    """The first item of a list; any other value as it is."""
    if not isinstance(value, list):
        return value
    return value[0] if value else None


def _with_repository_url(git: Any) -> Any:
    """`git` with a URL made from the repository's id, if an answer names that alone."""
    if not is_object(git):
        return git
    id_ = git.get("repository_id")
    if git.get("repository_url") or not isinstance(id_, str):
        return git
    return {**git, "repository_url": f"https://{id_}"}


def _received(event: E, attributes: JsonObject) -> E:
    created_at_ns = nanoseconds_from_json(attributes.get("created_at")) or 0
    return msgspec.structs.replace(event, source=SOURCE, created_at_ns=max(0, created_at_ns))
