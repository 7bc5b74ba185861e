"""The reading of a delivery: from a stored body to what it says."""

from collections.abc import Mapping, Sequence
from urllib.parse import parse_qs

import msgspec

from theodora.errors import Invalid, Problem
from theodora.events import repository_id, without_credentials
from theodora.events.json_values import JsonObject
from theodora.sources.json_lines import read_document
from theodora.sources.webhooks.correlation import deployed_keys
from theodora.sources.webhooks.counting import with_team
from theodora.sources.webhooks.delivery import DEFAULT_SETTINGS, Delivery, Ignored, SourceSettings
from theodora.sources.webhooks.facts import (
    CorrelatedCommit,
    DeploymentFact,
    PushedCommits,
    StoredFact,
    WebhookFact,
    encode_fact,
)
from theodora.sources.webhooks.members import with_members_for_queries, with_names_of_payload
from theodora.sources.webhooks.table import InboxKind, kind_named
from theodora.storage import (
    Correlation,
    DeliveryReading,
    RepositoryCommits,
    SourceFact,
    StoredDelivery,
)

FORM = "application/x-www-form-urlencoded"
"""The media type of a body whose field `payload` is the JSON."""

_decode_settings = msgspec.json.Decoder(SourceSettings).decode


def read_received(
    received: StoredDelivery, settings: SourceSettings, teams: Mapping[str, str]
) -> DeliveryReading:
    """What a delivery says, with the settings of its source and the teams of services."""
    row = kind_named(received.kind)
    if row is None:
        return DeliveryReading("failed", f'this version knows no source "{received.kind}"')
    try:
        payload = decode_payload(received.body, received.headers.get("content-type", ""))
        delivery = Delivery(received.headers, payload, teams, received.received_at_ns)
        return read_delivery(row, delivery, settings)
    except Invalid as invalid:
        return DeliveryReading("failed", str(invalid))
    except RecursionError:
        return DeliveryReading("failed", "it is nested too deep")


def read_delivery(row: InboxKind, delivery: Delivery, settings: SourceSettings) -> DeliveryReading:
    """What the adapter of a kind finds, as the store keeps it. Raises `Invalid`."""
    found: list[WebhookFact] = []
    reasons: list[str] = []
    for part in row.parts(delivery.payload):
        named = with_names_of_payload(settings, part)
        read = row.read(delivery._replace(payload=part), named)
        if isinstance(read, Ignored):
            reasons.append(read.reason)
            continue
        teamed = (with_team(fact, named) for fact in read)
        found += (with_members_for_queries(fact, part, settings) for fact in teamed)
    if reasons and not found:
        return DeliveryReading("ignored", "; ".join(dict.fromkeys(reasons)))
    pushes = [fact for fact in found if isinstance(fact, PushedCommits)]
    correlated = [fact for fact in found if isinstance(fact, CorrelatedCommit)]
    facts = [fact for fact in found if not isinstance(fact, PushedCommits | CorrelatedCommit)]
    said = [
        *dict.fromkeys(fact.thing for fact in facts),
        *(f"{', '.join(each.keys)} of commit {each.commit_sha}" for each in correlated),
        *(f"{len(push.commits)} commits of {push.repository_url}" for push in pushes),
    ]
    return DeliveryReading(
        "done",
        ", ".join(said),
        [SourceFact(fact.thing, encode_fact(fact), _keys_of(fact)) for fact in facts],
        [RepositoryCommits(repository_id(each.repository_url), each.commits) for each in pushes],
        [correlation for each in correlated for correlation in _correlations(each)],
    )


def _keys_of(fact: StoredFact) -> Sequence[str]:
    """The keys by which correlations find a deployment."""
    is_deployment = isinstance(fact, DeploymentFact)
    return deployed_keys(fact.commit_sha, fact.images) if is_deployment else ()


def _correlations(fact: CorrelatedCommit) -> list[Correlation]:
    url = without_credentials(fact.repository_url)
    return [Correlation(key, repository_id(url), url, fact.commit_sha) for key in fact.keys]


def decode_payload(body: str, content_type: str = "") -> JsonObject:
    """The object of a body. Raises `Invalid` where there is none."""
    if content_type.startswith(FORM):
        payloads = parse_qs(body).get("payload")
        if not payloads:
            raise Invalid(Problem("the form has no field payload"))
        body = payloads[0]
    return read_document(body.encode())


def decode_settings(settings: str) -> SourceSettings:
    """The settings of a source as they are stored. Raises `Invalid` for any others."""
    if not settings:
        return DEFAULT_SETTINGS
    try:
        return _decode_settings(settings)
    except msgspec.ValidationError as error:
        raise Invalid(Problem(str(error))) from None


def encode_settings(settings: SourceSettings) -> str:
    """The settings as they are stored, without members that have their default."""
    given = {
        name: value
        for name, value in msgspec.structs.asdict(settings).items()
        if value != getattr(DEFAULT_SETTINGS, name)
    }
    return msgspec.json.encode(given).decode()
