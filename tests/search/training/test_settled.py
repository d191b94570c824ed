"""Networks with settings of their own: what they give is what they would give if the spec said so."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from grouping.errors import InputError
from search.networks.sharing import Sharing
from search.spec import settled
from search.spec.settled import own_shape
from search.training.fused import train_fused
from search.training.packs import TrainPack, train_plain
from search.training.settled import Settled, room, settled_experiment, settled_trial
from search.trials import Course, Trial, TrialResult
from tests.contract.trainings import experiment

WAYS = [
    "hard with learning_rate=0.01 batch_size=16 widths=40x40x40",
    "mtan with balancing=uncertainty widths=64",
    "hard with trunk=resmlp widths=40x40 weight_decay=0.01",
]


def _results(train: TrainPack, way: str, seeds: tuple[int, ...] = (0, 1)) -> list[TrialResult]:
    base = experiment()
    tasks = tuple(task.name for task in base.dataset.tasks)
    pack = tuple(Course(Trial(tasks, 30.0, seed, sharing=way)) for seed in seeds)
    results = Settled(train)(base, pack)
    assert all(isinstance(result, TrialResult) for result in results), results
    return [result for result in results if isinstance(result, TrialResult)]


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("train", [train_plain, train_fused], ids=["plain", "fused"])
def test_a_network_with_settings_is_the_network_of_a_spec_that_says_so(train: TrainPack, way: str) -> None:
    base = experiment()
    sharing = Sharing.parse(way)
    network, training = settled(sharing.settings, base.network, base.training)
    said = replace(base, network=network, training=training)
    _, size = own_shape(sharing.settings, base.network, base.dataset.train.inputs_NF.shape[1])
    tasks = tuple(task.name for task in base.dataset.tasks)
    own = tuple(Course(Trial(tasks, 30.0 / size, seed, sharing=str(sharing.bare))) for seed in (0, 1))
    plainly = train_plain if sharing.settings.balancing else train
    for mine, theirs in zip(_results(train, way), plainly(said, own), strict=True):
        assert isinstance(theirs, TrialResult)
        np.testing.assert_array_equal(mine.curve_TS, theirs.curve_TS)


def test_a_training_with_settings_goes_on_to_the_bit() -> None:
    base, way = experiment(), WAYS[0]
    tasks = tuple(task.name for task in base.dataset.tasks)
    train, whole = Settled(train_fused), Trial(tasks, 30.0, 0, sharing=way)
    half = replace(whole, fraction=0.5)
    (first,) = train(base, (Course(half, keep_state=True),))
    assert isinstance(first, TrialResult)
    assert first.state is not None
    assert first.state.trial == half
    (second,) = train(base, (Course(whole, first.state),))
    assert isinstance(second, TrialResult)
    np.testing.assert_array_equal(second.curve_TS, _results(train_fused, way, (0,))[0].curve_TS)


def test_without_settings_nothing_changes() -> None:
    base = experiment()
    trial = Trial(("a",), 2.0, 0, sharing="mtan")
    assert settled_experiment(base, Sharing()) is base
    assert settled_trial(base, trial) == trial
    assert settled_trial(base, replace(trial, sharing="mtan with capacity=2")) == trial


def test_networks_with_settings_that_share_one_trunk_are_packed() -> None:
    base = experiment()
    tasks = tuple(task.name for task in base.dataset.tasks)
    assert room(base, Trial(tasks, 1.0, 0, sharing=WAYS[0])) > 1
    assert room(base, Trial(tasks, 1.0, 0, sharing=WAYS[1])) == 1


def test_settings_that_no_section_takes_are_refused() -> None:
    with pytest.raises(InputError):
        settled_experiment(experiment(), Sharing.parse("hard with trunk=nowhere"))
