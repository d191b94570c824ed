"""What a search of a policy looks at: training rows to learn, validation rows to compare draws, test rows never."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from search.data.dataset import Part
from search.policy.searched_trial import as_found, search_policy
from search.spec import NetworkSpec
from search.training.experiment import Experiment
from search.trials import Trial, TrialResult
from tests.search.training.planted import planted, planted_experiment

EXPERIMENT = replace(
    planted_experiment(planted(rows=200), epochs=3), network=NetworkSpec(trunk="resmlp", widths=(12,) * 4)
)
TRIAL = Trial(("t0", "t1", "t2"), 1.0, 1, "policy", sharing="automtl sparsity=0.01 alike=0.0 draws=20")


def scrambled(part: Part) -> Part:
    """The same rows with other rows' labels."""
    order_N = np.random.default_rng(0).permutation(len(part))
    return replace(part, targets_NT=part.targets_NT[order_N])


def searched(experiment: Experiment) -> TrialResult:
    return search_policy(experiment, TRIAL)


@pytest.fixture(scope="module")
def result() -> TrialResult:
    return searched(EXPERIMENT)


def test_the_test_part_has_no_say(result: TrialResult) -> None:
    dataset = replace(EXPERIMENT.dataset, test=scrambled(EXPERIMENT.dataset.test))
    other = searched(replace(EXPERIMENT, dataset=dataset))
    assert result.seen.keys() == other.seen.keys()
    for name, values in result.seen.items():
        np.testing.assert_array_equal(values, other.seen[name])


def test_the_validation_part_compares_draws_and_teaches_nothing(result: TrialResult) -> None:
    dataset = replace(EXPERIMENT.dataset, validation=scrambled(EXPERIMENT.dataset.validation))
    one, other = as_found(result.seen), as_found(searched(replace(EXPERIMENT, dataset=dataset)).seen)
    assert one.policies == other.policies
    np.testing.assert_array_equal(one.history_RLTM, other.history_RLTM)
    assert not np.array_equal(one.losses_DT, other.losses_DT)


def test_the_draw_with_the_lowest_validation_losses_is_chosen(result: TrialResult) -> None:
    found = as_found(result.seen)
    assert len(found.policies) > 1
    assert found.chosen == int((found.losses_DT / found.hard_T).mean(axis=1).argmin())
    assert found.policy == found.policies[found.chosen]
    assert result.test is None
    assert result.test_curve_TS is None
