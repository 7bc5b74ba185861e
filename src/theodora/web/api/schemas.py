"""JSON schemas of the API's documents, by operation, with an example of each.

The examples are checked against the schemas, and against the server, by tests.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, get_args

import msgspec

from theodora.dora import (
    DeploymentSequence,
    deployment_row,
    derive,
    make_report,
    select_deployments,
    select_incidents,
)
from theodora.dora.derivation.explanation import Explanation, explain
from theodora.dora.derivation.rules import FIELDS
from theodora.dora.derivation.settings import ServiceSettings
from theodora.dora.derivation.settings_input import (
    MAX_ALIASES,
    MAX_ENVS,
    MAX_GAP_DAYS,
    MAX_GLOBS,
    MAX_NAME,
    MAX_RULES,
)
from theodora.dora.metrics.calendar import Interval, WeekStart
from theodora.dora.metrics.tally import Granularity
from theodora.events import Deployment
from theodora.events.values import DEPLOYMENT_TEXTS, FAILURE_TEXTS
from theodora.query.fields import SORT_KEYS, Kind
from theodora.storage.facts.settings import MAX_SERVICES
from theodora.storage.metrics.columns import GROUPED
from theodora.storage.retention import MAX_DAYS
from theodora.web.api.cursors import NEXT_CURSOR
from theodora.web.api.explanations import TYPE as EXPLANATION_TYPE
from theodora.web.api.metrics.answer import Answer, LeadTimeClock
from theodora.web.api.metrics.json_document import TYPE as METRICS_TYPE
from theodora.web.api.metrics.json_document import Meta, MetricsAttributes, json_of
from theodora.web.api.metrics.prometheus import DEFAULT_DAYS, MOST_DAYS
from theodora.web.api.metrics.question import MOST_KEYS, Form, read_question
from theodora.web.api.overrides import OverrideAttributes
from theodora.web.api.retention import PREVIEW_TYPE as RETENTION_PREVIEW_TYPE
from theodora.web.api.retention import TYPE as RETENTION_TYPE
from theodora.web.api.retention import RetentionAttributes, RetentionPreviewAttributes
from theodora.web.api.settings import (
    PREVIEW_TYPE,
    SERVICE_TYPE,
    PreviewAttributes,
    ServiceAttributes,
    SettingsAttributes,
)
from theodora.web.api.settings import TYPE as SETTINGS_TYPE
from theodora.web.api.wire import LIST_TYPES, MAX_LIST_LIMIT, MAX_REASON, OVERRIDE_TYPE, PATCH_TYPE

Schema = dict[str, Any]

_MAX_INT64 = 2**63 - 1


@dataclass(frozen=True, slots=True)
class Documents:
    """The documents of an operation; None without a body."""

    request: Schema | None = None
    request_example: Any = None
    answer: Schema | None = None
    answer_example: Any = None
    parameters: tuple[Schema, ...] = field(default=())
    headers: Mapping[str, Schema] = field(default_factory=dict[str, Schema])
    """Headers of a 200, in addition to those of every answer."""


def _object(properties: dict[str, Schema], *required: str) -> Schema:
    schema: Schema = {"type": "object", "properties": properties}
    return schema | {"required": list(required)} if required else schema


def _text(about: str = "", **limits: Any) -> Schema:
    return {"type": "string", **({"description": about} if about else {}), **limits}


def _array(items: Schema, **limits: Any) -> Schema:
    return {"type": "array", "items": items, **limits}


def _constant(value: str) -> Schema:
    return {"type": "string", "enum": [value]}


def _reference(name: str) -> Schema:
    return {"$ref": f"#/components/schemas/{name}"}


_SENT_INSTANT: Schema = {
    "type": "integer",
    "format": "int64",
    "minimum": 1,
    "maximum": _MAX_INT64,
    "description": (
        "Unix time in seconds, milliseconds, microseconds or nanoseconds; "
        "the magnitude determines the unit."
    ),
}


def _asked_instant(about: str) -> Schema:
    """An end of a list's window: either form that responses write."""
    return {
        "description": f"{about} RFC 3339, or Unix time in any of the units that creates take.",
        "oneOf": [
            {"type": "string", "format": "date-time"},
            {"type": "integer", "format": "int64", "minimum": 1, "maximum": _MAX_INT64},
        ],
    }


