"""The plain trainer as a specification: what it may see, which state it keeps, and what never matters."""

from __future__ import annotations

from dataclasses import replace
from typing import get_args

import numpy as np
import pytest
import torch

from grouping.candidates import Candidates, frozen
from grouping.curves import CurveTable
from grouping.errors import InputError
from search.data.dataset import Dataset, Part
from search.errors import TrialError
from search.spec import TrainingSpec, Weighting
from search.training.checkpoint import load_checkpoint
from search.training.loop import reading_steps
from search.training.trainer import train
from search.training.weighting import WEIGHTINGS
from search.trials import Trial, TrialResult
from tests.search.training.planted import KINDS, planted, planted_experiment, without_labels

ALL = ("t0", "t1", "t2", "t3")


def confirm(tasks: tuple[str, ...] = ALL, *, seed: int = 1, **changes: object) -> Trial:
    trial = Trial(tasks, 1.0, seed, "confirm", reference=(1.0, 0.5, 1.0, 1.0)[: len(tasks)])
    return replace(trial, **changes)  # type: ignore[arg-type]


def assert_same_result(one: TrialResult, other: TrialResult) -> None:
    """Bitwise equal in everything but who did it and how long it took."""
    assert one.steps_S.tobytes() == other.steps_S.tobytes()
    assert one.curve_TS.tobytes() == other.curve_TS.tobytes()
    assert one.kept == other.kept
    assert one.weights == other.weights
    assert (one.test is None) == (other.test is None)
    if one.test is not None and other.test is not None:
        assert one.test.cluster_sum_TG.tobytes() == other.test.cluster_sum_TG.tobytes()
        assert one.test.cluster_count_TG.tobytes() == other.test.cluster_count_TG.tobytes()
        assert one.test.metrics == other.test.metrics


def spoilt(part: Part) -> Part:
    return Part(part.inputs_NF * np.nan, part.targets_NT * np.nan, part.cluster_N)


@pytest.mark.parametrize("kind", ["regression", "binary", "multiclass"])
def test_learning_beats_the_best_constant(kind: str) -> None:
    dataset = planted([kind], rows=600)  # type: ignore[list-item]
    result = train(planted_experiment(dataset, epochs=8), Trial(("t0",), 1.0, 1))
    target_N = dataset.validation.targets_NT[:, 0]
    if kind == "regression":
        constant = float(target_N.var())
    else:
        share_K = np.bincount(target_N.astype(int)) / len(target_N)
        constant = float(-(share_K * np.log(share_K)).sum())
    assert result.curve_TS[0, -1] < 0.6 * constant


def test_the_same_trial_is_bitwise_the_same_whatever_happened_before() -> None:
    experiment = planted_experiment()
    first = train(experiment, confirm())
    train(experiment, confirm(seed=2))
    torch.manual_seed(99)
    np.random.seed(99)  # noqa: NPY002  (the point: nobody listens to it)
    assert_same_result(train(experiment, confirm()), first)


def test_global_state_is_left_alone() -> None:
    torch.manual_seed(5)
    state, threads = torch.get_rng_state(), torch.get_num_threads()
    train(planted_experiment(), Trial(ALL, 1.0, 1))
    assert torch.equal(torch.get_rng_state(), state)
    assert torch.get_num_threads() == threads


def test_read_only_arrays_are_read_without_a_warning_and_never_written() -> None:
    dataset = planted()

    def read_only_part(part: Part) -> Part:
        return Part(frozen(part.inputs_NF), frozen(part.targets_NT), frozen(part.cluster_N))

    read_only = planted_experiment(
        replace(
            dataset,
            train=read_only_part(dataset.train),
            validation=read_only_part(dataset.validation),
            test=read_only_part(dataset.test),
        )
    )
    assert_same_result(train(read_only, confirm()), train(planted_experiment(dataset), confirm()))


def test_other_seeds_and_tasks_give_other_curves() -> None:
    experiment = planted_experiment()
    curves = [train(experiment, Trial(tasks, 1.0, seed)).curve_TS[0] for tasks in (("t0",), ALL) for seed in (1, 2)]
    assert len({curve_S.tobytes() for curve_S in curves}) == 4


