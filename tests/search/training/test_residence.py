"""The data are where the networks live once, whoever asks; and gone when nobody holds them any more."""

from __future__ import annotations

import gc
from weakref import ref

import numpy as np
import torch

from search.training.fused import train_fused
from search.training.residence import resident
from search.trials import Course
from tests.search.training.planted import planted, planted_experiment
from tests.search.training.test_fused import search

CPU = torch.device("cpu")


def test_inputs_are_shared_with_the_array_they_come_from() -> None:
    part = planted().train
    assert resident(part, [0], CPU).inputs_NF.data_ptr() == part.inputs_NF.ctypes.data


def test_a_part_is_brought_once() -> None:
    part = planted().train
    everything = range(part.targets_NT.shape[1])
    whole = resident(part, everything, CPU)
    assert resident(part, everything, CPU) is whole
    assert whole.padded(16, torch.float32) is whole.padded(16, torch.float32)


def test_every_pack_trains_on_the_same_copy() -> None:
    experiment = planted_experiment()
    pointers = set()
    for tasks in (("t0",), ("t1", "t2")):
        train_fused(experiment, [Course(search(*tasks))])
        part = resident(experiment.dataset.train, range(len(experiment.dataset.tasks)), CPU)
        pointers.add(part.padded(16, torch.float32).inputs_NF.data_ptr())
    assert len(pointers) == 1


def test_columns_are_those_asked_for_in_their_order() -> None:
    part = planted(missing=0.5).train
    found = resident(part, [2, 0], CPU)
    wanted_NT = part.targets_NT[:, [2, 0]]
    np.testing.assert_array_equal(found.targets_NT.numpy(), np.nan_to_num(wanted_NT))
    np.testing.assert_array_equal(found.labelled_NT.numpy(), ~np.isnan(wanted_NT))


def test_the_last_padded_row_counts_for_nothing() -> None:
    part = planted(missing=0.5).train
    padded = resident(part, range(part.targets_NT.shape[1]), CPU).padded(16, torch.float32)
    assert len(padded.inputs_NF) == len(part) + 1
    assert not padded.inputs_NF[-1].any()
    assert not padded.labels_TN[:, -1].any()


def test_nobody_keeps_a_part_alive() -> None:
    dataset = planted()
    part = dataset.train
    resident(part, [0], CPU)
    gone = ref(part)
    del dataset, part
    gc.collect()
    assert gone() is None
