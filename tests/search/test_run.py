"""The main job from spec to run folder, in a planted world where the right answer is known."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from grouping.errors import NoResultError
from grouping.estimators.higher_order import higher_order
from grouping.losses import LossTable
from grouping.recommendation import Recommendation
from search.cli.app import run as run_cli
from search.data.resolution import resolve
from search.decision import selection
from search.decision.phases import phases_of
from search.documents import dump_spec
from search.errors import SpecError, TrialError
from search.execution.executor import InlineExecutor
from search.job import Job, prepare
from search.networks.sharing import HARD
from search.output.folder import RunFolder
from search.pace import Forecast
from search.run import run_recommendation
from search.spec import Spec
from search.store.store import Store
from search.training.experiment import Experiment
from search.training.packs import OneByOne
from search.training.trainer import TrialFunction
from search.trials import Trial, TrialResult
from tests.search.planted import GROUPS, diverging_pairs, noise_only, planted


class Quiet:
    """Progress that only remembers which phases there were."""

    def __init__(self) -> None:
        self.phases: list[tuple[str, int, int]] = []

    def foresee(self, forecast: Forecast) -> None: ...

    def start(self, label: str, total: int, done: int) -> None:
        self.phases.append((label, total, done))

    def advance(self, failed: bool) -> None: ...

    def finish(self) -> None: ...


def resolved(**sections: Any) -> Spec:
    document: dict[str, Any] = {
        "name": "planted",
        "data": {"source": "synthetic"},
        "network": {"widths": [32, 32], "capacities": [1.0, 2.0]},
        "training": {"epochs": 8, "seeds": 3},
        "affinity": {"estimator": "higher-order", "audit": 5},
        "budget": {"inference": 2, "max_networks": 2},
        "evidence": {"seeds": 5, "random_groupings": 8, "draws": 40},
    }
    return resolve(Spec.model_validate({**document, **sections}))


def job_of(**sections: Any) -> Job:
    return prepare(resolved(**sections), Path())


class Runs:
    """Runs jobs in one store, so that a test can look at what was trained."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.store = Store.open(home)

    def create(self, job: Job) -> str:
        run = self.store.create_run("planted", "recommend", dump_spec(job.spec), {})
        self.store.set_state(run, "running")
        return run

    def folder(self, run: str) -> RunFolder:
        return RunFolder(self.home / run)

    def work(self, job: Job, run: str, train: TrialFunction = planted, progress: Quiet | None = None) -> Recommendation:
        executor = InlineExecutor()
        return run_recommendation(
            job, self.store, run, self.folder(run), executor, progress or Quiet(), train=OneByOne(train), command="test"
        )


@pytest.fixture
def runs(tmp_path: Path) -> Iterator[Runs]:
    made = Runs(tmp_path)
    yield made
    made.store.close()


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> tuple[Recommendation, Path]:
    made = Runs(tmp_path_factory.mktemp("runs"))
    job = job_of()
    run = made.create(job)
    recommendation = made.work(job, run)
    made.store.close()
    return recommendation, made.home / run


Finished = tuple[Recommendation, Path]


def test_the_planted_groups_are_found_and_called_what_they_are(finished: Finished) -> None:
    recommendation, _ = finished
    assert {frozenset(network.serves) for network in recommendation.solution.networks} == set(GROUPS)
    assert recommendation.verdict == "grouping"
    assert recommendation.solution.proven_optimal
    assert recommendation.solution.cost == 2.0


def test_chosen_groups_were_estimated_first_and_measured_afterwards(finished: Finished) -> None:
    recommendation, _ = finished
    assert {estimate.network for estimate in recommendation.estimates} == {"g0_0+g0_1+g0_2", "g1_0+g1_1+g1_2"}
    for estimate in recommendation.estimates:
        assert estimate.estimated == pytest.approx(estimate.measured, abs=0.03)
        assert estimate.estimated != estimate.measured
    assert recommendation.solution.optimal_for.startswith("higher-order estimates of ")


