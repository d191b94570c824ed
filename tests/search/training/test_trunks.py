"""Every trunk of a spec is trained, kept and used again: shapes by capacity, masks by replicate, the same numbers."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from search.networks.dropout import Dropout
from search.spec import NetworkSpec
from search.training.blueprint import blueprint
from search.training.checkpoint import load_checkpoint
from search.training.experiment import Experiment
from search.training.trainer import train
from search.trials import Trial
from tests.search.training.planted import planted, planted_experiment

CNN: dict[str, Any] = {"trunk": "cnn", "widths": (8, 16), "image": (1, 4, 4)}
MLP: dict[str, Any] = {"widths": (16, 8)}


def experiment(**network: Any) -> Experiment:
    made = planted_experiment(planted(("regression", "regression"), inputs=16), epochs=8)
    return replace(made, network=NetworkSpec(**network))


def masks(made: Experiment, trial: Trial) -> list[torch.Tensor]:
    plan = blueprint(made, trial)
    layers = plan.network(plan.seeds[-1]).modules()
    return [layer.mask(torch.Size([64])) for layer in layers if isinstance(layer, Dropout)]


def test_a_capacity_widens_every_layer_of_a_cnn_and_keeps_the_image() -> None:
    header = blueprint(experiment(**CNN), Trial(("t0",), 3.0, 0)).header
    assert header.image == (1, 4, 4)
    assert all(wide > standard for wide, standard in zip(header.widths, CNN["widths"], strict=True))
    assert header.shape.widths == header.widths


@pytest.mark.parametrize("network", [CNN, MLP, {**CNN, "norm": "batch", "dropout": 0.2}, {**MLP, "dropout": 0.2}])
def test_a_trunk_learns_and_gives_the_same_numbers_every_time(network: dict[str, Any]) -> None:
    made, trial = experiment(**network), Trial(("t0", "t1"), 1.0, 3)
    one, other = train(made, trial), train(made, trial)
    assert np.array_equal(one.curve_TS, other.curve_TS)
    assert (one.curve_TS[:, -1] < 0.9 * one.curve_TS[:, 0]).all()


def test_networks_of_a_replicate_drop_the_same_features_and_others_do_not() -> None:
    made = experiment(**MLP, dropout=0.5)
    first, *others = (
        masks(made, trial)
        for trial in (
            Trial(("t0",), 1.0, 3),
            Trial(("t0", "t1"), 1.0, 3),
            Trial(("t0",), 1.0, 4),
            Trial(("t0",), 1.0, 3, copies=2),
        )
    )
    same = [all(torch.equal(a, b) for a, b in zip(first, other, strict=True)) for other in others]
    assert same == [True, False, False]


@pytest.mark.parametrize("network", [CNN, {**CNN, "norm": "batch", "dropout": 0.2}, {**MLP, "norm": "batch"}])
def test_a_kept_network_scores_in_its_checkpoint_what_it_scored_in_the_run(network: dict[str, Any]) -> None:
    made = experiment(**network)
    result = train(made, Trial(("t0",), 1.0, 3, "confirm", reference=(1.0,)))
    assert result.test is not None
    test = made.dataset.test
    outputs_NO = load_checkpoint(result.weights).outputs(torch.from_numpy(test.inputs_NF)).numpy()
    error = np.square(outputs_NO[:, 0] - test.targets_NT[:, 0]).sum()
    assert result.test.cluster_sum_TG.sum() == pytest.approx(error, rel=1e-5)
