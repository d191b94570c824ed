"""What a training may report: numbers of reasonable size, and nothing else ever reaches Tune or Optuna."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from search.errors import TrialError
from search.tuning.readings import validated


@pytest.mark.parametrize(
    ("report", "said"),
    [
        ({"loss": math.nan}, "non-finite loss after 25% of the training"),
        ({"loss": math.inf}, "non-finite loss"),
        ({"loss": -math.inf}, "non-finite loss"),
        ({"loss": np.float64("nan")}, "non-finite loss"),
        ({"loss": 1e308}, "exploding loss after 25% of the training (1e+308)"),
        ({"loss": -1e308}, "exploding loss"),
        ({"loss": "0.5"}, "'0.5', which is no number"),
        ({"loss": None}, "which is no number"),
        ({"loss": True}, "which is no number"),
        ({"loss": [0.5]}, "which is no number"),
        ({}, "no loss was reported after 25% of the training"),
        ({"lose": 0.5}, "no loss was reported"),
    ],
)
def test_what_is_no_loss_is_refused_with_its_moment(report: dict[str, object], said: str) -> None:
    with pytest.raises(TrialError) as caught:
        validated(report, 0.25, "host:1")
    assert said in caught.value.what
    assert caught.value.fix


@given(st.floats(-1e6, 1e6), st.floats(), st.sampled_from(["", "mtan with capacity=2"]))
def test_numbers_pass_as_they_are(loss: float, seconds: float, found: str) -> None:
    reading = validated({"loss": loss, "seconds": seconds, "found": found}, 0.5, "host:1")
    assert (reading.loss, reading.share, reading.worker, reading.found) == (loss, 0.5, "host:1", found)
    assert math.isfinite(reading.seconds)