_INSTANT: Schema = {
    "description": "Unix time in nanoseconds, or RFC 3339 for clients that read that.",
    "oneOf": [
        {"type": "integer", "format": "int64"},
        {"type": "string", "format": "date-time"},
    ],
}
_SECONDS: Schema = {"type": "integer", "minimum": 0, "description": "Whole seconds."}
_COMMIT_SHA = _text("The commit, 40 to 64 hexadecimal digits.", pattern="^[0-9A-Fa-f]{40,64}$")
_ID = _text("Kept if given, else made from the event.", pattern="^[A-Za-z0-9_.:-]{16,128}$")
_TAGS = _array(
    _text("`key:value`", pattern="^[^:]+:.+$", maxLength=200),
    maxItems=100,
    description="Custom tags.",
)
_SERVICE = _text("The service.", minLength=1, maxLength=255)
_SHORT = _text(maxLength=255)
_SENT_GIT = _object(
    {"commit_sha": _COMMIT_SHA, "repository_url": _text(minLength=1, maxLength=2048)},
    "commit_sha",
    "repository_url",
)
_REPOSITORY_URL = _text("The repository, however written.", minLength=1, maxLength=2048)
_COMMITS = _object(
    {
        "data": _array(
            _object(
                {
                    "id": _text("The commit's SHA.", pattern="^([0-9a-f]{40}|[0-9a-f]{64})$"),
                    "type": _constant("commit"),
                },
                *("id", "type"),
            )
        )
    },
    "data",
)
_COMMIT_EXAMPLE = {"id": "66adc9350f2cc9b250b69abddab733dd55e1a588", "type": "commit"}

_SHAPES = (
    *(Explanation, OverrideAttributes),
    *(SettingsAttributes, PreviewAttributes, ServiceAttributes),
    *(RetentionAttributes, RetentionPreviewAttributes),
    *(MetricsAttributes, Meta),
)
_SCHEMAS, _PARTS = msgspec.json.schema_components(
    _SHAPES, ref_template="#/components/schemas/{name}"
)
_EXPLANATION, _JUDGED, _SETTINGS, _PREVIEW, _SERVICE_KNOWN, *_OTHERS = _SCHEMAS
_RETENTION, _RETENTION_PREVIEW, _METRICS, _META = _OTHERS

COMPONENTS: dict[str, Schema] = {
    **_PARTS,
    "ObjectErrors": _object(
        {
            "errors": _array(
                _object(
                    {
                        "status": _text(),
                        "title": _text(),
                        "detail": _text(),
                        "source": {
                            **_object(
                                {
                                    "pointer": _text("JSON pointer to the offending place."),
                                    "parameter": _text("The offending query parameter or part."),
                                    "header": _text("The offending header."),
                                }
                            ),
                            "minProperties": 1,
                            "maxProperties": 1,
                        },
                    },
                    "status",
                    "title",
                ),
                minItems=1,
                maxItems=50,
            )
        },
        "errors",
    ),
    "StringErrors": _object({"errors": _array(_text(), minItems=1)}, "errors"),
    "Git": _object(
        {"commit_sha": _COMMIT_SHA, "repository_id": _text(), "repository_url": _text()},
        "commit_sha",
        "repository_id",
        "repository_url",
    ),
    "Deployment": _object(
        {
            "id": _text(),
            "type": _constant("dora_deployment"),
            "attributes": _object(
                {
                    "service": _text(),
                    "started_at": _INSTANT,
                    "finished_at": _INSTANT,
                    **{text.name: _text() for text in DEPLOYMENT_TEXTS},
                    "git": _reference("Git"),
                    "custom_tags": _array(_text(), minItems=1),
                    "change_failure": {
                        "type": ["boolean", "null"],
                        "description": "Whether it failed; null while there is no verdict.",
                    },
                    "deployment_type": _text(enum=["standard", "rollback", "rollforward"]),
                    "remediation": _object(
                        {"id": _text(), "type": _text(enum=["rollback", "rollforward"])},
                        "id",
                        "type",
                    ),
                    "recovery_time_sec": _SECONDS,
                    "number_of_commits": {"type": "integer", "minimum": 0},
                    "change_lead_time": {"type": "integer", "description": "Whole seconds."},
                    "duration": _SECONDS,
                    "source": _text(),
                    "created_at": _INSTANT,
                },
                *("service", "started_at", "finished_at", "change_failure"),
                *("deployment_type", "duration", "source", "created_at"),
            ),
        },
        *("id", "type", "attributes"),
    ),
    "Failure": _object(
        {
            "id": _text(),
            "type": _constant("dora_failure"),
            "attributes": _object(
                {
                    "services": _array(_text(), minItems=1),
                    "started_at": _INSTANT,
                    "finished_at": _INSTANT,
                    **{text.name: _text() for text in FAILURE_TEXTS},
                    "git": _reference("Git"),
                    "custom_tags": _array(_text(), minItems=1),
                    "time_to_restore": _SECONDS,
                    "source": _text(),
                    "created_at": _INSTANT,
                },
                *("started_at", "source", "created_at"),
            ),
        },
        *("id", "type", "attributes"),
    ),
}

