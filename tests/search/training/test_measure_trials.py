"""A ``measure`` trial reads the test part along with the validation part, and is otherwise a ``search`` trial."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from search.store.blobs import decode_result, encode_result
from search.training.trainer import train
from search.trials import Course, Trial, TrialResult
from tests.search.training.test_fused import alone, assert_close, confirm, fused, menu_experiment, search

MEASURE = (search("t0", "t3", phase="measure"), search("t1", "t2", seed=2, phase="measure"))


def plain(trial: Trial) -> TrialResult:
    return train(menu_experiment(), trial)


def test_looking_at_the_test_part_changes_nothing_in_training() -> None:
    for trial in MEASURE:
        assert plain(trial).curve_TS.tobytes() == plain(replace(trial, phase="search")).curve_TS.tobytes()


def test_its_test_losses_are_those_of_a_confirmed_state() -> None:
    kept = confirm("t1", "t3")
    result, confirmed = plain(replace(kept, phase="measure")), plain(kept)
    assert confirmed.test is not None
    assert result.test_curve_TS is not None
    mean_T = confirmed.test.cluster_sum_TG.sum(axis=1) / confirmed.test.cluster_count_TG.sum(axis=1)
    assert result.test_curve_TS[:, confirmed.kept] == pytest.approx(mean_T, rel=1e-6)
    assert (result.kept, result.test, result.weights) == (-1, None, b"")


def test_side_by_side_it_reads_the_same_and_its_company_does_not_matter() -> None:
    together = fused(menu_experiment(), [search("t0"), *MEASURE, confirm("t2")])
    for trial, result in zip(MEASURE, together[1:3], strict=True):
        assert isinstance(result, TrialResult)
        assert_close(result, plain(trial))
        lone, reference = alone(trial), plain(trial)
        assert isinstance(lone, TrialResult)
        assert lone.test_curve_TS is not None
        assert result.test_curve_TS is not None
        assert result.test_curve_TS.tobytes() == lone.test_curve_TS.tobytes()
        assert result.test_curve_TS == pytest.approx(reference.test_curve_TS, rel=1e-5)
    assert all(isinstance(other, TrialResult) and other.test_curve_TS is None for other in (together[0], together[3]))


def test_the_store_gives_the_test_losses_back() -> None:
    result = plain(MEASURE[0])
    back = decode_result(encode_result(result))
    assert back.test_curve_TS is not None
    assert result.test_curve_TS is not None
    assert back.test_curve_TS.tobytes() == result.test_curve_TS.tobytes()
    assert decode_result(encode_result(plain(search("t0")))).test_curve_TS is None


def test_an_infinite_test_loss_is_no_result() -> None:
    result = plain(MEASURE[0])
    with pytest.raises(ValueError, match="finite losses"):
        replace(result, test_curve_TS=np.full_like(result.curve_TS, np.inf))


def test_it_cannot_be_carried_on() -> None:
    with pytest.raises(ValueError, match="only search trials"):
        Course(MEASURE[0], keep_state=True)
