"""Early stopping inside brackets of cost, asked by hand in Tune's place: no cluster is needed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from ray.tune.schedulers import TrialScheduler

from search.tuning.cost_brackets import FAILURE, PLACE, CostBrackets

SHARES = (0.25, 0.5, 1.0)
Read = list[tuple[float, float]]


@dataclass(frozen=True)
class _Trial:
    """What a scheduler looks at of Tune's trials."""

    trial_id: str
    config: dict[str, int]


def _flat(loss: float) -> Read:
    return [(share, loss) for share in SHARES]


def _trained(known: list[Read], readings: Read) -> Read:
    """What was read of a configuration until it was stopped, compared with what is known."""
    scheduler = CostBrackets(0.25, 2, lambda: False, lambda place: known)
    trial = _Trial("t", {PLACE: 7})
    scheduler.on_trial_add(None, trial)  # type: ignore[arg-type]
    for count, (share, loss) in enumerate(readings, 1):
        said: dict[str, Any] = {"share": share, "loss": loss}
        if scheduler.on_trial_result(None, trial, said) == TrialScheduler.STOP:
            scheduler.on_trial_complete(None, trial, said)
            return readings[:count]
    raise AssertionError("nothing is trained beyond its end")


@given(st.lists(st.floats(0, 10), max_size=9), st.floats(0, 10))
def test_what_is_among_the_better_half_of_what_is_known_goes_on(known: list[float], loss: float) -> None:
    better_half = not known or -loss >= np.percentile([-one for one in known], 50)
    assert len(_trained([_flat(one) for one in known], _flat(loss))) == (3 if better_half else 1)


def test_it_is_compared_with_those_that_came_as_far() -> None:
    stopped, finished = _flat(0.1)[:1], _flat(5.0)
    assert len(_trained([stopped, stopped, finished], _flat(1.0))) == 1
    assert len(_trained([stopped, finished], [(0.25, 0.1), (0.5, 1.0), (1.0, 1.0)])) == 3


def test_a_failure_stops_and_so_does_the_end_of_everything() -> None:
    over: list[bool] = []
    scheduler = CostBrackets(0.25, 2, lambda: bool(over), lambda place: ())
    trial = _Trial("t", {PLACE: 0})
    assert scheduler.on_trial_result(None, trial, {FAILURE: "no loss"}) == TrialScheduler.STOP
    assert scheduler.on_trial_result(None, trial, {"share": 0.25, "loss": 1.0}) == TrialScheduler.CONTINUE
    over.append(True)
    assert scheduler.on_trial_result(None, trial, {"share": 0.5, "loss": 1.0}) == TrialScheduler.STOP
