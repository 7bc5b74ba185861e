"""The handlers of settings, and previews of changes to them."""

from functools import partial
from typing import Annotated, Any

import msgspec
from msgspec import UNSET, Meta, UnsetType

from theodora.dora import ServiceSettings
from theodora.dora.derivation.settings_input import read_settings
from theodora.events import Deployment
from theodora.storage.facts.settings import WHOLE_ORGANISATION, Given, KnownService
from theodora.web.api.wire import Resource, decode_attributes, encode_data
from theodora.web.http.operations import Pending, Request
from theodora.web.http.responses import Reply

TYPE = "dora_settings"
PREVIEW_TYPE = "dora_settings_preview"
SERVICE_TYPE = "dora_service"
_ORGANISATION_ID = "organisation"
_SHOWN = 1_000
"""Most deployments that a preview lists; the counts are of all."""


class ServicesParameter(msgspec.Struct, frozen=True):
    """Where a page of services begins."""

    after: (
        Annotated[
            str,
            Meta(description="Only services whose names come after this one; for the next page."),
        ]
        | UnsetType
    ) = UNSET


class SettingsAttributes(msgspec.Struct, frozen=True):
    """The settings that were set, and the effective ones with defaults."""

    given: Given
    effective: ServiceSettings


class ServiceAttributes(msgspec.Struct, frozen=True):
    """A service that events or settings name."""

    team: str | None
    """Of its deployments and failures that were sent without one."""
    production_envs: tuple[str, ...]
    given: Given
    """What was set for the service itself."""


class PreviewedDeployment(msgspec.Struct, frozen=True):
    """A deployment whose derived values would change."""

    id: str
    service: str
    env: str | None
    version: str | None
    now: dict[str, Any]
    then: dict[str, Any]


class PreviewAttributes(msgspec.Struct, frozen=True):
    """The effect of a change of settings."""

    deployments: int
    """The number of deployments that the settings apply to."""
    failed_now: int
    failed_then: int
    differing: int
    """The number of deployments that would change."""
    first: tuple[PreviewedDeployment, ...]
    """The first of those."""


def get_settings(request: Request) -> Reply:
    service = _service(request)
    given = request.store.settings.given(request.organisation, service)
    effective = request.store.settings.effective(request.organisation, service)
    return _settings(service, given, effective)


def list_services(request: Request) -> Reply:
    after = request.query_parameters.get("after", "")
    found = request.store.settings.services(request.organisation, after)
    return Reply(200, encode_data([_known(each) for each in found]))


def _known(service: KnownService) -> Resource:
    effective = service.effective
    attributes = ServiceAttributes(effective.team, effective.production_envs, service.given)
    return Resource(service.name, SERVICE_TYPE, attributes)


def put_settings(request: Request) -> Pending:
    service, given = _service(request), _given(request)
    written = request.store.settings.put(request.organisation, given, service, actor=request.actor)
    return Pending(written, lambda effective: _settings(service, given, effective))


def preview_settings(request: Request) -> Reply:
    service, given = _service(request), _given(request)
    preview = request.store.derivations.preview(request.organisation, given, service)
    attributes = PreviewAttributes(
        deployments=preview.deployments,
        failed_now=preview.failed_now,
        failed_then=preview.failed_then,
        differing=len(preview.differing),
        first=tuple(_previewed(*each) for each in preview.differing[:_SHOWN]),
    )
    return Reply(200, encode_data(Resource(_id(service), PREVIEW_TYPE, attributes)))


def _settings(service: str, given: Given, effective: ServiceSettings) -> Reply:
    attributes = SettingsAttributes(given, effective)
    return Reply(200, encode_data(Resource(_id(service), TYPE, attributes)))


def _previewed(now: Deployment, then: Deployment) -> PreviewedDeployment:
    return PreviewedDeployment(
        now.id, now.service, now.env, now.version, _derived(now), _derived(then)
    )


def _derived(event: Deployment) -> dict[str, Any]:
    return {
        "change_failure": event.change_failure,
        "deployment_type": event.deployment_type,
        "remediation": event.remediation,
        "number_of_commits": event.number_of_commits,
        "change_lead_time": event.change_lead_time,
    }


def _given(request: Request) -> Given:
    read = partial(read_settings, of_service=bool(_service(request)))
    return decode_attributes(request.body, read, TYPE)


def _service(request: Request) -> str:
    return request.path_parameters.get("service", WHOLE_ORGANISATION)


def _id(service: str) -> str:
    return service or _ORGANISATION_ID
