import com.datadog.api.client.v2.api.DoraMetricsApi;
import com.datadog.api.client.v2.model.DORADeploymentObjectAttributes;

/** What clients up to 2.50.0 can do: they cannot patch, and read a git object of another form. */
class Generation {
  static Object repositoryId(DORADeploymentObjectAttributes attributes) {
    return attributes.getGit().getAdditionalProperties().get("repository_id");
  }

  /** Says whether the client can patch. */
  static boolean patch(DoraMetricsApi api, String id) {
    return false;
  }

  static void patchByVersion(DoraMetricsApi api) {}
}
