//! The official Rust client: send a deployment, list it, patch it, delete it.
//!
//! Prints what the client made of the answers as one line of JSON; any error ends it with status 1.

use std::collections::HashMap;
use std::env;
use std::fmt::Debug;

use chrono::{DateTime, Utc};
use datadog_api_client::datadog;
use datadog_api_client::datadogV2::api_dora_metrics::DORAMetricsAPI;
use datadog_api_client::datadogV2::model::*;
use serde::Serialize;
use serde_json::{json, Value};

#[tokio::main]
async fn main() {
    // DD_API_KEY and DD_APP_KEY are read from the environment.
    let mut configuration = datadog::Configuration::new();
    configuration.server_index = 1;
    configuration.server_variables = HashMap::from([
        ("protocol".to_string(), variable("DORA_PROTOCOL")),
        ("name".to_string(), variable("DORA_NAME")),
    ]);
    let api = DORAMetricsAPI::with_config(configuration);

    let id = create(&api).await;
    let listed = list(&api).await;
    patch(&api, &id).await;
    let got = get(&api, &id).await;
    let mut seen = json!({
        "created": id,
        "listed": listed,
        "started_at": typed(&got.started_at),
        "change_failure": got.additional_properties["change_failure"],
    });
    if patch_by_version(&api).await {
        let got = get(&api, &id).await;
        seen["change_failure_by_version"] = got.additional_properties["change_failure"].clone();
    }
    or_exit(api.delete_dora_deployment(id.clone()).await);
    if let Err(datadog::Error::ResponseError(response)) = api.get_dora_deployment(id).await {
        seen["status_after_delete"] = json!(response.status.as_u16());
    }
    println!("{seen}");
}

async fn create(api: &DORAMetricsAPI) -> String {
    let body = DORADeploymentRequest::new(DORADeploymentRequestData::new(
        DORADeploymentRequestAttributes::new(
            1693491984000000000,
            variable("DORA_SERVICE"),
            1693491974500000000,
        )
        .env("production".to_string())
        .version("v1.12.07".to_string())
        .git(DORAGitInfo::new(
            "66adc9350f2cc9b250b69abddab733dd55e1a588".to_string(),
            "https://github.com/organization/example-repository".to_string(),
        ))
        .custom_tags(Some(vec!["language:java".to_string()])),
    ));
    or_exit(api.create_dora_deployment(body).await).data.id
}

async fn list(api: &DORAMetricsAPI) -> Vec<Value> {
    let body = DORAListDeploymentsRequest::new(
        DORAListDeploymentsRequestData::new(
            DORAListDeploymentsRequestAttributes::new()
                .from(instant("2023-08-31T00:00:00+00:00"))
                .limit(10)
                .query(format!("service:{}", variable("DORA_SERVICE")))
                .sort("-finished_at".to_string())
                .to(instant("2023-09-01T00:00:00+00:00")),
        )
        .type_(DORAListDeploymentsRequestDataType::DORA_DEPLOYMENTS_LIST_REQUEST),
    );
    let response = or_exit(api.list_dora_deployments(body).await);
    let deployments = response.data.expect("a list");
    deployments
        .into_iter()
        .map(|deployment| {
            let attributes = deployment.attributes.expect("attributes");
            json!({
                "id": deployment.id,
                "service": attributes.service,
                "repository_id": attributes.git.expect("git").repository_id,
                "started_at": typed(&attributes.started_at),
            })
        })
        .collect()
}

async fn get(api: &DORAMetricsAPI, id: &str) -> DORADeploymentObjectAttributes {
    let response = or_exit(api.get_dora_deployment(id.to_string()).await);
    let attributes = response.data.and_then(|deployment| deployment.attributes);
    attributes.expect("attributes")
}

async fn patch(api: &DORAMetricsAPI, id: &str) {
    let remediation = DORADeploymentPatchRemediation::new()
        .id("eG42zNIkVjM".to_string())
        .type_(DORADeploymentPatchRemediationType::ROLLBACK);
    let body = DORADeploymentPatchRequest::new(DORADeploymentPatchRequestData::new(
        DORADeploymentPatchRequestAttributes::new()
            .change_failure(true)
            .remediation(remediation),
        id.to_string(),
        DORADeploymentPatchRequestDataType::DORA_DEPLOYMENT_PATCH_REQUEST,
    ));
    or_exit(api.patch_dora_deployment(id.to_string(), body).await);
}

/// Says whether the client can do so.
#[cfg(feature = "by_version")]
async fn patch_by_version(api: &DORAMetricsAPI) -> bool {
    let body =
        DORADeploymentPatchByVersionRequest::new(DORADeploymentPatchByVersionRequestData::new(
            DORADeploymentPatchByVersionRequestAttributes::new(
                false,
                "production".to_string(),
                variable("DORA_SERVICE"),
                "v1.12.07".to_string(),
            ),
            DORADeploymentPatchRequestDataType::DORA_DEPLOYMENT_PATCH_REQUEST,
        ));
    or_exit(api.patch_dora_deployment_by_version(body).await);
    true
}

#[cfg(not(feature = "by_version"))]
async fn patch_by_version(_: &DORAMetricsAPI) -> bool {
    false
}

fn typed<T: Serialize>(value: &T) -> Value {
    json!({"type": std::any::type_name::<T>(), "value": value})
}

fn variable(name: &str) -> String {
    env::var(name).unwrap_or_else(|_| panic!("{name} is not set"))
}

fn instant(text: &str) -> DateTime<Utc> {
    DateTime::parse_from_rfc3339(text)
        .expect("Failed to parse datetime")
        .with_timezone(&Utc)
}

fn or_exit<T, E: Debug>(result: Result<T, E>) -> T {
    result.unwrap_or_else(|error| {
        eprintln!("{error:?}");
        std::process::exit(1)
    })
}
