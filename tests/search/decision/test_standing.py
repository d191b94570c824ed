"""How good the best is by now, told while a search trains: measurements only, and it decides nothing."""

from __future__ import annotations

import numpy as np

from search.decision.selection import choose, curves_of, finished, reference_losses
from search.decision.standing import Standing
from search.trials import Trial, TrialResult
from tests.search.decision.test_plan import plan_of


def test_the_best_so_far_is_the_exact_choice_among_what_was_trained() -> None:
    plan = plan_of(4, training={"seeds": 1}, affinity={"estimator": "measured"}, budget={"inference": 4})
    rng = np.random.default_rng(0)
    everything = {
        trial: TrialResult(np.array([5, 10]), rng.uniform(0.5, 1.5, (len(trial.tasks), 2)), 0.1, "w:1")
        for trial in sorted(plan.search_trials(0), key=lambda trial: len(trial.tasks))
    }
    told: list[float] = []
    now = [0.0]
    standing = Standing(plan, told.append, lambda: now[0])
    known: dict[Trial, TrialResult] = {}
    for trial, result in everything.items():
        known[trial] = result
        now[0] += 2.0
        standing(lambda: known)
        alone = {one.tasks for one in known if len(one.tasks) == 1 and one.capacity == 1}
        assert bool(told) == (len(alone) == len(plan.tasks))
    reference_T = reference_losses(plan, curves_of(plan, everything), {})
    table = finished(curves_of(plan, everything), reference_T)
    assert told[-1] == choose(plan, table, estimate=False).objective
    assert told == sorted(told, reverse=True)
    asked = len(told)
    standing(lambda: (_ for _ in ()).throw(AssertionError("too soon")))  # within the same second
    assert len(told) == asked
