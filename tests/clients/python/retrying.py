"""The official Python client, listing deployments five times, with or without retries.

Prints how many lists it got and in how many seconds, as one line of JSON.
"""

import json
import os
import sys
import time

from datadog_api_client import ApiClient, Configuration
from datadog_api_client.v2.api.dora_metrics_api import DORAMetricsApi
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

body = DORAListDeploymentsRequest(
    data=DORAListDeploymentsRequestData(
        attributes=DORAListDeploymentsRequestAttributes(),
        type=DORAListDeploymentsRequestDataType.DORA_DEPLOYMENTS_LIST_REQUEST,
    ),
)

configuration = Configuration(
    server_index=1,
    server_variables={"protocol": os.environ["DORA_PROTOCOL"], "name": os.environ["DORA_NAME"]},
    enable_retry=sys.argv[1] == "retrying",
)
with ApiClient(configuration) as api_client:
    started = time.monotonic()
    lists = [DORAMetricsApi(api_client).list_dora_deployments(body=body) for _ in range(5)]
    seconds = time.monotonic() - started
print(json.dumps({"lists": len(lists), "seconds": seconds}))  # noqa: T201 (The tests read it.)