def test_estimates_are_audited_on_a_random_sample_that_is_charged_to_the_search(finished: Finished) -> None:
    recommendation, _ = finished
    assert recommendation.audit is not None
    assert recommendation.audit.groups == 5
    assert recommendation.audit.spearman is not None
    assert recommendation.audit.spearman > 0.8
    charged = {cost.phase: cost.trainings for cost in recommendation.training_cost}
    assert charged["audit"] == 5 * 3


def test_plan_report_and_store_count_the_same_trainings_and_the_plan_foresaw_them(finished: Finished) -> None:
    recommendation, folder = finished
    charged = {cost.phase: cost.trainings for cost in recommendation.training_cost}
    phases = {phase.phase: phase for phase in phases_of(job_of().plan)}
    assert charged.keys() <= phases.keys()
    assert all(count <= phases[phase].trainings for phase, count in charged.items())
    assert charged["confirm"] == pytest.approx(phases["confirm"].expected, rel=0.15)
    assert sum(charged.values()) == pytest.approx(sum(phase.expected for phase in phases.values()), rel=0.15)
    assert sum(charged.values()) == len(pd.read_parquet(folder / "trials.parquet"))


def test_every_honest_alternative_is_confirmed_at_the_same_budget(finished: Finished) -> None:
    recommendation, _ = finished
    found = {baseline.name: baseline for baseline in recommendation.baselines}
    names = {"chosen", "runner-up", "single-task", "all-in-one", "wide", "independent", "ensemble"}
    assert set(found) >= names | {"correlation", "best-of-random"}
    for name in ("chosen", "runner-up", "wide", "ensemble", "correlation", "best-of-random"):
        assert found[name].comparable
        assert found[name].cost <= 2.0 + 1e-9
    assert not found["single-task"].comparable
    assert "6 networks, 2 are allowed" in found["independent"].note
    assert recommendation.random is not None
    assert len(recommendation.random.values) == 8
    assert {paired.against for paired in recommendation.paired} >= {"random", "wide", "all-in-one", "runner-up"}


def test_the_run_folder_holds_every_promised_file(finished: Finished) -> None:
    recommendation, folder = finished
    names = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    assert names >= {
        "spec.yaml",
        "trials.parquet",
        "curves.parquet",
        "losses.csv",
        "affinity.csv",
        "recommendation.json",
        "report.html",
        "report.md",
        "environment.json",
        "networks/network-1.safetensors",
        "networks/network-1.sha256",
        "networks/network-2.safetensors",
    }
    assert not [name for name in names if name.startswith(".")]
    assert Recommendation.from_json(json.loads((folder / "recommendation.json").read_text())) == recommendation


def test_solve_on_the_written_table_gives_the_recommended_networks(
    finished: Finished, capsys: pytest.CaptureFixture[str]
) -> None:
    recommendation, folder = finished
    command = ["solve", str(folder / "losses.csv"), "--relative", "--budget", "2", "--max-networks", "2", "--json"]
    assert run_cli(command) == 0
    solved = json.loads(capsys.readouterr().out)
    assert {n["network"] for n in solved["networks"]} == {n.network for n in recommendation.solution.networks}
    assert solved["objective"] / 6 == pytest.approx(recommendation.solution.objective, abs=1e-9)


def test_a_resumed_run_trains_nothing_twice_and_says_the_same(runs: Runs) -> None:
    job = job_of()
    run = runs.create(job)
    stop = _StopsAfter(planted, 40)
    with pytest.raises(KeyboardInterrupt):
        runs.work(job, run, stop)
    done = {record.key for record in runs.store.trials(run)}
    assert 0 < len(done) < 60
    again = _Counts(planted)
    resumed = runs.work(job, run, again)
    records = runs.store.trials(run)
    assert {record.attempts for record in records} == {1}
    assert again.whole == len(records) - len(done)
    straight = runs.create(job)
    whole = runs.work(job, straight)
    same = (
        "solution",
        "verdict_text",
        "confirmed",
        "baselines",
        "paired",
        "stability",
        "audit",
        "affinity",
        "training_cost",
    )
    for field in same:
        assert getattr(resumed, field) == getattr(whole, field), field


