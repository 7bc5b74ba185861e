/**
 * The official TypeScript client: send a deployment, list it, patch it, delete it.
 *
 * Prints what the client made of the answers as one line of JSON; any error ends it with status 1.
 */

import { client, v2 } from "@datadog/datadog-api-client";

const service = process.env.DORA_SERVICE!;

// DD_API_KEY and DD_APP_KEY are read from the environment.
const configuration = client.createConfiguration({ serverIndex: 1 });
configuration.setServerVariables({
  protocol: process.env.DORA_PROTOCOL!,
  name: process.env.DORA_NAME!,
});
// The client asks to be told that this operation may yet change.
configuration.unstableOperations["v2.patchDORADeploymentByVersion"] = true;
const apiInstance = new v2.DORAMetricsApi(configuration);

async function main() {
  const deploymentId = (await create()).data.id;
  const listed = (await list()).data!.map((deployment) => ({
    id: deployment.id,
    service: deployment.attributes!.service,
    repository_id: deployment.attributes!.git!.repositoryId,
    started_at: typed(deployment.attributes!.startedAt),
  }));
  await patch(deploymentId);
  const got = (await apiInstance.getDORADeployment({ deploymentId })).data!.attributes!;
  const changeFailureByVersion = await patchByVersion(deploymentId);
  await apiInstance.deleteDORADeployment({ deploymentId });
  console.log(
    JSON.stringify({
      created: deploymentId,
      listed,
      started_at: typed(got.startedAt),
      change_failure: got.additionalProperties!.change_failure,
      change_failure_by_version: changeFailureByVersion,
      status_after_delete: await statusOf(deploymentId),
    })
  );
}

function create(): Promise<v2.DORADeploymentResponse> {
  return apiInstance.createDORADeployment({
    body: {
      data: {
        attributes: {
          service,
          env: "production",
          version: "v1.12.07",
          startedAt: 1693491974500000000,
          finishedAt: 1693491984000000000,
          git: {
            commitSha: "66adc9350f2cc9b250b69abddab733dd55e1a588",
            repositoryUrl: "https://github.com/organization/example-repository",
          },
          customTags: ["language:java"],
        },
      },
    },
  });
}

function list(): Promise<v2.DORADeploymentsListResponse> {
  const params: v2.DORAMetricsApiListDORADeploymentsRequest = {
    body: {
      data: {
        attributes: {
          from: new Date(Date.UTC(2023, 7, 31)),
          limit: 10,
          query: `service:${service}`,
          sort: "-finished_at",
          to: new Date(Date.UTC(2023, 8, 1)),
        },
        type: "dora_deployments_list_request",
      },
    },
  };
  return apiInstance.listDORADeployments(params);
}

function patch(deploymentId: string): Promise<void> {
  return apiInstance.patchDORADeployment({
    deploymentId,
    body: {
      data: {
        id: deploymentId,
        type: "dora_deployment_patch_request",
        attributes: {
          changeFailure: true,
          remediation: { id: "eG42zNIkVjM", type: "rollback" },
        },
      },
    },
  });
}

/** Clients before 1.61.0 do not have it. */
async function patchByVersion(deploymentId: string): Promise<boolean | undefined> {
  const newer = apiInstance as any;
  if (!newer.patchDORADeploymentByVersion) {
    return undefined;
  }
  await newer.patchDORADeploymentByVersion({
    body: {
      data: {
        type: "dora_deployment_patch_request",
        attributes: { changeFailure: false, service, env: "production", version: "v1.12.07" },
      },
    },
  });
  const got = await apiInstance.getDORADeployment({ deploymentId });
  return got.data!.attributes!.additionalProperties!.change_failure;
}

async function statusOf(deploymentId: string): Promise<number> {
  try {
    await apiInstance.getDORADeployment({ deploymentId });
    return 200;
  } catch (error: any) {
    return error.code;
  }
}

function typed(value: unknown) {
  return { type: value instanceof Date ? "Date" : typeof value, value };
}

main().catch((error: any) => {
  console.error(error);
  process.exit(1);
});
