"""docs/api.md says what the route table says.

When it lags, write it anew: PYTHONPATH=tests .venv/bin/python tests/web/api/test_reference.py
"""

import ast
from collections.abc import Iterable
from pathlib import Path

import pytest

from theodora.query.reference import code, table, with_tables
from theodora.web.api.documents import DOCUMENTS, EXAMPLES
from theodora.web.api.routes import OPERATIONS
from theodora.web.http.operations import Operation
from theodora.web.http.security import Access

ROOT = Path(__file__).parents[3]
PAGE = ROOT / "docs" / "api.md"

_CLIENTS = "tests/clients/test_clients.py::test_a_client_does_all_that_it_can_do"
_SETTINGS = "tests/web/api/test_settings.py::test_a_service_inherits_what_it_does_not_set"
_PREVIEW = (
    "tests/web/api/test_settings.py::test_a_preview_shows_what_would_change_and_changes_nothing"
)
_RETENTION = "tests/web/api/test_retention.py::test_what_is_set_is_shown_and_taken_back"
_VERDICT = "tests/web/api/test_overrides.py::test_a_verdict_is_kept_with_who_when_and_why"

_ANNOTATIONS = "tests/web/api/test_annotations.py::test_one_is_added_listed_and_removed"

_GOALS = "tests/web/api/test_goals.py::test_one_is_set_listed_and_removed"
_SAVED_VIEWS = "tests/web/api/test_saved_views.py::test_one_is_saved_for_everybody_and_deleted"
_RECEIVERS = "tests/web/api/test_receivers.py::test_one_is_added_changed_and_removed"

SHOWN_BY = {
    "CreateDORADeployment": _CLIENTS,
    "ListDORADeployments": _CLIENTS,
    "PatchDORADeploymentByVersion": _CLIENTS,
    "GetDORADeployment": _CLIENTS,
    "PatchDORADeployment": _CLIENTS,
    "DeleteDORADeployment": _CLIENTS,
    "CreateDORAFailure": (
        "tests/web/api/test_create_failure.py::test_sending_it_again_with_an_end_resolves_a_failure"
    ),
    "CreateDORAIncident": (
        "tests/web/api/test_create_failure.py::test_the_former_name_of_the_operation_does_the_same"
    ),
    "ListDORAFailures": "tests/web/api/test_list_failures.py::test_a_search_finds",
    "GetDORAFailure": (
        "tests/web/api/test_create_failure.py::"
        "test_every_attribute_comes_back_as_it_was_sent_and_in_the_documented_order"
    ),
    "DeleteDORAFailure": (
        "tests/web/api/test_create_failure.py::test_a_deleted_failure_is_gone_and_may_come_again"
    ),
    "ListDORAPullRequests": (
        "tests/web/api/test_pull_requests.py::"
        "test_requests_are_listed_last_updated_first_and_page_by_page"
    ),
    "GetDORAPullRequest": (
        "tests/web/api/test_pull_requests.py::test_a_request_has_its_stages_and_what_shipped_it"
    ),
    "GetDORAPullRequestMetrics": (
        "tests/web/api/test_pull_requests.py::test_metrics_are_of_the_period_by_group_and_interval"
    ),
    "GetDORAMetrics": (
        "tests/web/api/metrics/test_endpoint.py::test_an_answer_has_the_documented_shape"
    ),
    "ListDORAInsights": "tests/web/api/test_insights.py::test_a_change_and_facts_are_listed",
    "GetDORAAIImpact": "tests/web/api/test_ai_impact.py::test_the_sides_are_compared",
    "ListDORAAnnotations": _ANNOTATIONS,
    "CreateDORAAnnotation": _ANNOTATIONS,
    "DeleteDORAAnnotation": _ANNOTATIONS,
    **dict.fromkeys(("ListDORAGoals", "CreateDORAGoal", "DeleteDORAGoal"), _GOALS),
    **dict.fromkeys(
        ("ListDORASavedViews", "CreateDORASavedView", "DeleteDORASavedView"), _SAVED_VIEWS
    ),
    **dict.fromkeys(
        [f"{verb}DORANotificationReceiver" for verb in ("Create", "Patch", "Delete")]
        + ["ListDORANotificationReceivers"],
        _RECEIVERS,
    ),
    "ScrapeDORAMetrics": (
        "tests/web/api/metrics/test_prometheus.py::test_a_scrape_gives_the_metrics_of_every_service"
    ),
    "GetBadge": "tests/web/api/test_badge.py::test_a_badge_shows_a_metric_of_a_service",
    "ListAuditEntries": "tests/web/api/test_audit.py::test_entries_are_listed_page_by_page",
    "CreateAIImpactUserActivity": (
        "tests/web/api/test_ai_activity.py::test_entries_are_stored_and_answered_with_nothing"
    ),
    "Validate": "tests/web/api/test_validate_keys.py::test_validating_an_api_key",
    "ValidateV2": (
        "tests/web/api/test_validate_keys.py::test_validating_an_api_key_returns_its_organisation"
    ),
    "ValidateAPIKey": (
        "tests/web/api/test_validate_keys.py::test_validating_both_keys_asks_for_no_permission"
    ),
    "ExplainDORADeployment": (
        "tests/web/api/test_explanations.py::test_a_rollback_is_explained_on_either_side"
    ),
    "GetDORADeploymentVerdict": _VERDICT,
    "PutDORADeploymentVerdict": _VERDICT,
    "DeleteDORADeploymentVerdict": (
        "tests/web/api/test_overrides.py::test_what_is_taken_back_leaves_the_rules_to_decide"
    ),
    "GetDORARetention": _RETENTION,
    "PutDORARetention": _RETENTION,
    "PreviewDORARetention": (
        "tests/web/api/test_retention.py::test_a_preview_shows_what_would_be_deleted_and_deletes_nothing"
    ),
    "GetDORASettings": _PREVIEW,
    "PutDORASettings": _SETTINGS,
    "PreviewDORASettings": _PREVIEW,
    "ListDORAServices": (
        "tests/web/api/test_services.py::test_services_are_listed_with_team_and_production_envs"
    ),
    "GetDORAServiceSettings": _SETTINGS,
    "PutDORAServiceSettings": _SETTINGS,
    "PreviewDORAServiceSettings": _PREVIEW,
    "SearchCommits": (
        "tests/web/api/test_git_metadata.py::test_known_commits_are_named_in_the_order_asked"
    ),
    "UploadPackfile": (
        "tests/web/api/test_git_metadata.py::test_uploaded_commits_are_stored_and_known"
    ),
    "ReceiveIntakeWebhook": (
        "tests/web/api/test_webhooks.py::test_an_api_key_is_enough_for_datadogs_intake"
    ),
    "CorrelateDeployment": (
        "tests/web/api/test_correlations.py::test_a_commit_of_configuration_is_correlated"
    ),
    "CorrelateImage": (
        "tests/web/api/test_correlations.py::test_an_image_is_correlated_before_it_is_deployed"
    ),
    "TagPipeline": "tests/web/api/test_correlations.py::test_a_job_is_marked_as_a_deployment",
    "ReceiveWebhook": (
        "tests/web/api/test_webhooks.py::"
        "test_a_signed_webhook_is_stored_with_the_headers_that_matter"
    ),
    "UploadTrackedFiles": (
        "tests/clients/test_datadog_ci.py::"
        "test_the_list_of_tracked_files_decides_how_an_upload_of_metadata_ends"
    ),
    "SubmitMetrics": "tests/web/api/test_datadog_ci.py::test_telemetry_is_acknowledged_unread",
}
"""Of each operation, a test that shows it at work."""


