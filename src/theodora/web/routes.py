"""The route table: every operation, its paths, what it asks for and what it may answer."""

from theodora.web import api
from theodora.web.operations import Operation
from theodora.web.security import READ, WRITE, Access, Credential

_API_KEY = Access(Credential.API_KEY)
_READ = Access(Credential.BOTH_KEYS, READ)
_WRITE = Access(Credential.BOTH_KEYS, WRITE)

ANY_STATUS = (403, 429, 500, 503)
"""What every operation may answer; one that reads a body also 413 and 415."""

OPERATIONS: tuple[Operation, ...] = (
    Operation(
        name="CreateDORADeployment",
        summary="Send a deployment event",
        method="POST",
        paths=("/api/v2/dora/deployment",),
        handler=api.create_deployment,
        access=_API_KEY,
        bucket="dora_ingest",
        statuses=(200, 400),
    ),
    Operation(
        name="ListDORADeployments",
        summary="Get a list of deployment events",
        method="POST",
        paths=("/api/v2/dora/deployments",),
        handler=api.list_deployments,
        access=_READ,
        bucket="dora_read",
        statuses=(200, 400),
        reads=True,
    ),
    Operation(
        name="PatchDORADeploymentByVersion",
        summary="Patch the latest deployment of a version",
        method="PATCH",
        paths=("/api/v2/dora/deployments", "/api/v2/dora/deployment"),
        handler=api.patch_deployment_by_version,
        access=_WRITE,
        bucket="dora_write",
        statuses=(202, 400, 404),
    ),
    Operation(
        name="GetDORADeployment",
        summary="Get a deployment event",
        method="GET",
        paths=("/api/v2/dora/deployments/{id}",),
        handler=api.get_deployment,
        access=_READ,
        bucket="dora_read",
        statuses=(200, 400, 404),
        media_types=(),
        reads=True,
    ),
    Operation(
        name="PatchDORADeployment",
        summary="Patch a deployment event",
        method="PATCH",
        paths=("/api/v2/dora/deployments/{id}", "/api/v2/dora/deployment/{id}"),
        handler=api.patch_deployment,
        access=_WRITE,
        bucket="dora_write",
        statuses=(202, 400, 404),
    ),
    Operation(
        name="DeleteDORADeployment",
        summary="Delete a deployment event",
        method="DELETE",
        paths=("/api/v2/dora/deployment/{id}", "/api/v2/dora/deployments/{id}"),
        handler=api.delete_deployment,
        access=_WRITE,
        bucket="dora_write",
        statuses=(202, 404),
        media_types=(),
    ),
    Operation(
        name="CreateDORAFailure",
        summary="Send a failure event",
        method="POST",
        paths=("/api/v2/dora/failure",),
        handler=api.create_failure,
        access=_API_KEY,
        bucket="dora_ingest",
        statuses=(200, 400),
    ),
    Operation(
        name="CreateDORAIncident",
        summary="Send a failure event (the former name of the same operation)",
        method="POST",
        paths=("/api/v2/dora/incident",),
        handler=api.create_failure,
        access=_API_KEY,
        bucket="dora_ingest",
        statuses=(200, 400),
    ),
    Operation(
        name="ListDORAFailures",
        summary="Get a list of failure events",
        method="POST",
        paths=("/api/v2/dora/failures",),
        handler=api.list_failures,
        access=_READ,
        bucket="dora_read",
        statuses=(200, 400),
        reads=True,
    ),
    Operation(
        name="GetDORAFailure",
        summary="Get a failure event",
        method="GET",
        paths=("/api/v2/dora/failures/{id}",),
        handler=api.get_failure,
        access=_READ,
        bucket="dora_read",
        statuses=(200, 400, 404),
        media_types=(),
        reads=True,
    ),
    Operation(
        name="DeleteDORAFailure",
        summary="Delete a failure event",
        method="DELETE",
        paths=("/api/v2/dora/failure/{id}", "/api/v2/dora/failures/{id}"),
        handler=api.delete_failure,
        access=_WRITE,
        bucket="dora_write",
        statuses=(202, 404),
        media_types=(),
    ),
)
