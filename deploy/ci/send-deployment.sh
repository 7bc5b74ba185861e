quote() { printf '"%s"' "$(printf %s "$1" | sed 's/["\\]/\\&/g')"; }
printf '{"data": {"attributes": {"service": %s, "env": %s, "version": %s, "started_at": %s, "finished_at": %s,
  "git": {"commit_sha": %s, "repository_url": %s}}}}' \
  "$(quote "$SERVICE")" "$(quote "$DEPLOY_ENV")" "$(quote "${VERSION:-}")" "$STARTED_AT" "$(date +%s)" \
  "$(quote "$COMMIT_SHA")" "$(quote "$REPOSITORY_URL")" |
curl --silent --show-error --fail-with-body --retry 5 --retry-connrefused --max-time 60 \
  --header "DD-API-KEY: $THEODORA_API_KEY" --header "Content-Type: application/json" \
  --data @- "$THEODORA_URL/api/v2/dora/deployment"
