"""Balanced training in the plain trainer: named in the spec, resumed exactly, refused by engines that cannot."""

from __future__ import annotations

from dataclasses import replace
from typing import get_args

import numpy as np
import pytest

from search.balancing import BalancingName
from search.errors import SpecError, TrialError
from search.spec import TrainingSpec
from search.training.engines import ENGINES
from search.training.trainer import train
from search.trials import Trial
from tests.search.training.planted import planted, planted_experiment
from tests.search.training.test_trainer import ALL, assert_same_result

DATA = planted(rows=200, missing=0.3)


@pytest.mark.parametrize("name", get_args(BalancingName))
def test_every_method_trains_and_is_carried_on_as_if_it_had_never_stopped(name: str) -> None:
    experiment = planted_experiment(DATA, epochs=4, balancing=name, batch_size=64)
    whole = train(experiment, Trial(ALL, 1.0, 1))
    assert whole.curve_TS[:, -1].sum() < whole.curve_TS[:, 0].sum()
    first = train(experiment, Trial(ALL, 1.0, 1, fraction=0.75), keep_state=True)
    assert_same_result(train(experiment, Trial(ALL, 1.0, 1), first.state), whole)


def test_it_makes_a_difference_and_another_context() -> None:
    plain, balanced = (planted_experiment(DATA, epochs=2, balancing=name) for name in ("equal", "pcgrad"))
    assert plain.context != balanced.context
    one, other = (train(experiment, Trial(ALL, 1.0, 1)).curve_TS for experiment in (plain, balanced))
    assert not np.array_equal(one, other)


def test_other_ways_to_share_are_balanced_too() -> None:
    experiment = planted_experiment(DATA, epochs=3, balancing="upgrad", widths=(32, 16))
    for sharing in ("branch", "soft weight=0.5", "mtan", "cgc"):
        result = train(experiment, Trial(ALL, 1.0, 1, sharing=sharing))
        assert result.curve_TS[:, -1].sum() < result.curve_TS[:, 0].sum()


@pytest.mark.parametrize("name", get_args(BalancingName))
@pytest.mark.parametrize("where", ["an input", "a label"])
def test_a_loss_that_is_no_number_ends_the_training_and_says_when(name: str, where: str) -> None:
    """Methods by solvers and by torchjd as well: none goes on in silence, none fails in its own words."""
    rows = len(DATA.train.inputs_NF)
    inputs_NF, targets_NT = DATA.train.inputs_NF.copy(), DATA.train.targets_NT.copy()
    if where == "an input":
        inputs_NF[rows // 2] = np.nan
    else:
        targets_NT[np.flatnonzero(~np.isnan(targets_NT[:, 0]))[0], 0] = np.inf
    broken = replace(DATA, train=replace(DATA.train, inputs_NF=inputs_NF, targets_NT=targets_NT))
    experiment = planted_experiment(broken, epochs=1, balancing=name, batch_size=64)
    with pytest.raises(TrialError, match=r"non-finite loss at step [1-4][. ]"):
        train(experiment, Trial(ALL, 1.0, 1))


@pytest.mark.parametrize("engine", ["fused", "fused-onednn", "fused-relaxed"])
def test_engines_that_stack_networks_say_why_they_do_not_balance(engine: str) -> None:
    experiment = planted_experiment(DATA, balancing="dwa temperature=1.5")
    assert "balanced by 'dwa temperature=1.5'" in ENGINES[engine].obstacle(experiment)  # type: ignore[index]
    assert ENGINES["plain"].obstacle(experiment) == ""


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("pcgrat", "no balancing is called 'pcgrat'"),
        ("dwa temperature=0", "a temperature of 0"),
        ("dwa restoring=1", "'restoring=1' is no option of 'dwa'"),
        ("mgda normalise=l3", "cannot be normalised by 'l3'"),
        ("gradnorm restoring=a", "'gradnorm restoring=a'"),
    ],
)
def test_what_is_no_balancing_is_refused(text: str, message: str) -> None:
    with pytest.raises(SpecError, match=message) as refused:
        TrainingSpec(balancing=text)
    assert refused.value.where == "training.balancing"
    assert refused.value.fix


def test_a_missing_solver_is_named_with_the_way_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("search.balancing.find_spec", lambda name: None)
    with pytest.raises(SpecError, match="needs cvxpy and clarabel") as refused:
        TrainingSpec(balancing="cagrad")
    assert "taskgrouping[balancing]" in refused.value.fix


def test_names_are_written_one_way() -> None:
    assert TrainingSpec(balancing="dwa   temperature=2").balancing == "dwa"
