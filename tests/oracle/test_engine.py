"""The engine says what the definitions say, whatever was derived and whatever is asked.

The seed is fresh in every run and shown on failure.
"""

from random import Random

import msgspec
import pytest

from oracle.answers import answer, stage_times
from oracle.comparing import (
    answer_of,
    deployment_row_of,
    disagreements,
    incident_row_of,
    query_of,
)
from oracle.questions import random_question
from oracle.worlds import SCENES, fresh_seed, random_deployments, random_incidents
from theodora.dora import make_report
from theodora.dora import metrics as engine

SHARDS = 4
QUESTIONS = 60


@pytest.mark.parametrize("shard", range(SHARDS))
def test_the_engine_and_the_oracle_agree_on_random_events(shard: int) -> None:
    seed = fresh_seed()
    rng = Random(seed + shard)
    for number in range(QUESTIONS // SHARDS):
        scene = rng.choice(SCENES)
        deployments = random_deployments(rng, scene, rng.choice((0, 5, 40, 120)))
        incidents = random_incidents(rng, scene, rng.choice((0, 3, 20)))
        edges_ns = [each["finished_at_ns"] for each in deployments]
        question = random_question(rng, scene, edges_ns)
        report = make_report(
            query_of(question), map(deployment_row_of, deployments), map(incident_row_of, incidents)
        )
        found = disagreements(answer(deployments, incidents, question), answer_of(report))
        assert found == [], f"THEODORA_TEST_SEED={seed}, shard {shard}, number {number}: {question}"


def test_the_engine_and_the_oracle_agree_on_stages() -> None:
    seed = fresh_seed()
    rng = Random(seed)
    for scene in SCENES:
        deployments = random_deployments(rng, scene, rng.choice((0, 5, 60)))
        found = engine.stage_times(map(deployment_row_of, deployments))
        observed = {stage: msgspec.to_builtins(each) for stage, each in found.items()}
        assert disagreements(stage_times(deployments), observed) == [], f"THEODORA_TEST_SEED={seed}"
