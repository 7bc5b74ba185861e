// The official Go client: send a deployment, list it, patch it, delete it.
//
// Prints what the client made of the answers as one line of JSON; any error ends it with status 1.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"time"

	"github.com/DataDog/datadog-api-client-go/v2/api/datadog"
	"github.com/DataDog/datadog-api-client-go/v2/api/datadogV2"
)

type typed struct {
	Type  string `json:"type"`
	Value any    `json:"value"`
}

type listed struct {
	Id           string `json:"id"`
	Service      string `json:"service"`
	RepositoryId string `json:"repository_id"`
	StartedAt    typed  `json:"started_at"`
}

type seen struct {
	Created                string   `json:"created"`
	Listed                 []listed `json:"listed"`
	StartedAt              typed    `json:"started_at"`
	ChangeFailure          any      `json:"change_failure"`
	ChangeFailureByVersion any      `json:"change_failure_by_version,omitempty"`
	StatusAfterDelete      int      `json:"status_after_delete"`
}

var service = os.Getenv("DORA_SERVICE")

func main() {
	// DD_API_KEY and DD_APP_KEY are read from the environment.
	ctx := datadog.NewDefaultContext(context.Background())
	ctx = context.WithValue(ctx, datadog.ContextServerIndex, 1)
	ctx = context.WithValue(ctx, datadog.ContextServerVariables, map[string]string{
		"protocol": os.Getenv("DORA_PROTOCOL"),
		"name":     os.Getenv("DORA_NAME"),
	})
	configuration := datadog.NewConfiguration()
	apiClient := datadog.NewAPIClient(configuration)
	api := datadogV2.NewDORAMetricsApi(apiClient)

	var saw seen
	saw.Created = create(ctx, api)
	saw.Listed = list(ctx, api)
	patch(ctx, api, saw.Created)
	attributes := get(ctx, api, saw.Created)
	saw.StartedAt = describe(attributes.StartedAt)
	saw.ChangeFailure = attributes.AdditionalProperties["change_failure"]
	if patchByVersion(ctx, api) {
		saw.ChangeFailureByVersion = get(ctx, api, saw.Created).AdditionalProperties["change_failure"]
	}
	_, err := api.DeleteDORADeployment(ctx, saw.Created)
	exitOn(err)
	_, response, err := api.GetDORADeployment(ctx, saw.Created)
	if err != nil && response != nil {
		saw.StatusAfterDelete = response.StatusCode
	}
	line, err := json.Marshal(saw)
	exitOn(err)
	fmt.Println(string(line))
}

func create(ctx context.Context, api *datadogV2.DORAMetricsApi) string {
	response, _, err := api.CreateDORADeployment(ctx, datadogV2.DORADeploymentRequest{
		Data: datadogV2.DORADeploymentRequestData{
			Attributes: datadogV2.DORADeploymentRequestAttributes{
				Service:    service,
				Env:        datadog.PtrString("production"),
				Version:    datadog.PtrString("v1.12.07"),
				StartedAt:  1693491974500000000,
				FinishedAt: 1693491984000000000,
				Git: &datadogV2.DORAGitInfo{
					CommitSha:     "66adc9350f2cc9b250b69abddab733dd55e1a588",
					RepositoryUrl: "https://github.com/organization/example-repository",
				},
				CustomTags: *datadog.NewNullableList(&[]string{"language:java"}),
			},
		},
	})
	exitOn(err)
	return response.Data.Id
}

func list(ctx context.Context, api *datadogV2.DORAMetricsApi) []listed {
	body := datadogV2.DORAListDeploymentsRequest{
		Data: datadogV2.DORAListDeploymentsRequestData{
			Attributes: datadogV2.DORAListDeploymentsRequestAttributes{
				From:  datadog.PtrTime(time.Date(2023, 8, 31, 0, 0, 0, 0, time.UTC)),
				Limit: datadog.PtrInt32(10),
				Query: datadog.PtrString("service:" + service),
				Sort:  datadog.PtrString("-finished_at"),
				To:    datadog.PtrTime(time.Date(2023, 9, 1, 0, 0, 0, 0, time.UTC)),
			},
			Type: datadogV2.DORALISTDEPLOYMENTSREQUESTDATATYPE_DORA_DEPLOYMENTS_LIST_REQUEST.Ptr(),
		},
	}
	response, _, err := api.ListDORADeployments(ctx, body)
	exitOn(err)
	result := []listed{}
	for _, deployment := range response.Data {
		result = append(result, listed{
			Id:           deployment.GetId(),
			Service:      deployment.Attributes.Service,
			RepositoryId: deployment.Attributes.Git.RepositoryId,
			StartedAt:    describe(deployment.Attributes.StartedAt),
		})
	}
	return result
}

func get(ctx context.Context, api *datadogV2.DORAMetricsApi, id string) *datadogV2.DORADeploymentObjectAttributes {
	response, _, err := api.GetDORADeployment(ctx, id)
	exitOn(err)
	return response.Data.Attributes
}

func patch(ctx context.Context, api *datadogV2.DORAMetricsApi, id string) {
	_, err := api.PatchDORADeployment(ctx, id, datadogV2.DORADeploymentPatchRequest{
		Data: datadogV2.DORADeploymentPatchRequestData{
			Id:   id,
			Type: datadogV2.DORADEPLOYMENTPATCHREQUESTDATATYPE_DORA_DEPLOYMENT_PATCH_REQUEST,
			Attributes: datadogV2.DORADeploymentPatchRequestAttributes{
				ChangeFailure: datadog.PtrBool(true),
				Remediation: &datadogV2.DORADeploymentPatchRemediation{
					Id:   datadog.PtrString("eG42zNIkVjM"),
					Type: datadogV2.DORADEPLOYMENTPATCHREMEDIATIONTYPE_ROLLBACK.Ptr(),
				},
			},
		},
	})
	exitOn(err)
}

func describe(value any) typed {
	return typed{Type: fmt.Sprintf("%T", value), Value: value}
}

func exitOn(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
