"""What the live service was seen to answer is answered here, byte for byte but for what is ours.

Ours are the ids of events sent without one, and the members of `ADDED`.
"""

from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import pytest
from click.testing import CliRunner
from starlette.testclient import TestClient

from compat import exchanges
from compat.exchanges import Exchange, Scenario
from theodora.cli import main

RECORDINGS = Path(__file__).parents[3] / "shared" / "data" / "recordings" / "dora-metrics.json"

ADDED = {"source", "change_failure", "deployment_type", "duration", "created_at"}
"""Where an error is in the document, and what is derived of an event."""

HEADERS = {
    "Content-Type": "application/json",
    "User-Agent": "datadog-api-client-python/2.62.0 (python 3.12)",
}


@pytest.mark.parametrize("scenario", exchanges.load(), ids=str)
def test_an_exchange_goes_as_it_went_with_the_live_service(
    client: TestClient, database: str, tmp_path: Path, scenario: Scenario
) -> None:
    import_deployments(database, tmp_path / "given.jsonl", scenario.given)

    for exchange in scenario.exchanges:
        method, path = exchange.send.split()
        answer = client.request(method, path, content=exchange.body, headers=HEADERS)

        assert answer.status_code == exchange.status
        assert answer.headers["content-type"] == "application/vnd.api+json"
        assert answer.content == msgspec.json.encode(answer.json()), "compact, UTF-8"
        known = exchange.body + "".join(scenario.given)
        assert comparable(answer.json(), exchange, known) == exchange.answer.encode()


def test_every_scenario_is_here() -> None:
    assert len(exchanges.load()) == 9


@pytest.mark.skipif(not RECORDINGS.exists(), reason=f"{RECORDINGS} is not there")
def test_the_recordings_hold_the_same_exchanges() -> None:
    here = tuple(replace(scenario, given=()) for scenario in exchanges.load())
    assert exchanges.load_recordings(RECORDINGS) == here


def import_deployments(database: str, file: Path, lines: tuple[str, ...]) -> None:
    """Brings them in as a user would, beside the running server."""
    file.write_text("\n".join(lines))
    done = CliRunner().invoke(main, ["import", "deployments", "--database", database, str(file)])
    assert done.exit_code == 0, done.output


def comparable(answer: Any, exchange: Exchange, known: str) -> bytes:
    """The answer without what is ours: with ids as recorded unless known, without additions."""
    recorded = msgspec.json.decode(exchange.answer)
    return msgspec.json.encode(_like(answer, recorded, known))


def _like(value: Any, recorded: Any, known: str) -> Any:
    match value, recorded:
        case dict(), dict():
            return {
                name: recorded["id"]
                if name == "id" and name in recorded and recorded["id"] not in known
                else _like(member, recorded.get(name), known)
                for name, member in value.items()
                if name in recorded or name not in ADDED
            }
        case list(), list() if len(value) == len(recorded):
            return [_like(*pair, known) for pair in zip(value, recorded, strict=True)]
        case _:
            return value
