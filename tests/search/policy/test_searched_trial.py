"""What a search of a policy looks at: training rows to learn, validation rows to compare draws, test rows never."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from search.data.dataset import Part
from search.errors import TrialError
from search.networks.sharing import Sharing
from search.policy.searched_trial import as_found, search_policy
from search.spec import NetworkSpec
from search.training.checkpoint import sha256
from search.training.experiment import Experiment
from search.training.trainer import train
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


def test_a_network_goes_on_from_the_weights_of_the_search() -> None:
    """At a rate that changes nothing its validation losses are those that the search read off for the policy."""
    searched = replace(TRIAL, sharing=f"{TRIAL.sharing} start=searched")
    result = search_policy(EXPERIMENT, searched)
    found, name = as_found(result.seen), sha256(result.weights)[:12]
    way = Sharing.parse(searched.sharing).found(found.policy, name)
    still = EXPERIMENT.training.model_copy(update={"learning_rate": 1e-12})
    experiment = replace(EXPERIMENT, training=still, starts={name: result.weights})
    trial = Trial(TRIAL.tasks, 1.0, 5, sharing=str(way))
    losses_T = train(experiment, trial).curve_TS[:, -1]
    np.testing.assert_allclose(losses_T, found.losses_DT[found.chosen], rtol=1e-4)
    fresh = replace(trial, sharing=str(way.found(found.policy)))
    assert np.abs(train(experiment, fresh).curve_TS[:, -1] / losses_T - 1).max() > 0.05
    assert trial.key(experiment.context) != fresh.key(experiment.context)
    assert experiment.context == replace(experiment, starts={}).context
    with pytest.raises(TrialError, match=f"the weights '{name}' that a search found are not at hand"):
        train(EXPERIMENT, trial)


def test_the_draw_with_the_lowest_validation_losses_is_chosen(result: TrialResult) -> None:
    found = as_found(result.seen)
    assert len(found.policies) > 1
    assert found.chosen == int((found.losses_DT / found.hard_T).mean(axis=1).argmin())
    assert found.policy == found.policies[found.chosen]
    assert result.test is None
    assert result.test_curve_TS is None
