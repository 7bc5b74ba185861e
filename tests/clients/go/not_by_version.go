//go:build !by_version

package main

import (
	"context"

	"github.com/DataDog/datadog-api-client-go/v2/api/datadogV2"
)

// patchByVersion says whether the client can do so; those before 2.63.0 cannot.
func patchByVersion(context.Context, *datadogV2.DORAMetricsApi) bool {
	return false
}
