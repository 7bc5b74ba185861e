"""Settings of services from their descriptions."""

from theodora.sources.service_files import DescribedService
from theodora.storage import Organisation, Store
from theodora.storage.engine.actor import Actor
from theodora.storage.facts.settings import Given


def changes(store: Store, org: Organisation, service: DescribedService) -> Given:
    """The settings of a described service that differ from its own."""
    now = store.settings.given(org, service.name)
    return {name: value for name, value in service.given.items() if now.get(name) != value}


def set_described(
    store: Store, org: Organisation, service: DescribedService, *, actor: Actor
) -> Given:
    """Sets what differs, and returns it; other settings of the service stay."""
    if changed := changes(store, org, service):
        store.settings.merge(org, changed, (), service.name, actor=actor).result()
    return changed
