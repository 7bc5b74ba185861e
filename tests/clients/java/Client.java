// The official Java client: send a deployment, list it, patch it, delete it.
//
// Prints what the client made of the answers as one line of JSON; any error ends it with status 1.

import com.datadog.api.client.ApiClient;
import com.datadog.api.client.ApiException;
import com.datadog.api.client.v2.api.DoraMetricsApi;
import com.datadog.api.client.v2.model.DORADeploymentObject;
import com.datadog.api.client.v2.model.DORADeploymentObjectAttributes;
import com.datadog.api.client.v2.model.DORADeploymentRequest;
import com.datadog.api.client.v2.model.DORADeploymentRequestAttributes;
import com.datadog.api.client.v2.model.DORADeploymentRequestData;
import com.datadog.api.client.v2.model.DORADeploymentsListResponse;
import com.datadog.api.client.v2.model.DORAGitInfo;
import com.datadog.api.client.v2.model.DORAListDeploymentsRequest;
import com.datadog.api.client.v2.model.DORAListDeploymentsRequestAttributes;
import com.datadog.api.client.v2.model.DORAListDeploymentsRequestData;
import com.datadog.api.client.v2.model.DORAListDeploymentsRequestDataType;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.time.OffsetDateTime;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

public class Client {
  static final String SERVICE = System.getenv("DORA_SERVICE");

  public static void main(String[] args) throws Exception {
    ApiClient client = new ApiClient();
    client.setServerIndex(1);
    client.setServerVariables(
        Map.of("protocol", System.getenv("DORA_PROTOCOL"), "name", System.getenv("DORA_NAME")));
    client.configureApiKeys(
        Map.of("apiKeyAuth", System.getenv("DD_API_KEY"), "appKeyAuth", System.getenv("DD_APP_KEY")));
    DoraMetricsApi api = new DoraMetricsApi(client);
    try {
      System.out.println(new ObjectMapper().writeValueAsString(see(api)));
    } catch (ApiException e) {
      System.err.println("Status code: " + e.getCode());
      System.err.println("Reason: " + e.getResponseBody());
      System.exit(1);
    }
  }

  static Map<String, Object> see(DoraMetricsApi api) throws ApiException {
    Map<String, Object> seen = new LinkedHashMap<>();
    String id = create(api);
    seen.put("created", id);
    seen.put("listed", list(api));
    seen.put("started_at", typed(get(api, id).getStartedAt()));
    if (Generation.patch(api, id)) {
      seen.put("change_failure", get(api, id).getAdditionalProperties().get("change_failure"));
      Generation.patchByVersion(api);
      seen.put(
          "change_failure_by_version",
          get(api, id).getAdditionalProperties().get("change_failure"));
    }
    api.deleteDORADeployment(id);
    try {
      get(api, id);
    } catch (ApiException e) {
      seen.put("status_after_delete", e.getCode());
    }
    return seen;
  }

  static String create(DoraMetricsApi api) throws ApiException {
    DORADeploymentRequest body =
        new DORADeploymentRequest()
            .data(
                new DORADeploymentRequestData()
                    .attributes(
                        new DORADeploymentRequestAttributes()
                            .service(SERVICE)
                            .env("production")
                            .version("v1.12.07")
                            .startedAt(1693491974500000000L)
                            .finishedAt(1693491984000000000L)
                            .git(
                                new DORAGitInfo()
                                    .commitSha("66adc9350f2cc9b250b69abddab733dd55e1a588")
                                    .repositoryUrl(
                                        "https://github.com/organization/example-repository"))
                            .customTags(List.of("language:java"))));
    return api.createDORADeployment(body).getData().getId();
  }

  static List<Object> list(DoraMetricsApi api) throws ApiException {
    DORAListDeploymentsRequest body =
        new DORAListDeploymentsRequest()
            .data(
                new DORAListDeploymentsRequestData()
                    .attributes(
                        new DORAListDeploymentsRequestAttributes()
                            .from(OffsetDateTime.parse("2023-08-31T00:00:00Z"))
                            .limit(10)
                            .query("service:" + SERVICE)
                            .sort("-finished_at")
                            .to(OffsetDateTime.parse("2023-09-01T00:00:00Z")))
                    .type(DORAListDeploymentsRequestDataType.DORA_DEPLOYMENTS_LIST_REQUEST));
    DORADeploymentsListResponse result = api.listDORADeployments(body);
    List<Object> listed = new ArrayList<>();
    for (DORADeploymentObject deployment : result.getData()) {
      DORADeploymentObjectAttributes attributes = deployment.getAttributes();
      Map<String, Object> one = new LinkedHashMap<>();
      one.put("id", deployment.getId());
      one.put("service", attributes.getService());
      one.put("repository_id", Generation.repositoryId(attributes));
      one.put("started_at", typed(attributes.getStartedAt()));
      listed.add(one);
    }
    return listed;
  }

  static DORADeploymentObjectAttributes get(DoraMetricsApi api, String id) throws ApiException {
    return api.getDORADeployment(id).getData().getAttributes();
  }

  static Map<String, Object> typed(Object value) {
    Object written = value instanceof OffsetDateTime ? value.toString() : value;
    return Map.of("type", value.getClass().getSimpleName(), "value", written);
  }
}
