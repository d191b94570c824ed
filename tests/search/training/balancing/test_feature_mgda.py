"""MGDA on features: its weights are those of MGDA by the features, and the trunk gets their mixture in one pass."""

from __future__ import annotations

import pytest
import torch
from torchjd.aggregation import MGDA

from search.balancing import Balancing
from search.errors import TrialError
from search.networks.architectures import make_network
from search.networks.hard_sharing import HardSharing, hard_sharing
from search.networks.shape import TrunkShape
from search.networks.sharing import Sharing
from search.training.balancing.balancer import Setting
from search.training.balancing.feature_mgda import FeatureMgda
from search.training.trainer import train
from search.trials import Trial
from tests.search.training.planted import planted, planted_experiment
from tests.search.training.test_trainer import ALL, assert_same_result

SHAPE = TrunkShape("mlp", 6, (8, 5))
INPUTS_NF = torch.randn(10, 6, generator=torch.Generator().manual_seed(0))
TARGETS_NT = torch.randn(10, 3, generator=torch.Generator().manual_seed(1)) * torch.tensor([1.0, 3.0, 0.3])


def setting(n_tasks: int = 3) -> Setting:
    return Setting(n_tasks, [False] * n_tasks, [False] * n_tasks, 0.1, torch.device("cpu"))


def found(network: HardSharing, present_T: torch.Tensor) -> list[torch.Tensor]:
    balancer = FeatureMgda(Balancing("mgda", by="features"), setting())
    balancer.watch(network.trunk)
    losses_T = (network(INPUTS_NF) - TARGETS_NT).square().mean(dim=0)
    return balancer.gradients(losses_T, present_T, [*network.trunk.parameters()], [*network.heads.parameters()])


@pytest.mark.parametrize("present", [[True, True, True], [True, False, True]])
def test_the_trunk_gets_the_mixture_that_mgda_takes_of_the_features_gradients(present: list[bool]) -> None:
    network, present_T = hard_sharing(SHAPE, [1, 1, 1], 1, [2, 3, 4]), torch.tensor(present)
    features_NH = network.trunk(INPUTS_NF)
    losses_T = (network.heads(features_NH) - TARGETS_NT).square().mean(dim=0)[present_T]
    rows = [torch.autograd.grad(loss, features_NH, retain_graph=True)[0].flatten() for loss in losses_T]
    mixed = MGDA()(torch.stack(rows)).view_as(features_NH)
    expected = torch.autograd.grad(features_NH, [*network.trunk.parameters()], mixed)
    for ours, theirs in zip(found(network, present_T), expected, strict=False):
        torch.testing.assert_close(ours, theirs)


def test_heads_get_their_plain_gradients() -> None:
    network = hard_sharing(SHAPE, [1, 1, 1], 1, [2, 3, 4])
    losses_T = (network(INPUTS_NF) - TARGETS_NT).square().mean(dim=0)
    expected = torch.autograd.grad(losses_T.sum(), [*network.heads.parameters()])
    for ours, theirs in zip(found(network, torch.ones(3, dtype=torch.bool))[-2:], expected, strict=True):
        torch.testing.assert_close(ours, theirs)


@pytest.mark.parametrize("normalise", ["none", "l2", "loss+"])
def test_a_training_learns_and_is_carried_on(normalise: str) -> None:
    experiment = planted_experiment(planted(rows=200), epochs=4, balancing=f"mgda by=features normalise={normalise}")
    whole = train(experiment, Trial(ALL, 1.0, 1))
    assert (whole.curve_TS[:, -1] < whole.curve_TS[:, 0]).sum() >= 3
    first = train(experiment, Trial(ALL, 1.0, 1, fraction=0.5), keep_state=True)
    assert_same_result(train(experiment, Trial(ALL, 1.0, 1), first.state), whole)


def test_a_trunk_without_common_features_is_refused() -> None:
    network = make_network(Sharing("mtan"), SHAPE, [1, 1, 1])
    balancer = FeatureMgda(Balancing("mgda", by="features"), setting())
    balancer.watch(network.trunk)
    with pytest.raises(TrialError, match="one trunk whose features all heads read"):
        network(INPUTS_NF)
