"""A slider's answer is the best grouping there is, and a larger budget never makes it worse."""

from __future__ import annotations

from itertools import combinations
from pathlib import Path

import numpy as np
import pytest

from grouping.candidates import Candidates
from grouping.files import write_losses
from grouping.losses import LossTable, single_task_losses
from search.service.web.choice_view import Choices, read_choices
from tests.search.service.web.samples import loss_table, run_folder, spec


def choices_of(folder: Path, n_tasks: int = 3, budget: float = 2.0, seed: int = 0) -> Choices:
    found = read_choices(folder, run_folder(folder, n_tasks, budget, seed), spec(tuple("abcdefgh"[:n_tasks]), budget))
    assert found is not None
    return found


def brute_force(n_tasks: int, seed: int, budget: int) -> float:
    """Lowest mean relative loss of any so many networks of cost 1."""
    table = loss_table(n_tasks, seed)
    losses_CT = table.scaled(single_task_losses(table)).mean_CT
    found = []
    for chosen in combinations(range(len(losses_CT)), budget):
        rows = losses_CT[list(chosen)]
        if not np.isnan(rows).all(axis=0).any():
            found.append(float(np.nanmin(rows, axis=0).mean()))
    return min(found)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("budget", [1, 2, 3])
def test_the_answer_is_the_best_of_all_groupings(tmp_path: Path, seed: int, budget: int) -> None:
    choice = choices_of(tmp_path, seed=seed).at(budget, None)
    assert choice.selection is not None
    assert choice.selection.objective == pytest.approx(brute_force(3, seed, budget), abs=1e-12)
    assert choice.selection.proven_optimal


def test_the_runs_own_budget_gives_what_the_run_recommends(tmp_path: Path) -> None:
    recommendation = run_folder(tmp_path, n_tasks=5)
    choices = read_choices(tmp_path, recommendation, spec(tuple("abcde")))
    assert choices is not None
    choice = choices.at(choices.limit, choices.max_networks)
    assert choice.selection is not None
    assert choice.selection.objective == pytest.approx(recommendation.solution.objective, abs=1e-12)
    assert choice.against == "This is the grouping that the run recommends."


def test_a_larger_budget_is_never_worse_and_every_stop_buys_something(tmp_path: Path) -> None:
    choices = choices_of(tmp_path, n_tasks=4)
    objectives = []
    for stop in choices.stops:
        selection = choices.at(stop.cost, None).selection
        assert selection is not None
        objectives.append(selection.objective)
    assert objectives == sorted(objectives, reverse=True)
    assert len(set(objectives)) == len(objectives)
    assert choices.least == choices.stops[0].cost <= choices.limit <= choices.most


def test_a_budget_that_nothing_fits_is_answered_with_the_smallest_that_works(tmp_path: Path) -> None:
    choice = choices_of(tmp_path).at(0.5, None)
    assert choice.selection is None
    assert choice.problem.replace("\N{NO-BREAK SPACE}", " ") == (
        "No grouping fits 0.5 SNT. The smallest budget that works is 1 SNT."
    )


def test_at_most_so_many_networks_are_chosen(tmp_path: Path) -> None:
    choices = choices_of(tmp_path, n_tasks=5)
    for most in (1, 2, 3):
        selection = choices.at(5.0, most).selection
        assert selection is not None
        assert len(selection.networks) <= most


def test_networks_of_sizes_that_were_not_asked_for_are_references_only(tmp_path: Path) -> None:
    recommendation = run_folder(tmp_path)
    asked = spec().model_copy(update={"network": spec().network.model_copy(update={"capacities": (1.0, 2.0)})})
    assert read_choices(tmp_path, recommendation, asked) is not None
    other = spec().model_copy(update={"network": spec().network.model_copy(update={"capacities": (2.0,)})})
    assert read_choices(tmp_path, recommendation, other) is None


def test_what_a_search_over_settings_found_can_be_chosen_whatever_its_size(tmp_path: Path) -> None:
    recommendation = run_folder(tmp_path)
    plain = loss_table()
    groups = plain.candidates
    sized = Candidates(
        groups.tasks,
        np.vstack([groups.members_CT, groups.members_CT]),
        np.concatenate([groups.cost_C, 0.5 * groups.cost_C]),
        (*groups.label_C, *["hard with capacity=0.5 widths=24x24"] * len(groups.label_C)),
    )
    better_RCT = np.concatenate([plain.losses_RCT, 0.9 * plain.losses_RCT], axis=1)
    write_losses(LossTable(sized, better_RCT, plain.seeds), tmp_path / "losses.csv")
    choices = read_choices(tmp_path, recommendation, spec())
    assert choices is not None
    assert choices.least == 0.5
    selection = choices.at(1.5, None).selection
    assert selection is not None
    assert {network.candidate for network in selection.networks} == {"hard with capacity=0.5 widths=24x24"}


def test_a_run_without_losses_has_no_slider(tmp_path: Path) -> None:
    recommendation = run_folder(tmp_path)
    (tmp_path / "losses.csv").unlink()
    assert read_choices(tmp_path, recommendation, spec()) is None


def test_a_run_with_a_rule_that_the_table_does_not_hold_has_no_slider(tmp_path: Path) -> None:
    asked = spec()
    evidence = asked.evidence.model_copy(
        update={"no_harm": asked.evidence.no_harm.model_copy(update={"constrain": True})}
    )
    assert read_choices(tmp_path, run_folder(tmp_path), asked.model_copy(update={"evidence": evidence})) is None
