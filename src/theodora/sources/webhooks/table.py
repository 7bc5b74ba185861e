"""The table of webhook sources: one row for each provider."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from theodora.events.json_values import JsonObject
from theodora.sources.webhooks.alerts import ALERTS, alert_by_alert, read_alerts
from theodora.sources.webhooks.argocd import ARGOCD_EVENTS, is_argocd, read_argocd
from theodora.sources.webhooks.azure_devops import AZURE_DEVOPS_EVENTS, read_azure_devops
from theodora.sources.webhooks.bitbucket import BITBUCKET_EVENTS, read_bitbucket
from theodora.sources.webhooks.bitbucket_server import (
    BITBUCKET_SERVER_EVENTS,
    read_bitbucket_server,
)
from theodora.sources.webhooks.cdevents import CDEVENTS, read_cdevents
from theodora.sources.webhooks.circleci import CIRCLECI_EVENTS, read_circleci
from theodora.sources.webhooks.datadog_ci import read_datadog_ci
from theodora.sources.webhooks.delivery import Delivery, Ignored, SourceSettings
from theodora.sources.webhooks.facts import WebhookFact
from theodora.sources.webhooks.firehydrant import FIREHYDRANT_EVENTS, read_firehydrant
from theodora.sources.webhooks.flux import FLUX_EVENTS, read_flux
from theodora.sources.webhooks.gitea import GITEA_EVENTS, read_gitea
from theodora.sources.webhooks.github import GITHUB_EVENTS, read_github
from theodora.sources.webhooks.gitlab import GITLAB_EVENTS, read_gitlab
from theodora.sources.webhooks.incidentio import INCIDENTIO_EVENTS, read_incidentio
from theodora.sources.webhooks.jenkins import JENKINS_EVENTS, read_jenkins
from theodora.sources.webhooks.jira import JIRA_EVENTS, read_jira
from theodora.sources.webhooks.json_body import JSON_EVENTS, check_json_settings, read_json
from theodora.sources.webhooks.linear import LINEAR_EVENTS, read_linear
from theodora.sources.webhooks.opsgenie import OPSGENIE_EVENTS, read_opsgenie
from theodora.sources.webhooks.pagerduty import PAGERDUTY_EVENTS, is_pagerduty, read_pagerduty
from theodora.sources.webhooks.pelorus import PELORUS_EVENTS, read_pelorus
from theodora.sources.webhooks.rootly import ROOTLY_EVENTS, read_rootly
from theodora.sources.webhooks.sentry import SENTRY_EVENTS, read_sentry
from theodora.sources.webhooks.signatures import Scheme
from theodora.storage import WebhookSource

_NAMES = ("service", "services", "service_from", "env", "envs", "env_from")
_TEAMS = ("team", "teams")
_OF_DEPLOYMENTS = (*_TEAMS, "count_deployments")
_OF_FAILURES = (*_TEAMS, "count_failures")
_OF_BOTH = (*_TEAMS, "count_deployments", "count_failures")

Adapter: TypeAlias = Callable[[Delivery, SourceSettings], Sequence[WebhookFact] | Ignored]
"""A pure function: no I/O and no clock. Raises `Invalid` for a payload that it cannot read."""


def _whole(payload: JsonObject) -> Sequence[JsonObject]:
    return [payload]


INTAKE_PATH = "/api/v2/webhook"
"""The path of Datadog's webhook intake."""


@dataclass(frozen=True, slots=True, kw_only=True)
class InboxKind:
    """What the inbox can read."""

    name: str
    """In URLs and commands, and the `source` of its events."""
    title: str
    read: Adapter
    settings: tuple[str, ...] = ()
    """Members of `SourceSettings` that it reads."""
    parts: Callable[[JsonObject], Sequence[JsonObject]] = _whole
    """Payloads about one thing each, which are read one by one."""
    headers: tuple[str, ...] = ()
    """Headers that are stored with the body, in lower case."""
    keyed_paths: tuple[str, ...] = ()
    """Paths that take it with an API key, without a source of its own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceKind(InboxKind):
    """A row of the table."""

    scheme: Scheme
    events: tuple[str, ...]
    """The provider's names of the events that it understands."""
    steps: tuple[str, ...]
    """Steps at the provider, with places for `{url}`, `{secret}` and `{id}` of the source."""
    provider_page: str
    """The provider's own documentation."""
    fixtures: str
    """Folder of recorded payloads; empty for bodies of any kind."""
    gives_secret: bool = False
    """Whether the provider makes the secret, and shows it after the webhook was added."""
    check: Callable[[SourceSettings], None] | None = None
    """Raises `Invalid` for settings that it cannot use."""
    recognises: Callable[[JsonObject], bool] | None = None
    """Whether a body sent to Datadog's webhook intake is the provider's."""


