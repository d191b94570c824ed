"""Published selections are reproduced exactly: Standley et al. 2020, MTG-Net 2022, TAG 2021."""

from __future__ import annotations

import math

import numpy as np
import pytest

from grouping.estimators.higher_order import higher_order
from grouping.losses import LossTable
from grouping.solver.solution import Solution
from grouping.solver.solve import solve
from grouping.solver.verification import verify
from tests.grouping.published import gains, needs_published, rows, standley
from tests.grouping.solver.instances import Float, subsets

pytestmark = needs_published

# Points of the published curves that cannot be met: two typing slips in the plotting script (its tables give .50278),
# and two where equally good selections score differently (a single and a pair have the same estimate).
SLIPS = {("1", "optimal", "1.0"): 0.50278, ("1", "esa", "1.0"): 0.50278}
TIES = {("1", "hoa", "4.5"): (0.44552, 0.44532), ("1", "hoa", "5.0"): (0.44196, 0.44176)}


def chosen_by(method: str, setting: int) -> LossTable:
    """The losses a method of the paper selects by."""
    if method == "hoa":
        return higher_order(standley(setting, "val"), keep_measured=False)
    return standley(setting, {"optimal": "val", "esa": "esa"}[method])


def matched(table: LossTable, other: LossTable) -> Float:
    """Losses of the table's candidates in another table, in the table's order."""
    order = []
    for c in range(len(table.candidates)):
        names = [task for task, member in zip(table.tasks, table.candidates.members_CT[c], strict=True) if member]
        found = other.candidates.index(names, float(table.candidates.cost_C[c]))
        assert found is not None
        order.append(found)
    assert other.tasks == table.tasks
    return other.mean_CT[order]


def routed(solution: Solution, losses_CT: Float) -> float:
    """Total when each task keeps the network it was routed to."""
    server_T = solution.chosen[solution.serves_T]
    return math.fsum(losses_CT[server_T, np.arange(len(server_T))].tolist())


def best_of_chosen(solution: Solution, losses_CT: Float) -> float:
    """Total when each task takes the chosen network that is best on the scored part, as the 2020 paper does."""
    return math.fsum(np.nanmin(losses_CT[solution.chosen], axis=0).tolist())


@pytest.mark.parametrize("row", rows("standley/recomputed_mip.csv"))
def test_standley_selections_and_curves(row: dict[str, str]) -> None:
    setting, method = int(row["setting"]), row["method"]
    table = chosen_by(method, setting)
    solution = solve(table.mean_CT, table.candidates.cost_C, float(row["budget"]))
    tolerance = 1e-6 if method == "hoa" else 1e-9
    assert solution.objective == pytest.approx(float(row["selection_objective"]), abs=tolerance)
    assert solution.proven_optimal
    assert solution.certificate is not None
    assert verify(solution.certificate, table.mean_CT, table.candidates.cost_C)

    test_CT = matched(table, standley(setting, "test"))
    point = (row["setting"], method, row["budget"])
    score = best_of_chosen(solution, test_CT)
    if point in TIES:
        assert any(score == pytest.approx(value, abs=5e-6) for value in TIES[point])
        return
    assert score == pytest.approx(SLIPS.get(point, float(row["published"])), abs=5e-6)
    assert routed(solution, test_CT) == pytest.approx(float(row["test_routed_by_selection_score"]), abs=1e-9)


@pytest.mark.parametrize("setting", [1, 3])
def test_standley_test_oracle(setting: int) -> None:
    table = standley(setting, "test")
    for row in rows("standley/test_oracle_mip.csv"):
        if int(row["setting"]) == setting:
            solution = solve(table.mean_CT, table.candidates.cost_C, float(row["budget"]))
            assert solution.objective == pytest.approx(float(row["total_test_loss"]), abs=1e-9)


SELECTED_ON = {
    ("taskonomy", "oracle"): "gain",
    ("taskonomy", "hoa"): "hoa",
    ("taskonomy", "tag"): "tag_hoa",
    ("ettm1", "test_oracle"): "test",
    ("ettm1", "valid_oracle"): "valid",
    ("ettm1", "hoa"): "hoa",
    ("ettm1", "tag"): "tag_hoa",
}


@pytest.mark.parametrize(("dataset", "method"), list(SELECTED_ON))
def test_mtgnet_exact_rows(dataset: str, method: str) -> None:
    table = gains(dataset, SELECTED_ON[dataset, method])
    truth_CT = matched(table, gains(dataset, "gain" if dataset == "taskonomy" else "test"))
    compared = 0
    for row in rows("mtgnet/recomputed_small.csv"):
        if (row["dataset"], row["method"], row["solver"]) != (dataset, method, "mip"):
            continue
        solution = solve(table.mean_CT, table.candidates.cost_C, max_networks=int(row["k"]))
        assert -solution.objective == pytest.approx(float(row["selection_objective"]), abs=5e-6)
        assert -routed(solution, truth_CT) == pytest.approx(float(row["realised_total"]), abs=5e-6)
        assert len(solution.chosen) == float(row["networks_used"])
        compared += 1
    assert compared >= 5


@pytest.mark.parametrize("measure", ["tag_affinity", "cosine_similarity", "pair_valid_loss"])
def test_tag_selections(measure: str) -> None:
    pairs = [row for row in rows("tag/pairwise.csv") if row["measure"] == measure]
    tasks = list(dict.fromkeys(row["recipient"] for row in pairs))
    pair_TT = np.zeros((len(tasks), len(tasks)))
    for row in pairs:
        pair_TT[tasks.index(row["recipient"]), tasks.index(row["partner"])] = float(row["value"])
    lower_is_better = measure == "pair_valid_loss"
    members_CT = subsets(len(tasks))
    size_C = members_CT.sum(axis=1)
    if not lower_is_better:  # a task alone has no affinity to itself
        members_CT, size_C = members_CT[size_C > 1], size_C[size_C > 1]
    alone_T = np.diag(pair_TT).copy()
    np.fill_diagonal(pair_TT, 0)
    mean_CT = members_CT @ pair_TT.T / np.maximum(size_C - 1, 1)[:, None]
    mean_CT = np.where(size_C[:, None] == 1, alone_T, mean_CT)
    losses_CT = np.where(members_CT, mean_CT if lower_is_better else -mean_CT, np.nan)
    for row in rows("tag/selected_groupings.csv"):
        if row["measure"] != measure:
            continue
        solution = solve(losses_CT, np.ones(len(losses_CT)), max_networks=int(row["max_groups"]))
        objective = solution.objective if lower_is_better else -solution.objective
        assert objective == pytest.approx(float(row["objective_sum"]), abs=1e-6)
        groups = {frozenset(np.array(tasks)[row_T].tolist()) for row_T in solution.members_GT}
        assert groups == {frozenset(group.split("+")) for group in row["groups"].split(" | ")}
