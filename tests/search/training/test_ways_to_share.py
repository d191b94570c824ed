"""Training networks that share otherwise than by one trunk: as any other, and a penalty where there is one."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from search.training.checkpoint import load_checkpoint
from search.training.engines import ENGINES
from search.training.trainer import train
from search.trials import Course, Trial, TrialResult
from tests.search.training.planted import planted, planted_experiment
from tests.search.training.test_trainer import ALL, assert_same_result, confirm

WAYS = ["branch", "soft", "cross-stitch", "mtan", "mmoe", "cgc", "ple"]
EXPERIMENT = planted_experiment(planted(rows=200), widths=(48, 32), epochs=3)


@pytest.mark.parametrize("way", WAYS)
def test_it_learns_and_what_is_kept_is_used_again(way: str) -> None:
    result = train(EXPERIMENT, confirm(sharing=way))
    assert (result.curve_TS[:, -1] < result.curve_TS[:, 0]).all()
    checkpoint = load_checkpoint(result.weights)
    assert checkpoint.header.sharing == way
    test = EXPERIMENT.dataset.test
    outputs_NO = checkpoint.outputs(torch.from_numpy(test.inputs_NF))
    squared_N = (outputs_NO[:, 0] - torch.from_numpy(test.targets_NT[:, 0])).square()
    assert result.test is not None
    assert float(squared_N.sum()) == pytest.approx(result.test.cluster_sum_TG[0].sum(), rel=1e-4)


@pytest.mark.parametrize("way", WAYS)
def test_it_is_carried_on_as_if_it_had_never_stopped(way: str) -> None:
    whole = train(EXPERIMENT, Trial(ALL, 1.0, 1, sharing=way))
    first = train(EXPERIMENT, Trial(ALL, 1.0, 1, fraction=1 / 3, sharing=way), keep_state=True)
    second = train(EXPERIMENT, Trial(ALL, 1.0, 1, sharing=way), first.state)
    assert_same_result(second, whole)


def test_every_engine_trains_it_as_the_plain_one_does() -> None:
    pack = tuple(Course(Trial(ALL, 1.0, seed, sharing="mtan")) for seed in (1, 2))
    for name in ("plain", "fused"):
        for course, result in zip(pack, ENGINES[name].train(EXPERIMENT, pack), strict=True):
            assert isinstance(result, TrialResult)
            assert_same_result(result, train(EXPERIMENT, course.trial))


def test_the_penalty_of_soft_sharing_is_part_of_training() -> None:
    loose, tied = (train(EXPERIMENT, Trial(ALL, 1.0, 1, sharing=f"soft weight={w}")) for w in (0.0, 1.0))
    assert not np.array_equal(loose.curve_TS, tied.curve_TS)


def test_other_ways_are_packed_apart() -> None:
    hard = Course(Trial(ALL, 1.0, 1))
    assert hard.kind != Course(replace(hard.trial, sharing="mtan")).kind
