"""Networks that are too many for one stack take turns, bitwise as in one."""

from __future__ import annotations

from dataclasses import replace

import pytest

from search.training import fused as fused_trainer
from search.training.fused import train_fused
from search.training.stacked_fit import StackedFit
from search.trials import Course, Trial, TrialFailure, TrialResult
from tests.search.training.planted import planted, planted_experiment, without_labels
from tests.search.training.test_fused import MENU, assert_bitwise, confirm, fused, menu_experiment, search


@pytest.mark.parametrize("room", [1, 2, 3])
def test_little_memory_changes_nothing(room: int, monkeypatch: pytest.MonkeyPatch) -> None:
    plenty = fused(menu_experiment(), MENU)
    sizes = squeezed(room, monkeypatch)
    for one, other in zip(plenty, fused(menu_experiment(), MENU), strict=True):
        assert_bitwise(one, other)
    assert max(sizes) == room
    assert sum(sizes) == sum(trial.copies for trial in MENU)


def squeezed(room: int, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Memory for so many networks; the sizes of the stacks that are made from now on."""
    sizes: list[int] = []
    init = StackedFit.__init__

    def counted(self: StackedFit, shape: object, networks: list[object], *rest: object, **more: object) -> None:
        sizes.append(len(networks))
        init(self, shape, networks, *rest, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(StackedFit, "__init__", counted)
    monkeypatch.setattr(fused_trainer, "pack_room", lambda experiment, trial: room)
    return sizes


def test_an_ensemble_larger_than_the_memory_is_trained_in_turns(monkeypatch: pytest.MonkeyPatch) -> None:
    trial = confirm(copies=5)
    (whole,) = fused(menu_experiment(), [trial])
    sizes = squeezed(2, monkeypatch)
    assert_bitwise(whole, fused(menu_experiment(), [trial])[0])
    assert sizes == [2, 2, 1]


def test_networks_that_fail_leave_their_stacks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing can be read of a task without validation labels."""
    dataset = planted()
    dataset = replace(dataset, validation=without_labels(dataset.validation, [0]))
    experiment = planted_experiment(dataset, epochs=3)
    trials = [search("t0"), search("t1"), search("t2"), search("t0", "t1", seed=2), search("t0"), search("t3")]
    alone = [fused(experiment, [trial])[0] for trial in trials]
    assert {isinstance(result, TrialFailure) for result in alone} == {True, False}
    squeezed(2, monkeypatch)
    for one, other in zip(alone, fused(experiment, trials), strict=True):
        assert_bitwise(one, other)


def test_what_was_trained_in_turns_is_carried_on(monkeypatch: pytest.MonkeyPatch) -> None:
    trials = [search("t0"), search("t1", "t2"), search("t3", seed=2)]
    whole = fused(menu_experiment(), trials)
    squeezed(2, monkeypatch)
    early = train_fused(menu_experiment(), [Course(shortened(trial), None, keep_state=True) for trial in trials])
    starts = [result.state for result in early if isinstance(result, TrialResult)]
    late = train_fused(menu_experiment(), [Course(*pair) for pair in zip(trials, starts, strict=True)])
    for one, other in zip(whole, late, strict=True):
        assert_bitwise(one, other)


def shortened(trial: Trial) -> Trial:
    return Trial(trial.tasks, trial.capacity, trial.seed, fraction=0.5)
