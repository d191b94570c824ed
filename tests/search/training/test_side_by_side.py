"""Trials of every kind of trunk in one pass: each is what the plain trainer makes of it, also when it is carried on."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from importlib.metadata import EntryPoint
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from grouping.errors import InputError
from search.networks import foreign
from search.networks.dropout import Dropout
from search.networks.trunks import linear
from search.spec import NetworkSpec
from search.training.experiment import Experiment
from search.training.fused import train_fused
from search.training.packs import train_plain
from search.training.stacks import can_fuse
from search.training.trainer import train
from search.trials import Course, Trial, TrialFailure, TrialResult
from tests.search.messages import assert_one_clear_message
from tests.search.training.planted import planted, planted_experiment
from tests.search.training.test_fused import assert_bitwise, assert_close, confirm, search
from tests.search.training.test_progress import assert_same_place, part, results, state_of

Offer = Callable[[Any], None]

NETWORKS: dict[str, dict[str, Any]] = {
    "cnn": {"trunk": "cnn", "widths": (8, 16), "image": (1, 4, 4)},
    "cnn, batch norm, dropout": {
        "trunk": "cnn",
        "widths": (6, 12),
        "image": (2, 2, 4),
        "norm": "batch",
        "dropout": 0.2,
    },
    "mlp, batch norm, dropout": {"widths": (20, 8), "norm": "batch", "dropout": 0.3},
    "theirs": {"trunk": "theirs", "widths": (16,)},
}
OPTIONS = {"epochs": 2, "readings_per_epoch": 2, "clip_norm": 0.5, "weighting": "declared", "learning_rate": 3e-3}


class Residual(nn.Module):
    """Not a sequence of layers."""

    def __init__(self, n_inputs: int, widths: Sequence[int], generator: torch.Generator) -> None:
        super().__init__()
        self.first, self.second = (linear(n, widths[-1], generator) for n in (n_inputs, widths[-1]))
        self.norm = nn.LayerNorm(widths[-1])

    def forward(self, rows_NF: Tensor) -> Tensor:
        features_NH = nn.functional.gelu(self.first(rows_NF))
        return features_NH + self.second(self.norm(features_NH)).relu()  # type: ignore[no-any-return]


class Noisy(Residual):
    """Drops features by torch's own generator."""

    def forward(self, rows_NF: Tensor) -> Tensor:
        return nn.functional.dropout(super().forward(rows_NF), 0.3, self.training)


class Masked(Residual):
    """Drops features by a stream of its own."""

    def __init__(self, n_inputs: int, widths: Sequence[int], generator: torch.Generator) -> None:
        super().__init__(n_inputs, widths, generator)
        self.dropout = Dropout(0.3, seed=int(torch.randint(2**62, (), generator=generator)))

    def forward(self, rows_NF: Tensor) -> Tensor:
        features: Tensor = self.dropout(super().forward(rows_NF))
        return features


class Deciding(Residual):
    """Does this or that depending on what it is shown."""

    def forward(self, rows_NF: Tensor) -> Tensor:
        features = super().forward(rows_NF)
        return features if features.mean() > 0 else -features


class Replacing(Residual):
    """Keeps a buffer by putting another tensor in its place."""

    mean: Tensor

    def __init__(self, n_inputs: int, widths: Sequence[int], generator: torch.Generator) -> None:
        super().__init__(n_inputs, widths, generator)
        self.register_buffer("mean", torch.zeros(widths[-1]))

    def forward(self, rows_NF: Tensor) -> Tensor:
        features = super().forward(rows_NF)
        if self.training:
            self.mean = features.detach().mean(dim=0)
        return features - self.mean


@pytest.fixture
def offer(monkeypatch: pytest.MonkeyPatch) -> Offer:
    """Have another package offer something as the trunk ``theirs``."""

    def offered(what: object) -> None:
        points = [EntryPoint(name="theirs", value="their_package:trunk", group=foreign.ENTRY_POINTS)]
        monkeypatch.setattr(foreign, "entry_points", lambda group, name=None: points)
        monkeypatch.setattr(EntryPoint, "load", lambda self: what)

    offered(Residual)
    return offered


def experiment(network: str, **options: Any) -> Experiment:
    """Weights 1, 0.5, 2, 1; 3 of 10 labels missing; batches of 64 of 300 rows, the last one of 44."""
    dataset = planted(inputs=16, missing=0.3)
    tasks = [replace(task, weight=w) for task, w in zip(dataset.tasks, (1, 0.5, 2, 1), strict=True)]
    settings: dict[str, Any] = OPTIONS | options
    made = planted_experiment(replace(dataset, tasks=tuple(tasks)), **settings)
    return replace(made, network=NetworkSpec(**NETWORKS[network]))


TRIALS = (search("t0"), search(), confirm("t1", "t2"), search("t3", seed=2), confirm("t0", "t1", copies=2))


@pytest.mark.parametrize("network", NETWORKS)
def test_a_pack_gives_what_the_plain_trainer_gives(network: str, offer: Offer) -> None:
    made = experiment(network)
    together = train_fused(made, [Course(trial) for trial in TRIALS])
    for trial, result in zip(TRIALS, together, strict=True):
        assert_close(result, train(made, trial))
        assert_bitwise(result, train_fused(made, [Course(trial)])[0])


