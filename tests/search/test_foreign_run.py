"""The main job with a trainer of one's own, from plan to report: what it finds, and what it honestly leaves out."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from grouping.errors import InputError, NoResultError
from grouping.recommendation import Recommendation
from search.cli.app import run as run_cli
from search.data.resolution import resolve
from search.decision.phases import phases_of
from search.documents import dump_spec, read_spec, spec_from
from search.documents.variations import variations
from search.errors import SpecError
from search.execution.executor import InlineExecutor
from search.job import Job, prepare
from search.lattice import prepare_lattices
from search.run import run_recommendation
from search.training.experiment import Experiment
from search.trials import TestScores, Trial, TrialResult
from tests.search.planted import GROUPS, planted
from tests.search.test_run import Quiet, Runs
from tests.search.training.foreign.offered import COMMAND, script, spec_of, writing

if TYPE_CHECKING:
    from search.execution.ray_executor import RayExecutor

TASKS = ("g0_0", "g0_1", "g0_2", "g1_0", "g1_1", "g1_2")
FEW = ("g0_0", "g0_1", "g1_0", "g1_1")
EPOCHS = 8


def losses_only(experiment: Experiment, trial: Trial) -> TrialResult:
    """The planted world as a foreign trainer would report it: one loss a task at the end, one for all test rows."""
    result = planted(experiment, trial)
    steps = max(1, int(EPOCHS * trial.fraction + 1e-9))
    test = None
    if result.test is not None:
        sums_T = result.test.cluster_sum_TG.sum(axis=1, keepdims=True)
        test = TestScores(sums_T, np.ones_like(sums_T), {task: {} for task in trial.tasks})
    kept = -1 if test is None else 0
    return TrialResult(np.array([steps]), result.curve_TS[:, -1:], 0.01, "planted:0", kept, test)


def curves(experiment: Experiment, trial: Trial) -> TrialResult:
    """The same with a reading an epoch."""
    result, last = planted(experiment, trial), losses_only(experiment, trial)
    steps_S = np.arange(1, result.curve_TS.shape[1] + 1)
    return TrialResult(steps_S, result.curve_TS, 0.01, "planted:0", last.kept, last.test)


@pytest.fixture
def runs(tmp_path: Path) -> Iterator[Runs]:
    made = Runs(tmp_path)
    yield made
    made.store.close()


def job_of(
    folder: Path,
    command: str = COMMAND,
    trainer: dict[str, Any] | None = None,
    tasks: tuple[str, ...] = TASKS,
    **sections: Any,
) -> Job:
    section = {"command": command, **(trainer or {})}
    evidence = {"seeds": 5, "random_groupings": 4, "draws": 10}
    training = {"epochs": EPOCHS, "seeds": 3}
    made = spec_of(section, tasks, **{"training": training, "evidence": evidence, **sections})
    return prepare(resolve(made, folder), folder)


def work(runs: Runs, job: Job, train: Any) -> tuple[Recommendation, Path]:
    run = runs.create(job)
    return runs.work(job, run, train), runs.home / run


CHEAP: dict[str, Any] = {"evidence": {"seeds": 3, "random_groupings": 2, "draws": 5, "best_of_random": False}}
ESTIMATORS: dict[str, dict[str, Any]] = {
    "measured": {"affinity": {"estimator": "measured"}, "candidates": {"max_size": 3}},
    "higher-order": {"affinity": {"estimator": "higher-order", "audit": 2}},
    "early-stopping": {
        "affinity": {"estimator": "early-stopping", "fraction": 0.5, "audit": 2},
        "candidates": {"max_size": 3},
    },
    "linear-surrogate": {"affinity": {"estimator": "linear-surrogate", "audit": 2}},
    "adaptive": {"budget": {"inference": 2, "max_networks": 2, "training": {"trainings": 35, "worthwhile": 0}}},
}


@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_every_estimator_finds_the_planted_groups(runs: Runs, tmp_path: Path, estimator: str) -> None:
    train = curves if estimator == "higher-order" else losses_only
    recommendation, _ = work(runs, job_of(tmp_path, tasks=FEW, **ESTIMATORS[estimator], **CHEAP), train)
    assert recommendation.estimator == estimator
    found = {frozenset(network.serves) for network in recommendation.solution.networks}
    assert found == {group & set(FEW) for group in GROUPS}
    assert recommendation.verdict == "grouping"  # it is told the capacity, so there is a wide network to compare with
    assert any("with your trainer" in step for step in recommendation.next_steps)


def test_early_losses_are_those_after_a_part_of_training_whether_or_not_curves_come_back(
    runs: Runs, tmp_path: Path
) -> None:
    stopped = {**ESTIMATORS["early-stopping"], "candidates": {"max_size": 2}, **CHEAP}
    estimates = []
    for train in (losses_only, curves):
        recommendation, _ = work(runs, job_of(tmp_path, tasks=FEW, **stopped), train)
        estimates.append({(e.network, e.task, round(e.estimated, 9)) for e in recommendation.estimates})
    assert estimates[0]
    assert estimates[0] == estimates[1]


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Recommendation, Path]]:
    made = Runs(tmp_path_factory.mktemp("foreign"))
    yield work(made, job_of(made.home, "python trainer.py {tasks} {seed} {out}", tasks=FEW), losses_only)
    made.store.close()


Finished = tuple[Recommendation, Path]


def test_alternatives_that_it_cannot_train_are_named_and_left_out(finished: Finished) -> None:
    recommendation, _ = finished
    left_out = " ".join(warning for warning in recommendation.warnings if warning.startswith("left out"))
    for words in ("as wide as the budget", "one network per task, all of one size", "predictions", "owns the labels"):
        assert words in left_out
    assert {b.name for b in recommendation.baselines} >= {"chosen", "single-task", "all-in-one", "best-of-random"}
    assert not {b.name for b in recommendation.baselines} & {"wide", "ensemble", "correlation"}


def test_intervals_are_over_seeds_alone_and_the_report_says_so(finished: Finished) -> None:
    recommendation, folder = finished
    assert recommendation.trainer is not None
    assert not recommendation.trainer.by_rows
    chosen = next(b for b in recommendation.baselines if b.name == "chosen")
    assert chosen.low is not None
    assert "intervals over 5 fresh seeds." in recommendation.verdict_text
    for name in ("report.html", "report.md"):
        text = (folder / name).read_text()
        assert "intervals are over seeds alone" in text
        assert "paired over fresh seeds (negative" in text
        assert "and test rows" not in text
        assert "the capacity that the trainer was told" in text


def test_the_run_folder_holds_no_networks_and_a_spec_that_means_the_same_there(finished: Finished) -> None:
    recommendation, folder = finished
    assert not (folder / "networks").exists()
    assert Recommendation.from_json(json.loads((folder / "recommendation.json").read_text())) == recommendation
    spec = read_spec(folder / "spec.yaml")
    assert resolve(spec, folder) == spec


def test_affinities_say_nothing_of_settings_that_the_trainer_did_not_hear_of(finished: Finished) -> None:
    assert set(finished[0].affinity_measured_at) == {"capacity", "seeds"}


def test_a_cost_is_charged_as_declared(runs: Runs, tmp_path: Path) -> None:
    declared: dict[str, Any] = {
        "trainer": {"cost": {"trunk": 100.0, "head": 10.0}},
        "budget": {"inference": 260.0, "unit": "flops"},
    }
    job = job_of(tmp_path, tasks=FEW, **declared, **ESTIMATORS["measured"], **CHEAP)
    assert job.plan.networks == 2
    assert job.cost_of(("g0_0", "g0_1"), 1.0, "hard") == 120.0
    assert job.cost_of(("g0_0",), 2.0, "hard") == 210.0
    recommendation, _ = work(runs, job, losses_only)
    assert recommendation.solution.cost == 240.0
    assert recommendation.unit == "flops"


def test_sizes_are_asked_for_only_of_a_trainer_that_hears_of_them(tmp_path: Path) -> None:
    deaf = job_of(tmp_path, command="python trainer.py {tasks} {seed} {out}")
    with pytest.raises(InputError, match="none of 2"):
        deaf.cost_of(TASKS, 2.0, "hard")
    capacities = [{t.capacity for phase in phases_of(j.plan) for t in phase.trials} for j in (deaf, job_of(tmp_path))]
    assert capacities[0] == {1.0}
    assert 2.0 in capacities[1]


def test_labels_that_are_seen_are_clustered_by(runs: Runs, tmp_path: Path) -> None:
    job = job_of(tmp_path, data={"source": "synthetic"}, tasks=FEW, **ESTIMATORS["measured"], **CHEAP)
    recommendation, _ = work(runs, job, losses_only)
    assert "correlation" in {b.name for b in recommendation.baselines}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("raise SystemExit('no GPU here')", "before it wrote losses.*no GPU here"),
        (writing('{"losses": {"g0_0": 1}}'), "the loss of 'g0_1' is missing"),
        (writing(json.dumps({"losses": dict.fromkeys(TASKS, 1.0)})), "no test losses"),
    ],
)
def test_a_trainer_that_does_not_keep_its_word_is_found_out_before_the_search(
    runs: Runs, tmp_path: Path, text: str, words: str
) -> None:
    job = job_of(script(tmp_path, text), command="python trainer.py {tasks} {seed} {out}")
    run = runs.create(job)
    with pytest.raises(NoResultError, match=words):
        run_recommendation(job, runs.store, run, runs.folder(run), InlineExecutor(), Quiet())
    assert not runs.store.trials(run)


def test_a_trainer_that_changed_trains_all_again_and_the_history_says_so(runs: Runs, tmp_path: Path) -> None:
    sections: dict[str, Any] = {"tasks": FEW, **ESTIMATORS["measured"], **CHEAP}
    script(tmp_path, "print('one')")
    run = runs.create(job_of(tmp_path, **sections))
    for text, warned in (("print('one')", 0), ("print('one')", 0), ("print('two')", 1)):
        before = len(runs.store.trials(run))
        runs.work(job_of(script(tmp_path, text), **sections), run, losses_only)
        kinds = [event.kind for event in runs.store.events(run)]
        assert kinds.count("warning") == warned
        assert kinds.count("trainer") == 1 + warned
        assert (len(runs.store.trials(run)) > before) == (before == 0 or warned == 1)


def test_complete_tables_are_for_the_built_in_trainer(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match="complete tables"):
        prepare_lattices(variations(spec_of({"command": COMMAND})), tmp_path)


def test_plan_shows_who_trains_and_says_nothing_of_rows(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "spec.yaml").write_text(dump_spec(spec_of({"command": COMMAND})))
    assert run_cli(["plan", str(tmp_path / "spec.yaml")]) == 0
    shown = capsys.readouterr().out
    assert "4 tasks, the trainer has the data" in shown
    assert f"Trainer      {COMMAND}" in shown


@pytest.mark.ray
def test_scikit_learns_mlp_is_asked_on_real_data(runs: Runs, ray_executor: RayExecutor) -> None:
    """The example that comes with the project, with fewer tasks, rows, epochs and seeds."""
    pytest.importorskip("sklearn")
    configs = Path("configs").resolve()
    document = read_spec(configs / "own-trainer.yaml").model_dump(mode="json", exclude_none=True)
    document["trainer"]["command"] += " --every 40"
    document |= {
        "tasks": [{"name": "temp"}, {"name": "dewp"}],
        "training": {"epochs": 2, "seeds": 1},
        "evidence": {"seeds": 2, "random_groupings": 0, "best_of_random": False, "draws": 5},
    }
    job = prepare(resolve(spec_from(document), configs), configs)
    run = runs.create(job)
    recommendation = run_recommendation(job, runs.store, run, runs.folder(run), ray_executor, Quiet())
    assert {task for network in recommendation.solution.networks for task in network.serves} == {"temp", "dewp"}
    assert recommendation.trainer is not None
    assert recommendation.trainer.by_rows
    metrics = {c.metric for c in recommendation.confirmed}
    assert metrics == {"relative loss", "RMSE"}
    assert not [trial for trial in runs.store.trials(run) if trial.state == "failed"]
