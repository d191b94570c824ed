"""A task that declares a metric is trained as ever; what is read of it, and what decides, is the metric."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import mean_absolute_error, zero_one_loss

from grouping.candidates import Candidates, FloatArray
from grouping.curves import CurveTable
from grouping.errors import InputError
from grouping.losses import single_task_losses
from grouping.solver.solve import solve
from grouping.tasks import Metric, Task, TaskType
from search.data.arrays import Float32Array
from search.data.dataset import Dataset
from search.training.checkpoint import load_checkpoint
from search.training.losses import averaged_outputs, row_losses, row_scores, task_blocks
from search.training.trainer import train
from search.trials import Trial, TrialResult
from tests.search.training.planted import planted, planted_experiment

ALL = ("t0", "t1", "t2", "t3")
DECLARED: dict[str, Metric] = {"t0": "absolute error", "t1": "error rate", "t2": "error rate"}
CONFIRM = Trial(ALL, 1.0, 1, "confirm", reference=(1.0, 0.5, 1.0, 1.0))


def judged_by(dataset: Dataset, metrics: Mapping[str, Metric]) -> Dataset:
    tasks = tuple(replace(task, metric=metrics.get(task.name, "loss")) for task in dataset.tasks)
    return replace(dataset, tasks=tasks)


def outputs_of(result: TrialResult, inputs_NF: Float32Array) -> FloatArray:
    return load_checkpoint(result.weights).outputs(torch.from_numpy(inputs_NF)).double().numpy()


@given(seed=st.integers(0, 1000), rows=st.integers(1, 30))
def test_scores_are_the_errors_of_scikit_learn(seed: int, rows: int) -> None:
    rng = np.random.default_rng(seed)
    blocks = task_blocks(["regression", "regression", "binary", "multiclass"], [1, 1, 1, 3])
    outputs = rng.normal(size=(rows, 6))
    targets = np.column_stack(
        [rng.normal(size=(rows, 2)), rng.integers(0, 2, rows).astype(float), rng.integers(0, 3, rows).astype(float)]
    )
    arrays = torch.from_numpy(outputs), torch.from_numpy(targets)
    found = row_scores(blocks, ["absolute error", "loss", "error rate", "error rate"], *arrays).numpy()
    assert found[:, 0].mean() == pytest.approx(mean_absolute_error(targets[:, 0], outputs[:, 0]))
    assert found[:, 1].tolist() == row_losses(blocks, *arrays)[:, 1].tolist()
    assert found[:, 2].mean() == pytest.approx(zero_one_loss(targets[:, 2], outputs[:, 2] > 0))
    assert found[:, 3].mean() == pytest.approx(zero_one_loss(targets[:, 3], outputs[:, 3:].argmax(axis=1)))
    assert set(found[:, 2:].flatten()) <= {0.0, 1.0}
    assert torch.equal(row_scores(blocks, ["loss"] * 4, *arrays), row_losses(blocks, *arrays))


def test_an_ensemble_errs_where_its_mean_probability_does() -> None:
    rng = np.random.default_rng(3)
    blocks = task_blocks(["binary", "multiclass"], [1, 3])
    copies = [torch.from_numpy(4 * rng.normal(size=(200, 4))) for _ in range(3)]
    targets = torch.from_numpy(np.column_stack([rng.integers(0, 2, 200), rng.integers(0, 3, 200)]).astype(float))
    found = row_scores(blocks, ["error rate", "error rate"], averaged_outputs(blocks, copies), targets).bool().numpy()
    stacked = torch.stack(copies)
    positive = torch.sigmoid(stacked[..., 0]).mean(dim=0) > 0.5
    likeliest = torch.softmax(stacked[..., 1:], dim=2).mean(dim=0).argmax(dim=1)
    assert (found[:, 0] == (positive != targets[:, 0].bool()).numpy()).all()
    assert (found[:, 1] == (likeliest != targets[:, 1]).numpy()).all()
    majority = (stacked[..., 0] > 0).double().mean(dim=0) > 0.5
    assert (positive != majority).any(), "planted so that voting would answer otherwise"


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_outputs_that_are_no_numbers_do_not_hide_behind_an_error_rate(value: float) -> None:
    outputs, targets = torch.tensor([[-value, value, 0.0]]), torch.tensor([[1.0, 0.0]])
    found = row_scores(task_blocks(["binary", "multiclass"], [1, 2]), ["error rate"] * 2, outputs, targets)
    assert not found.isfinite().any()


def test_training_is_bitwise_the_same_with_and_without_a_declared_metric() -> None:
    dataset = planted(missing=0.2)
    # One reading, so that both keep the same state whatever they read.
    plain, declared = (
        train(planted_experiment(each, epochs=1, batch_size=8), CONFIRM)
        for each in (dataset, judged_by(dataset, DECLARED))
    )
    assert declared.weights == plain.weights
    assert plain.test is not None
    assert declared.test is not None
    assert declared.test.metrics == plain.test.metrics


def test_only_the_curves_of_declared_tasks_are_read_otherwise() -> None:
    dataset = planted(missing=0.2)
    plain, declared = (
        train(planted_experiment(each), Trial(ALL, 1.0, 1)) for each in (dataset, judged_by(dataset, DECLARED))
    )
    assert (declared.curve_TS[:3] != plain.curve_TS[:3]).all()
    assert declared.curve_TS[3].tobytes() == plain.curve_TS[3].tobytes()


@pytest.mark.parametrize("copies", [1, 3])
def test_curve_and_test_sums_are_the_metrics_of_the_kept_state(copies: int) -> None:
    dataset = judged_by(planted(missing=0.2), DECLARED)
    result = train(planted_experiment(dataset, epochs=6), replace(CONFIRM, copies=copies))
    assert result.test is not None
    for part, read_T in (
        (dataset.validation, result.curve_TS[:, result.kept]),
        (dataset.test, result.test.cluster_sum_TG.sum(axis=1) / result.test.cluster_count_TG.sum(axis=1)),
    ):
        outputs_NO = outputs_of(result, part.inputs_NF)
        columns = [outputs_NO[:, 0], outputs_NO[:, 1] > 0, outputs_NO[:, 2:5].argmax(axis=1)]
        for t, (predicted_N, error) in enumerate(
            zip(columns, (mean_absolute_error, zero_one_loss, zero_one_loss), strict=True)
        ):
            labelled_N = ~np.isnan(part.targets_NT[:, t])
            expected = error(part.targets_NT[labelled_N, t], predicted_N[labelled_N])
            assert read_T[t] == pytest.approx(expected, rel=1e-5)


def test_the_metric_decides_which_state_is_kept() -> None:
    # Many labels are wrong by chance: a long training grows sure of them, which costs cross-entropy.
    dataset = planted(["binary"], rows=200)
    flipped_N = np.random.default_rng(0).random(len(dataset.train)) < 0.3
    targets_NT = np.where(flipped_N[:, None], 1 - dataset.train.targets_NT, dataset.train.targets_NT)
    noisy = replace(dataset, train=replace(dataset.train, targets_NT=targets_NT))
    trial = Trial(("t0",), 1.0, 1, "confirm", reference=(0.5,))
    by_loss, by_error = (
        train(planted_experiment(each, epochs=12, learning_rate=2e-2), trial)
        for each in (noisy, judged_by(noisy, {"t0": "error rate"}))
    )
    assert by_error.kept == by_error.curve_TS[0].argmin()
    assert by_loss.kept == by_loss.curve_TS[0].argmin()
    assert by_error.kept != by_loss.kept
    assert by_error.curve_TS[0, by_error.kept] < by_error.curve_TS[0, by_loss.kept]


def test_the_declared_metric_is_what_decides_between_networks() -> None:
    """Planted: sharing is exact on every validation row but one, where both networks are far off and sharing more so.

    Squares are then ruled by that row and absolute errors by all the others.
    """
    dataset = planted(["regression", "regression"], rows=200)
    trials = [Trial(tasks, 1.0, 1, "confirm", reference=(1.0,) * len(tasks)) for tasks in (("t0",), ("t0", "t1"))]
    alone_N, shared_N = (
        outputs_of(train(planted_experiment(dataset, epochs=1), trial), dataset.validation.inputs_NF)[:, 0]
        for trial in trials
    )
    targets_NT = dataset.validation.targets_NT.copy()
    targets_NT[:, 0] = shared_N
    targets_NT[0, 0] = alone_N[0] + 1000 * np.sign(alone_N[0] - shared_N[0])
    dataset = replace(dataset, validation=replace(dataset.validation, targets_NT=targets_NT))
    candidates = Candidates(("t0", "t1"), np.array([[True, False], [True, True]]), np.ones(2))

    def choice(metric: Metric) -> str:
        experiment = planted_experiment(judged_by(dataset, {"t0": metric}), epochs=1)
        results = [train(experiment, replace(trial, phase="search", reference=())) for trial in trials]
        curves_RCTS = np.full((1, 2, 2, 1), np.nan)
        curves_RCTS[0, 0, :1], curves_RCTS[0, 1] = results[0].curve_TS, results[1].curve_TS
        table = CurveTable(candidates, results[0].steps_S, curves_RCTS, ("1",)).kept(np.ones(2))
        reference_T = np.append(single_task_losses(table, tasks=["t0"])[:1], 1.0)
        relative_CT = table.scaled(reference_T).mean_CT
        solution = solve(relative_CT, candidates.cost_C, budget=1, auxiliary=[1], members_CT=candidates.members_CT)
        return candidates.name(int(solution.chosen[0]))

    assert choice("loss") == "t0"
    assert choice("absolute error") == "t0+t1"


@pytest.mark.parametrize(
    ("kind", "metric", "legal"),
    [
        ("regression", "error rate", "absolute error"),
        ("binary", "absolute error", "error rate"),
        ("multiclass", "absolute error", "error rate"),
    ],
)
def test_a_metric_goes_with_a_type(kind: TaskType, metric: Metric, legal: Metric) -> None:
    with pytest.raises(InputError, match=f"'{metric}' does not go with task 'a', whose type is {kind}") as caught:
        Task("a", kind, metric=metric)
    assert caught.value.where == "tasks.a.metric"
    assert f"metric: {legal}" in caught.value.fix
    assert Task("a", kind, metric=legal).metric == legal
