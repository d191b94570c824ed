"""The fused trainer is the plain one, up to rounding; and what a trial gives never depends on its company."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from grouping.errors import InputError
from search.data.dataset import Dataset, Part
from search.errors import TrialError
from search.training.checkpoint import load_checkpoint
from search.training.experiment import Experiment
from search.training.fused import train_fused
from search.training.packs import train_plain
from search.training.trainer import train
from search.trials import Course, Trial, TrialFailure, TrialResult
from tests.search.training.planted import planted, planted_experiment, without_labels

ALL = ("t0", "t1", "t2", "t3")
REFERENCE = dict(zip(ALL, (1.0, 0.5, 1.0, 1.0), strict=True))


def fused(experiment: Experiment, trials: Sequence[Trial]) -> list[TrialResult | TrialFailure]:
    return train_fused(experiment, [Course(trial) for trial in trials])


def search(*tasks: str, seed: int = 1, **changes: object) -> Trial:
    return replace(Trial(tasks or ALL, 1.0, seed), **changes)  # type: ignore[arg-type]


def confirm(*tasks: str, seed: int = 1, copies: int = 1) -> Trial:
    tasks = tasks or ALL
    return Trial(tasks, 1.0, seed, "confirm", copies, reference=tuple(REFERENCE[task] for task in tasks))


MENU = (
    search("t0"),
    search("t0", "t3"),
    search(),
    search("t1", "t2", seed=2),
    confirm("t2"),
    confirm("t1", "t3"),
    confirm(seed=2),
    confirm("t0", "t1", copies=3),
)


@cache
def menu_experiment() -> Experiment:
    """300 rows in batches of 64: the last one of an epoch has 44, and 3 of 10 labels are missing."""
    return planted_experiment(planted(missing=0.3), readings_per_epoch=2, epochs=3)


@cache
def alone(trial: Trial) -> TrialResult | TrialFailure:
    return fused(menu_experiment(), [trial])[0]


def assert_bitwise(one: TrialResult | TrialFailure, other: TrialResult | TrialFailure) -> None:
    """Equal in everything but who did it and how long it took."""
    if isinstance(one, TrialFailure) or isinstance(other, TrialFailure):
        assert isinstance(one, TrialFailure)
        assert isinstance(other, TrialFailure)
        assert one.reason == other.reason
        return
    assert one.steps_S.tobytes() == other.steps_S.tobytes()
    assert one.curve_TS.tobytes() == other.curve_TS.tobytes()
    assert (one.kept, one.weights) == (other.kept, other.weights)
    assert (one.test is None) == (other.test is None)
    if one.test is not None and other.test is not None:
        assert one.test.cluster_sum_TG.tobytes() == other.test.cluster_sum_TG.tobytes()
        assert one.test.cluster_count_TG.tobytes() == other.test.cluster_count_TG.tobytes()
        assert one.test.metrics == other.test.metrics


def assert_close(fused: TrialResult | TrialFailure, plain: TrialResult | TrialFailure) -> None:
    """Equal up to what rounding does within a few dozen steps."""
    assert isinstance(fused, TrialResult), fused
    assert isinstance(plain, TrialResult), plain
    assert fused.steps_S.tolist() == plain.steps_S.tolist()
    assert fused.curve_TS == pytest.approx(plain.curve_TS, rel=1e-5)
    assert fused.kept == plain.kept
    assert (fused.test is None) == (plain.test is None)
    if fused.test is None or plain.test is None:
        assert fused.weights == plain.weights == b""
        return
    assert fused.test.cluster_sum_TG == pytest.approx(plain.test.cluster_sum_TG, rel=1e-4)
    assert fused.test.cluster_count_TG.tolist() == plain.test.cluster_count_TG.tolist()
    assert fused.test.metrics.keys() == plain.test.metrics.keys()
    ours, theirs = load_checkpoint(fused.weights), load_checkpoint(plain.weights)
    assert ours.header == theirs.header
    assert len(fused.weights) == len(plain.weights)
    for mine, other in zip(ours.networks, theirs.networks, strict=True):
        for name, value in mine.state_dict().items():
            assert value.numpy() == pytest.approx(other.state_dict()[name].numpy(), abs=1e-4)


def both(experiment: Experiment, trials: Sequence[Trial]) -> None:
    for result, trial in zip(fused(experiment, trials), trials, strict=True):
        assert_close(result, train(experiment, trial))


def test_every_trial_of_a_pack_is_what_the_plain_trainer_makes_of_it() -> None:
    both(menu_experiment(), MENU)


@settings(max_examples=40, deadline=None)
@given(pack=st.lists(st.sampled_from(MENU), min_size=1, max_size=8))
def test_company_and_order_change_nothing(pack: list[Trial]) -> None:
    for trial, result in zip(pack, fused(menu_experiment(), pack), strict=True):
        assert_bitwise(result, alone(trial))


@pytest.mark.parametrize(("widths", "batch_size"), [((37, 21), 17), ((1,), 300), ((64, 48, 5), 100)])
def test_odd_sizes_make_no_exception(widths: tuple[int, ...], batch_size: int) -> None:
    experiment = planted_experiment(planted(inputs=19), widths=widths, batch_size=batch_size, epochs=2)
    trials = [search("t0"), search(), confirm("t1", "t2"), search("t0", seed=2), search("t1", "t2", "t3", seed=3)]
    both(experiment, trials)
    for trial, result in zip(trials, fused(experiment, trials), strict=True):
        assert_bitwise(result, fused(experiment, [trial])[0])


def test_networks_with_many_outputs_are_stacked_apart() -> None:
    kinds = ["multiclass"] * 6 + ["binary", "regression"]  # 20 outputs together
    experiment = planted_experiment(planted(kinds, inputs=9), epochs=2)  # type: ignore[arg-type]
    names = tuple(f"t{t}" for t in range(8))
    trials = [search(*names), search("t0", "t6"), search("t7"), search(*names[2:])]
    both(experiment, trials)
    for trial, result in zip(trials, fused(experiment, trials), strict=True):
        assert_bitwise(result, fused(experiment, [trial])[0])


@pytest.mark.parametrize("weight_decay", [0.0, 0.1])
@pytest.mark.parametrize("fraction", [1.0, 0.5])
def test_the_settings_of_the_training_are_obeyed(weight_decay: float, fraction: float) -> None:
    experiment = planted_experiment(weight_decay=weight_decay)
    both(experiment, [search(fraction=fraction), search("t1", seed=3, fraction=fraction)])


@pytest.mark.parametrize("split", [0, 2])
@pytest.mark.parametrize("capacity", [1.0, 2.0])
def test_capacity_and_split_reach_the_streams(capacity: float, split: int) -> None:
    both(planted_experiment(), [search(capacity=capacity, split=split), search("t0", capacity=capacity, split=split)])


def test_tasks_without_a_label_in_a_batch_or_anywhere_send_nothing() -> None:
    dataset = planted(missing=0.97)  # 64 rows in a batch: many have no label of one task or another
    dataset = replace(dataset, train=without_labels(dataset.train, [2]), validation=planted().validation)
    both(planted_experiment(dataset, batch_size=16), [search(), search("t1"), search("t2", "t0"), search("t3", seed=4)])


def with_poison(value: float) -> Experiment:
    """One row of seed 1's first batch is bad for task ``t0`` alone."""
    dataset = planted(["regression", "binary", "regression"], rows=320)
    targets_NT = dataset.train.targets_NT.copy()
    targets_NT[17, 0] = value
    return planted_experiment(replace(dataset, train=replace(dataset.train, targets_NT=targets_NT)))


