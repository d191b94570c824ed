"""A search over settings from spec to report, in a planted world where the best settings and groups are known."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd
import pytest

from grouping.errors import NoResultError
from grouping.recommendation import Recommendation
from grouping.report.content import read_content
from grouping.report.markdown import markdown
from search.architecture_run import run_search
from search.cli.app import run as run_cli
from search.documents import dump_spec
from search.errors import SpecError
from search.execution.executor import InlineExecutor
from search.job import Job
from search.networks.sharing import HARD, Sharing
from search.reproduction import reproduce
from search.store.configurations import Configurations
from search.training.experiment import Experiment
from search.training.packs import OneByOne
from search.trials import Trial, TrialResult
from tests.search.planted import GROUPS, planted
from tests.search.test_run import Quiet, Runs, job_of
from tests.search.tuning.planted import BEST_OF_RUN as BEST_RATE
from tests.search.tuning.planted import by_rate, untrainable

if TYPE_CHECKING:
    from search.execution.ray_executor import RayExecutor

pytestmark = pytest.mark.ray

SEARCH: dict[str, Any] = {
    "space": {"learning_rate": {"low": 1e-4, "high": 1e-1, "log": True}, "batch_size": [64, 128]},
    "configurations": 8,
}
SHORT = {"seeds": 3, "random_groupings": 3, "draws": 5}


class Lent(InlineExecutor):
    """Trains here what the product trains, and leaves the cluster to Tune."""

    workers = 2

    def release(self) -> None:
        """There is nothing to let go."""

    def check_cluster(self) -> None:
        """There is no head to lose."""


def with_rates(experiment: Experiment, trial: Trial) -> TrialResult:
    """As ``planted``, but every factor of ten away from the best learning rate adds a fifth to every loss."""
    result = planted(experiment, replace(trial, sharing=HARD))
    factor = 1 + 0.2 * abs(math.log10(experiment.training.learning_rate / BEST_RATE))
    test = result.test
    if test is not None:
        test = replace(test, cluster_sum_TG=test.cluster_sum_TG * factor)
    return replace(result, curve_TS=result.curve_TS * factor, test=test)


@pytest.fixture
def runs(tmp_path: Path) -> Iterator[Runs]:
    made = Runs(tmp_path)
    yield made
    made.store.close()


def job(**sections: Any) -> Job:
    return job_of(**{"search": SEARCH, "evidence": SHORT, "network": {"widths": [32, 32]}, **sections})


def start(runs: Runs, job: Job) -> str:
    run = runs.store.create_run("planted", "search", dump_spec(job.spec), {})
    runs.store.take(run)
    return run


def work(runs: Runs, job: Job, run: str, **how: Any) -> Recommendation:
    executor: Any = Lent()
    how = {"train": OneByOne(with_rates), "evaluate": by_rate, **how}
    return run_search(job, runs.store, run, runs.folder(run), executor, Quiet(), command="test", **how)


@pytest.fixture(scope="module")
def found(
    tmp_path_factory: pytest.TempPathFactory, ray_executor: RayExecutor
) -> Iterator[tuple[Recommendation, Runs, str]]:
    ray_executor.release()
    runs = Runs(tmp_path_factory.mktemp("runs"))
    made = job()
    run = start(runs, made)
    yield work(runs, made, run), runs, run
    runs.store.close()


Found = tuple[Recommendation, Runs, str]


def test_groups_and_settings_are_chosen_together(found: Found) -> None:
    recommendation, _, _ = found
    networks = recommendation.solution.networks
    assert {frozenset(network.tasks) for network in networks} == set(GROUPS)
    for network in networks:
        settings = Sharing.parse(network.candidate).settings
        assert abs(math.log10((settings.learning_rate or 1e-3) / BEST_RATE)) < 0.7


def test_what_was_tried_is_kept_and_reported(found: Found) -> None:
    recommendation, runs, run = found
    search = recommendation.settings
    assert search is not None
    assert len(search.tried) == search.planned == 8
    assert sum(one.kept for one in search.tried) == 1
    assert {one.state for one in search.tried} <= {"finished", "stopped"}
    records = Configurations(runs.store.sessions).of(run)
    assert [record.loss for record in records] == [one.loss for one in search.tried]
    table = pd.read_parquet(runs.folder(run).path / "configurations.parquet")
    assert list(table["loss"]) == [one.loss for one in search.tried]
    assert recommendation.training_cost[0].phase == "settings"
    assert recommendation.training_cost[0].trainings == 8
    assert Recommendation.from_json(json.loads(json.dumps(recommendation.to_json()))) == recommendation
    text = markdown(read_content(runs.folder(run).path))
    assert "## Searched settings" in text
    assert "8 configurations of 8 planned were tried" in text.replace("\N{NO-BREAK SPACE}", " ")
    assert "settings-history" in (runs.folder(run).path / "report.html").read_text()


def test_kept_networks_are_trained_afresh_in_every_group_single_tasks_too(found: Found) -> None:
    recommendation, runs, run = found
    search = recommendation.settings
    assert search is not None
    (kept,) = [one.candidate for one in search.tried if one.kept]
    trials = [record.trial for record in runs.store.trials(run) if record.phase == "search"]
    ours = {trial.tasks for trial in trials if trial.sharing == kept}
    assert ours == {trial.tasks for trial in trials if trial.sharing == HARD}
    assert {len(tasks) for tasks in ours} >= {1, 2, 6}
    assert {trial.seed for trial in trials} == {0, 1, 2}


def test_no_choice_wins_by_better_settings_alone(found: Found) -> None:
    """What it is compared with has the searched settings, but the networks that losses are relative to."""
    recommendation, _, _ = found
    search = recommendation.settings
    assert search is not None
    for baseline in recommendation.baselines:
        candidates = {network.candidate for network in baseline.networks}
        if baseline.name == "single-task":
            assert candidates == {""}
        else:
            assert all("learning_rate" in candidate for candidate in candidates), baseline.name
    assert "best-of-random" not in {baseline.name for baseline in recommendation.baselines}


def test_a_run_that_is_resumed_ends_alike_and_trains_nothing(found: Found) -> None:
    recommendation, runs, run = found
    before = len(runs.store.trials(run)), Configurations(runs.store.sessions).of(run)
    again = work(runs, job(), run, evaluate=untrainable)
    assert (len(runs.store.trials(run)), Configurations(runs.store.sessions).of(run)) == before
    assert again.solution == recommendation.solution
    assert again.confirmed == recommendation.confirmed
    assert again.settings == recommendation.settings


def test_once_networks_are_chosen_no_further_configuration_is_begun(found: Found) -> None:
    """As where minutes ended the search: resumed later, with time to spare, it still ends alike."""
    recommendation, runs, run = found
    more = job(search={**SEARCH, "configurations": SEARCH["configurations"] + 4})
    again = work(runs, more, run, evaluate=untrainable)
    assert len(Configurations(runs.store.sessions).of(run)) == SEARCH["configurations"]
    assert again.solution == recommendation.solution
    assert [event.payload for event in runs.store.events(run) if event.kind == "searched"] == [
        {"configurations": SEARCH["configurations"], "planned": SEARCH["configurations"]}
    ]


def test_where_no_configuration_finishes_the_reasons_are_told_together(runs: Runs, ray_executor: RayExecutor) -> None:
    ray_executor.release()
    made = job(search={**SEARCH, "configurations": 3})
    run = start(runs, made)
    with pytest.raises(NoResultError) as caught:
        work(runs, made, run, evaluate=untrainable)
    assert caught.value.exit_code == 3
    assert "3 configurations: non-finite loss at step 3" in caught.value.what
    assert "non-finite loss at step 3" in (runs.folder(run).path / "report.md").read_text()
    assert (runs.folder(run).path / "configurations.parquet").exists()


def test_real_networks_are_searched_with_the_runs_own_engine(runs: Runs, ray_executor: RayExecutor) -> None:
    """Nothing planted: two seeds in a pack, a way to share and its settings, from the first draw to the report, and
    each of them again, bit for bit.

    What is found has batches of its own size, so its losses are read after other numbers of steps.
    """
    search = {
        "space": {"sharing": ["hard", "mtan"], "width": [24, 32], "batch_size": [96, 300]},
        "configurations": 4,
        "seeds": 2,
        "scheduler": "none",
    }
    made = job(
        search=search,
        training={"epochs": 4, "seeds": 1, "engine": "fused"},
        candidates={"groups": [["g0_0", "g0_1", "g0_2"], ["g1_0", "g1_1", "g1_2"]]},
        affinity={"estimator": "measured"},
        evidence={"seeds": 2, "random_groupings": 1, "draws": 2},
    )
    run = start(runs, made)
    ray_executor.release()
    folder = runs.folder(run)
    recommendation = run_search(made, runs.store, run, folder, ray_executor, Quiet(), command="test")
    assert recommendation.settings is not None
    assert {one.state for one in recommendation.settings.tried} == {"finished"}
    assert recommendation.settings.seeds == 2
    frame = pd.read_parquet(folder.path / "curves.parquet")
    assert frame["step"].nunique() == made.spec.training.epochs
    assert (folder.path / "report.html").exists()
    trained = {record.trial.sharing: record for record in runs.store.trials(run) if record.state == "finished"}
    assert len(trained) > 1, "what was asked for, and what was found"
    for record in trained.values():
        again = reproduce(runs.store, runs.store.run(run), record, InlineExecutor())
        assert again.differences == (), record.trial


def test_a_search_needs_a_space(runs: Runs) -> None:
    made = job_of(evidence=SHORT)
    with pytest.raises(SpecError, match="what to search"):
        run_search(made, runs.store, "x", runs.folder("x"), Lent(), Quiet())  # type: ignore[arg-type]


def test_commands_say_which_of_them_fits_a_spec(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TASKGROUP_HOME", str(tmp_path))
    for name, made, command, other in (("a", job(), "recommend", "search"), ("b", job_of(), "search", "recommend")):
        spec = tmp_path / f"{name}.yaml"
        spec.write_text(dump_spec(made.spec))
        assert run_cli([command, str(spec)]) == 2
        assert f"taskgroup {other} SPEC" in capsys.readouterr().err
