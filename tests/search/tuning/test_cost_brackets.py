"""Early stopping inside brackets of cost, asked by hand in Tune's place: no cluster is needed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from ray.tune.schedulers import TrialScheduler

from search.tuning.cost_brackets import BRACKET, FAILURE, CostBrackets

SHARES = (0.25, 0.5, 1.0)


@dataclass(frozen=True)
class _Trial:
    """What a scheduler looks at of Tune's trials."""

    trial_id: str
    config: dict[str, int]


def _readings(number: int) -> list[tuple[float, float]]:
    loss = float(np.random.default_rng(number).random())
    return [(share, loss * (2 - share)) for share in SHARES]


def _trained(scheduler: CostBrackets, number: int, readings: list[tuple[float, float]]) -> list[tuple[float, float]]:
    """What was read until the scheduler stopped it."""
    trial = _Trial(f"t{number}", {BRACKET: number % 2})
    scheduler.on_trial_add(None, trial)
    for count, (share, loss) in enumerate(readings, 1):
        said: dict[str, Any] = {"share": share, "loss": loss}
        if scheduler.on_trial_result(None, trial, said) == TrialScheduler.STOP:
            scheduler.on_trial_complete(None, trial, said)
            return readings[:count]
    raise AssertionError("nothing is trained beyond its end")


def _scheduler(earlier: list[tuple[int, list[tuple[float, float]]]] | None = None) -> CostBrackets:
    return CostBrackets(2, 0.25, 2, lambda: False, earlier or [])


@pytest.mark.parametrize("killed", range(1, 24, 3))
def test_a_search_that_is_resumed_stops_what_it_would_have_stopped(killed: int) -> None:
    undisturbed = _scheduler()
    read = [_trained(undisturbed, number, _readings(number)) for number in range(24)]
    resumed = _scheduler([(number % 2, read[number]) for number in range(killed)])
    assert [_trained(resumed, number, _readings(number)) for number in range(killed, 24)] == read[killed:]
    assert any(len(one) < len(SHARES) for one in read)


def test_what_was_read_before_stops_the_first_that_is_worse() -> None:
    good = [(share, 0.1) for share in SHARES]
    bad = [(share, 9.0) for share in SHARES]
    assert len(_trained(_scheduler(), 0, bad)) == len(SHARES)
    assert len(_trained(_scheduler([(0, good)]), 0, bad)) == 1


def test_brackets_are_compared_apart() -> None:
    cheap = [(share, 9.0) for share in SHARES]
    large = [(share, 0.1) for share in SHARES]
    assert len(_trained(_scheduler([(1, large), (1, large)]), 0, cheap)) == len(SHARES)


def test_a_failure_stops_and_is_not_compared_with() -> None:
    scheduler = _scheduler()
    trial = _Trial("failed", {BRACKET: 0})
    scheduler.on_trial_add(None, trial)
    assert scheduler.on_trial_result(None, trial, {FAILURE: "no loss"}) == TrialScheduler.STOP
    scheduler.on_trial_complete(None, trial, {FAILURE: "no loss"})
    assert len(_trained(scheduler, 2, [(share, 9.0) for share in SHARES])) == len(SHARES)
