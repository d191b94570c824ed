"""Shuffled twins and copies: what they keep of a task and what they do not."""

from __future__ import annotations

import numpy as np

from search.data.controls import copy_of, part_of, shuffled, with_controls
from tests.search.training.planted import planted


def test_twins_keep_everything_but_which_row_has_which_label() -> None:
    dataset = planted(missing=0.2)
    more = with_controls(dataset, 0)
    n_tasks = len(dataset.tasks)
    names = [task.name for task in more.tasks]
    assert names[n_tasks : 2 * n_tasks] == [shuffled(task.name) for task in dataset.tasks]
    assert names[2 * n_tasks :] == [copy_of(task.name) for task in dataset.tasks]
    own_NT, twins_NT, copies_NT = np.split(more.train.targets_NT, 3, axis=1)
    np.testing.assert_array_equal(own_NT, dataset.train.targets_NT)
    np.testing.assert_array_equal(copies_NT, own_NT)
    np.testing.assert_array_equal(np.isnan(twins_NT), np.isnan(own_NT))
    np.testing.assert_array_equal(np.sort(twins_NT, axis=0), np.sort(own_NT, axis=0))
    known_N = ~np.isnan(own_NT[:, 0])
    assert abs(np.corrcoef(own_NT[known_N, 0], twins_NT[known_N, 0])[0, 1]) < 0.2
    assert more.classes_T == dataset.classes_T * 3


def test_another_seed_shuffles_otherwise_and_is_another_data_set() -> None:
    dataset = planted()
    one, same, other = (with_controls(dataset, seed) for seed in (0, 0, 1))
    assert one.fingerprint == same.fingerprint != other.fingerprint != dataset.fingerprint
    np.testing.assert_array_equal(one.train.targets_NT, same.train.targets_NT)
    assert (one.train.targets_NT != other.train.targets_NT).any()


def test_a_share_of_the_rows_is_part_of_a_larger_one() -> None:
    dataset = planted()
    half, quarter = part_of(dataset, 0.5, 0), part_of(dataset, 0.25, 0)
    assert {row.tobytes() for row in quarter.train.inputs_NF} < {row.tobytes() for row in half.train.inputs_NF}
    assert len(half.train.inputs_NF) == len(dataset.train.inputs_NF) // 2
    whole = {row.tobytes() for row in dataset.train.inputs_NF}
    assert all(row.tobytes() in whole for row in half.train.inputs_NF)
    assert half.validation is dataset.validation
    assert half.fingerprint != dataset.fingerprint
