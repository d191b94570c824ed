"""No harm in the main job: a statement on every served task, and a constraint that the choice keeps."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from grouping.errors import InfeasibleError
from grouping.recommendation import Recommendation
from search.errors import SpecError
from search.training.experiment import Experiment
from search.trials import Trial, TrialResult
from tests.search.planted import GROUPS, planted, planted_with_noise
from tests.search.test_run import Runs, job_of, resolved

SHORT: dict[str, Any] = {"seeds": 4, "random_groupings": 2, "draws": 5, "best_of_random": False}


@pytest.fixture
def runs(tmp_path: Path) -> Iterator[Runs]:
    made = Runs(tmp_path)
    yield made
    made.store.close()


def loner(experiment: Experiment, trial: Trial) -> TrialResult:
    """As ``planted``, but one task loses by 8 % in any company, while its friends gain from it."""
    result = planted_with_noise(experiment, trial, 0.002)
    if len(trial.tasks) > 1 and "g0_0" in trial.tasks:
        row = trial.tasks.index("g0_0")
        result.curve_TS[row] *= 1.08 / 0.94
        if result.test is not None:
            result.test.cluster_sum_TG[row] *= 1.08 / 0.94
    return result


def work(runs: Runs, train: Any = planted, **sections: Any) -> Recommendation:
    job = job_of(**sections)
    return runs.work(job, runs.create(job), train)


def test_the_report_says_which_tasks_are_held(runs: Runs) -> None:
    job = job_of(evidence=SHORT)
    run = runs.create(job)
    recommendation = runs.work(job, run)
    assert recommendation.no_harm is not None
    found = {one.task: one.state for one in recommendation.no_harm.tasks}
    assert found == dict.fromkeys(set().union(*GROUPS), "held")
    assert "No served task is worse" in (runs.home / run / "report.md").read_text().replace("\N{NO-BREAK SPACE}", " ")
    assert Recommendation.from_json(recommendation.to_json()).no_harm == recommendation.no_harm


def test_a_harmed_task_is_named_and_the_constraint_serves_it_alone(runs: Runs) -> None:
    sections: dict[str, Any] = {"budget": {"inference": 3, "max_networks": 3}, "network": {"widths": [32, 32]}}
    sections["affinity"] = {"estimator": "measured"}
    sections["candidates"] = {"groups": [["g0_0", "g0_1", "g0_2"], ["g0_1", "g0_2"], ["g1_0", "g1_1", "g1_2"]]}
    constrained = work(runs, loner, **sections, evidence={**SHORT, "no_harm": {"margin": 0.02, "constrain": True}})
    alone = next(network for network in constrained.solution.networks if "g0_0" in network.serves)
    assert alone.tasks == ("g0_0",)
    assert constrained.no_harm is not None
    assert constrained.no_harm.constrained
    assert {one.state for one in constrained.no_harm.tasks} == {"held"}


@pytest.mark.parametrize("estimator", ["higher-order", "linear-surrogate", "cosine", "adaptive"])
def test_every_estimator_takes_the_constraint(runs: Runs, estimator: str) -> None:
    budget: dict[str, Any] = {"inference": 3, "max_networks": 3}
    if estimator == "adaptive":
        budget["training"] = {"trainings": 60}
    sections: dict[str, Any] = {"budget": budget, "network": {"widths": [16]}, "training": {"epochs": 2, "seeds": 3}}
    sections["affinity"] = {"estimator": estimator, "audit": 0}
    recommendation = work(runs, loner, **sections, evidence={**SHORT, "no_harm": {"margin": 0.03, "constrain": True}})
    assert recommendation.no_harm is not None
    states = {one.task: one.state for one in recommendation.no_harm.tasks}
    assert states["g0_0"] == "held"
    assert next(n for n in recommendation.solution.networks if "g0_0" in n.serves).tasks == ("g0_0",)


def test_what_harms_without_the_constraint_is_said(runs: Runs) -> None:
    sections: dict[str, Any] = {"budget": {"inference": 2, "max_networks": 2}, "network": {"widths": [32, 32]}}
    recommendation = work(runs, loner, **sections, affinity={"estimator": "measured"}, evidence=SHORT)
    assert recommendation.no_harm is not None
    states = {one.task: one.state for one in recommendation.no_harm.tasks}
    shared = next(n for n in recommendation.solution.networks if "g0_0" in n.serves)
    assert states["g0_0"] == ("harmed" if len(shared.tasks) > 1 else "held")


def test_a_constraint_that_nothing_keeps_ends_with_the_way_out(runs: Runs) -> None:
    sections: dict[str, Any] = {"budget": {"inference": 1, "max_networks": 1}, "network": {"widths": [32, 32]}}
    with pytest.raises(InfeasibleError, match=r"within 2.0% of its single-task network at 95%") as caught:
        work(runs, **sections, evidence={**SHORT, "no_harm": {"constrain": True}})
    assert caught.value.where == "evidence.no_harm"


def test_the_deployed_grouping_can_be_what_tasks_are_compared_with(runs: Runs) -> None:
    deployed = [["g0_0", "g1_0", "g1_1"], ["g0_1", "g0_2", "g1_2"]]
    evidence = {**SHORT, "grouping": deployed, "no_harm": {"against": "grouping", "constrain": True}}
    recommendation = work(runs, evidence=evidence)
    assert recommendation.no_harm is not None
    assert recommendation.no_harm.against == "grouping"
    assert {frozenset(network.serves) for network in recommendation.solution.networks} == set(GROUPS)
    assert {one.state for one in recommendation.no_harm.tasks} == {"held"}


@pytest.mark.parametrize(
    ("sections", "where"),
    [
        ({"evidence": {"no_harm": {"against": "grouping"}}}, "evidence.no_harm.against"),
        ({"evidence": {"no_harm": {"constrain": True}}, "training": {"seeds": 1}}, "evidence.no_harm.constrain"),
        (
            {"evidence": {"no_harm": {"constrain": True}}, "affinity": {"estimator": "early-stopping"}},
            "evidence.no_harm.constrain",
        ),
    ],
)
def test_what_cannot_be_held_is_refused_beforehand(sections: dict[str, Any], where: str) -> None:
    with pytest.raises(SpecError) as caught:
        resolved(**sections)
    assert caught.value.where == where
