"""The default production environments."""

from collections.abc import Collection

PRODUCTION_ENVS = ("production", "prod", "prd", "live")
"""In lower case, as all names of production environments are kept."""


def is_production(env: str | None, production_envs: Collection[str] = PRODUCTION_ENVS) -> bool:
    """Whether `env` is one of `production_envs`, which are in lower case."""
    return env is not None and env.lower() in production_envs