@pytest.mark.parametrize("network", NETWORKS)
def test_a_network_that_fails_leaves_the_others_bitwise_alone(network: str, offer: Offer) -> None:
    made = experiment(network)
    targets_NT = made.dataset.train.targets_NT.copy()
    targets_NT[17, 0] = np.inf
    made = replace(made, dataset=replace(made.dataset, train=replace(made.dataset.train, targets_NT=targets_NT)))
    trials = [search("t1"), search("t0"), search("t2", "t3", seed=2)]
    first, ill, last = train_fused(made, [Course(trial) for trial in trials])
    (plain,) = train_plain(made, (Course(trials[1]),))
    assert isinstance(ill, TrialFailure)
    assert isinstance(plain, TrialFailure)
    assert ill.reason == plain.reason
    for trial, result in ((trials[0], first), (trials[2], last)):
        assert isinstance(result, TrialResult)
        assert_bitwise(result, train_fused(made, [Course(trial)])[0])


@pytest.mark.parametrize("network", NETWORKS)
@pytest.mark.parametrize("engine", [train_plain, train_fused])
def test_a_training_is_carried_on_with_its_statistics_and_streams(network: str, engine: Any, offer: Offer) -> None:
    made = experiment(network)
    trials = [search("t0"), search("t1", "t2"), search("t3", seed=2)]
    before = results(engine, made, [part(trial, 0.25) for trial in trials])
    courses = [part(trials[place], 1.0, state_of(before[place])) for place in (2, 0)]
    whole = results(engine, made, [part(trial, 1.0) for trial in trials])
    for place, carried in zip((2, 0), results(engine, made, courses), strict=True):
        assert_same_place(carried, whole[place])


def test_random_numbers_of_torchs_own_generator_are_a_networks_own(offer: Offer) -> None:
    offer(Noisy)
    made = experiment("theirs")
    torch.manual_seed(5)
    (one,) = results(train_plain, made, [part(search(), 1.0)])
    torch.manual_seed(6)
    before = torch.get_rng_state()
    (first,) = results(train_plain, made, [part(search(), 0.5)])
    torch.randn(3)
    (carried,) = results(train_plain, made, [part(search(), 1.0, state_of(first))])
    assert_same_place(one, carried)
    torch.set_rng_state(before)
    train(made, search())
    assert torch.equal(torch.get_rng_state(), before)
    offer(Residual)
    assert one.curve_TS.tolist() != train(made, search()).curve_TS.tolist()


@pytest.mark.parametrize(
    ("trunk", "reason"),
    [(Noisy, "random"), (Masked, "random"), (Deciding, "data-dependent"), (Replacing, "mapped over")],
)
def test_what_cannot_be_mapped_over_says_so_and_names_the_way_out(
    trunk: type[Residual], reason: str, offer: Offer
) -> None:
    offer(trunk)
    made = experiment("theirs")
    assert reason in can_fuse(made)
    with pytest.raises(InputError) as refused:
        train_fused(made, [Course(search())])
    assert_one_clear_message(refused.value, "training.engine")
    assert "engine 'plain'" in str(refused.value)


@pytest.mark.parametrize("network", NETWORKS)
def test_what_can_be_trained_side_by_side_is_known_beforehand(network: str, offer: Offer) -> None:
    assert can_fuse(experiment(network)) == ""


def test_bfloat16_is_rounding_and_no_more() -> None:
    for engine in (train_plain, train_fused):
        full, rounded = (
            engine(experiment("cnn", precision=precision), (Course(search()),))[0]
            for precision in ("float32", "bfloat16")
        )
        assert isinstance(full, TrialResult)
        assert isinstance(rounded, TrialResult)
        assert rounded.curve_TS.tolist() != full.curve_TS.tolist()
        assert rounded.curve_TS == pytest.approx(full.curve_TS, rel=0.05)


def test_options_count_in_the_context_only_where_they_are_used() -> None:
    plain = planted_experiment()
    weighted = [replace(task, weight=2.0) for task in plain.dataset.tasks]
    assert replace(plain, dataset=replace(plain.dataset, tasks=tuple(weighted))).context == plain.context
    assert planted_experiment(clip_norm=None, precision="float32", weighting="equal").context == plain.context
    declared = planted_experiment(weighting="declared")
    other = replace(declared, dataset=replace(declared.dataset, tasks=tuple(weighted)))
    contexts = {made.context for made in (plain, declared, other, planted_experiment(precision="bfloat16"))}
    assert len(contexts | {planted_experiment(clip_norm=1.0).context}) == 5


def test_equal_weights_are_the_plain_sum() -> None:
    plain, declared = (train(planted_experiment(weighting=w), search()) for w in ("equal", "declared"))
    assert_bitwise(plain, declared)


def test_a_weight_scales_what_a_task_sends_into_the_trunk() -> None:
    dataset = planted()
    tasks = (replace(dataset.tasks[0], weight=1e-6), *dataset.tasks[1:])
    made = planted_experiment(replace(dataset, tasks=tasks), weighting="declared")
    pair, single = (train(made, Trial(names, 1.0, 1)) for names in (("t0", "t3"), ("t3",)))
    assert pair.curve_TS[1] == pytest.approx(single.curve_TS[0], rel=1e-2)
