"""Random events that are awkward: ties, edges of days, missing values, several values of a tag."""

import os
from dataclasses import dataclass
from random import Random
from typing import Any

import pandas as pd

from oracle.answers import STAGES
from oracle.intervals import DAY_NS, first_instant_ns

SECOND_NS = 10**9
ZONES = ("UTC", "Europe/Berlin", "America/New_York", "Asia/Kolkata", "Pacific/Apia", "Africa/Cairo")
SERVICES = ("web", "pay", "search")
ENVS = ("production", "staging", None)
TEAMS = ("red", "blue", None)
REPOSITORIES = ("github.com/acme/shop", "github.com/acme/tools", None)
TAGS = ("region:eu", "region:us", "tier:1", "tier:2", "rework:true", "rework:no", "url:http://x")

_LEAD_TIMES = (0, 1, 60, 3_600, 3_600.25, 7_200, 86_400, 604_800, 0.000000001, 5_184_000)


@dataclass(frozen=True)
class Scene:
    """A stretch of time around an instant at which calendars are difficult."""

    instant: str
    days: float

    @property
    def instant_ns(self) -> int:
        return pd.Timestamp(self.instant).as_unit("ns").value


SCENES = (
    Scene("2026-03-29T01:00Z", 20),  # Berlin loses an hour.
    Scene("2025-11-02T06:00Z", 20),  # New York gains one.
    Scene("2026-04-23T22:00Z", 12),  # Cairo loses midnight.
    Scene("2011-12-30T10:00Z", 16),  # Apia leaves a day out.
    Scene("2026-04-01T00:00Z", 200),  # A quarter begins.
    Scene("2024-12-31T23:59:59Z", 500),
    Scene("2026-03-06T12:00Z", 2),
)


def instants(rng: Random, scene: Scene, count: int) -> list[int]:
    """Some anywhere, some at local midnights or a nanosecond beside them, some several times."""
    found: list[int] = []
    for _ in range(count):
        somewhere_ns = scene.instant_ns + round(rng.uniform(-0.6, 0.4) * scene.days * DAY_NS)
        kind = rng.random()
        if kind < 0.2 and found:
            found.append(rng.choice(found))
        elif kind < 0.5:
            found.append(midnight_ns(rng, somewhere_ns) + rng.choice((-1, 0, 1)))
        else:
            found.append(somewhere_ns // SECOND_NS * SECOND_NS)
    return found


def midnight_ns(rng: Random, near_ns: int) -> int:
    """The start of the day, week, month or quarter, in one of the zones."""
    zone = rng.choice(ZONES)
    local = pd.Timestamp(near_ns, unit="ns", tz="UTC").tz_convert(zone)
    period = local.tz_localize(None).to_period(rng.choice(("D", "D", "W-SUN", "M", "Q-DEC")))
    return first_instant_ns(period.start_time, zone)


def random_deployments(rng: Random, scene: Scene, count: int) -> list[dict[str, Any]]:
    """Deployments with whatever might have been derived of them."""
    return [
        {"id": f"deployment-{number:08}", "service": rng.choice(SERVICES)}
        | _described(rng)
        | _derived(rng)
        | {"finished_at_ns": finished_at_ns}
        for number, finished_at_ns in enumerate(instants(rng, scene, count))
    ]


def random_incidents(rng: Random, scene: Scene, count: int) -> list[dict[str, Any]]:
    """Open ones, ended ones and reopened ones, of no service, one or several."""
    return [
        {"id": f"incident-{number:010}"}
        | {"services": rng.sample(SERVICES, rng.choice((0, 1, 1, 2, 3)))}
        | _described(rng)
        | random_periods(rng, started_at_ns)
        for number, started_at_ns in enumerate(instants(rng, scene, count))
    ]


def random_periods(rng: Random, started_at_ns: int) -> dict[str, Any]:
    """The start, the end and the periods of an incident."""
    periods: list[tuple[int, int | None]] = []
    began_ns = started_at_ns
    for _ in range(rng.choice((1, 1, 2, 4))):
        ended_ns = began_ns + _span_ns(rng)
        periods.append((began_ns, ended_ns))
        began_ns = ended_ns + 1 + _span_ns(rng)
    if rng.random() < 0.4:
        periods[-1] = (periods[-1][0], None)
    return {
        "started_at_ns": started_at_ns,
        "finished_at_ns": periods[-1][1],
        "periods": periods if len(periods) > 1 else [],
    }


def _described(rng: Random) -> dict[str, Any]:
    return {
        "env": rng.choice(ENVS),
        "team": rng.choice(TEAMS),
        "repository_id": rng.choice(REPOSITORIES),
        "custom_tags": rng.sample(TAGS, rng.choice((0, 0, 1, 2, 3))),
    }


def _derived(rng: Random) -> dict[str, Any]:
    change_failure = rng.choice((True, False, False, None))
    return {
        "lead_times": (lead_times := [_lead_time(rng) for _ in range(rng.choice((0, 0, 1, 2, 4)))]),
        "stages": [_stages(rng) for _ in lead_times],
        "change_failure": change_failure,
        "deployment_type": rng.choice(("standard", "standard", "rollback", "rollforward")),
        "recovery_time": _span_ns(rng) / SECOND_NS
        if change_failure and rng.random() < 0.7
        else None,
    }


def _lead_time(rng: Random) -> float | None:
    """Often the same as another's; None is that of a commit authored after its deployment."""
    if rng.random() < 0.1:
        return None
    return rng.choice((rng.choice(_LEAD_TIMES), rng.randrange(1_000_000) / 4))


def _stages(rng: Random) -> dict[str, float | None]:
    return {stage: rng.choice((None, rng.randrange(10_000) / 4)) for stage in STAGES}


def _span_ns(rng: Random) -> int:
    return rng.choice((0, 1, 3_600, 5_400, rng.randrange(1, 1_000_000))) * SECOND_NS


def fresh_seed() -> int:
    """That of THEODORA_TEST_SEED, so that a failure can be seen again, or a new one."""
    return int(os.environ.get("THEODORA_TEST_SEED") or Random().randrange(2**32))
