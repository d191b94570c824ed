"""How often a whole run says that it matters which tasks share, where it does not; the long counts are a benchmark."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from tests.benchmarks.evidence.worlds import WORLDS, World, simulate


def verdicts(world: World, runs: int) -> Counter[str]:
    return Counter(simulate(world, np.random.default_rng([7, run])).verdict for run in range(runs))


@pytest.mark.parametrize("name", list(WORLDS))
def test_no_grouping_is_called_a_winner_where_partners_do_not_matter(name: str) -> None:
    # 3.8 % are allowed: of 120 runs 11 or more would come about once in a hundred such tests.
    assert verdicts(WORLDS[name], 120)["grouping"] <= 10


def test_a_price_of_size_is_told_from_the_choice_of_partners() -> None:
    found = verdicts(WORLDS["size effect only"], 120)
    assert found["capacity"] + found["separation"] >= 110


def test_a_planted_grouping_is_found() -> None:
    assert verdicts(World(partners=0.04), 60)["grouping"] >= 45
