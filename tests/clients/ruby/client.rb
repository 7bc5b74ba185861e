# The official Ruby client: send a deployment, list it, patch it, delete it.
#
# Prints what the client made of the answers as one line of JSON; any error ends it with status 1.

require "datadog_api_client"
require "json"

SERVICE = ENV.fetch("DORA_SERVICE")

# DD_API_KEY and DD_APP_KEY are read from the environment.
DatadogAPIClient.configure do |config|
  config.server_index = 1
  config.server_variables[:protocol] = ENV.fetch("DORA_PROTOCOL")
  config.server_variables[:name] = ENV.fetch("DORA_NAME")
  # The client asks to be told that this operation may yet change.
  config.unstable_operations["v2.patch_dora_deployment_by_version".to_sym] = true
end
API = DatadogAPIClient::V2::DORAMetricsAPI.new

def create
  body = DatadogAPIClient::V2::DORADeploymentRequest.new({
    data: DatadogAPIClient::V2::DORADeploymentRequestData.new({
      attributes: DatadogAPIClient::V2::DORADeploymentRequestAttributes.new({
        service: SERVICE,
        env: "production",
        version: "v1.12.07",
        started_at: 1693491974500000000,
        finished_at: 1693491984000000000,
        git: DatadogAPIClient::V2::DORAGitInfo.new({
          commit_sha: "66adc9350f2cc9b250b69abddab733dd55e1a588",
          repository_url: "https://github.com/organization/example-repository",
        }),
        custom_tags: ["language:java"],
      }),
    }),
  })
  API.create_dora_deployment(body).data.id
end

def list
  body = DatadogAPIClient::V2::DORAListDeploymentsRequest.new({
    data: DatadogAPIClient::V2::DORAListDeploymentsRequestData.new({
      attributes: DatadogAPIClient::V2::DORAListDeploymentsRequestAttributes.new({
        from: "2023-08-31T00:00:00Z",
        limit: 10,
        query: "service:#{SERVICE}",
        sort: "-finished_at",
        to: "2023-09-01T00:00:00Z",
      }),
      type: DatadogAPIClient::V2::DORAListDeploymentsRequestDataType::DORA_DEPLOYMENTS_LIST_REQUEST,
    }),
  })
  API.list_dora_deployments(body).data.map do |deployment|
    {
      id: deployment.id,
      service: deployment.attributes.service,
      repository_id: deployment.attributes.git.repository_id,
      started_at: typed(deployment.attributes.started_at),
    }
  end
end

def patch(id)
  API.patch_dora_deployment(id, DatadogAPIClient::V2::DORADeploymentPatchRequest.new({
    data: DatadogAPIClient::V2::DORADeploymentPatchRequestData.new({
      id: id,
      type: DatadogAPIClient::V2::DORADeploymentPatchRequestDataType::DORA_DEPLOYMENT_PATCH_REQUEST,
      attributes: DatadogAPIClient::V2::DORADeploymentPatchRequestAttributes.new({
        change_failure: true,
        remediation: DatadogAPIClient::V2::DORADeploymentPatchRemediation.new({
          id: "eG42zNIkVjM",
          type: DatadogAPIClient::V2::DORADeploymentPatchRemediationType::ROLLBACK,
        }),
      }),
    }),
  }))
end

# Says whether the client can do so; those before 2.57.0 cannot.
def patch_by_version
  return false unless API.respond_to?(:patch_dora_deployment_by_version)

  API.patch_dora_deployment_by_version(DatadogAPIClient::V2::DORADeploymentPatchByVersionRequest.new({
    data: DatadogAPIClient::V2::DORADeploymentPatchByVersionRequestData.new({
      type: DatadogAPIClient::V2::DORADeploymentPatchRequestDataType::DORA_DEPLOYMENT_PATCH_REQUEST,
      attributes: DatadogAPIClient::V2::DORADeploymentPatchByVersionRequestAttributes.new({
        change_failure: false,
        service: SERVICE,
        env: "production",
        version: "v1.12.07",
      }),
    }),
  }))
  true
end

def get(id)
  API.get_dora_deployment(id).data.attributes
end

def typed(value)
  { type: value.class.name, value: value.respond_to?(:iso8601) ? value.iso8601(3) : value }
end

begin
  seen = { created: create, listed: list }
  id = seen[:created]
  patch(id)
  got = get(id)
  seen[:started_at] = typed(got.started_at)
  seen[:change_failure] = got.additional_properties[:change_failure]
  if patch_by_version
    seen[:change_failure_by_version] = get(id).additional_properties[:change_failure]
  end
  API.delete_dora_deployment(id)
rescue DatadogAPIClient::APIError => error
  warn error
  exit 1
end
begin
  get(id)
rescue DatadogAPIClient::APIError => error
  seen[:status_after_delete] = error.code
end
puts JSON.generate(seen)