_ID_PARAMETER: Schema = {
    "name": "id",
    "in": "path",
    "required": True,
    "description": "The event's id.",
    "schema": _text(),
}
_TIMESTAMPS_PARAMETER: Schema = {
    "name": "timestamps",
    "in": "query",
    "description": "How instants are written; by default that goes by the client's version.",
    "schema": _text(enum=["auto", "unix_ns", "rfc3339"]),
}

_EXAMPLE_GIT = {
    "commit_sha": "66adc9350f2cc9b250b69abddab733dd55e1a588",
    "repository_url": "https://github.com/organization/example-repository",
}
_EXAMPLE_DEPLOYMENT = {
    "service": "shopist",
    "started_at": 1693491974000000000,
    "finished_at": 1693491984000000000,
    "env": "production",
    "team": "backend",
    "version": "v1.12.07",
    "git": _EXAMPLE_GIT,
    "custom_tags": ["language:java", "department:engineering"],
}
_EXAMPLE_FAILURE = {
    "services": ["shopist"],
    "started_at": 1707842944500000000,
    "finished_at": 1707842944600000000,
    "env": "production",
    "name": "Webserver is down failing all requests",
    "severity": "SEV-1",
}
_STORED_GIT = {**_EXAMPLE_GIT, "repository_id": "github.com/organization/example-repository"}
_STORED_DEPLOYMENT = {
    "id": "64f25434490ef9c7",
    "type": "dora_deployment",
    "attributes": {
        **_EXAMPLE_DEPLOYMENT,
        "git": _STORED_GIT,
        "change_failure": None,
        "deployment_type": "standard",
        "duration": 10,
        "source": "api",
        "created_at": 1693491985250000000,
    },
}
_STORED_FAILURE = {
    "id": "3b8f1948-30ae-5811-8c4a-81cf3f597a0c",
    "type": "dora_failure",
    "attributes": {
        **_EXAMPLE_FAILURE,
        "time_to_restore": 0,
        "source": "api",
        "created_at": 1707842945000000000,
    },
}


def _data(schema: Schema) -> Schema:
    return _object({"data": schema}, "data")


def _typed(kind: str, attributes: Schema) -> Schema:
    """What a request's `data` is."""
    return _object({"type": _constant(kind), "attributes": attributes}, "type", "attributes")


def _resource(kind: str, attributes: Schema) -> Schema:
    """What an answer's `data` is, or holds."""
    return _object(
        {"id": _text(), "type": _constant(kind), "attributes": attributes},
        *("id", "type", "attributes"),
    )