SOURCES: tuple[SourceKind, ...] = (
    SourceKind(
        name="github",
        title="GitHub",
        read=read_github,
        scheme="github",
        events=GITHUB_EVENTS,
        settings=(
            *_NAMES,
            "workflows",
            "branches",
            "releases",
            *_OF_DEPLOYMENTS,
        ),
        headers=("x-github-event", "x-github-delivery"),
        steps=(
            "Open Settings, Webhooks, Add webhook of the repository or the organisation.",
            "Payload URL: {url}",
            "Content type: application/json",
            "Secret: {secret}",
            "Choose “Let me select individual events”.",
            "Choose Deployments, Deployment statuses, Pull requests, Pull request reviews, Pushes.",
            "Choose Workflow runs and Releases too if your settings use them.",
        ),
        provider_page="https://docs.github.com/en/webhooks/webhook-events-and-payloads",
        fixtures="github",
    ),
    SourceKind(
        name="gitlab",
        title="GitLab",
        read=read_gitlab,
        scheme="gitlab",
        events=GITLAB_EVENTS,
        settings=(
            *_NAMES,
            "workflows",
            "branches",
            "releases",
            *_OF_BOTH,
        ),
        headers=("x-gitlab-event",),
        steps=(
            "Open Settings, Webhooks, Add new webhook of the project or the group.",
            "URL: {url}",
            "Secret token: {secret}",
            "Trigger: choose Push events, Merge request events, Deployment events.",
            "Choose Issues events (in new versions Work item events) for GitLab's incidents.",
            "Choose Pipeline events and Releases events too if your settings use them.",
            "Keep SSL verification enabled.",
        ),
        provider_page="https://docs.gitlab.com/user/project/integrations/webhook_events/",
        fixtures="gitlab",
    ),
    SourceKind(
        name="gitea",
        title="Gitea and Forgejo",
        read=read_gitea,
        scheme="gitea",
        events=GITEA_EVENTS,
        settings=(*_NAMES, "releases", *_OF_DEPLOYMENTS),
        headers=("x-gitea-event",),
        steps=(
            "Open Settings, Webhooks, Add webhook, Gitea or Forgejo.",
            "Target URL: {url}",
            "HTTP method: POST",
            "POST content type: application/json",
            "Secret: {secret}",
            "Trigger on: Custom events.",
            "Choose Push, all events of pull requests and of their reviews.",
            "Choose Release too if your settings use releases.",
        ),
        provider_page="https://docs.gitea.com/usage/webhooks",
        fixtures="gitea",
    ),
    SourceKind(
        name="bitbucket",
        title="Bitbucket Cloud",
        read=read_bitbucket,
        scheme="bitbucket",
        events=BITBUCKET_EVENTS,
        settings=(),
        headers=("x-event-key",),
        steps=(
            "Open Repository settings, Webhooks, Add webhook.",
            "URL: {url}",
            "Secret: {secret}",
            "Status: active",
            "Choose Repository: Push.",
            "Choose Pull request: Created, Updated, Changes request created, Approved,",
            "Approval removed, Merged, Declined.",
        ),
        provider_page="https://support.atlassian.com/bitbucket-cloud/docs/event-payloads/",
        fixtures="bitbucket",
    ),
    SourceKind(
        name="bitbucketserver",
        title="Bitbucket Data Center",
        read=read_bitbucket_server,
        scheme="bitbucket",
        events=BITBUCKET_SERVER_EVENTS,
        settings=(),
        steps=(
            "Open Repository settings, Webhooks, Create webhook.",
            "URL: {url}",
            "Secret: {secret}",
            "Choose Repository: Push.",
            "Choose Pull request: Opened, Source branch updated, Modified, Approved, Unapproved,",
            "Changes requested, Merged, Declined.",
        ),
        provider_page=(
            "https://confluence.atlassian.com/bitbucketserver/event-payload-938025882.html"
        ),
        fixtures="bitbucketserver",
    ),
    SourceKind(
        name="azuredevops",
        title="Azure DevOps",
        read=read_azure_devops,
        scheme="basic",
        events=AZURE_DEVOPS_EVENTS,
        settings=(*_NAMES, "workflows", "branches", *_OF_DEPLOYMENTS),
        steps=(
            "Open Project settings, Service hooks, and create a subscription for each event.",
            "Service: Web Hooks",
            "Trigger: Code pushed, Pull request created, updated and merge attempted.",
            "Trigger: Release deployment started and completed, for classic releases.",
            "Trigger: Run stage state changed or Build completed, if your settings name some.",
            "URL: {url}",
            "Basic authentication username: theodora",
            "Basic authentication password: {secret}",
            "Resource details to send: All",
        ),
        provider_page="https://learn.microsoft.com/en-us/azure/devops/service-hooks/events",
        fixtures="azuredevops",
    ),
    SourceKind(
        name="circleci",
        title="CircleCI",
        read=read_circleci,
        scheme="circleci",
        events=CIRCLECI_EVENTS,
        settings=(*_NAMES, "workflows", "branches", *_OF_DEPLOYMENTS),
        steps=(
            "Open Project Settings, Webhooks, Add Webhook.",
            "Receiver URL: {url}",
            "Secret token: {secret}",
            "Events: Workflow Completed, and Job Completed if your settings name jobs.",
            "Keep Certificate verification on.",
        ),
        provider_page="https://circleci.com/docs/outbound-webhooks",
        fixtures="circleci",
    ),
    SourceKind(
        name="jenkins",
        title="Jenkins",
        read=read_jenkins,
        scheme="basic",
        events=JENKINS_EVENTS,
        settings=(*_NAMES, "workflows", "branches", *_OF_DEPLOYMENTS),
        steps=(
            "Install the Notification plugin, and open Configure of the job that deploys.",
            "Job Notifications, Add Endpoint. Format: JSON. Protocol: HTTP. Event: All Events.",
            "URL: {url}",
            "Put theodora:{secret}@ into the URL, after https://.",
            "Retries: 3 or more",
        ),
        provider_page="https://plugins.jenkins.io/notification/",
        fixtures="jenkins",
    ),
    SourceKind(
        name="pagerduty",
        title="PagerDuty",
        read=read_pagerduty,
        scheme="pagerduty",
        events=PAGERDUTY_EVENTS,
        settings=(*_NAMES, *_OF_FAILURES),
        headers=("dd_env",),
        steps=(
            "Open Integrations, Generic Webhooks (v3), New Webhook.",
            "Webhook URL: {url}",
            "Scope type: Account, or the services or teams whose incidents count.",
            "Event subscription: all events that begin with incident.",
            "PagerDuty shows a secret after you add the webhook: store it here.",
            "theodora sources secret {id}",
        ),
        provider_page="https://developer.pagerduty.com/docs/webhooks-overview",
        fixtures="pagerduty",
        gives_secret=True,
        recognises=is_pagerduty,
        keyed_paths=(INTAKE_PATH,),
    ),
    SourceKind(
        name="cdevents",
        title="CDEvents",
        read=read_cdevents,
        scheme="bearer",
        events=CDEVENTS,
        settings=(*_NAMES, "workflows", "releases", *_OF_BOTH),
        steps=(
            "Let your tools send CDEvents 0.4 or 0.5 over HTTP, as CloudEvents in binary or",
            "structured mode, by POST.",
            "URL: {url}",
            "Header: Authorization: Bearer {secret}",
        ),
        provider_page="https://github.com/cdevents/spec/blob/main/cloudevents-binding.md",
        fixtures="cdevents",
    ),
    SourceKind(
        name="argocd",
        title="Argo CD",
        read=read_argocd,
        scheme="bearer",
        events=ARGOCD_EVENTS,
        settings=(*_NAMES, *_OF_DEPLOYMENTS),
        steps=(
            "Add the service, the template and the triggers of docs/ci/argo-cd.md to",
            "argocd-notifications-cm, and the secret to argocd-notifications-secret.",
            "url of the service: {url}",
            "theodora-token of the secret: {secret}",
            "Annotate each application that deploys with",
            "notifications.argoproj.io/subscribe.theodora.theodora and dd_env, dd_service.",
        ),
        provider_page="https://argo-cd.readthedocs.io/en/stable/operator-manual/notifications/",
        fixtures="argocd",
        recognises=is_argocd,
        keyed_paths=(INTAKE_PATH,),
    ),
    SourceKind(
        name="flux",
        title="Flux",
        read=read_flux,
        scheme="flux",
        events=FLUX_EVENTS,
        settings=(*_NAMES, *_OF_DEPLOYMENTS),
        steps=(
            "Add the secret, the provider and the alert of docs/ci/flux.md to the cluster.",
            "address of the provider: {url}",
            "token of the secret: {secret}",
            "Give each Kustomization and HelmRelease that deploys the annotations",
            "event.toolkit.fluxcd.io/env, service and repository_url.",
        ),
        provider_page="https://fluxcd.io/flux/components/notification/providers/",
        fixtures="flux",
    ),
    SourceKind(
        name="pelorus",
        title="Pelorus",
        read=read_pelorus,
        scheme="github",
        events=PELORUS_EVENTS,
        settings=(*_NAMES, *_OF_BOTH),
        headers=("x-pelorus-event",),
        steps=(
            "Let what sends events to the webhook exporter of Pelorus send them here.",
            "URL: {url}",
            "SECRET_TOKEN for the signature of the body: {secret}",
        ),
        provider_page=(
            "https://pelorus.readthedocs.io/en/latest/GettingStarted/configuration/ExporterWebhook/"
        ),
        fixtures="pelorus",
    ),
    SourceKind(
        name="incidentio",
        title="incident.io",
        read=read_incidentio,
        scheme="standard-webhooks",
        events=INCIDENTIO_EVENTS,
        settings=(*_NAMES, "severities", *_OF_FAILURES),
        steps=(
            "Open Settings, Webhooks, Add endpoint.",
            "Endpoint URL: {url}",
            "Subscribe to the three events incident_created_v2, incident_updated_v2 and",
            "incident_status_updated_v2 of public_incident.",
            "incident.io shows a signing secret after you add the endpoint: store it here.",
            "theodora sources secret {id}",
        ),
        provider_page="https://docs.incident.io/integrations/webhooks",
        fixtures="incidentio",
        gives_secret=True,
    ),
    SourceKind(
        name="rootly",
        title="Rootly",
        read=read_rootly,
        scheme="rootly",
        events=ROOTLY_EVENTS,
        settings=(*_NAMES, "severities", *_OF_FAILURES),
        steps=(
            "Open Settings, Webhooks, New Webhook.",
            "URL: {url}",
            "Event types: all that begin with incident and a single dot.",
            "Rootly shows a secret of the webhook: store it here.",
            "theodora sources secret {id}",
        ),
        provider_page="https://docs.rootly.com/configuration/webhooks",
        fixtures="rootly",
        gives_secret=True,
    ),
    SourceKind(
        name="firehydrant",
        title="FireHydrant",
        read=read_firehydrant,
        scheme="firehydrant",
        events=FIREHYDRANT_EVENTS,
        settings=(*_NAMES, "severities", *_OF_FAILURES),
        steps=(
            "Open Settings, Webhooks, Add webhook.",
            "URL: {url}",
            "Secret: {secret}",
            "Event Subscriptions: Incidents.",
        ),
        provider_page="https://docs.firehydrant.com/docs/webhooks",
        fixtures="firehydrant",
    ),
    SourceKind(
        name="opsgenie",
        title="Opsgenie and Jira Service Management",
        read=read_opsgenie,
        scheme="header",
        events=OPSGENIE_EVENTS,
        settings=(*_NAMES, "severities", *_OF_FAILURES),
        steps=(
            "Add an integration of the type Webhook.",
            "Webhook URL: {url}",
            "Custom header: X-Webhook-Token with the value {secret}",
            "Choose Add alert description and Add alert details to payload.",
            "Alert actions: created, acknowledged, unacknowledged, closed and deleted.",
            "Add the actions that update the priority and the message.",
            "Turn the integration on.",
        ),
        provider_page="https://support.atlassian.com/opsgenie/docs/integrate-opsgenie-with-webhook/",
        fixtures="opsgenie",
    ),
    SourceKind(
        name="jira",
        title="Jira",
        read=read_jira,
        scheme="jira",
        events=JIRA_EVENTS,
        settings=(*_NAMES, "severities", "types", *_OF_FAILURES),
        steps=(
            "Open Settings, System, WebHooks, Create a WebHook.",
            "URL: {url}",
            "Secret: {secret}",
            "Issue related events: a JQL such as issuetype = Incident.",
            "Choose Issue created, updated and deleted.",
        ),
        provider_page="https://developer.atlassian.com/cloud/jira/platform/webhooks/",
        fixtures="jira",
    ),
    SourceKind(
        name="alertmanager",
        title="Alertmanager",
        read=read_alerts,
        parts=alert_by_alert,
        scheme="bearer",
        events=ALERTS,
        settings=(*_NAMES, "severities", *_OF_FAILURES),
        steps=(
            "Add a receiver to alertmanager.yml, and a route to it with continue: true.",
            "webhook_configs: url: {url}",
            "http_config: authorization: credentials: {secret}",
            "Leave send_resolved as it is: true.",
        ),
        provider_page="https://prometheus.io/docs/alerting/latest/configuration/",
        fixtures="alertmanager",
    ),
    SourceKind(
        name="grafana",
        title="Grafana",
        read=read_alerts,
        parts=alert_by_alert,
        scheme="bearer",
        events=ALERTS,
        settings=(*_NAMES, "severities", *_OF_FAILURES),
        steps=(
            "Open Alerting, Contact points, Add contact point, Integration: Webhook.",
            "URL: {url}",
            "Optional settings: Authorization Header Scheme Bearer, Credentials {secret}",
            "Leave Disable resolved message off.",
            "Send alerts to it with a notification policy.",
        ),
        provider_page="https://grafana.com/docs/grafana/latest/alerting/configure-notifications/"
        "manage-contact-points/integrations/webhook-notifier/",
        fixtures="grafana",
    ),
    SourceKind(
        name="sentry",
        title="Sentry",
        read=read_sentry,
        scheme="sentry",
        events=SENTRY_EVENTS,
        settings=(*_NAMES, "severities", *_OF_FAILURES),
        headers=("sentry-hook-resource", "sentry-hook-timestamp"),
        steps=(
            "Open Settings, Custom Integrations, Create New Integration, Internal Integration.",
            "Webhook URL: {url}",
            "Permissions: Issue & Event: Read. Webhooks: issue.",
            "Sentry shows a client secret after you save it: store it here.",
            "theodora sources secret {id}",
        ),
        provider_page="https://docs.sentry.io/integrations/integration-platform/webhooks/issues/",
        fixtures="sentry",
        gives_secret=True,
    ),
    SourceKind(
        name="linear",
        title="Linear",
        read=read_linear,
        scheme="linear",
        events=LINEAR_EVENTS,
        settings=(*_NAMES, "severities", "types", *_OF_FAILURES),
        steps=(
            "Open Settings, API, New webhook.",
            "URL: {url}",
            "Data change events: Issues.",
            "Linear shows a signing secret: store it here.",
            "theodora sources secret {id}",
        ),
        provider_page="https://linear.app/developers/webhooks",
        fixtures="linear",
        gives_secret=True,
    ),
    SourceKind(
        name="json",
        title="Any JSON",
        read=read_json,
        scheme="header",
        events=JSON_EVENTS,
        settings=(*_NAMES, "deployment", "incident", *_OF_BOTH),
        steps=(
            "Let your tool send JSON by POST.",
            "URL: {url}",
            "Header: X-Webhook-Token: {secret}",
            "Then name the paths of a deployment or an incident in the settings.",
        ),
        provider_page="https://www.rfc-editor.org/rfc/rfc9535",
        fixtures="",
        check=check_json_settings,
    ),
)


