"""The main job under a training budget: what it trains next, what it may spend, and that it finds what is planted."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from grouping.recommendation import Recommendation
from search.decision.plan import Plan
from search.documents import dump_spec, parse_spec
from search.errors import SpecError
from search.spec import Spec
from tests.search.decision.test_plan import groups, plan_of
from tests.search.planted import GROUPS, diverging_pairs, planted, planted_with_noise
from tests.search.test_run import Runs, Watches, _StopsAfter, job_of

ADAPTIVE: dict[str, Any] = {
    "affinity": {},
    "budget": {"inference": 2, "max_networks": 2, "training": {"trainings": 75, "worthwhile": 0}},
    "evidence": {"seeds": 3, "random_groupings": 3, "draws": 5},
}


@pytest.fixture
def runs(tmp_path: Path) -> Iterator[Runs]:
    made = Runs(tmp_path)
    yield made
    made.store.close()


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> tuple[Recommendation, Path]:
    made = Runs(tmp_path_factory.mktemp("adaptive"))
    job = job_of(**ADAPTIVE)
    run = made.create(job)
    recommendation = made.work(job, run)
    made.store.close()
    return recommendation, made.home / run


Finished = tuple[Recommendation, Path]


def adaptive_plan(**sections: Any) -> Plan:
    return plan_of(6, budget={"inference": 2, "max_networks": 2, "training": {"trainings": 75}}, **sections)


def test_the_planted_groups_are_found(finished: Finished) -> None:
    chosen = {frozenset(network.serves) for network in finished[0].solution.networks}
    assert chosen == set(GROUPS)
    assert finished[0].estimator == "adaptive"
    assert finished[0].estimates == ()


def test_it_spends_what_it_may_and_every_chosen_network_has_every_seed(finished: Finished) -> None:
    recommendation, folder = finished
    charged = {cost.phase: cost.trainings for cost in recommendation.training_cost}
    assert charged["search"] + charged.get("check", 0) <= 75
    assert charged["search"] >= 65
    table = (folder / "losses.csv").read_text().splitlines()
    for network in recommendation.solution.networks:
        rows = [row for row in table if row.startswith(f"{network.network},1.0")]
        assert len(rows) == 3 * len(network.tasks)


def test_the_best_so_far_is_told_round_by_round(runs: Runs) -> None:
    job = job_of(**ADAPTIVE)
    run = runs.create(job)
    watching = Watches(runs.store, run)
    recommendation = runs.work(job, run, progress=watching)
    assert recommendation.adaptive is not None
    told = [best for label, best in watching.best if label.startswith("round")]
    assert told == [found.objective for found in recommendation.adaptive.rounds]


def test_the_rounds_say_what_was_trained_next_and_what_for(finished: Finished) -> None:
    record = finished[0].adaptive
    assert record is not None
    trained = [one for found in record.rounds for one in found.trained]
    assert len({(one.network, one.replicate) for one in trained}) == len(trained)
    assert record.considered == 56
    assert record.groups == len({one.network for one in trained}) < 56
    assert all(one.gain >= 0 for one in trained)
    assert any(one.gain > 0 for one in trained)
    objectives = [found.objective for found in record.rounds]
    assert objectives[-1] is not None
    assert objectives[0] is not None
    assert objectives[-1] < objectives[0]
    assert record.inside <= record.cells


def test_where_trainings_are_noisy_close_calls_get_further_seeds(runs: Runs) -> None:
    job = job_of(**ADAPTIVE)
    recommendation = runs.work(
        job, runs.create(job), lambda experiment, trial: planted_with_noise(experiment, trial, 0.1)
    )
    record = recommendation.adaptive
    assert record is not None
    assert any(one.replicate > 1 for found in record.rounds for one in found.trained)


def test_the_report_tells_the_rounds(finished: Finished) -> None:
    report = (finished[1] / "report.md").read_text()
    assert "an adaptive search trained" in report
    assert "What was trained next, and what for" in report
    assert "every chosen network was trained" in report


def test_the_record_survives_its_file(finished: Finished) -> None:
    data = json.loads((finished[1] / "recommendation.json").read_text())
    assert Recommendation.from_json(data).adaptive == finished[0].adaptive


def test_an_interrupted_search_goes_on_to_the_same_end(runs: Runs, finished: Finished) -> None:
    job = job_of(**ADAPTIVE)
    run = runs.create(job)
    with pytest.raises(KeyboardInterrupt):
        runs.work(job, run, _StopsAfter(planted, 50))
    resumed = runs.work(job, run)
    assert resumed.adaptive == finished[0].adaptive
    assert resumed.solution == finished[0].solution


def test_a_group_that_cannot_be_trained_is_left_alone(runs: Runs) -> None:
    job = job_of(**ADAPTIVE)
    run = runs.create(job)
    recommendation = runs.work(job, run, diverging_pairs)
    assert {frozenset(network.serves) for network in recommendation.solution.networks} == set(GROUPS)
    record = recommendation.adaptive
    assert record is not None
    tried = [one for found in record.rounds for one in found.trained if one.network == "g0_0+g0_1"]
    assert len(tried) <= 1, "what failed is not proposed again"


def test_a_training_budget_makes_the_search_adaptive_unless_an_estimator_is_named() -> None:
    assert adaptive_plan().spec.affinity.estimator == "adaptive"
    assert adaptive_plan(affinity={"estimator": "measured", "audit": 0}, training={"seeds": 1}).explored_C.sum() == 0
    again = parse_spec(dump_spec(adaptive_plan().spec))
    assert again.affinity.estimator == "adaptive"


def test_every_group_of_the_plain_capacity_may_be_trained() -> None:
    plan = adaptive_plan(network={"widths": [32, 32], "capacities": [1.0, 2.0]})
    assert len(groups(plan, plan.explored_C)) == 2**6 - 6 - 1 - 1
    assert {len(name.split("+")) for name in groups(plan, plan.trained_C)} == {1, 6}
    assert plan.spare == 75 - len(plan.search_trials())
    assert plan.adaptive_trainings == plan.spare - 2 * 2


def test_listed_groups_are_what_may_be_trained() -> None:
    listed = [["t0", "t1"], ["t2", "t3", "t4"], ["t5"]]
    plan = adaptive_plan(candidates={"groups": listed})
    assert groups(plan, plan.explored_C) == {"t0+t1", "t2+t3+t4"}
    assert {len(name.split("+")) for name in groups(plan, plan.trained_C)} == {1, 6}


def test_a_spec_that_halves_is_not_made_adaptive() -> None:
    plan = plan_of(
        6, candidates={"halving": {}}, training={"epochs": 8}, budget={"inference": 2, "training": {"trainings": 200}}
    )
    assert plan.spec.affinity.estimator == "higher-order"


def test_groups_may_be_limited() -> None:
    plan = adaptive_plan(candidates={"max_size": 3})
    assert {len(name.split("+")) for name in groups(plan, plan.explored_C)} == {2, 3}


def test_what_cannot_be_adaptive_is_said() -> None:
    document: dict[str, Any] = {"name": "x", "data": {"source": "synthetic"}, "affinity": {"estimator": "adaptive"}}
    with pytest.raises(SpecError, match="needs to know how much it may train"):
        Spec.model_validate({**document, "budget": {"inference": 2}})
    with pytest.raises(SpecError, match="nothing to halve"):
        adaptive_plan(candidates={"halving": {}}, affinity={"estimator": "adaptive"})
    with pytest.raises(SpecError, match=r"trains 21 networks, 20 are allowed"):
        plan_of(6, budget={"inference": 2, "training": {"trainings": 20}})


def test_minutes_become_trainings_that_a_resumed_run_keeps(runs: Runs) -> None:
    minutes = {**ADAPTIVE, "budget": {"inference": 2, "max_networks": 2, "training": {"minutes": 0.02}}}
    job = job_of(**minutes)
    run = runs.create(job)
    recommendation = runs.work(job, run)
    (event,) = [event for event in runs.store.events(run) if event.kind == "budget"]
    kept = parse_spec(runs.store.run(run).spec).budget.training
    assert kept is not None
    assert kept.trainings == event.payload["trainings"]
    charged = {cost.phase: cost.trainings for cost in recommendation.training_cost}
    assert charged["search"] + charged.get("check", 0) <= max(kept.trainings or 0, len(job.plan.search_trials()))
    written = parse_spec((runs.home / run / "spec.yaml").read_text()).budget.training
    assert written == kept, "the run's own spec asks for the same again"


def stopping(**training: object) -> dict[str, Any]:
    return {**ADAPTIVE, "budget": {"inference": 2, "max_networks": 2, "training": {"trainings": 75, **training}}}


def test_it_stops_once_a_worthwhile_gain_is_unlikely_and_says_why(runs: Runs) -> None:
    job = job_of(**stopping())
    run = runs.create(job)
    recommendation = runs.work(job, run)
    assert {frozenset(network.serves) for network in recommendation.solution.networks} == set(GROUPS)
    record = recommendation.adaptive
    assert record is not None
    assert record.stopped is not None
    assert record.stopped.chance <= 0.2
    assert record.stopped.low <= record.stopped.expected <= record.stopped.high
    spent = sum(len(one.trained) for one in record.rounds)
    assert spent < job.plan.adaptive_trainings == spent + record.stopped.left
    text = (runs.home / run / "report.md").read_text().replace("\N{NO-BREAK SPACE}", " ")
    assert f"It stopped after {spent} of" in text
    assert "the chance that it changes the decision (a gain above 1.00 %)" in text


def test_where_nothing_matters_it_stops_early(runs: Runs) -> None:
    job = job_of(**stopping(worthwhile=0.02))
    recommendation = runs.work(job, runs.create(job), partial(planted_with_noise, spread=0.01, effects=False))
    assert recommendation.adaptive is not None
    assert recommendation.adaptive.stopped is not None
    assert sum(len(one.trained) for one in recommendation.adaptive.rounds) <= 0.3 * job.plan.adaptive_trainings
    assert recommendation.verdict != "grouping"


def test_with_nothing_worthwhile_it_spends_all_it_may(finished: Finished) -> None:
    assert finished[0].adaptive is not None
    assert finished[0].adaptive.stopped is None
