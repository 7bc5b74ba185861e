"""Which deployments and incidents of a source count, by queries of its settings."""

from collections.abc import Sequence

import msgspec

from theodora.errors import Invalid, Problem
from theodora.events import Deployment, Failure
from theodora.query import Query, matches, parse_cached
from theodora.query.production import names_production
from theodora.sources.webhooks.delivery import COUNT_QUERIES, SourceSettings
from theodora.sources.webhooks.facts import DeploymentFact, IncidentFact, WebhookFact
from theodora.sources.webhooks.fold import fold
from theodora.sources.webhooks.members import members_in, with_members_of_facts
from theodora.storage import Correlation, Folded, Uncounted


def fold_counted(
    settings: SourceSettings,
    kind: str,
    thing: str,
    documents: Sequence[str],
    correlations: Sequence[Correlation] = (),
) -> Folded | Uncounted | None:
    """The event that facts add up to, unless the settings say that it does not count.

    The complete event is asked, not one message: an incident whose severity falls stops counting,
    and its end needs no severity.
    """
    event = fold(kind, thing, documents, correlations)
    match event:
        case Deployment():
            name, text = "count_deployments", settings.count_deployments
        case Failure():
            name, text = "count_failures", settings.count_failures
        case _:
            return event
    asked = with_members_of_facts(event, documents) if members_in(text) else event
    if not text or matches(parse_cached(text), asked):
        return event
    return Uncounted(f"it does not match the setting {name}")


def with_team(fact: WebhookFact, settings: SourceSettings) -> WebhookFact:
    """The fact with the team of the settings, if it names none."""
    if not isinstance(fact, DeploymentFact | IncidentFact) or fact.team:
        return fact
    services = fact.services if isinstance(fact, IncidentFact) else (fact.service,)
    team = settings.team_of(*services)
    return msgspec.structs.replace(fact, team=team) if team else fact


def check_counting(settings: SourceSettings) -> None:
    """Raises `Invalid` for queries that cannot be used."""
    for name in COUNT_QUERIES:
        if text := getattr(settings, name):
            _check_query(name, text)


def _check_query(name: str, text: str) -> None:
    try:
        query: Query = parse_cached(text)
    except Invalid as invalid:
        raise Invalid(Problem(f"{name}: {invalid}")) from None
    if names_production(query):
        raise Invalid(Problem(f"{name}: name environments, is:production is of services"))
