"""Whole trainings that must come out bit for bit the same wherever they run; also a script for one worker.

``python -m tests.contract.trainings`` prints one digest a trial.
"""

from __future__ import annotations

import hashlib

from search.training.experiment import Experiment
from search.training.trainer import train
from search.trials import Trial, TrialResult
from tests.search.training.planted import planted, planted_experiment

TRIALS = [
    *(
        Trial(tasks, capacity, seed)
        for seed in (1, 2)
        for tasks in (("t0",), ("t0", "t1", "t2"))
        for capacity in (1, 2)
    ),
    Trial(("t1", "t3"), 1.0, 1, "confirm", reference=(0.5, 1.0)),
    Trial(("t2",), 1.0, 1, "confirm", copies=2, reference=(1.0,)),
]


def experiment() -> Experiment:
    return planted_experiment(planted(missing=0.1))


def digest(result: TrialResult | None) -> str:
    """Every bit of a result except who did it and how long it took, as one word."""
    assert result is not None
    parts = [result.steps_S.tobytes(), result.curve_TS.tobytes(), result.weights, repr(result.kept).encode()]
    if result.test is not None:
        arrays = (result.test.cluster_sum_TG, result.test.cluster_count_TG)
        parts += [*(array.tobytes() for array in arrays), repr(result.test.metrics).encode()]
    return hashlib.sha256(b"|".join(parts)).hexdigest()


if __name__ == "__main__":
    from search.execution.ray_executor import RayExecutor  # others want no more than a digest

    with RayExecutor(workers=1) as executor:
        outcomes = sorted(executor.run(train, experiment(), TRIALS), key=lambda outcome: outcome.index)
    for outcome in outcomes:
        print(digest(outcome.result))  # noqa: T201
