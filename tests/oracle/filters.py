"""Random search queries, each with its meaning over the oracle's dicts."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from random import Random
from typing import Any

from oracle.worlds import ENVS, REPOSITORIES, SERVICES, TAGS, TEAMS

Event = Mapping[str, Any]

_VALUES: dict[str, tuple[str | None, ...]] = {
    "service": (*SERVICES, "nobody"),
    "env": ENVS,
    "team": TEAMS,
    "repository_id": REPOSITORIES,
    "change_failure": ("true", "false"),
    "deployment_type": ("standard", "rollback", "rollforward"),
}


@dataclass(frozen=True)
class Filter:
    """A query, and what it finds."""

    text: str
    finds: Callable[[Event], bool]


EVERYTHING = Filter("", lambda _: True)


def random_filter(rng: Random, depth: int = 2) -> Filter:
    if depth == 0 or rng.random() < 0.4:
        return _leaf(rng)
    one, other = (random_filter(rng, depth - 1) for _ in range(2))
    match rng.choice(("not", "and", "or")):
        case "not":
            return Filter(f"-({one.text})", lambda event: not one.finds(event))
        case "and":
            return Filter(
                f"({one.text} {other.text})",
                lambda event: one.finds(event) and other.finds(event),
            )
        case _:
            return Filter(
                f"({one.text} OR {other.text})",
                lambda event: one.finds(event) or other.finds(event),
            )


def _leaf(rng: Random) -> Filter:
    """A field and a value, or a field that has any."""
    if rng.random() < 0.3:
        name, _, value = rng.choice(TAGS).partition(":")
    else:
        name = rng.choice(list(_VALUES))
        value = rng.choice(_VALUES[name])
    if value is None or rng.random() < 0.1:
        return Filter(f"{name}:*", lambda event: bool(_texts(event, name)))
    return Filter(f'{name}:"{value}"', lambda event: value in _texts(event, name))


def _texts(event: Event, name: str) -> list[str]:
    """What an event has under the name of a field, or of a tag's key."""
    if name not in _VALUES:
        pairs = (tag.partition(":") for tag in event["custom_tags"])
        return [value for key, _, value in pairs if key == name]
    if name == "service":
        return event["services"] if "services" in event else [event["service"]]
    found = event.get(name)
    return [] if found is None else [str(found).lower() if name == "change_failure" else found]
