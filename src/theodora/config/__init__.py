"""Settings: one table of them, how a value is read, and where values come from."""

from theodora.config.loading import Config, check_names, load
from theodora.config.settings import SETTINGS, Setting, setting_named
from theodora.config.values import RateLimit, duration_seconds

__all__ = [
    "SETTINGS",
    "Config",
    "RateLimit",
    "Setting",
    "check_names",
    "duration_seconds",
    "load",
    "setting_named",
]
