//go:build by_version

package main

import (
	"context"

	"github.com/DataDog/datadog-api-client-go/v2/api/datadogV2"
)

// patchByVersion says whether the client can do so.
func patchByVersion(ctx context.Context, api *datadogV2.DORAMetricsApi) bool {
	_, err := api.PatchDORADeploymentByVersion(ctx, datadogV2.DORADeploymentPatchByVersionRequest{
		Data: datadogV2.DORADeploymentPatchByVersionRequestData{
			Type: datadogV2.DORADEPLOYMENTPATCHREQUESTDATATYPE_DORA_DEPLOYMENT_PATCH_REQUEST,
			Attributes: datadogV2.DORADeploymentPatchByVersionRequestAttributes{
				ChangeFailure: false,
				Service:       service,
				Env:           "production",
				Version:       "v1.12.07",
			},
		},
	})
	exitOn(err)
	return true
}
