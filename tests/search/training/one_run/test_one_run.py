"""Looks at one training of all tasks: they change nothing of it, and what they see is what derivatives say."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from grouping.estimators.linearised import subset_losses
from search.networks.hard_sharing import hard_sharing
from search.networks.shape import TrunkShape
from search.store.blobs import decode_result, encode_result
from search.training.experiment import Experiment
from search.training.losses import batch_losses, row_losses, task_blocks
from search.training.one_run.joint_run import JointRun
from search.training.one_run.linearise import expansion
from search.training.one_run.look import as_linearisation, look_at
from search.training.one_run.pair_scores import look, pair_scores
from search.training.residence import ResidentPart
from search.training.trainer import train
from search.trials import Phase, Trial
from tests.search.training.planted import planted_experiment


@pytest.fixture(scope="module")
def experiment() -> Experiment:
    return planted_experiment()


def trial_of(experiment: Experiment, seed: int = 3, phase: Phase = "search") -> Trial:
    names = tuple(task.name for task in experiment.dataset.tasks)
    return Trial(names, 1.0, seed, phase)


@pytest.mark.parametrize("phase", ["gradients", "linearise"])
def test_a_look_changes_nothing_of_the_training(experiment: Experiment, phase: Phase) -> None:
    looked_at = look_at(experiment, trial_of(experiment, phase=phase))
    np.testing.assert_array_equal(looked_at.curve_TS, train(experiment, trial_of(experiment)).curve_TS)


@pytest.mark.parametrize("phase", ["gradients", "linearise"])
def test_looks_are_the_same_every_time_and_survive_the_store(experiment: Experiment, phase: Phase) -> None:
    trial = trial_of(experiment, phase=phase)
    one, other = look_at(experiment, trial), decode_result(encode_result(look_at(experiment, trial)))
    assert set(one.seen) == set(other.seen) != set()
    for name, values in one.seen.items():
        np.testing.assert_array_equal(other.seen[name], values)
        assert np.isfinite(values).all()


def test_other_trials_have_seen_nothing(experiment: Experiment) -> None:
    assert decode_result(encode_result(train(experiment, trial_of(experiment)))).seen == {}


def test_the_look_ahead_tends_to_the_first_order_as_its_step_shrinks(experiment: Experiment) -> None:
    run = JointRun(experiment, trial_of(experiment))
    run.network.double()
    batch = run.batch()
    batch = ResidentPart(batch.inputs_NF.double(), batch.targets_NT.double(), batch.labelled_NT.double())
    errors = []
    for step in (1e-2, 1e-3, 1e-4):
        scores = look(run, batch, step)
        errors.append(float(np.abs(scores.look_ahead_TT - scores.first_order_TT).max()))
    assert errors[0] > errors[1] > errors[2]
    assert errors[2] < 2e-2 * errors[0]


def test_the_look_ahead_is_a_step_on_the_partners_loss_seen_by_the_recipient(experiment: Experiment) -> None:
    run = JointRun(experiment, trial_of(experiment))
    batch, step, partner = run.batch(), 0.05, 2
    scores = look(run, batch, step)
    blocks = run.plan.blocks

    def losses() -> torch.Tensor:
        return batch_losses(row_losses(blocks, run.network(batch.inputs_NF), batch.targets_NT), batch.labelled_NT)

    before_T = losses()
    trunk = list(run.network.trunk.parameters())
    moves = torch.autograd.grad(before_T[partner], trunk)
    with torch.no_grad():
        for value, move in zip(trunk, moves, strict=True):
            value.sub_(step * move)
        wanted_T = (1 - losses() / before_T) / step
    np.testing.assert_allclose(scores.look_ahead_TT[:, partner], wanted_T.numpy(), rtol=2e-3, atol=1e-5)


def test_the_cosine_is_symmetric_and_one_with_itself(experiment: Experiment) -> None:
    cosine_TT = pair_scores(JointRun(experiment, trial_of(experiment))).cosine_TT
    np.testing.assert_allclose(cosine_TT, cosine_TT.T, rtol=1e-9)
    np.testing.assert_allclose(np.diag(cosine_TT), 1.0, rtol=1e-9)
    assert (np.abs(cosine_TT) <= 1 + 1e-9).all()


def test_a_task_without_labels_in_a_batch_is_not_scored(experiment: Experiment) -> None:
    run = JointRun(experiment, trial_of(experiment))
    batch = run.batch()
    batch.labelled_NT[:, 1] = 0
    scores = look(run, batch, 0.1)
    for scores_TT in (scores.look_ahead_TT, scores.first_order_TT, scores.cosine_TT):
        assert np.isnan(scores_TT[1]).all()
        assert np.isnan(scores_TT[:, 1]).all()
    assert np.isfinite(np.delete(scores.look_ahead_TT, 1, axis=0)[:, 0]).all()


def test_looking_more_often_sees_the_same_training(experiment: Experiment) -> None:
    rare, often = (JointRun(experiment, trial_of(experiment)) for _ in range(2))
    pair_scores(rare, interval=20)
    pair_scores(often, interval=3)
    np.testing.assert_array_equal(rare.curve_TS, often.curve_TS)


def test_an_expansion_predicts_losses_nearby_to_second_order() -> None:
    """Three kinds of tasks; the weights are moved along a mixture of the directions, and the losses read again."""
    torch.manual_seed(0)
    shape = TrunkShape("mlp", 5, (16,))
    network = hard_sharing(shape, [1, 1, 3], 1, [2, 3, 4]).double()
    blocks = task_blocks(["regression", "binary", "multiclass"], [1, 1, 3])
    inputs_NF = torch.randn(40, 5, dtype=torch.float64)
    targets_NT = torch.stack(
        [torch.randn(40), torch.randint(0, 2, (40,)).float(), torch.randint(0, 3, (40,)).float()], dim=1
    ).double()
    labelled_NT = torch.ones(40, 3, dtype=torch.float64)
    labelled_NT[:7, 1] = 0
    part = ResidentPart(inputs_NF, targets_NT, labelled_NT)
    directions, seed = 4, 11
    found = expansion(network, blocks, part, directions, seed)

    def losses_at(w_D: np.ndarray) -> np.ndarray:
        generator = torch.Generator().manual_seed(seed)
        moved = hard_sharing(shape, [1, 1, 3], 1, [2, 3, 4]).double()
        with torch.no_grad():
            for value in moved.parameters():
                signs = torch.randint(0, 2, (directions, *value.shape), generator=generator).double() * 2 - 1
                value.add_(torch.tensordot(torch.from_numpy(w_D), signs, dims=1) / np.sqrt(directions))
            rows_NT = row_losses(blocks, moved(inputs_NF), targets_NT)
            return np.asarray(((rows_NT * labelled_NT).sum(dim=0) / labelled_NT.sum(dim=0)).numpy())

    np.testing.assert_allclose(found.level_T, losses_at(np.zeros(directions)), rtol=1e-9)
    for d in range(directions):
        step = 1e-5 * np.eye(directions)[d]
        slope_T = (losses_at(step) - losses_at(-step)) / 2e-5
        np.testing.assert_allclose(found.slope_TD[:, d], slope_T, rtol=1e-3, atol=1e-6)
    np.testing.assert_allclose(found.curvature_TDD, found.curvature_TDD.transpose(0, 2, 1), atol=1e-9)
    assert (np.linalg.eigvalsh(found.curvature_TDD) > -1e-9).all()


def test_a_fit_to_a_group_lowers_the_training_losses_of_its_members_together(experiment: Experiment) -> None:
    model = as_linearisation(look_at(experiment, trial_of(experiment, phase="linearise")).seen)
    n_tasks = len(model.training.level_T)
    model = type(model)(model.training, model.training)  # read where it was fitted
    rng = np.random.default_rng(0)
    members_CT = rng.random((20, n_tasks)) < 0.5
    members_CT[:, 0] = True
    losses_CT = subset_losses(model, members_CT)
    for members_T, losses_T in zip(members_CT, losses_CT, strict=True):
        assert losses_T[members_T].sum() <= model.training.level_T[members_T].sum() + 1e-12