def _create(attributes: Schema, example: Any, kind: str, id_: str) -> Documents:
    answer = _data(_object({"id": _text(), "type": _constant(kind)}, "id", "type"))
    return Documents(
        request=_data(_object({"attributes": attributes}, "attributes")),
        request_example={"data": {"attributes": example}},
        answer=answer,
        answer_example={"data": {"id": id_, "type": kind}},
    )


def _list(kind: Kind, component: str, example: Any) -> Documents:
    sorts = [prefix + name for name in SORT_KEYS[kind] for prefix in ("", "-")]
    attributes = _object(
        {
            "from": _asked_instant("Earliest start, included."),
            "to": _asked_instant("Latest start, included."),
            "limit": {
                "type": "integer",
                "format": "int32",
                "minimum": 1,
                "maximum": MAX_LIST_LIMIT,
                "default": 10,
            },
            "sort": _text("A key, `-` in front for descending.", enum=sorts),
            "query": _text("Search query, see the search language.", maxLength=4096),
            "cursor": _text(
                f"The `{NEXT_CURSOR}` of the page before, for the same from, to, sort and query."
            ),
        }
    )
    asked = {
        "from": "2023-08-01T00:00:00Z",
        "to": "2024-12-31T23:59:59Z",
        "limit": 100,
        "query": "service:(shopist OR api-service) env:production",
        "sort": "-started_at",
    }
    return Documents(
        request=_data(_typed(LIST_TYPES[kind], attributes)),
        request_example={"data": {"type": LIST_TYPES[kind], "attributes": asked}},
        answer=_data(_array(_reference(component))),
        answer_example={"data": [example]},
        parameters=(_TIMESTAMPS_PARAMETER,),
        headers={
            NEXT_CURSOR: {
                "description": "The `cursor` of the next page; left out on the last page.",
                "schema": {"type": "string"},
            }
        },
    )


def _get(component: str, example: Any) -> Documents:
    return Documents(
        answer=_data(_reference(component)),
        answer_example={"data": example},
        parameters=(_ID_PARAMETER, _TIMESTAMPS_PARAMETER),
    )


_REMEDIATION = {
    **_object(
        {
            "type": _text(enum=["rollback", "rollforward"]),
            "id": _text("The remedying deployment's id.", minLength=1),
            "version": _text("Or its version.", minLength=1),
        },
        "type",
    ),
    "oneOf": [{"required": ["id"]}, {"required": ["version"]}],
}
_PATCHED: Schema = _data({"type": "null"})


def _patch(attributes: Schema, example: Any, *parameters: Schema) -> Documents:
    return Documents(
        request=_data(_typed(PATCH_TYPE, attributes)),
        request_example={"data": {"type": PATCH_TYPE, "attributes": example}},
        answer=_PATCHED,
        answer_example={"data": None},
        parameters=parameters,
    )


_DEPLOYMENT_ATTRIBUTES = _object(
    {
        "id": _ID,
        "service": _SERVICE,
        "started_at": _SENT_INSTANT,
        "finished_at": _SENT_INSTANT,
        **{text.name: _text(maxLength=text.max_characters) for text in DEPLOYMENT_TEXTS},
        "git": _SENT_GIT,
        "custom_tags": _TAGS,
    },
    *("service", "started_at", "finished_at"),
)
_FAILURE_ATTRIBUTES = {
    **_object(
        {
            "id": _ID,
            "services": _array(_SERVICE, minItems=1, maxItems=100),
            "started_at": _SENT_INSTANT,
            "finished_at": _SENT_INSTANT,
            **{text.name: _text(maxLength=text.max_characters) for text in FAILURE_TEXTS},
            "git": _SENT_GIT,
            "custom_tags": _TAGS,
        },
        "started_at",
    ),
    "anyOf": [{"required": ["services"]}, {"required": ["team"]}],
}
_VERDICT = {"change_failure": {"type": "boolean"}, "remediation": _REMEDIATION}
_EXAMPLE_VERDICT = {
    "change_failure": True,
    "remediation": {"id": "eG42zNIkVjM", "type": "rollback"},
}
_EXAMPLE_ACT = {
    "change_failure": True,
    "remediation": {"type": "rollback", "id": "eG42zNIkVjM", "version": None},
    "by": "release desk",
    "at": "2023-09-01T08:30:00Z",
    "reason": "Half of the payments were refused.",
}
_VERDICT_ANSWER = Documents(
    answer=_data(_resource(OVERRIDE_TYPE, _JUDGED)),
    answer_example={
        "data": {
            "id": "64f25434490ef9c7",
            "type": OVERRIDE_TYPE,
            "attributes": {
                "verdict": _EXAMPLE_ACT,
                "history": [{**_EXAMPLE_ACT, "action": "given"}],
            },
        }
    },
    parameters=(_ID_PARAMETER,),
)
_VERDICT_DOCUMENTS = replace(
    _VERDICT_ANSWER,
    request=_data(
        _object(
            {
                "type": _constant(OVERRIDE_TYPE),
                "attributes": _object(
                    {**_VERDICT, "reason": _text(maxLength=MAX_REASON)}, "change_failure"
                ),
            },
            *("type", "attributes"),
        )
    ),
    request_example={
        "data": {
            "type": OVERRIDE_TYPE,
            "attributes": {**_EXAMPLE_VERDICT, "reason": "Half of the payments were refused."},
        }
    },
)
_FAILURE_DOCUMENTS = _create(
    _FAILURE_ATTRIBUTES, _EXAMPLE_FAILURE, "dora_failure", str(_STORED_FAILURE["id"])
)

