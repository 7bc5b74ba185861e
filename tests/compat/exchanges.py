"""Exchanges with the live service, as `exchanges.toml` holds them, and in their other form."""

import json
import tomllib
from dataclasses import dataclass
from pathlib import Path

OWN = Path(__file__).parent / "exchanges.toml"


@dataclass(frozen=True)
class Exchange:
    """A request and what came back."""

    send: str
    """Method and path."""
    body: str
    status: int
    answer: str


@dataclass(frozen=True)
class Scenario:
    title: str
    exchanges: tuple[Exchange, ...]
    given: tuple[str, ...] = ()
    """Deployments that were there before, each a line as `theodora import` reads it."""

    def __str__(self) -> str:
        return self.title


def load() -> tuple[Scenario, ...]:
    tables = tomllib.loads(OWN.read_text("utf-8"))["scenario"]
    return tuple(
        Scenario(
            table["title"],
            tuple(Exchange(**exchange) for exchange in table["exchange"]),
            tuple(table.get("given", ())),
        )
        for table in tables
    )


def load_recordings(path: Path) -> tuple[Scenario, ...]:
    """The same from recordings in JSON, which do not say what was there before."""
    recordings = json.loads(path.read_text("utf-8"))["recordings"]
    return tuple(
        Scenario(
            recording["scenario"],
            tuple(
                Exchange(
                    send=f"{interaction['request']['method']} {interaction['request']['path']}",
                    body=json.dumps(interaction["request"]["body"]["value"], separators=(",", ":")),
                    status=interaction["response"]["status"],
                    answer=interaction["response"]["body"]["value"],
                )
                for interaction in recording["interactions"]
            ),
        )
        for recording in recordings
    )
