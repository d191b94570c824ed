"""Ways to share against one trunk: paired by seeds, group by group, and silent about what was not trained."""

from __future__ import annotations

import numpy as np
import pytest

from grouping.candidates import Candidates
from grouping.evidence.ways import ways_to_share
from grouping.losses import LossTable

MEMBERS = np.array([[1, 0], [0, 1], [1, 1], [1, 1], [1, 1]], dtype=bool)


def table(losses_RCT: np.ndarray, labels: tuple[str, ...] = ("", "", "", "mtan", "soft")) -> LossTable:
    candidates = Candidates(("a", "b"), MEMBERS, np.ones(5), labels)
    return LossTable(candidates, np.where(MEMBERS, losses_RCT, np.nan), tuple(map(str, range(len(losses_RCT)))))


def test_what_a_seed_does_to_both_networks_cancels() -> None:
    seed_R11 = np.array([1.0, 2.0, 3.0])[:, None, None]
    losses_RCT = np.ones((3, 5, 2)) * seed_R11
    losses_RCT[:, 3] *= 0.9
    losses_RCT[:, 4] *= 1.2
    mtan, soft = ways_to_share(table(losses_RCT))
    assert (mtan.sharing, mtan.groups, mtan.better) == ("mtan", 1, 1)
    assert (mtan.gain.mean, mtan.gain.low, mtan.gain.high) == pytest.approx((0.1, 0.1, 0.1))
    assert (soft.sharing, soft.better) == ("soft", 0)
    assert soft.gain.mean == pytest.approx(-0.2)


def test_the_interval_holds_the_truth_as_often_as_it_says() -> None:
    held = []
    for seed in range(200):
        rng = np.random.default_rng(seed)
        losses_RCT = np.exp(0.05 * rng.standard_normal((4, 5, 2)))
        mtan, _ = ways_to_share(table(losses_RCT))
        held.append(mtan.gain.low <= 1 - np.exp(0.05**2) <= mtan.gain.high)
    assert 0.9 <= np.mean(held) <= 0.99


def test_one_seed_gives_no_interval() -> None:
    mtan, _ = ways_to_share(table(np.ones((1, 5, 2))))
    assert not mtan.gain.bounded


def test_groups_that_were_not_trained_both_ways_do_not_count() -> None:
    losses_RCT = np.ones((2, 5, 2))
    losses_RCT[:, 4] = np.nan
    assert [way.sharing for way in ways_to_share(table(losses_RCT))] == ["mtan"]
    losses_RCT[:, 2] = np.nan
    assert ways_to_share(table(losses_RCT)) == ()


def test_a_table_of_one_trunk_has_no_ways_to_compare() -> None:
    candidates = Candidates(("a", "b"), MEMBERS[:3], np.ones(3))
    assert ways_to_share(LossTable(candidates, np.where(MEMBERS[:3], 1.0, np.nan)[None], ("0",))) == ()
