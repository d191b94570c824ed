"""Other ways to share in the main job: candidates of the same table, chosen by the same solver, reported."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from grouping.recommendation import Recommendation
from search.errors import SpecError
from search.networks.sharing import HARD
from search.training.experiment import Experiment
from search.trials import Trial, TrialResult
from tests.search.planted import planted
from tests.search.test_run import Runs, job_of, resolved

SHORT: dict[str, Any] = {"seeds": 3, "random_groupings": 2, "draws": 5, "best_of_random": False}
NETWORK = {"widths": [64, 64]}


@pytest.fixture
def runs(tmp_path: Path) -> Iterator[Runs]:
    made = Runs(tmp_path)
    yield made
    made.store.close()


def attention_helps(experiment: Experiment, trial: Trial) -> TrialResult:
    """As ``planted``, but attention masks and PCGrad take a tenth off every loss, and soft sharing adds one."""
    result = planted(experiment, replace(trial, sharing=HARD))
    factor = {"mtan": 0.9, "soft weight=0.1": 1.1}.get(trial.sharing, 1.0)
    factor *= 0.9 if experiment.training.balancing == "pcgrad" else 1.0
    curve_TS = result.curve_TS * factor
    test = result.test
    if test is not None:
        test = replace(test, cluster_sum_TG=test.cluster_sum_TG * factor)
    return replace(result, curve_TS=curve_TS, test=test)


def work(runs: Runs, **sections: Any) -> tuple[Recommendation, str]:
    job = job_of(**{"network": NETWORK, "evidence": SHORT, **sections})
    run = runs.create(job)
    return runs.work(job, run, attention_helps), run


@pytest.mark.parametrize("estimator", ["measured", "higher-order"])
def test_the_better_way_is_chosen_and_the_report_compares_them(runs: Runs, estimator: str) -> None:
    ways = ["mtan", "soft weight=0.1"]
    recommendation, run = work(runs, architectures=ways, affinity={"estimator": estimator, "audit": 2})
    shared = [network for network in recommendation.solution.networks if len(network.tasks) > 1]
    assert shared
    assert {network.candidate for network in shared} == {"mtan"}
    found = {way.sharing: way for way in recommendation.ways}
    assert set(found) == set(ways)
    assert found["mtan"].gain == pytest.approx(0.1, abs=0.02)
    assert found["mtan"].low is not None
    assert found["mtan"].low > 0
    assert found["soft weight=0.1"].better == 0
    text = (runs.home / run / "report.md").read_text().replace("\N{NO-BREAK SPACE}", " ")
    assert "better: mtan; worse: soft weight=0.1" in text
    assert "mtan" in (runs.home / run / "losses.csv").read_text()
    assert Recommendation.from_json(recommendation.to_json()).ways == recommendation.ways


def test_ways_to_balance_are_candidates_of_the_same_table(runs: Runs) -> None:
    """One trunk that is balanced costs what one trunk costs; where its losses are lower, it is what is chosen."""
    ways = ["hard with balancing=pcgrad", "soft weight=0.1 with balancing=dwa"]
    recommendation, run = work(runs, architectures=ways, affinity={"estimator": "measured"})
    shared = [network for network in recommendation.solution.networks if len(network.tasks) > 1]
    assert shared
    assert {(network.candidate, network.cost) for network in shared} == {(ways[0], 1.0)}
    found = {way.sharing: way for way in recommendation.ways}
    assert set(ways) <= set(found)
    assert found[ways[0]].gain == pytest.approx(0.1, abs=0.02)
    assert ways[0] in (runs.home / run / "losses.csv").read_text()


def test_an_adaptive_search_tries_them_on_the_group_of_all_tasks(runs: Runs) -> None:
    budget = {"inference": 2, "max_networks": 2, "training": {"trainings": 60}}
    recommendation, _ = work(runs, architectures=["mtan"], budget=budget, affinity={"estimator": "adaptive"})
    (way,) = recommendation.ways
    assert (way.sharing, way.groups) == ("mtan", 1)


def test_networks_cost_what_their_capacity_says_and_single_tasks_have_one_trunk() -> None:
    plan = job_of(network=NETWORK, architectures=["mmoe", "cross-stitch"], affinity={"estimator": "measured"}).plan
    flops_C = plan.candidates.other_costs_C["flops"]
    for c, sharing in enumerate(plan.sharing_C):
        hard = plan.index(plan.group(c), float(plan.capacity_C[c]))
        assert hard is not None
        assert sharing == HARD or len(plan.group(c)) > 1
        assert flops_C[c] == pytest.approx(flops_C[hard], rel=0.06)
    assert {"mmoe", "cross-stitch"} <= set(plan.sharing_C)


def test_a_way_that_no_whole_widths_bring_to_the_capacity_is_left_out_and_named() -> None:
    plan = job_of(network={"widths": [6, 6]}, architectures=["ple experts=4"], affinity={"estimator": "measured"}).plan
    assert set(plan.sharing_C) == {HARD}
    assert "left out: " in plan.left_out[0]
    assert "ple experts=4" in plan.left_out[0]


def test_hard_sharing_is_always_among_them_and_names_are_written_one_way() -> None:
    spec = resolved(architectures=["soft  weight=0.10", "mtan", "hard", "mtan"])
    assert spec.architectures == ("hard", "soft weight=0.1", "mtan")


@pytest.mark.parametrize(
    ("ways", "where", "message"),
    [
        (["mtam"], r"architectures\[0\]", "no architecture is called 'mtam'"),
        (["hard", "branch depth=9"], r"architectures\[1\]", "shares 9 layers of a trunk of"),
        (["soft weight=much"], r"architectures\[0\]", "could not convert"),
    ],
)
def test_what_cannot_be_shared_so_is_refused(ways: list[str], where: str, message: str) -> None:
    with pytest.raises(SpecError, match=message) as refused:
        resolved(architectures=ways)
    assert re.match(where, refused.value.where)
    assert refused.value.fix


def test_a_trial_with_one_trunk_keeps_its_key() -> None:
    """Stores know trainings from before there were other ways to share."""
    hard = Trial(("a", "b"), 1.0, 3)
    assert hard.key("context") == "1b49a49bc3e5528a5e54f3457635382a"
    assert replace(hard, sharing="mtan").key("context") != hard.key("context")