def test_a_search_trial_never_reads_the_test_part() -> None:
    dataset = planted()
    trial = Trial(ALL, 1.0, 1)
    blind = train(planted_experiment(replace(dataset, test=spoilt(dataset.test))), trial)
    assert_same_result(train(planted_experiment(dataset), trial), blind)
    assert (blind.kept, blind.test, blind.weights) == (-1, None, b"")


def test_the_test_part_does_not_influence_which_state_is_kept() -> None:
    dataset = planted()
    other = replace(dataset, test=planted(seed=5).test)
    one, two = (train(planted_experiment(each), confirm()) for each in (dataset, other))
    assert one.weights == two.weights
    assert one.test is not None
    assert two.test is not None
    assert one.test.cluster_sum_TG.tolist() != two.test.cluster_sum_TG.tolist()


def test_inputs_of_rows_without_labels_do_not_matter_to_the_validation_loss() -> None:
    dataset = planted(["regression"], missing=0.3)
    inputs_NF = dataset.validation.inputs_NF.copy()
    inputs_NF[np.isnan(dataset.validation.targets_NT[:, 0])] = 7
    changed = replace(dataset, validation=replace(dataset.validation, inputs_NF=inputs_NF))
    trial = Trial(("t0",), 1.0, 1)
    assert_same_result(train(planted_experiment(changed), trial), train(planted_experiment(dataset), trial))


def test_a_task_alone_learns_what_it_learns_beside_tasks_without_labels() -> None:
    dataset = planted()
    masked = replace(dataset, train=without_labels(dataset.train, [1, 2, 3]))
    alone = train(planted_experiment(dataset), Trial(("t0",), 1.0, 1))
    beside = train(planted_experiment(masked), Trial(ALL, 1.0, 1))
    assert beside.curve_TS[0] == pytest.approx(alone.curve_TS[0], rel=1e-4)
    assert len(set(beside.curve_TS[1])) > 1  # its head never learns, but the trunk below it does


def test_a_task_without_validation_labels_fails_by_name() -> None:
    dataset = planted()
    blind = replace(dataset, validation=without_labels(dataset.validation, [1]))
    with pytest.raises(TrialError, match="non-finite validation loss of task 't1' at step 5"):
        train(planted_experiment(blind), Trial(ALL, 1.0, 1))


@pytest.mark.parametrize("poison", [np.nan, np.inf, 3e38])
def test_a_loss_that_is_no_number_fails_the_trial_with_its_step(poison: float) -> None:
    dataset = planted(["regression"], rows=320)
    inputs_NF = dataset.train.inputs_NF.copy()
    inputs_NF[17] = poison
    bad = replace(dataset, train=replace(dataset.train, inputs_NF=inputs_NF))
    with pytest.raises(TrialError, match=r"non-finite loss at step [1-5]\b") as failure:
        train(planted_experiment(bad, batch_size=64), Trial(("t0",), 1.0, 1))
    step = int(failure.value.what.rsplit(" ", 1)[1])
    with pytest.raises(TrialError, match=f"non-finite loss at step {step}"):
        train(planted_experiment(bad, batch_size=64, readings_per_epoch=5), Trial(("t0",), 1.0, 1))


def test_an_exploding_loss_fails_the_trial() -> None:
    with pytest.raises(TrialError, match=r"(exploding|non-finite) loss at step \d+"):
        train(planted_experiment(learning_rate=1e6), Trial(("t0",), 1.0, 1))


def test_the_kept_reading_is_the_curve_tables() -> None:
    experiment = planted_experiment(epochs=10, readings_per_epoch=2, learning_rate=5e-2)
    kept = set()
    for seed in range(1, 5):
        trial = confirm(seed=seed)
        result = train(experiment, trial)
        network = Candidates(ALL, np.ones((1, 4), bool), np.ones(1))
        curves = CurveTable(network, result.steps_S, result.curve_TS[None, None], ("1",))
        assert result.kept == curves.kept_step_RC(np.array(trial.reference))[0, 0]
        kept.add(result.kept)
    assert kept - {len(result.steps_S) - 1}, "planted so that training longer is not always better"