_KEY_IS_VALID = Documents(
    answer=_object({"valid": {"type": "boolean"}}, "valid"), answer_example={"valid": True}
)
_STATUS_OK = Documents(
    answer=_object({"status": _text()}, "status"), answer_example={"status": "ok"}
)

_EXPLAINED = Deployment(
    id="64f25434490ef9c7",
    service="shopist",
    env="production",
    version="v1.12.07",
    started_at_ns=1_693_491_974 * 10**9,
    finished_at_ns=1_693_491_984 * 10**9,
)
_EXPLANATION_DOCUMENTS = Documents(
    answer=_data(_resource(EXPLANATION_TYPE, _EXPLANATION)),
    answer_example={
        "data": {
            "id": _EXPLAINED.id,
            "type": EXPLANATION_TYPE,
            "attributes": msgspec.json.decode(
                msgspec.json.encode(
                    explain(
                        derive(DeploymentSequence(deployments=(_EXPLAINED,)))[0],
                        None,
                        None,
                        ServiceSettings(),
                    )
                )
            ),
        }
    },
    parameters=(_ID_PARAMETER,),
)

_RULES = _array(
    _object(
        {
            "id": _text(minLength=1, maxLength=200),
            "fields": _array(_text(enum=list(FIELDS)), minItems=1),
            "pattern": _text("A regular expression.", minLength=1, maxLength=500),
        },
        *("id", "fields", "pattern"),
    ),
    maxItems=MAX_RULES,
)
_GIVEN_SETTINGS = {
    **_object(
        {
            "path_globs": _array(_text(minLength=1, maxLength=200), maxItems=MAX_GLOBS),
            "lead_time_clock": _text(enum=["author_time", "commit_time"]),
            "lead_time_gap_days": {"type": "integer", "minimum": 0, "maximum": MAX_GAP_DAYS},
            "sequence_tag": {"type": ["string", "null"], "minLength": 1, "maxLength": 200},
            "detect_rollbacks": {"type": "boolean"},
            "rollback_lookback": {"type": ["integer", "null"], "minimum": 1},
            "linked_rules": _RULES,
            "static_rules": _RULES,
            "incident_marks_failure": {"type": "boolean"},
            "production_envs": _array(_text(minLength=1, maxLength=MAX_NAME), maxItems=MAX_ENVS),
            "team": _text(minLength=1, maxLength=MAX_NAME),
            "repository_aliases": {
                "type": "object",
                "description": "From former to present repositories, each as URL or id; "
                "of the organisation alone.",
                "additionalProperties": _text(minLength=1, maxLength=2_048),
                "maxProperties": MAX_ALIASES,
            },
        }
    ),
    "additionalProperties": False,
}
_EXAMPLE_SETTINGS = {
    "path_globs": ["web/**", "!**/*.md"],
    "static_rules": [{"id": "hotfix", "fields": ["pr_title", "pr_label"], "pattern": "hot-?fix"}],
}
_SERVICE_PARAMETER: Schema = {
    "name": "service",
    "in": "path",
    "required": True,
    "description": "The service's name.",
    "schema": _text(minLength=1),
}