def written() -> str:
    """The page as it should be."""
    return with_tables(PAGE.read_text(), {"operations": operations_table(OPERATIONS)})


def operations_table(operations: Iterable[Operation]) -> str:
    """Every operation: what it is called, where it is, who may and what it may answer."""
    head = ("operation", "method and path", "keys, permission", "statuses", "shown by")
    rows = (
        (
            f"{_name(operation)}: {operation.summary}",
            code(*(f"{operation.method} {path}" for path in operation.paths)),
            _access(operation.access),
            ", ".join(map(str, operation.statuses)),
            _test(SHOWN_BY[operation.name]),
        )
        for operation in operations
    )
    return table(head, rows)


def _name(operation: Operation) -> str:
    """Its name, as a link to its example if it has one."""
    file = DOCUMENTS[operation.name].example_file
    if file is None:
        return operation.name
    path = (EXAMPLES / f"{file}.json").relative_to(ROOT)
    return f"[{operation.name}](../{path})"


def _access(access: Access) -> str:
    permission = f", {code(access.permission)}" if access.permission else ""
    return access.credential.value + permission


def _test(name: str) -> str:
    file, _, function = name.partition("::")
    return f"[{function.removeprefix('test_').replace('_', ' ')}](../{file})"


def test_the_page_has_the_operations_of_today() -> None:
    assert PAGE.read_text() == written()


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda operation: operation.name)
def test_a_test_shows_every_operation(operation: Operation) -> None:
    assert operation.name in SHOWN_BY, "name a test that shows it"
    file, _, function = SHOWN_BY[operation.name].partition("::")
    module = ast.parse((ROOT / file).read_text())
    assert function in {node.name for node in module.body if isinstance(node, ast.FunctionDef)}


if __name__ == "__main__":
    PAGE.write_text(written())
