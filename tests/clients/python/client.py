"""The official Python client: send a deployment, list it, patch it, delete it.

Prints what the client made of the answers as one line of JSON; any error ends it with status 1.
"""

import json
import os
from datetime import datetime
from importlib import import_module

from datadog_api_client import ApiClient, Configuration
from datadog_api_client.exceptions import NotFoundException
from datadog_api_client.v2.api.dora_metrics_api import DORAMetricsApi
from datadog_api_client.v2.model.dora_deployment_patch_remediation import (
    DORADeploymentPatchRemediation,
)
from datadog_api_client.v2.model.dora_deployment_patch_remediation_type import (
    DORADeploymentPatchRemediationType,
)
from datadog_api_client.v2.model.dora_deployment_patch_request import DORADeploymentPatchRequest
from datadog_api_client.v2.model.dora_deployment_patch_request_attributes import (
    DORADeploymentPatchRequestAttributes,
)
from datadog_api_client.v2.model.dora_deployment_patch_request_data import (
    DORADeploymentPatchRequestData,
)
from datadog_api_client.v2.model.dora_deployment_patch_request_data_type import (
    DORADeploymentPatchRequestDataType,
)
from datadog_api_client.v2.model.dora_deployment_request import DORADeploymentRequest
from datadog_api_client.v2.model.dora_deployment_request_attributes import (
    DORADeploymentRequestAttributes,
)
from datadog_api_client.v2.model.dora_deployment_request_data import DORADeploymentRequestData
from datadog_api_client.v2.model.dora_git_info import DORAGitInfo
from datadog_api_client.v2.model.dora_list_deployments_request import DORAListDeploymentsRequest
from datadog_api_client.v2.model.dora_list_deployments_request_attributes import (
    DORAListDeploymentsRequestAttributes,
)
from datadog_api_client.v2.model.dora_list_deployments_request_data import (
    DORAListDeploymentsRequestData,
)
from datadog_api_client.v2.model.dora_list_deployments_request_data_type import (
    DORAListDeploymentsRequestDataType,
)
from dateutil.tz import tzutc

SERVICE = os.environ["DORA_SERVICE"]

# DD_API_KEY and DD_APP_KEY are read from the environment.
configuration = Configuration(
    server_index=1,
    server_variables={"protocol": os.environ["DORA_PROTOCOL"], "name": os.environ["DORA_NAME"]},
)


def main(api):
    seen = {"created": create(api).data.id}
    seen["listed"] = [
        {
            "id": deployment.id,
            "service": deployment.attributes.service,
            "repository_id": deployment.attributes.git.repository_id,
            "started_at": typed(deployment.attributes.started_at),
        }
        for deployment in list_deployments(api).data
    ]
    deployment_id = seen["created"]
    patch(api, deployment_id)
    got = api.get_dora_deployment(deployment_id).data.attributes
    seen["started_at"] = typed(got.started_at)
    seen["change_failure"] = got["change_failure"]
    if hasattr(api, "patch_dora_deployment_by_version"):
        patch_by_version(api)
        got = api.get_dora_deployment(deployment_id).data.attributes
        seen["change_failure_by_version"] = got["change_failure"]
    api.delete_dora_deployment(deployment_id)
    try:
        api.get_dora_deployment(deployment_id)
    except NotFoundException as error:
        seen["status_after_delete"] = error.status
    print(json.dumps(seen))  # noqa: T201 (Standard output is what the tests read.)


def create(api):
    return api.create_dora_deployment(
        DORADeploymentRequest(
            data=DORADeploymentRequestData(
                attributes=DORADeploymentRequestAttributes(
                    service=SERVICE,
                    env="production",
                    version="v1.12.07",
                    started_at=1693491974500000000,
                    finished_at=1693491984000000000,
                    git=DORAGitInfo(
                        commit_sha="66adc9350f2cc9b250b69abddab733dd55e1a588",
                        repository_url="https://github.com/organization/example-repository",
                    ),
                    custom_tags=["language:java"],
                )
            )
        )
    )


def list_deployments(api):
    body = DORAListDeploymentsRequest(
        data=DORAListDeploymentsRequestData(
            attributes=DORAListDeploymentsRequestAttributes(
                _from=datetime(2023, 8, 31, 0, 0, tzinfo=tzutc()),
                limit=10,
                query=f"service:{SERVICE}",
                sort="-finished_at",
                to=datetime(2023, 9, 1, 0, 0, tzinfo=tzutc()),
            ),
            type=DORAListDeploymentsRequestDataType.DORA_DEPLOYMENTS_LIST_REQUEST,
        ),
    )
    return api.list_dora_deployments(body=body)


def patch(api, deployment_id):
    api.patch_dora_deployment(
        deployment_id,
        DORADeploymentPatchRequest(
            data=DORADeploymentPatchRequestData(
                id=deployment_id,
                type=DORADeploymentPatchRequestDataType.DORA_DEPLOYMENT_PATCH_REQUEST,
                attributes=DORADeploymentPatchRequestAttributes(
                    change_failure=True,
                    remediation=DORADeploymentPatchRemediation(
                        id="eG42zNIkVjM", type=DORADeploymentPatchRemediationType.ROLLBACK
                    ),
                ),
            )
        ),
    )


def patch_by_version(api):
    # Imported here, since clients before 2.58.0 do not have them.
    request, data, attributes = (
        import_module(f"datadog_api_client.v2.model.dora_deployment_patch_by_version_{part}")
        for part in ("request", "request_data", "request_attributes")
    )
    api.patch_dora_deployment_by_version(
        request.DORADeploymentPatchByVersionRequest(
            data=data.DORADeploymentPatchByVersionRequestData(
                type=DORADeploymentPatchRequestDataType.DORA_DEPLOYMENT_PATCH_REQUEST,
                attributes=attributes.DORADeploymentPatchByVersionRequestAttributes(
                    change_failure=False,
                    service=SERVICE,
                    env="production",
                    version="v1.12.07",
                ),
            )
        )
    )


def typed(value):
    written = value.isoformat() if isinstance(value, datetime) else value
    return {"type": type(value).__name__, "value": written}


with ApiClient(configuration) as api_client:
    main(DORAMetricsApi(api_client))
