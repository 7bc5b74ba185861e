"""The engine says what the definitions say, whatever was derived and whatever is asked.

The seed is fresh in every run and shown on failure.
"""

from random import Random

import pytest

from oracle.answers import answer
from oracle.comparing import answer_of, disagreements, report_of
from oracle.questions import random_question
from oracle.worlds import SCENES, fresh_seed, random_deployments, random_incidents

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
        observed = answer_of(report_of(question, deployments, incidents))
        found = disagreements(answer(deployments, incidents, question), observed)
        assert found == [], f"THEODORA_TEST_SEED={seed}, shard {shard}, number {number}: {question}"