class Watches(Quiet):
    """Progress that looks at the best so far, at the beginning of every phase and with each of its trainings."""

    def __init__(self, store: Store, run: str) -> None:
        super().__init__()
        self.store, self.run = store, run
        self.best: list[tuple[str, float | None]] = []
        self.during: dict[str, float | None] = {}

    def start(self, label: str, total: int, done: int) -> None:
        self.best.append((label, self.store.run(self.run).best))

    def advance(self, failed: bool) -> None:
        label = self.best[-1][0]
        self.during[label] = self.store.run(self.run).best


def test_the_best_so_far_is_known_while_the_search_trains_and_then_what_is_chosen(
    runs: Runs, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("search.decision.standing._LEAST_REST", 0.0)
    monkeypatch.setattr("search.decision.standing._REST", 0.0)
    job = job_of(affinity={"estimator": "measured"})
    run = runs.create(job)
    watching = Watches(runs.store, run)
    recommendation = runs.work(job, run, progress=watching)
    best = dict(watching.best)
    assert watching.best[0][1] is None
    assert 0 < (watching.during["search"] or 0) < 1  # the planted groups help
    assert best["confirm on fresh seeds"] == recommendation.solution.objective == runs.store.run(run).best


def test_shuffled_estimates_change_the_recommendation(runs: Runs, monkeypatch: pytest.MonkeyPatch) -> None:
    honest = runs.work(job_of(), runs.create(job_of()))

    def shuffled(table: LossTable) -> LossTable:
        estimated = real(table)
        assert estimated.estimated_CT is not None
        losses_RCT = estimated.losses_RCT.copy()
        random = np.random.default_rng(7)
        for t in range(losses_RCT.shape[2]):
            rows = np.flatnonzero(estimated.estimated_CT[:, t])
            losses_RCT[:, rows, t] = losses_RCT[:, random.permutation(rows), t]
        return replace(estimated, losses_RCT=losses_RCT)

    real = higher_order
    monkeypatch.setattr(selection, "higher_order", shuffled)
    misled = runs.work(job_of(), runs.create(job_of()))
    assert {n.network for n in misled.solution.networks} != {n.network for n in honest.solution.networks}


def test_multiplying_one_tasks_loss_by_100_changes_no_recommendation(runs: Runs) -> None:
    plain = runs.work(job_of(), runs.create(job_of()))
    scaled = runs.work(job_of(), runs.create(job_of()), scaled_planted)
    assert [n.network for n in scaled.solution.networks] == [n.network for n in plain.solution.networks]
    assert scaled.solution.objective == pytest.approx(plain.solution.objective, rel=1e-9)
    assert [p.difference for p in scaled.paired] == pytest.approx(
        [p.difference for p in plain.paired], rel=1e-6, abs=1e-9
    )
    assert scaled.verdict == plain.verdict


def test_pure_noise_names_no_winner(runs: Runs) -> None:
    recommendation = runs.work(job_of(), runs.create(job_of()), noise_only)
    assert recommendation.verdict == "noise"
    assert "beats" not in recommendation.verdict_text.split(".")[0]


def test_fewer_than_three_fresh_seeds_are_unsure(runs: Runs) -> None:
    job = job_of(evidence={"seeds": 2, "random_groupings": 4, "draws": 5})
    assert runs.work(job, runs.create(job)).verdict == "unsure"


def test_one_seed_everywhere_still_writes_a_report(runs: Runs) -> None:
    job = job_of(training={"epochs": 8, "seeds": 1}, evidence={"seeds": 1, "random_groupings": 2, "draws": 5})
    recommendation = runs.work(job, runs.create(job))
    assert recommendation.verdict == "unsure"
    assert recommendation.stability is None
    assert all(baseline.low is None for baseline in recommendation.baselines if baseline.name != "single-task")


def test_a_failed_pair_never_wins_and_is_named(runs: Runs) -> None:
    job = job_of()
    run = runs.create(job)
    recommendation = runs.work(job, run, diverging_pairs)
    assert "g0_0+g0_1" not in {network.network for network in recommendation.solution.networks}
    assert any("non-finite loss at step 7" in warning for warning in recommendation.warnings)
    failed = [record for record in runs.store.trials(run) if record.state == "failed"]
    assert {record.trial.network for record in failed} == {"g0_0+g0_1"}
    assert {record.reason for record in failed} == {"non-finite loss at step 7"}


def test_a_task_that_cannot_be_trained_alone_ends_the_run_with_its_reason(runs: Runs) -> None:
    job = job_of()
    with pytest.raises(NoResultError, match=r"task 'g0_0' could not be trained alone \(hopeless\)") as caught:
        runs.work(job, runs.create(job), hopeless)
    assert caught.value.exit_code == 3


@pytest.mark.parametrize("estimator", ["measured", "early-stopping"])
def test_other_estimators_find_the_planted_groups_too(runs: Runs, estimator: str) -> None:
    job = job_of(affinity={"estimator": estimator, "fraction": 0.25, "audit": 4})
    recommendation = runs.work(job, runs.create(job))
    assert {frozenset(network.serves) for network in recommendation.solution.networks} == set(GROUPS)
    if estimator == "measured":
        assert recommendation.audit is None
        assert recommendation.estimates == ()
        assert recommendation.solution.optimal_for == (
            "expected losses of the 64 networks that were trained, given all measured losses"
        )
    else:
        assert recommendation.audit is not None
        assert recommendation.estimates
        assert recommendation.solution.optimal_for == "early-stopping estimates of 64 networks"


def test_the_users_own_grouping_is_confirmed_beside_the_choice(runs: Runs) -> None:
    own = [["g0_0", "g1_0", "g0_1"], ["g1_1", "g0_2", "g1_2"]]
    job = job_of(evidence={"seeds": 3, "random_groupings": 3, "draws": 5, "grouping": own})
    recommendation = runs.work(job, runs.create(job))
    yours = next(baseline for baseline in recommendation.baselines if baseline.name == "yours")
    assert {network.network for network in yours.networks} == {"g0_0+g0_1+g1_0", "g0_2+g1_1+g1_2"}
    assert next(p for p in recommendation.paired if p.against == "yours").high is not None


def test_auxiliary_tasks_are_trained_but_never_served(runs: Runs) -> None:
    names = sorted(GROUPS[0] | GROUPS[1])
    tasks = [
        {"name": n, "target": f"y_{n}", "type": "regression", "role": "auxiliary" if n == "g0_2" else "main"}
        for n in names
    ]
    recommendation = runs.work(job := job_of(tasks=tasks), runs.create(job))
    served = [task for network in recommendation.solution.networks for task in network.serves]
    assert sorted(served) == [name for name in names if name != "g0_2"]
    assert any("g0_2" in network.tasks for network in recommendation.solution.networks)


def test_one_task_is_answered_too(runs: Runs) -> None:
    tasks = [{"name": "g0_0", "target": "y_g0_0", "type": "regression"}]
    job = job_of(tasks=tasks, budget={"inference": 1})
    recommendation = runs.work(job, runs.create(job))
    assert [network.network for network in recommendation.solution.networks] == ["g0_0"]
    assert recommendation.verdict == "noise"


def test_repeated_splits_repeat_the_whole_job(runs: Runs) -> None:
    data = {"source": "synthetic", "split": {"fractions": [0.6, 0.2, 0.2], "seed": 1}}
    job = job_of(data=data, evidence={"seeds": 3, "random_groupings": 3, "draws": 5, "splits": 2})
    run = runs.create(job)
    recommendation = runs.work(job, run)
    assert [row["split"] for row in recommendation.repeated_splits] == [0, 1]
    assert {record.trial.split for record in runs.store.trials(run)} == {0, 1}


def test_a_search_longer_than_the_allowed_minutes_is_refused_before_it_starts(runs: Runs) -> None:
    job = job_of(budget={"inference": 2, "training": {"minutes": 1e-6}})
    run = runs.create(job)
    with pytest.raises(SpecError, match="are allowed"):
        runs.work(job, run)
    assert runs.store.trials(run) == []


def test_a_latency_budget_is_measured_once_and_decides_the_same_ever_after(monkeypatch: pytest.MonkeyPatch) -> None:
    spec = {
        "budget": {"inference": 1000.0, "unit": "latency_ms", "max_networks": 2},
        "affinity": {"estimator": "measured"},
    }
    known: dict[str, float] = {}
    first = prepare(resolved(**spec), Path(), known)
    assert known
    assert (first.plan.charged_C > 0).all()
    assert "latency_ms" in first.plan.candidates.other_costs_C

    def never(*_: object) -> float:
        raise AssertionError("measured again")

    monkeypatch.setattr("search.job.measured_latency_ms", never)
    again = prepare(resolved(**spec), Path(), dict(known))
    np.testing.assert_array_equal(again.plan.charged_C, first.plan.charged_C)
    assert again.cost_of(["g0_0"], 1.0, HARD) == first.cost_of(["g0_0"], 1.0, HARD)


@pytest.mark.parametrize("unit", ["flops", "parameters"])
def test_budgets_in_counted_units_are_kept(runs: Runs, unit: str) -> None:
    whole = job_of().plan.candidates.other_costs_C[unit].max()  # type: ignore[index]
    job = job_of(budget={"inference": float(1.1 * whole), "unit": unit})
    recommendation = runs.work(job, runs.create(job))
    assert recommendation.solution.cost <= 1.1 * whole
    comparable = [baseline for baseline in recommendation.baselines if baseline.comparable]
    assert {baseline.name for baseline in comparable} >= {"chosen", "all-in-one", "wide"}
    assert all(baseline.cost <= 1.1 * whole * (1 + 1e-9) for baseline in comparable)


def test_curves_and_trials_are_written_as_tables(finished: Finished) -> None:
    _, folder = finished
    curves = pd.read_parquet(folder / "curves.parquet")
    assert set(curves["seed"]) == {0, 1, 2}
    trials = pd.read_parquet(folder / "trials.parquet")
    assert set(trials["phase"]) == {"search", "audit", "check", "compare", "confirm"}
    assert (trials["state"] == "finished").all()


def scaled_planted(experiment: Experiment, trial: Trial) -> TrialResult:
    """The planted world with one task's loss in a unit 100 times smaller."""
    result = planted(experiment, trial)
    factor_T = np.array([100.0 if task == "g1_1" else 1.0 for task in trial.tasks])
    test = result.test
    if test is not None:
        test = replace(test, cluster_sum_TG=test.cluster_sum_TG * factor_T[:, None])
    return replace(result, curve_TS=result.curve_TS * factor_T[:, None], test=test)


def hopeless(experiment: Experiment, trial: Trial) -> TrialResult:
    """The planted world in which one task cannot be trained alone."""
    if trial.tasks == ("g0_0",) and trial.fraction == 1.0:
        raise TrialError("hopeless")
    return planted(experiment, trial)


class _Counts:
    """Counts whole trainings; probes of the workers' speed are not among them."""

    def __init__(self, train: Callable[[Experiment, Trial], TrialResult]) -> None:
        self._train = train
        self.whole = 0

    def __call__(self, experiment: Experiment, trial: Trial) -> TrialResult:
        self.whole += trial.phase != "probe"
        return self._train(experiment, trial)


class _StopsAfter(_Counts):
    """Behaves like Ctrl-C after some trainings."""

    def __init__(self, train: Callable[[Experiment, Trial], TrialResult], limit: int) -> None:
        super().__init__(train)
        self._limit = limit

    def __call__(self, experiment: Experiment, trial: Trial) -> TrialResult:
        if self.whole >= self._limit:
            raise KeyboardInterrupt
        return super().__call__(experiment, trial)
