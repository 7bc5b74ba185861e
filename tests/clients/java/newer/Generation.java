import com.datadog.api.client.ApiException;
import com.datadog.api.client.v2.api.DoraMetricsApi;
import com.datadog.api.client.v2.model.DORADeploymentObjectAttributes;
import com.datadog.api.client.v2.model.DORADeploymentPatchByVersionRequest;
import com.datadog.api.client.v2.model.DORADeploymentPatchByVersionRequestAttributes;
import com.datadog.api.client.v2.model.DORADeploymentPatchByVersionRequestData;
import com.datadog.api.client.v2.model.DORADeploymentPatchRemediation;
import com.datadog.api.client.v2.model.DORADeploymentPatchRemediationType;
import com.datadog.api.client.v2.model.DORADeploymentPatchRequest;
import com.datadog.api.client.v2.model.DORADeploymentPatchRequestAttributes;
import com.datadog.api.client.v2.model.DORADeploymentPatchRequestData;
import com.datadog.api.client.v2.model.DORADeploymentPatchRequestDataType;

/** What clients from 2.58.0 on can do. */
class Generation {
  static String repositoryId(DORADeploymentObjectAttributes attributes) {
    return attributes.getGit().getRepositoryId();
  }

  /** Says whether the client can patch. */
  static boolean patch(DoraMetricsApi api, String id) throws ApiException {
    DORADeploymentPatchRequest body =
        new DORADeploymentPatchRequest()
            .data(
                new DORADeploymentPatchRequestData()
                    .id(id)
                    .type(DORADeploymentPatchRequestDataType.DORA_DEPLOYMENT_PATCH_REQUEST)
                    .attributes(
                        new DORADeploymentPatchRequestAttributes()
                            .changeFailure(true)
                            .remediation(
                                new DORADeploymentPatchRemediation()
                                    .id("eG42zNIkVjM")
                                    .type(DORADeploymentPatchRemediationType.ROLLBACK))));
    api.patchDORADeployment(id, body);
    return true;
  }

  static void patchByVersion(DoraMetricsApi api) throws ApiException {
    DORADeploymentPatchByVersionRequest body =
        new DORADeploymentPatchByVersionRequest()
            .data(
                new DORADeploymentPatchByVersionRequestData()
                    .type(DORADeploymentPatchRequestDataType.DORA_DEPLOYMENT_PATCH_REQUEST)
                    .attributes(
                        new DORADeploymentPatchByVersionRequestAttributes()
                            .changeFailure(false)
                            .service(Client.SERVICE)
                            .env("production")
                            .version("v1.12.07")));
    api.getApiClient().setUnstableOperationEnabled("v2.patchDORADeploymentByVersion", true);
    api.patchDORADeploymentByVersion(body);
  }
}