_SERVICES_DOCUMENTS = Documents(
    answer=_data(
        _array(
            _resource(SERVICE_TYPE, _SERVICE_KNOWN),
            maxItems=MAX_SERVICES,
        )
    ),
    answer_example={
        "data": [
            {
                "id": "shopist",
                "type": SERVICE_TYPE,
                "attributes": {
                    "team": "backend",
                    "production_envs": ["production", "prod", "prd", "live"],
                    "given": {"team": "backend"},
                },
            }
        ]
    },
    parameters=(
        {
            "name": "after",
            "in": "query",
            "description": "Only services whose names come after this one; for the next page.",
            "schema": _text(),
        },
    ),
)


def _settings_documents(
    type_: str, answer: Schema, *parameters: Schema, reads: bool = True
) -> Documents:
    given = _typed(SETTINGS_TYPE, _GIVEN_SETTINGS)
    example = {"data": {"type": SETTINGS_TYPE, "attributes": _EXAMPLE_SETTINGS}}
    return Documents(
        request=_data(given) if reads else None,
        request_example=example if reads else None,
        answer=_data(_resource(type_, answer)),
        parameters=parameters,
    )


def _retention_documents(type_: str, answer: Schema, *, reads: bool = True) -> Documents:
    days = {"type": ["integer", "null"], "minimum": 1, "maximum": MAX_DAYS}
    confirm = {
        "type": ["integer", "null"],
        "minimum": 0,
        "description": "How many events a shorter limit deletes, as the preview counts them.",
    }
    attributes = _object({"days": days, "confirm": confirm}, "days")
    given = _typed(RETENTION_TYPE, attributes)
    example = {"data": {"type": RETENTION_TYPE, "attributes": {"days": 730}}}
    return Documents(
        request=_data(given) if reads else None,
        request_example=example if reads else None,
        answer=_data(_resource(type_, answer)),
    )


def _parameter(name: str, about: str, schema: Schema) -> Schema:
    return {"name": name, "in": "query", "description": about, "schema": schema}


def _choice(name: str, about: str, choices: tuple[str, ...], default: str) -> Schema:
    return _parameter(name, about, _text(enum=list(choices), default=default))


_ENDS = "RFC 3339, a date or date-time in the time zone, or a Unix timestamp"
_METRICS_PARAMETERS = (
    _parameter(
        "from", f"The start, included: {_ENDS}. Default: 12 weeks, with the week of `to`.", _text()
    ),
    _parameter("to", f"The end, not included: {_ENDS}. Default: now.", _text()),
    _parameter("query", "Which events count, see the search language.", _text(maxLength=4096)),
    _parameter(
        "interval",
        "What the period is cut into.",
        _text(enum=list(get_args(Interval)), default="total"),
    ),
    _parameter(
        "group_by",
        f"Up to {MOST_KEYS} keys with commas between them: {', '.join(GROUPED)} or keys of "
        "custom tags.",
        _text(),
    ),
    _parameter("timezone", "An IANA zone, in which days begin.", _text(default="UTC")),
    _parameter(
        "week_start",
        "What day weeks start on.",
        _text(enum=list(get_args(WeekStart)), default="monday"),
    ),
    _choice(
        "granularity",
        "Whether lead times are of commits, or means of deployments.",
        get_args(Granularity),
        "commit",
    ),
    _choice(
        "stages",
        "Whether `total` and `previous` include the stages of lead times.",
        ("true", "false"),
        "false",
    ),
    _parameter("as_of", f"What counts as now: {_ENDS}. Default: the time of the request.", _text()),
    _choice("format", "How to answer.", get_args(Form), "json"),
)
_AS_OF_NS = 1_693_526_400 * 10**9