DATADOG_CI = InboxKind(
    name="datadog-ci",
    title="datadog-ci",
    read=read_datadog_ci,
    keyed_paths=(
        "/api/v2/ci/deployments/correlate",
        "/api/v2/ci/deployments/correlate-image",
        "/api/v2/ci/pipeline/tags",
    ),
)
"""Comes with an API key alone, so it is no row of the table."""


def kind_named(name: str) -> InboxKind | None:
    """What the inbox calls so."""
    return DATADOG_CI if name == DATADOG_CI.name else source_named(name)


def source_named(name: str) -> SourceKind | None:
    """The row of this name."""
    return next((row for row in SOURCES if row.name == name), None)


def source_path(source: WebhookSource) -> str:
    """The path of the server that takes a source's webhooks."""
    return f"/webhooks/{source.kind}/{source.id}"


def steps_of(kind: SourceKind, source: WebhookSource, server: str) -> list[str]:
    """What to do at the provider; `server` is the URL at which it reaches the server."""
    url = server.rstrip("/") + source_path(source)
    return [step.format(url=url, secret=source.secret, id=source.id) for step in kind.steps]


def source_of_intake(payload: JsonObject) -> SourceKind | None:
    """The row that recognises a body sent to Datadog's webhook intake."""
    return next((row for row in SOURCES if row.recognises and row.recognises(payload)), None)
