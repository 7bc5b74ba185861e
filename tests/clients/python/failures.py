"""The official Python client: send a failure, list it, resolve it, delete it.

Sends the use of an AI coding tool besides, where the client can. Prints what the client made of
the answers as one line of JSON; any error ends it with status 1.
"""

import json
import os
from datetime import datetime
from importlib import import_module

from datadog_api_client import ApiClient, Configuration
from datadog_api_client.exceptions import NotFoundException
from datadog_api_client.v2.api.dora_metrics_api import DORAMetricsApi
from datadog_api_client.v2.model.dora_failure_request import DORAFailureRequest
from datadog_api_client.v2.model.dora_failure_request_attributes import (
    DORAFailureRequestAttributes,
)
from datadog_api_client.v2.model.dora_failure_request_data import DORAFailureRequestData
from datadog_api_client.v2.model.dora_list_failures_request import DORAListFailuresRequest
from datadog_api_client.v2.model.dora_list_failures_request_attributes import (
    DORAListFailuresRequestAttributes,
)
from datadog_api_client.v2.model.dora_list_failures_request_data import (
    DORAListFailuresRequestData,
)
from datadog_api_client.v2.model.dora_list_failures_request_data_type import (
    DORAListFailuresRequestDataType,
)

SERVICE = os.environ["DORA_SERVICE"]

# DD_API_KEY and DD_APP_KEY are read from the environment.
configuration = Configuration(
    server_index=1,
    server_variables={"protocol": os.environ["DORA_PROTOCOL"], "name": os.environ["DORA_NAME"]},
)


def main(api):
    seen = {"created": send(api)}
    (listed,) = list_failures(api).data
    seen["listed"] = {
        "id": listed.id,
        "services": listed.attributes.services,
        "name": listed.attributes.name,
        "started_at": typed(listed.attributes.started_at),
        "ended": "finished_at" in listed.attributes,
    }
    seen["resolved"] = send(api, finished_at=1707842984500000000)
    got = api.get_dora_failure(seen["created"]).data.attributes
    seen["finished_at"] = typed(got.finished_at)
    api.delete_dora_failure(seen["created"])
    try:
        api.get_dora_failure(seen["created"])
    except NotFoundException as error:
        seen["status_after_delete"] = error.status
    if hasattr(api, "create_ai_impact_user_activity"):
        seen["activity"] = send_activity(api)
    print(json.dumps(seen))  # noqa: T201 (Standard output is what the tests read.)


def send(api, **end):
    attributes = DORAFailureRequestAttributes(
        services=[SERVICE, "api-service"],
        env="production",
        name="Webserver is down failing all requests",
        severity="SEV-1",
        started_at=1707842944500000000,
        **end,
    )
    body = DORAFailureRequest(data=DORAFailureRequestData(attributes=attributes))
    return api.create_dora_failure(body=body).data.id


def list_failures(api):
    body = DORAListFailuresRequest(
        data=DORAListFailuresRequestData(
            attributes=DORAListFailuresRequestAttributes(
                query=f"service:{SERVICE} severity:(SEV-1 OR SEV-2)"
            ),
            type=DORAListFailuresRequestDataType.DORA_FAILURES_LIST_REQUEST,
        ),
    )
    return api.list_dora_failures(body=body)


def send_activity(api):
    """What the client returns for an answer without a body."""
    # Imported here, since clients before 2.58.0 do not have them.
    request, data, attributes, type_ = (
        import_module(f"datadog_api_client.v2.model.ai_impact_user_activity_{part}")
        for part in ("request", "data", "attributes", "type")
    )
    entry = data.AIImpactUserActivityData(
        type=type_.AIImpactUserActivityType.AI_IMPACT_USER_ACTIVITY,
        attributes=attributes.AIImpactUserActivityAttributes(
            user_email="dev@example.com",
            day="2026-01-31",
            is_active=True,
            tools=["Claude Code"],
            models=["gpt-5"],
        ),
    )
    return api.create_ai_impact_user_activity(
        body=request.AIImpactUserActivityRequest(data=[entry])
    )


def typed(value):
    written = value.isoformat() if isinstance(value, datetime) else value
    return {"type": type(value).__name__, "value": written}


with ApiClient(configuration) as api_client:
    main(DORAMetricsApi(api_client))
