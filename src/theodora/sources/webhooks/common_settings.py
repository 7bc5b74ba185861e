"""Settings of all sources of an organisation, and the settings that one source follows."""

from collections.abc import Mapping
from typing import Any

import msgspec

from theodora.sources.webhooks.delivery import DEFAULT_SETTINGS, SourceSettings
from theodora.sources.webhooks.names import is_named
from theodora.sources.webhooks.read import decode_settings
from theodora.sources.webhooks.table import kind_named
from theodora.storage import Organisation, Store, WebhookSource

_OF_ONE_SOURCE = ("deployment", "incident")
"""What depends on the bodies of one tool."""
COMMON_SETTINGS = tuple(
    name for name in SourceSettings.__struct_fields__ if name not in _OF_ONE_SOURCE
)
"""Members of `SourceSettings` that all sources may have."""


def common_settings(store: Store, org: Organisation) -> SourceSettings:
    """The settings of all sources of an organisation. Raises `Invalid` for unusable ones."""
    return decode_settings(store.sources.common_settings(org))


def settings_of(store: Store, source: WebhookSource) -> SourceSettings:
    """The settings that a source follows. Raises `Invalid` for unusable ones."""
    common = common_settings(store, source.organisation)
    return followed_settings(source.kind, decode_settings(source.settings), common)


def followed_settings(kind: str, own: SourceSettings, common: SourceSettings) -> SourceSettings:
    """What a source of this kind follows: its own settings, and the common ones it lacks.

    Tables are joined: a name that fits one of the source's own names is the source's.
    """
    row = kind_named(kind)
    given: dict[str, Any] = {}
    for name in row.settings if row else ():
        mine, theirs = getattr(own, name), getattr(common, name)
        if isinstance(mine, Mapping):
            given[name] = {**mine, **{k: v for k, v in theirs.items() if not is_named(k, mine)}}
        elif mine == getattr(DEFAULT_SETTINGS, name):
            given[name] = theirs
    return msgspec.structs.replace(own, **given)