@pytest.mark.parametrize("value", [np.inf, 3e38, 1e15])
def test_a_network_that_fails_leaves_the_others_bitwise_alone(value: float) -> None:
    healthy, ill = [search("t1"), search("t2", seed=2), search("t1", "t2")], [search("t0"), search("t0", "t1", seed=2)]
    experiment = with_poison(value)
    results = fused(experiment, [healthy[0], ill[0], healthy[1], ill[1], healthy[2]])
    expected = train_plain(experiment, tuple(map(Course, ill)))
    for result, plain in zip((results[1], results[3]), expected, strict=True):
        assert isinstance(plain, TrialFailure), "planted so that the plain trainer refuses"
        assert isinstance(result, TrialFailure)
        assert result.reason == plain.reason
        assert "TrialError" in result.detail
    for trial, result in zip(healthy, results[::2], strict=True):
        assert_bitwise(result, fused(experiment, [trial])[0])
        assert isinstance(result, TrialResult)


def test_ensembles_are_failed_by_any_copy_and_survive_the_failure_of_others() -> None:
    experiment = with_poison(np.inf)
    ensemble = Trial(("t1", "t2"), 1.0, 1, "confirm", 3, reference=(0.5, 1.0))
    bad, good = fused(experiment, [Trial(("t0",), 1.0, 1, copies=2), ensemble])
    assert isinstance(bad, TrialFailure)
    assert_bitwise(good, fused(experiment, [ensemble])[0])


def test_all_may_fail() -> None:
    results = fused(planted_experiment(learning_rate=1e6), [search(), search("t0")])
    for result in results:
        assert isinstance(result, TrialFailure)
        assert "loss at step" in result.reason


def test_a_task_without_validation_labels_fails_by_name() -> None:
    dataset = planted()
    blind = planted_experiment(replace(dataset, validation=without_labels(dataset.validation, [1])))
    failed, fine = fused(blind, [search(), search("t0")])
    assert isinstance(failed, TrialFailure)
    with pytest.raises(TrialError) as refused:
        train(blind, search())
    assert failed.reason == str(refused.value)
    assert_bitwise(fine, fused(blind, [search("t0")])[0])


def test_search_trials_never_read_the_test_part() -> None:
    dataset = planted()

    def spoilt(part: Part) -> Part:
        return Part(part.inputs_NF * np.nan, part.targets_NT * np.nan, part.cluster_N)

    blind: Dataset = replace(dataset, test=spoilt(dataset.test))
    trials = [search(), search("t0", seed=2)]
    pairs = (fused(planted_experiment(each), trials) for each in (dataset, blind))
    for one, other in zip(*pairs, strict=True):
        assert_bitwise(one, other)


@pytest.mark.parametrize(("field", "value"), [("capacity", 2.0), ("fraction", 0.5), ("split", 1)])
def test_unequal_trials_are_refused(field: str, value: float) -> None:
    with pytest.raises(ValueError, match="unequal sharing, capacity, fraction, split or start"):
        fused(menu_experiment(), [search(), replace(search(), **{field: value})])  # type: ignore[arg-type]


def test_a_capacity_out_of_reach_is_the_plain_trainers_error() -> None:
    with pytest.raises(InputError, match="no integer widths"):
        fused(planted_experiment(widths=(2,)), [search(capacity=0.7)])


def test_an_empty_pack_gives_nothing() -> None:
    assert fused(menu_experiment(), []) == []


def test_time_is_shared_by_copies() -> None:
    one, three = fused(menu_experiment(), [confirm("t0"), confirm("t0", "t1", copies=3)])
    assert isinstance(one, TrialResult)
    assert isinstance(three, TrialResult)
    assert three.seconds == pytest.approx(3 * one.seconds)
    assert one.seconds > 0
