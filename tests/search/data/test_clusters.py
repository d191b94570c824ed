"""Rows that are resampled together, where no column says which."""

from __future__ import annotations

import numpy as np
import pandas as pd

from search.data.dataset import _clusters
from search.spec import DataSpec


def test_single_rows_are_dealt_into_a_bounded_number_of_equal_blocks() -> None:
    blocks_N = _clusters(pd.DataFrame(), DataSpec(source="x"), np.arange(100_000))
    sizes = np.bincount(blocks_N)
    assert len(sizes) == 500
    assert sizes.min() == sizes.max() == 200
    assert len(set(blocks_N[:400].tolist())) > 200, "neighbouring rows stay apart"


def test_few_rows_are_their_own_blocks() -> None:
    np.testing.assert_array_equal(_clusters(pd.DataFrame(), DataSpec(source="x"), np.arange(10, 20)), np.arange(10))
