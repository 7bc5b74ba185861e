"""The documents of each operation, as types, with an example of each.

The examples are checked against the types, and against the server, by tests.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import msgspec
from msgspec import Meta

from theodora.dora.derivation.explanation import Explanation
from theodora.dora.derivation.settings_input import SettingsInput
from theodora.events.activity import UserActivityInput
from theodora.events.annotations import AnnotationInput
from theodora.events.document import DeploymentAttributes, FailureAttributes
from theodora.events.input import DeploymentInput, FailureOfAnyone
from theodora.query.fields import Kind
from theodora.sources.webhooks.datadog_ci import (
    CORRELATE,
    CORRELATE_IMAGE,
    TAG,
    CorrelateImageInput,
    CorrelateInput,
    TagInput,
)
from theodora.storage.facts.settings import MAX_SERVICES
from theodora.web.api import (
    ai_impact,
    annotations,
    audit,
    explanations,
    goals,
    insights,
    receivers,
    retention,
    saved_views,
    settings,
    validate_keys,
)
from theodora.web.api.ai_activity import ENTRY_TYPE, MAX_ENTRIES
from theodora.web.api.badge import BadgeParameters, BadgePath
from theodora.web.api.cursors import NEXT_CURSOR
from theodora.web.api.datadog_ci import TrackedFilesParts
from theodora.web.api.git_metadata import CommitSearch, KnownCommits, PackParts
from theodora.web.api.list_requests import LIST_INPUTS, LIST_TYPES
from theodora.web.api.metrics.json_document import TYPE as METRICS_TYPE
from theodora.web.api.metrics.json_document import Meta as MetricsMeta
from theodora.web.api.metrics.json_document import MetricsAttributes
from theodora.web.api.metrics.prometheus import ScrapeParameters
from theodora.web.api.metrics.pull_requests import TYPE as PULL_REQUEST_METRICS_TYPE
from theodora.web.api.metrics.pull_requests import (
    PullRequestMetricsAttributes,
    PullRequestMetricsMeta,
    PullRequestMetricsParameters,
)
from theodora.web.api.metrics.question import MetricsParameters
from theodora.web.api.overrides import OverrideAttributes
from theodora.web.api.pull_requests import PullRequestAttributes
from theodora.web.api.schemas import (
    Schema,
    array,
    data,
    identifier,
    object_of,
    resource,
    sent,
)
from theodora.web.api.verdict_requests import (
    OVERRIDE_TYPE,
    PATCH_TYPE,
    OverrideInput,
    PatchInput,
    VersionPatchInput,
)
from theodora.web.api.webhooks import SourceParameters
from theodora.web.api.wire import TYPES
from theodora.web.http.timestamps import TimestampsParameter

EXAMPLES = Path(__file__).with_name("examples")


class Example(msgspec.Struct, frozen=True):
    """A request and its answer; null without a document."""

    request: Any = None
    answer: Any = None


class PathParameters(msgspec.Struct, frozen=True):
    """The names in braces in the paths of operations."""

    id: Annotated[str, Meta(description="The event's id.")]
    service: Annotated[str, Meta(description="The service's name.", min_length=1)]


class NamedResource(NamedTuple):
    """A resource that an answer names."""

    path: str
    """The path that operations on it begin with."""
    expression: str
    """The place of its name, as a runtime expression of OpenAPI."""


@dataclass(frozen=True, kw_only=True)
class Documents:
    """The documents of an operation; None without a body."""

    request: Any = None
    answer: Any = None
    parameters: type[msgspec.Struct] | None = None
    """Those in the query."""
    path_parameters: type[msgspec.Struct] = PathParameters
    """The possible names in the path."""
    headers: Mapping[str, Schema] = field(default_factory=dict[str, Schema])
    """Headers of a 200, in addition to those of every answer."""
    names: NamedResource | None = None
    """Operations on this resource are linked."""
    leads_to: tuple[str, ...] = ()
    """Other operations that are linked, by their names."""
    example_file: str | None = None
    """The name of a file in `examples/`."""

    @cached_property
    def example(self) -> Example:
        if self.example_file is None:
            return Example()
        text = (EXAMPLES / f"{self.example_file}.json").read_bytes()
        return msgspec.json.decode(text, type=Example)


_RESOURCES = {
    Kind.DEPLOYMENT: resource(TYPES[Kind.DEPLOYMENT], DeploymentAttributes),
    Kind.FAILURE: resource(TYPES[Kind.FAILURE], FailureAttributes),
    Kind.PULL_REQUEST: resource(TYPES[Kind.PULL_REQUEST], PullRequestAttributes),
}
_PATHS = {
    Kind.DEPLOYMENT: "/api/v2/dora/deployments/{id}",
    Kind.FAILURE: "/api/v2/dora/failures/{id}",
    Kind.PULL_REQUEST: "/api/v2/dora/pull_requests/{id}",
}
_SERVICE_PATH = "/api/v2/dora/settings/services/{service}"
_ONLY = "$response.body#/data/id"
_FIRST = "$response.body#/data/0/id"
_NEXT_CURSOR: Schema = {
    "description": "The `cursor` of the next page; left out on the last page.",
    "schema": {"type": "string"},
}


def _create(kind: Kind, attributes: Any) -> Documents:
    return Documents(
        request=data(object_of({"attributes": attributes}, "attributes")),
        answer=data(identifier(TYPES[kind])),
        names=NamedResource(_PATHS[kind], _ONLY),
        leads_to=(f"ListDORA{kind.value.capitalize()}s", "GetDORAMetrics", "ScrapeDORAMetrics"),
        example_file=f"create_{kind.value}",
    )


def _list(kind: Kind) -> Documents:
    return Documents(
        request=data(sent(LIST_TYPES[kind], LIST_INPUTS[kind])),
        answer=data(array(_RESOURCES[kind])),
        parameters=TimestampsParameter,
        headers={NEXT_CURSOR: _NEXT_CURSOR},
        names=NamedResource(_PATHS[kind], _FIRST),
        example_file=f"list_{kind.value}s",
    )


def _get(kind: Kind) -> Documents:
    return Documents(
        answer=data(_RESOURCES[kind]),
        parameters=TimestampsParameter,
        example_file=f"get_{kind.value}",
    )


def _settings(of: str, *, reads: bool) -> Documents:
    return Documents(
        request=data(sent(settings.TYPE, SettingsInput)) if reads else None,
        answer=data(resource(settings.TYPE, settings.SettingsAttributes)),
        leads_to=("GetDORASettings", "ListDORAServices") if reads and not of else (),
        example_file=f"{'put' if reads else 'get'}_{of}settings",
    )


def _settings_preview(of: str) -> Documents:
    return Documents(
        request=data(sent(settings.TYPE, SettingsInput)),
        answer=data(resource(settings.PREVIEW_TYPE, settings.PreviewAttributes)),
        leads_to=() if of else ("PutDORASettings",),
        example_file=f"preview_{of}settings",
    )


def _datadog_ci(type_: str, attributes: Any, example_file: str) -> Documents:
    return Documents(
        request=data(sent(type_, attributes)),
        answer={"type": "object"},
        example_file=example_file,
    )


_RETENTION_REQUEST = data(sent(retention.TYPE, retention.RetentionInput))
_RETENTION_ANSWER = data(resource(retention.TYPE, retention.RetentionAttributes))
_OVERRIDE = data(resource(OVERRIDE_TYPE, OverrideAttributes))
_PATCHED = data({"type": "null"})
_WITHOUT = Documents()
_ANNOTATION = resource(annotations.TYPE, annotations.AnnotationAttributes)
_ANNOTATION_PATH = "/api/v2/dora/annotations/{id}"
_GOAL = resource(goals.TYPE, goals.GoalAttributes)
_GOAL_PATH = "/api/v2/dora/goals/{id}"
_SAVED_VIEW = resource(saved_views.TYPE, saved_views.SavedViewAttributes)
_SAVED_VIEW_PATH = "/api/v2/dora/saved_views/{id}"
_RECEIVER = resource(receivers.TYPE, receivers.ReceiverAttributes)
_RECEIVER_PATH = "/api/v2/dora/notification_receivers/{id}"

DOCUMENTS: dict[str, Documents] = {
    "CreateDORADeployment": _create(Kind.DEPLOYMENT, DeploymentInput),
    "ListDORADeployments": _list(Kind.DEPLOYMENT),
    "GetDORADeployment": _get(Kind.DEPLOYMENT),
    "PatchDORADeployment": Documents(
        request=data(sent(PATCH_TYPE, PatchInput)),
        answer=_PATCHED,
        example_file="patch_deployment",
    ),
    "PatchDORADeploymentByVersion": Documents(
        request=data(sent(PATCH_TYPE, VersionPatchInput)),
        answer=_PATCHED,
        leads_to=("ListDORADeployments",),
        example_file="patch_deployment_by_version",
    ),
    "DeleteDORADeployment": _WITHOUT,
    "ExplainDORADeployment": Documents(
        answer=data(resource(explanations.TYPE, Explanation)),
        example_file="explain_deployment",
    ),
    "GetDORADeploymentVerdict": Documents(answer=_OVERRIDE, example_file="get_verdict"),
    "PutDORADeploymentVerdict": Documents(
        request=data(sent(OVERRIDE_TYPE, OverrideInput)),
        answer=_OVERRIDE,
        example_file="put_verdict",
    ),
    "DeleteDORADeploymentVerdict": _WITHOUT,
    "CreateDORAFailure": _create(Kind.FAILURE, FailureOfAnyone),
    "CreateDORAIncident": _create(Kind.FAILURE, FailureOfAnyone),
    "ListDORAFailures": _list(Kind.FAILURE),
    "GetDORAFailure": _get(Kind.FAILURE),
    "DeleteDORAFailure": _WITHOUT,
    "ListDORAPullRequests": _list(Kind.PULL_REQUEST),
    "GetDORAPullRequest": _get(Kind.PULL_REQUEST),
    "GetDORAPullRequestMetrics": Documents(
        answer=object_of(
            {
                "data": array(resource(PULL_REQUEST_METRICS_TYPE, PullRequestMetricsAttributes)),
                "meta": PullRequestMetricsMeta,
            },
            *("data", "meta"),
        ),
        parameters=PullRequestMetricsParameters,
        example_file="get_pull_request_metrics",
    ),
    "GetDORASettings": _settings("", reads=False),
    "PutDORASettings": _settings("", reads=True),
    "PreviewDORASettings": _settings_preview(""),
    "ListDORAServices": Documents(
        answer=data(
            array(
                resource(settings.SERVICE_TYPE, settings.ServiceAttributes), maxItems=MAX_SERVICES
            )
        ),
        parameters=settings.ServicesParameter,
        names=NamedResource(_SERVICE_PATH, _FIRST),
        example_file="list_services",
    ),
    "GetDORAServiceSettings": _settings("service_", reads=False),
    "PutDORAServiceSettings": _settings("service_", reads=True),
    "PreviewDORAServiceSettings": _settings_preview("service_"),
    "GetDORARetention": Documents(answer=_RETENTION_ANSWER, example_file="get_retention"),
    "PutDORARetention": Documents(
        request=_RETENTION_REQUEST,
        answer=_RETENTION_ANSWER,
        leads_to=("GetDORARetention",),
        example_file="put_retention",
    ),
    "PreviewDORARetention": Documents(
        request=_RETENTION_REQUEST,
        answer=data(resource(retention.PREVIEW_TYPE, retention.RetentionPreviewAttributes)),
        leads_to=("PutDORARetention",),
        example_file="preview_retention",
    ),
    "GetDORAMetrics": Documents(
        answer=object_of(
            {"data": array(resource(METRICS_TYPE, MetricsAttributes)), "meta": MetricsMeta},
            *("data", "meta"),
        ),
        parameters=MetricsParameters,
        example_file="get_metrics",
    ),
    "ListDORAInsights": Documents(
        answer=object_of(
            {
                "data": array(resource(insights.TYPE, insights.InsightAttributes)),
                "meta": insights.InsightsMeta,
            },
            *("data", "meta"),
        ),
        parameters=insights.InsightsParameters,
        leads_to=("GetDORAMetrics",),
        example_file="list_insights",
    ),
    "GetDORAAIImpact": Documents(
        answer=object_of(
            {
                "data": resource(ai_impact.TYPE, ai_impact.AIImpactAttributes),
                "meta": ai_impact.AIImpactMeta,
            },
            *("data", "meta"),
        ),
        parameters=ai_impact.AIImpactParameters,
        example_file="get_ai_impact",
    ),
    "ListDORAAnnotations": Documents(
        answer=data(array(_ANNOTATION)),
        parameters=annotations.AnnotationsParameters,
        names=NamedResource(_ANNOTATION_PATH, _FIRST),
        example_file="list_annotations",
    ),
    "CreateDORAAnnotation": Documents(
        request=data(sent(annotations.TYPE, AnnotationInput)),
        answer=data(_ANNOTATION),
        names=NamedResource(_ANNOTATION_PATH, _ONLY),
        leads_to=("ListDORAAnnotations",),
        example_file="create_annotation",
    ),
    "DeleteDORAAnnotation": Documents(path_parameters=annotations.AnnotationPath),
    "ListDORAGoals": Documents(
        answer=data(array(_GOAL)),
        names=NamedResource(_GOAL_PATH, _FIRST),
        example_file="list_goals",
    ),
    "CreateDORAGoal": Documents(
        request=data(sent(goals.TYPE, goals.GoalInput)),
        answer=data(_GOAL),
        names=NamedResource(_GOAL_PATH, _ONLY),
        leads_to=("ListDORAGoals",),
        example_file="create_goal",
    ),
    "DeleteDORAGoal": Documents(path_parameters=goals.GoalPath),
    "ListDORASavedViews": Documents(
        answer=data(array(_SAVED_VIEW)),
        names=NamedResource(_SAVED_VIEW_PATH, _FIRST),
        example_file="list_saved_views",
    ),
    "CreateDORASavedView": Documents(
        request=data(sent(saved_views.TYPE, saved_views.SavedViewInput)),
        answer=data(_SAVED_VIEW),
        names=NamedResource(_SAVED_VIEW_PATH, _ONLY),
        leads_to=("ListDORASavedViews",),
        example_file="create_saved_view",
    ),
    "DeleteDORASavedView": Documents(path_parameters=saved_views.SavedViewPath),
    "ListDORANotificationReceivers": Documents(
        answer=data(array(_RECEIVER)),
        names=NamedResource(_RECEIVER_PATH, _FIRST),
        example_file="list_receivers",
    ),
    "CreateDORANotificationReceiver": Documents(
        request=data(sent(receivers.TYPE, receivers.ReceiverInput)),
        answer=data(_RECEIVER),
        names=NamedResource(_RECEIVER_PATH, _ONLY),
        leads_to=("ListDORANotificationReceivers",),
        example_file="create_receiver",
    ),
    "PatchDORANotificationReceiver": Documents(
        request=data(sent(receivers.TYPE, receivers.ReceiverPatchInput)),
        answer=data(_RECEIVER),
        path_parameters=receivers.ReceiverPath,
        example_file="patch_receiver",
    ),
    "DeleteDORANotificationReceiver": Documents(path_parameters=receivers.ReceiverPath),
    "ListAuditEntries": Documents(
        answer=data(array(resource(audit.TYPE, audit.AuditAttributes))),
        parameters=audit.AuditParameters,
        headers={NEXT_CURSOR: _NEXT_CURSOR},
        example_file="list_audit_entries",
    ),
    "ScrapeDORAMetrics": Documents(parameters=ScrapeParameters),
    "GetBadge": Documents(parameters=BadgeParameters, path_parameters=BadgePath),
    "CreateAIImpactUserActivity": Documents(
        request=data(array(sent(ENTRY_TYPE, UserActivityInput), minItems=1, maxItems=MAX_ENTRIES)),
        example_file="create_user_activity",
    ),
    "Validate": Documents(answer=validate_keys.Validity, example_file="validate"),
    "ValidateV2": Documents(
        answer=data(
            resource(validate_keys.TYPE, validate_keys.KeyAttributes, validate_keys.OrganisationId)
        ),
        example_file="validate_v2",
    ),
    "ValidateAPIKey": Documents(answer=validate_keys.Status, example_file="validate_keys"),
    "SearchCommits": Documents(
        request=CommitSearch,
        answer=KnownCommits,
        leads_to=("UploadPackfile",),
        example_file="search_commits",
    ),
    "UploadPackfile": Documents(request=PackParts),
    "UploadTrackedFiles": Documents(request=TrackedFilesParts, example_file="upload_tracked_files"),
    "SubmitMetrics": Documents(
        request={"description": "Anything; it is not read."},
        answer=validate_keys.Status,
        example_file="submit_metrics",
    ),
    "ReceiveIntakeWebhook": Documents(
        request={"description": "What the provider sends; see docs/sources.md."},
        answer={"type": "object"},
        example_file="receive_intake_webhook",
    ),
    "CorrelateDeployment": _datadog_ci(CORRELATE, CorrelateInput, "correlate_deployment"),
    "CorrelateImage": _datadog_ci(CORRELATE_IMAGE, CorrelateImageInput, "correlate_image"),
    "TagPipeline": _datadog_ci(TAG, TagInput, "tag_pipeline"),
    "ReceiveWebhook": Documents(
        request={"description": "What the provider sends, signed; see docs/sources.md."},
        answer={"type": "object"},
        path_parameters=SourceParameters,
    ),
}
"""By the operation's name in the route table."""
