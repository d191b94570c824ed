"""Searched policies in the main job: searched first, charged, candidates of the same table, reported, resumed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from grouping.policy import Policy
from grouping.recommendation import Recommendation
from search.decision.phases import phases_of
from search.errors import SpecError
from search.networks.sharing import HARD, Sharing
from search.training.experiment import Experiment
from search.trials import Trial, TrialResult
from tests.search.planted import planted
from tests.search.test_run import Quiet, Runs, job_of

SHORT: dict[str, Any] = {"seeds": 3, "random_groupings": 2, "draws": 5, "best_of_random": False}
SECTIONS: dict[str, Any] = {
    "network": {"trunk": "resmlp", "widths": [24, 24, 24]},
    "data": {"source": "synthetic", "rows": 300},
    "training": {"epochs": 4, "seeds": 3},
    "evidence": SHORT,
    "affinity": {"estimator": "measured"},
    "candidates": {"groups": [["g0_0", "g0_1", "g0_2"], ["g1_0", "g1_1", "g1_2"], ["g0_0", "g1_0"]]},
}


@pytest.fixture
def runs(tmp_path: Path) -> Iterator[Runs]:
    made = Runs(tmp_path)
    yield made
    made.store.close()


def policies_help(experiment: Experiment, trial: Trial) -> TrialResult:
    """As ``planted``, but whatever policy takes a tenth off every loss."""
    result = planted(experiment, replace(trial, sharing=HARD))
    factor = 0.9 if trial.sharing.startswith(("adashare", "automtl")) else 1.0
    test = result.test
    if test is not None:
        test = replace(test, cluster_sum_TG=test.cluster_sum_TG * factor)
    return replace(result, curve_TS=result.curve_TS * factor, test=test)


def work(runs: Runs, *ways: str, **sections: Any) -> tuple[Recommendation, str]:
    job = job_of(**{**SECTIONS, "architectures": list(ways), **sections})
    run = runs.create(job)
    return runs.work(job, run, policies_help), run


def test_what_is_found_is_a_candidate_that_the_solver_may_choose(runs: Runs) -> None:
    way = "adashare sparsity=0.3"
    recommendation, run = work(runs, way)
    assert len(recommendation.policies) == 4  # three groups and all tasks
    for searched in recommendation.policies:
        assert searched.sharing == way
        assert (searched.units, searched.fixed) == (("unit 1", "unit 2", "unit 3"), ("unit 1",))
        assert all(modes[0] != "skip" and "shared" in modes[1:] for modes in searched.chosen), "everybody keeps a path"
        assert searched.draws >= 1
        policy = Policy(searched.chosen)  # type: ignore[arg-type]
        assert searched.candidate == (HARD if policy.is_hard else str(Sharing.parse(way).found(policy)))
        assert searched.size is not None
        assert searched.size.trunk_flops == pytest.approx(2 * (12 * 24 + 4 * 24**2), rel=0.06), "as one trunk costs"
    found = {(frozenset(one.tasks), one.candidate) for one in recommendation.policies if one.candidate != HARD}
    assert found, "so heavy a loss on FLOPs skips something"
    served = {(frozenset(n.tasks), n.candidate) for n in recommendation.solution.networks if len(n.tasks) > 1}
    assert served & found
    table = (runs.home / run / "losses.csv").read_text()
    assert all(candidate in table for _, candidate in found)
    (gained,) = recommendation.ways
    assert gained.sharing == "adashare"
    assert gained.gain == pytest.approx(0.1, abs=0.02)
    assert Recommendation.from_json(recommendation.to_json()).policies == recommendation.policies


def test_what_goes_on_from_the_weights_of_its_search_costs_what_its_policy_costs(runs: Runs) -> None:
    """Its layers are as wide as they were searched, so the budget is charged for what is run, and for nothing else."""
    way = "adashare sparsity=0.3 start=searched"
    recommendation, run = work(runs, way)
    by_size = {(frozenset(one.tasks), one.candidate): one for one in recommendation.policies if one.candidate != HARD}
    assert by_size
    assert all(" start=" in candidate for _, candidate in by_size)
    served = [n for n in recommendation.solution.networks if (frozenset(n.tasks), n.candidate) in by_size]
    assert served
    for network in served:
        found = by_size[frozenset(network.tasks), network.candidate]
        assert network.cost == pytest.approx(found.flops)
    assert [gained.sharing for gained in recommendation.ways] == ["adashare start=searched"]
    text = (runs.home / run / "report.md").read_text().replace("\N{NO-BREAK SPACE}", " ")
    assert "with start=searched from the weights of the search, at the cost of the policy" in text


def test_searches_are_charged_and_shown(runs: Runs) -> None:
    recommendation, run = work(runs, "automtl")
    costs = {cost.phase: cost for cost in recommendation.training_cost}
    assert costs["policy"].trainings == 4
    assert costs["policy"].seconds == pytest.approx(sum(one.seconds for one in recommendation.policies))
    text = (runs.home / run / "report.md").read_text().replace("\N{NO-BREAK SPACE}", " ")
    assert "4 searches looked for what each unit of the trunk should be to each task" in text
    assert "No way leads round unit 1" in text
    assert "Chosen modes and their probabilities" in text
    html = (runs.home / run / "report.html").read_text()
    assert "policy-time-0" in html


def test_a_resumed_run_searches_nothing_twice_and_ends_alike(runs: Runs) -> None:
    job = job_of(**SECTIONS, architectures=["adashare sparsity=0.3", "learned-branching"])
    run = runs.create(job)
    first = runs.work(job, run, policies_help)
    progress = Quiet()
    again = runs.work(job, run, policies_help, progress)
    assert progress.phases == []
    assert again.policies == first.policies
    assert again.solution == first.solution


def test_the_plan_says_what_searches_take_and_the_budget_counts_it() -> None:
    plan = job_of(**SECTIONS, architectures=["automtl"]).plan
    phases = {phase.phase: phase for phase in phases_of(plan)}
    assert phases["policy"].trainings == 4
    # Every task goes its own way, shared and own, for a quarter more steps.
    assert phases["policy"].standard_trainings == pytest.approx(1.25 * 2 * (3 + 3 + 2 + 6))
    hard = job_of(**SECTIONS).plan
    assert phases["search"].trainings == phases_of(hard)[0].trainings + 4 * 3
    needed = hard.needed + 4 * 3 + 8 + 8 + 5 + 15
    assert plan.needed == needed
    with pytest.raises(SpecError, match=f"the search trains {needed} networks"):
        job_of(**SECTIONS, architectures=["automtl"], budget={"inference": 2, "training": {"trainings": needed - 1}})


def test_the_losses_of_the_official_code_lead_elsewhere(runs: Runs) -> None:
    ways = ["adashare sparsity=0.05", "adashare sparsity=0.05 variant=official-code"]
    recommendation, _ = work(runs, *ways)
    last = {way: [one.probability[-1] for one in recommendation.policies if one.sharing == way] for way in ways}
    assert len(last[ways[0]]) == len(last[ways[1]]) == 4
    assert last[ways[0]] != last[ways[1]]


def test_a_trunk_without_anything_to_skip_is_refused_with_a_way_out() -> None:
    network = {"trunk": "mlp", "widths": [24, 16]}
    with pytest.raises(SpecError, match="can be skipped") as refused:
        job_of(**{**SECTIONS, "network": network}, architectures=["adashare"])
    assert "resmlp" in (refused.value.fix or "")
    assert job_of(**{**SECTIONS, "network": network}, architectures=["learned-branching"]).plan.searches