def test_the_weights_are_the_kept_state_and_the_scores_are_theirs() -> None:
    dataset = planted(missing=0.2)
    result = train(planted_experiment(dataset, epochs=10, learning_rate=5e-2), confirm())
    assert result.test is not None
    checkpoint = load_checkpoint(result.weights)
    assert checkpoint.header.tasks == ALL

    def squared_errors(part: Part) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
        outputs_N = checkpoint.outputs(torch.from_numpy(part.inputs_NF))[:, 0].double().numpy()
        return np.square(outputs_N - part.targets_NT[:, 0])

    assert np.nanmean(squared_errors(dataset.validation)) == pytest.approx(result.curve_TS[0, result.kept], rel=1e-5)
    errors_N = squared_errors(dataset.test)
    labelled_N = ~np.isnan(errors_N)
    assert result.test.metrics["t0"]["RMSE"] == pytest.approx(4 * np.nanmean(errors_N) ** 0.5, rel=1e-5)
    assert result.test.cluster_count_TG[0].sum() == labelled_N.sum()
    for week in range(7):
        mine_N = labelled_N & (dataset.test.cluster_N == week)
        assert result.test.cluster_sum_TG[0, week] == pytest.approx(errors_N[mine_N].sum(), rel=1e-5)
    assert set(result.test.metrics["t2"]) == {"accuracy", "log loss"}


def test_one_copy_is_no_ensemble_and_more_copies_average() -> None:
    experiment = planted_experiment(epochs=6)
    single = train(experiment, confirm())
    assert_same_result(train(experiment, confirm(copies=1)), single)
    ensemble = train(experiment, confirm(copies=3))
    checkpoint = load_checkpoint(ensemble.weights)
    assert len(checkpoint.networks) == checkpoint.header.copies == 3
    heads = {network.heads.weight.detach().numpy().tobytes() for network in checkpoint.networks}
    assert len(heads) == 3
    # Convexity: averaged predictions are never worse than the copies' losses on average.
    members = [single, *(train(experiment, confirm(seed=seed)) for seed in range(2, 8))]
    assert (ensemble.curve_TS[:, -1] < np.mean([m.curve_TS[:, -1] for m in members], axis=0)).all()


def test_capacity_changes_the_width() -> None:
    result = train(planted_experiment(widths=(32, 32)), confirm(capacity=0.5))
    header = load_checkpoint(result.weights).header
    assert header.widths != (32, 32)
    assert header.n_inputs == 6
    with pytest.raises(InputError, match="no integer widths"):
        train(planted_experiment(widths=(2,)), confirm(capacity=0.7))


@pytest.mark.parametrize(
    ("rows", "readings", "expected"),
    [(100, 1, [4, 8]), (100, 2, [2, 4, 6, 8]), (75, 2, [2, 3, 5, 6]), (10, 4, [1, 2]), (100, 3, [2, 3, 4, 6, 7, 8])],
)
def test_readings_are_spread_over_an_epoch_and_end_with_it(rows: int, readings: int, expected: list[int]) -> None:
    spec = TrainingSpec(epochs=2, batch_size=25, readings_per_epoch=readings)
    assert reading_steps(rows, spec).tolist() == expected


def test_reading_more_often_changes_no_training() -> None:
    dataset = planted()
    once, often = (train(planted_experiment(dataset, readings_per_epoch=r), Trial(ALL, 1.0, 1)) for r in (1, 5))
    at_epochs = np.isin(often.steps_S, once.steps_S)
    assert often.curve_TS[:, at_epochs].tobytes() == once.curve_TS.tobytes()


def test_every_weighting_of_the_spec_exists() -> None:
    assert set(WEIGHTINGS) == set(get_args(Weighting))


def test_mixed_types_train_together() -> None:
    assert KINDS == ("regression", "binary", "multiclass", "regression")
    dataset: Dataset = planted(rows=600)
    result = train(planted_experiment(dataset, epochs=8), Trial(ALL, 1.0, 1))
    assert (result.curve_TS[:, -1] < 0.8 * result.curve_TS[:, 0]).all()