def _metrics_documents() -> Documents:
    """With the answer to a question about a store that holds one deployment."""
    question = read_question((("interval", "month"), ("from", "2023-08-01")), _AS_OF_NS)
    rows = [deployment_row(each) for each in derive(DeploymentSequence(deployments=(_EXPLAINED,)))]
    report = make_report(question.query, select_deployments(rows), select_incidents(()))
    example = json_of(
        Answer(question, report, LeadTimeClock("author_time", {}), spans_services=False)
    )
    resource = _resource(METRICS_TYPE, _METRICS)
    return Documents(
        answer=_object({"data": _array(resource), "meta": _META}, "data", "meta"),
        answer_example=msgspec.json.decode(example),
        parameters=_METRICS_PARAMETERS,
    )


_SCRAPE_PARAMETER = _parameter(
    "days",
    "Length of the window up to now.",
    {"type": "integer", "minimum": 1, "maximum": MOST_DAYS, "default": DEFAULT_DAYS},
)

DOCUMENTS: dict[str, Documents] = {
    "GetDORAMetrics": _metrics_documents(),
    "ScrapeDORAMetrics": Documents(parameters=(_SCRAPE_PARAMETER,)),
    "GetDORASettings": _settings_documents(SETTINGS_TYPE, _SETTINGS, reads=False),
    "PutDORASettings": _settings_documents(SETTINGS_TYPE, _SETTINGS),
    "PreviewDORASettings": _settings_documents(PREVIEW_TYPE, _PREVIEW),
    "GetDORARetention": _retention_documents(RETENTION_TYPE, _RETENTION, reads=False),
    "PutDORARetention": _retention_documents(RETENTION_TYPE, _RETENTION),
    "PreviewDORARetention": _retention_documents(RETENTION_PREVIEW_TYPE, _RETENTION_PREVIEW),
    "ListDORAServices": _SERVICES_DOCUMENTS,
    "GetDORAServiceSettings": _settings_documents(
        SETTINGS_TYPE, _SETTINGS, _SERVICE_PARAMETER, reads=False
    ),
    "PutDORAServiceSettings": _settings_documents(SETTINGS_TYPE, _SETTINGS, _SERVICE_PARAMETER),
    "PreviewDORAServiceSettings": _settings_documents(PREVIEW_TYPE, _PREVIEW, _SERVICE_PARAMETER),
    "ExplainDORADeployment": _EXPLANATION_DOCUMENTS,
    "GetDORADeploymentVerdict": _VERDICT_ANSWER,
    "PutDORADeploymentVerdict": _VERDICT_DOCUMENTS,
    "DeleteDORADeploymentVerdict": Documents(parameters=(_ID_PARAMETER,)),
    "CreateDORADeployment": _create(
        _DEPLOYMENT_ATTRIBUTES,
        _EXAMPLE_DEPLOYMENT,
        "dora_deployment",
        str(_STORED_DEPLOYMENT["id"]),
    ),
    "ListDORADeployments": _list(Kind.DEPLOYMENT, "Deployment", _STORED_DEPLOYMENT),
    "GetDORADeployment": _get("Deployment", _STORED_DEPLOYMENT),
    "PatchDORADeployment": _patch(_object(_VERDICT), _EXAMPLE_VERDICT, _ID_PARAMETER),
    "PatchDORADeploymentByVersion": _patch(
        _object(
            {"service": _SERVICE, "env": _SHORT, "version": _SHORT, **_VERDICT},
            *("service", "env", "version", "change_failure"),
        ),
        {
            "service": "shopist",
            "env": "production",
            "version": "v1.12.07",
            "change_failure": True,
            "remediation": {"version": "v1.12.08", "type": "rollforward"},
        },
    ),
    "DeleteDORADeployment": Documents(parameters=(_ID_PARAMETER,)),
    "CreateDORAFailure": _FAILURE_DOCUMENTS,
    "CreateDORAIncident": _FAILURE_DOCUMENTS,
    "ListDORAFailures": _list(Kind.FAILURE, "Failure", _STORED_FAILURE),
    "GetDORAFailure": _get("Failure", _STORED_FAILURE),
    "DeleteDORAFailure": Documents(parameters=(_ID_PARAMETER,)),
    "CreateAIImpactUserActivity": Documents(
        request=_data(
            _array(
                _object(
                    {
                        "type": _constant("ai_impact_user_activity"),
                        "attributes": _object(
                            {
                                "user_email": _text(format="email"),
                                "day": _text(format="date"),
                                "is_active": {"type": "boolean"},
                                "tools": _array(_text(minLength=1), minItems=1),
                                "models": _array(_text(minLength=1)),
                            },
                            *("user_email", "day", "is_active", "tools"),
                        ),
                    },
                    *("type", "attributes"),
                ),
                minItems=1,
                maxItems=1000,
            )
        ),
        request_example={
            "data": [
                {
                    "type": "ai_impact_user_activity",
                    "attributes": {
                        "user_email": "dev@example.com",
                        "day": "2026-01-31",
                        "is_active": True,
                        "tools": ["Claude Code"],
                        "models": ["gpt-5"],
                    },
                }
            ]
        },
    ),
    "Validate": _KEY_IS_VALID,
    "ValidateV2": Documents(
        answer=_data(
            _object(
                {
                    "id": _text("The organisation's UUID.", format="uuid"),
                    "type": _constant("validate_v2"),
                    "attributes": _object(
                        {
                            "api_key_id": _text(format="uuid"),
                            "api_key_scopes": _array(_text()),
                            "valid": {"type": "boolean"},
                        },
                        *("api_key_id", "api_key_scopes", "valid"),
                    ),
                },
                *("id", "type", "attributes"),
            )
        ),
        answer_example={
            "data": {
                "id": "0c1f6e0a-0000-4000-8000-000000000001",
                "type": "validate_v2",
                "attributes": {
                    "api_key_id": "0c1f6e0a-0000-4000-8000-000000000002",
                    "api_key_scopes": ["dora_ingest"],
                    "valid": True,
                },
            }
        },
    ),
    "ValidateAPIKey": _STATUS_OK,
    "SubmitMetrics": Documents(
        request={"description": "Anything; it is not read."},
        request_example={"series": []},
        answer=_STATUS_OK.answer,
        answer_example=_STATUS_OK.answer_example,
    ),
    "ReceiveIntakeWebhook": Documents(
        request={"description": "What the provider sends; see docs/sources.md."},
        request_example={
            "event": {"event_type": "pagey.ping", "data": {"message": "Hello from PagerDuty"}}
        },
        answer={"type": "object"},
        answer_example={},
    ),
    "ReceiveWebhook": Documents(
        request={"description": "What the provider sends, signed; see docs/sources.md."},
        parameters=(
            _ID_PARAMETER | {"description": "The id of the source."},
            _ID_PARAMETER | {"name": "source", "description": "The kind of the source."},
        ),
        answer={"type": "object"},
        answer_example={},
    ),
    "SearchCommits": Documents(
        request=_object(
            {"meta": _object({"repository_url": _REPOSITORY_URL}, "repository_url")}
            | _COMMITS["properties"],
            *("meta", "data"),
        ),
        request_example={
            "meta": {"repository_url": "https://github.com/organization/example-repository"},
            "data": [_COMMIT_EXAMPLE],
        },
        answer=_COMMITS,
        answer_example={"data": [_COMMIT_EXAMPLE]},
    ),
    "UploadPackfile": Documents(
        request=_object(
            {
                "pushedSha": _text("JSON: the newest commit, and the repository's URL."),
                "packfile": _text("A pack of version 2, of commits and trees.", format="binary"),
            },
            *("pushedSha", "packfile"),
        ),
    ),
    "UploadTrackedFiles": Documents(
        request=_object(
            {"event": _text("JSON."), "repository": _text("JSON: the tracked files.")},
            *("event", "repository"),
        ),
        request_example={
            "event": '{"type":"repository"}',
            "repository": '{"version":1,"data":[]}',
        },
    ),
}
"""By the operation's name in the route table."""
