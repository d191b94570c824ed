"""Who dominates one network of all tasks: seen in real training, said in the report, and tried to be cured."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from grouping.recommendation import Recommendation
from search.decision.domination import CURES
from search.decision.phases import phases_of
from tests.search.planted import GROUPS
from tests.search.test_run import Runs, job_of

NAMES = sorted(set().union(*GROUPS))
EVIDENCE: dict[str, Any] = {
    "seeds": 3,
    "random_groupings": 2,
    "draws": 5,
    "best_of_random": False,
    "domination": True,
}


@pytest.fixture
def runs(tmp_path: Path) -> Iterator[Runs]:
    made = Runs(tmp_path)
    yield made
    made.store.close()


def work(runs: Runs, **sections: Any) -> tuple[Recommendation, str]:
    job = job_of(**{"evidence": EVIDENCE, "network": {"widths": [16]}, **sections})
    run = runs.create(job)
    return runs.work(job, run), run


def test_a_heavy_task_dominates_and_the_report_names_it(runs: Runs) -> None:
    tasks = [{"name": name, "target": f"y_{name}", "type": "regression", "weight": 1.0} for name in NAMES]
    tasks[0]["weight"] = 30.0
    training = {"epochs": 3, "seeds": 3, "weighting": "declared"}
    recommendation, run = work(runs, tasks=tasks, training=training)
    found = recommendation.domination
    assert found is not None
    assert found.dominant == (NAMES[0],)
    shares = {one.task: one for one in found.tasks}
    assert shares[NAMES[0]].gradient[0] == pytest.approx(30 / 35, abs=0.12)
    assert sum(one.gradient[0] or 0 for one in found.tasks) == pytest.approx(1.0)
    assert sum(one.loss[0] or 0 for one in found.tasks) == pytest.approx(1.0)
    assert tuple(cure.balancing for cure in found.cures) == CURES
    assert all(0 <= conflict.share <= 1 for conflict in found.conflicts)
    text = (runs.home / run / "report.md").read_text().replace("\N{NO-BREAK SPACE}", " ")
    assert f"One network of all tasks is dominated by {NAMES[0]} (" in text
    assert "What balancing gains over equal weights" in text
    assert Recommendation.from_json(recommendation.to_json()).domination == found
    charged = {cost.phase: cost.trainings for cost in recommendation.training_cost}
    assert charged["domination"] == 4 * 3, "looked at, three ways to balance; equal weights are the search's own"


def test_alike_tasks_share_fairly_and_nobody_is_called_dominant(runs: Runs) -> None:
    recommendation, run = work(runs, training={"epochs": 3, "seeds": 3})
    assert recommendation.domination is not None
    assert recommendation.domination.dominant == ()
    text = (runs.home / run / "report.md").read_text().replace("\N{NO-BREAK SPACE}", " ")
    assert "No task dominates one network of all tasks" in text


def test_one_seed_names_nobody(runs: Runs) -> None:
    training = {"epochs": 2, "seeds": 1}
    recommendation, _ = work(runs, training=training, evidence={**EVIDENCE, "seeds": 3})
    assert recommendation.domination is not None
    assert recommendation.domination.dominant == ()
    assert recommendation.domination.tasks[0].gradient[1] is None


def test_nothing_is_trained_for_it_unasked(runs: Runs) -> None:
    recommendation, _ = work(runs, evidence={**EVIDENCE, "domination": False}, training={"epochs": 3, "seeds": 2})
    assert recommendation.domination is None
    assert "domination" not in {cost.phase for cost in recommendation.training_cost}


def test_a_plan_counts_what_it_takes() -> None:
    plan = job_of(evidence=EVIDENCE, training={"epochs": 3, "seeds": 2}).plan
    counted = {phase.phase: phase.trainings for phase in phases_of(plan)}
    assert counted["domination"] == 5 * 2
