"""Values of custom tags by their key."""

from collections.abc import Iterable


def values_of(custom_tags: Iterable[str], key: str) -> set[str]:
    beginning = f"{key}:"
    return {tag[len(beginning) :] for tag in custom_tags if tag.startswith(beginning)}
