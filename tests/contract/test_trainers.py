"""What every trainer owes: the built-in one, a command, and an installed function."""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest

from search.training.experiment import Experiment
from search.training.packs import TrainPack, train_plain
from search.trials import Course, Trial, TrialFailure, TrialResult
from tests.search.training.foreign.offered import COMMAND, TOLD, experiment_of, install, script, spec_of
from tests.search.training.planted import planted, planted_experiment

Made = tuple[Experiment, TrainPack, tuple[str, ...]]


def built_in(_folder: Path, _monkeypatch: pytest.MonkeyPatch) -> Made:
    experiment = planted_experiment(planted(rows=120), batch_size=40)
    return experiment, train_plain, ("t0", "t1", "t2", "t3")


def command(folder: Path, _monkeypatch: pytest.MonkeyPatch) -> Made:
    from search.training.foreign.train import train_foreign

    return experiment_of(spec_of({"command": COMMAND}), script(folder)), train_foreign, ("a", "b", "c", "d")


def function(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Made:
    from search.training.foreign.train import train_foreign

    install(folder / "site", monkeypatch)
    spec = spec_of({"entry_point": "planted", "told": list(TOLD)})
    return experiment_of(spec, folder), train_foreign, ("a", "b", "c", "d")


@pytest.fixture(params=[built_in, command, function], ids=lambda make: make.__name__)
def made(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Made:
    result: Made = request.param(tmp_path, monkeypatch)
    return result


def results(made: Made, *trials: Trial) -> list[TrialResult]:
    experiment, train, _ = made
    found = list(train(experiment, tuple(map(Course, trials))))
    for result in found:
        assert isinstance(result, TrialResult), result
    return [result for result in found if isinstance(result, TrialResult)]


def test_a_search_trial_gives_finite_losses_of_its_tasks_and_never_sees_the_test_part(made: Made) -> None:
    tasks = made[2]
    alone, together = results(made, Trial(tasks[1:2], 1.0, 0), Trial(tasks, 1.0, 0))
    for result, n_tasks in ((alone, 1), (together, len(tasks))):
        assert result.curve_TS.shape == (n_tasks, len(result.steps_S))
        assert np.isfinite(result.curve_TS).all()
        assert (np.diff(result.steps_S) > 0).all()
        assert result.seconds > 0
        assert result.worker
        assert (result.kept, result.test, result.test_curve_TS) == (-1, None, None)


def test_the_same_trial_gives_the_same_losses_in_any_company_and_another_seed_others(made: Made) -> None:
    trial = Trial(made[2][:2], 1.0, 3)
    (alone,) = results(made, trial)
    other, again = results(made, Trial(trial.tasks, 1.0, 4), trial)
    np.testing.assert_array_equal(again.curve_TS, alone.curve_TS)
    assert not np.array_equal(other.curve_TS, alone.curve_TS)


def test_a_confirmed_trial_keeps_a_reading_and_scores_every_task(made: Made) -> None:
    (result,) = results(made, Trial(made[2][:2], 1.0, 3, "confirm", reference=(1.0, 1.0)))
    assert 0 <= result.kept < len(result.steps_S)
    assert result.test is not None
    assert len(result.test.cluster_sum_TG) == 2
    assert (result.test.cluster_count_TG.sum(axis=1) > 0).all()
    assert np.isfinite(result.test.cluster_sum_TG).all()
    assert set(result.test.metrics) == set(made[2][:2])


def test_a_fraction_is_the_beginning_of_the_whole(made: Made) -> None:
    part, whole = results(made, Trial(made[2][:1], 1.0, 0, fraction=0.5), Trial(made[2][:1], 1.0, 0))
    assert 0 < len(part.steps_S) < len(whole.steps_S)
    np.testing.assert_array_equal(part.steps_S, whole.steps_S[: len(part.steps_S)])
    np.testing.assert_array_equal(part.curve_TS, whole.curve_TS[:, : len(part.steps_S)])


def test_what_fails_fails_alone_and_says_why(made: Made) -> None:
    experiment, train, tasks = made
    good, bad = Trial(tasks[:1], 1.0, 0), Trial(tasks[:1], 1e-6, 0)
    found = train(experiment, (Course(good), Course(bad), Course(good)))
    assert [isinstance(result, TrialFailure) for result in found] == [False, True, False]
    assert isinstance(found[1], TrialFailure)
    assert found[1].reason
    assert "\n" not in found[1].reason


def test_trainer_experiment_and_results_travel(made: Made) -> None:
    experiment, train, tasks = pickle.loads(pickle.dumps(made))  # noqa: S301  (our own)
    (result,) = train(experiment, (Course(Trial(tasks[:1], 1.0, 0)),))
    (same,) = results(made, Trial(tasks[:1], 1.0, 0))
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(result)).curve_TS, same.curve_TS)  # noqa: S301
    assert experiment.context == made[0].context
