"""The choice on validation losses: measured tables from trials, estimates in their gaps, and the proven best grouping.

Losses are made relative to each task's own standard single-task network before anything is chosen, so no task's unit
decides. Axes as everywhere: ``R`` seeds, ``C`` candidates, ``T`` tasks, ``S`` readings.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace

import numpy as np

from grouping.candidates import BoolArray, FloatArray, IntArray
from grouping.curves import CurveTable
from grouping.errors import InfeasibleError, NoResultError
from grouping.estimators.halving import with_early_losses
from grouping.estimators.higher_order import higher_order
from grouping.estimators.linear_surrogate import linear_surrogate
from grouping.estimators.one_run import ONE_RUN, from_runs
from grouping.evidence import ExpectedLosses
from grouping.losses import LossTable, check_reference
from grouping.solver.frontier import solve_frontier
from grouping.solver.solution import Solution
from grouping.solver.solve import solve
from search.decision.one_scale import steps_on_one_scale
from search.decision.plan import STANDARD, Plan
from search.trials import Trial, TrialResult

__all__ = [
    "affinity_capacity",
    "choose",
    "completed",
    "curves_of",
    "early",
    "expected_losses",
    "finished",
    "frontier",
    "measured",
    "never_trained",
    "reference_losses",
    "unmeasured",
]


def curves_of(plan: Plan, results: Mapping[Trial, TrialResult]) -> CurveTable:
    """Validation curves [R, C, T, S] of the finished search trials; NaN where there is none.

    Every step at which some trial was read has its place: of trials that were stopped early, or not read then, it is
    NaN. Steps are batches of the spec's own size, whatever size a network's own batches have.
    """
    if not results:
        fix = "Its report.md groups the reasons; mend them, then: taskgroup resume RUN"
        raise NoResultError("none of the networks could be trained", fix=fix)
    steps = steps_on_one_scale(plan.spec.training, results)
    steps_S = np.unique(np.concatenate(list(steps.values())))
    names = [task.name for task in plan.tasks]
    shape = (len(plan.search_seeds), len(plan.candidates), len(names), len(steps_S))
    curves_RCTS = np.full(shape, np.nan)
    for trial, result in results.items():
        candidate = plan.index(*trial.identity)
        if candidate is None or trial.seed not in plan.search_seeds:
            continue
        r = plan.search_seeds.index(trial.seed)
        read = np.searchsorted(steps_S, steps[trial])
        for row, task in enumerate(trial.tasks):
            curves_RCTS[r, candidate, names.index(task), read] = result.curve_TS[row]
    return CurveTable(plan.candidates, steps_S, curves_RCTS, tuple(str(seed) for seed in plan.search_seeds))


def reference_losses(plan: Plan, curves: CurveTable, failures: Mapping[Trial, str]) -> FloatArray:
    """Validation loss of every task's own standard network in its best state, mean over seeds, [T].

    Raises:
        NoResultError: a task that could not be trained alone with any seed; every loss is relative to it.
        InputError: a task that is perfect alone (an error rate of 0): no loss can be relative to it.
    """
    reference_T = np.full(len(plan.tasks), np.nan)
    for t, task in enumerate(plan.tasks):
        single = plan.index([task.name], STANDARD)
        assert single is not None
        best_R = np.min(
            curves.curves_RCTS[:, single, t], axis=1, initial=np.inf, where=~np.isnan(curves.curves_RCTS[:, single, t])
        )
        best_R = best_R[np.isfinite(best_R)]
        if not len(best_R):
            reasons = sorted({why for trial, why in failures.items() if trial.tasks == (task.name,)})
            raise NoResultError(
                f"task '{task.name}' could not be trained alone ({'; '.join(reasons) or 'no trial finished'})",
                where="tasks",
                fix="Lower training.learning_rate, look at the target's values, or leave the task out",
            )
        reference_T[t] = best_R.mean()
    check_reference([task.name for task in plan.tasks], reference_T, "validation loss")
    return reference_T


def measured(plan: Plan, curves: CurveTable, reference_T: FloatArray, dropped: Collection[int] = ()) -> LossTable:
    """Raw losses to choose on: those of the kept states, or early ones where the estimator is early stopping.

    Candidates that halving dropped and nobody trained to the end have an early loss, marked as an estimate.
    """
    if plan.spec.affinity.estimator == "early-stopping":
        return curves.at_fraction(plan.spec.affinity.fraction)
    early_C = np.isin(np.arange(len(plan.candidates)), list(dropped))
    return with_early_losses(finished(curves, reference_T), curves, early_C, plan.single_T, reference_T)


def finished(curves: CurveTable, reference_T: FloatArray) -> LossTable:
    """Raw losses of the kept states of trials that were trained to the end."""
    to_the_end = ~np.isnan(curves.curves_RCTS[..., -1:])
    whole = replace(curves, curves_RCTS=np.where(to_the_end, curves.curves_RCTS, np.nan))
    return whole.kept(reference_T)


def completed(
    plan: Plan, table: LossTable, *, estimate: bool = True, expected: ExpectedLosses | None = None
) -> LossTable:
    """Relative losses, with estimates in the gaps where the spec asks for them.

    What was trained counts with its expected loss where ``expected_losses`` says so. The reference is computed from the
    table itself, so that its error is carried wherever the table is resampled.

    Args:
        plan: The candidates and the spec.
        table: Raw losses.
        estimate: Whether estimates may fill the gaps.
        expected: What was learnt before from a table with numbers in the same places; default: learn it from this one.
    """
    relative = _relative(plan, table)
    known = _estimated(plan, relative) if estimate else relative
    expected = expected_losses(plan, table) if expected is None else expected
    if expected is None:
        return known
    expected_CT = expected.of(relative.without_estimates)
    losses_CT = np.where(np.isnan(expected_CT), known.mean_CT, expected_CT)
    return LossTable(relative.candidates, losses_CT[None], ("expected",), known.estimated_CT)


def expected_losses(plan: Plan, table: LossTable) -> ExpectedLosses | None:
    """What the seeds say of luck and truth, where the choice is made among measured networks only.

    None where no network was trained twice, and where estimates decide what is trained: where two groups in five are
    measured, expected losses choose no better than means of two or three seeds (``results/benchmarks/regret.md``).
    After an adaptive search networks have unequal numbers of seeds, because of what the first ones gave; so the choice
    rests on expected losses whatever the seeds.
    """
    estimator, trained = plan.spec.affinity.estimator, _relative(plan, table).without_estimates
    repeated = bool((trained.replicates_CT > 1).any())
    if estimator != "adaptive" and not (estimator == "measured" and repeated):
        return None
    trained_C: BoolArray = np.logical_or.reduce(trained.replicates_CT > 0, axis=1)
    return ExpectedLosses(trained, trained_C & plan.choosable_C)


def _relative(plan: Plan, table: LossTable) -> LossTable:
    reference_T = np.array([table.mean_CT[plan.index([task.name], STANDARD), t] for t, task in enumerate(plan.tasks)])
    return table.scaled(reference_T)


def _estimated(plan: Plan, relative: LossTable) -> LossTable:
    """The table with estimates in its gaps."""
    estimator = plan.spec.affinity.estimator
    if estimator == "linear-surrogate":
        return linear_surrogate(relative)
    if estimator in ONE_RUN:
        return from_runs(relative, estimator, plan.seen)
    return higher_order(relative) if estimator == "higher-order" else relative


def choose(
    plan: Plan,
    table: LossTable,
    *,
    top: int = 1,
    estimate: bool = True,
    barred: Collection[int] = (),
    harmless_CT: BoolArray | None = None,
    expected: ExpectedLosses | None = None,
) -> Solution:
    """The proven best grouping for raw losses under the plan's budget.

    Args:
        plan: Candidates, costs and budget.
        table: Raw losses.
        top: How many solutions; the others are ``alternatives``.
        estimate: Whether estimates may fill the gaps of the table.
        barred: Candidates that must not be chosen: those whose training failed.
        harmless_CT: Which candidates may serve which tasks; None: all that have a loss.
        expected: As in ``completed``.

    Returns:
        A solution whose indices refer to ``plan.candidates``.
    """
    losses_CT = _allowed(completed(plan, table, estimate=estimate, expected=expected).mean_CT, harmless_CT)
    usable = _usable(plan, losses_CT, barred)
    if not len(usable):
        raise InfeasibleError("no trained network may be chosen", where="budget", fix="Train more groups")
    solution = solve(
        losses_CT[usable],
        plan.charged_C[usable],
        budget=plan.spec.budget.inference,
        top=top,
        members_CT=plan.candidates.members_CT[usable],
        **plan.rules,
    )
    return _in_plan(solution, usable)


def _allowed(losses_CT: FloatArray, harmless_CT: BoolArray | None) -> FloatArray:
    return losses_CT if harmless_CT is None else np.where(harmless_CT, losses_CT, np.nan)


def frontier(
    plan: Plan, relative: LossTable, barred: Collection[int] = (), harmless_CT: BoolArray | None = None
) -> tuple[Solution, ...]:
    """Every non-dominated (cost, objective) of the networks that a choice could be made from, ascending in cost.

    Args:
        plan: Candidates and costs; all of the budget but its limit holds.
        relative: What the choice was made on, from ``completed``.
        barred: As in ``choose``.
        harmless_CT: As in ``choose``.
    """
    losses_CT = _allowed(relative.mean_CT, harmless_CT)
    usable = _usable(plan, losses_CT, barred)
    points = solve_frontier(
        losses_CT[usable],
        plan.charged_C[usable],
        members_CT=plan.candidates.members_CT[usable],
        **plan.rules,
    )
    return tuple(_in_plan(point, usable) for point in points)


def _usable(plan: Plan, losses_CT: FloatArray, barred: Collection[int]) -> IntArray:
    """Candidates that may be served and have a number."""
    allowed_C = plan.choosable_C & ~np.isin(np.arange(len(plan.candidates)), list(barred))
    return np.flatnonzero(allowed_C & ~np.isnan(losses_CT).all(axis=1))


def _in_plan(solution: Solution, usable: IntArray) -> Solution:
    """The same solution with indices into the plan's candidates."""
    alternatives = tuple(_in_plan(other, usable) for other in solution.alternatives)
    return replace(solution, chosen=usable[solution.chosen], alternatives=alternatives)


def never_trained(plan: Plan, table: LossTable, failures: Collection[Trial]) -> tuple[int, ...]:
    """Candidates that were tried and failed with every seed; what halving dropped was tried if that was to the end."""
    failed = {trial.identity for trial in failures}
    to_the_end = {trial.identity for trial in failures if trial.fraction == 1}
    early_C = _early(table)
    return tuple(
        int(c) for c in np.flatnonzero(_unfinished(table)) if plan.key(int(c)) in (to_the_end if early_C[c] else failed)
    )


def affinity_capacity(plan: Plan, table: LossTable) -> float:
    """Capacity that pairs are compared at: the plain one, or the standard one where a task was not trained alone at it.

    The standard single-task networks are always there: they are the reference.
    """
    singles = [plan.index([task.name], plan.plain_capacity) for task in plan.tasks]
    # NaN where it was not measured, 0 where it is perfect: no loss can be relative to either.
    mean_CT = table.mean_CT
    known = all(c is not None and mean_CT[c, t] > 0 for t, c in enumerate(singles))
    return plan.plain_capacity if known else STANDARD


def unmeasured(solution: Solution, table: LossTable) -> tuple[int, ...]:
    """Chosen candidates that no seed has measured, or early only."""
    return tuple(int(c) for c in solution.chosen if _unfinished(table)[c])


def early(table: LossTable) -> tuple[int, ...]:
    """Candidates of a table of raw losses that were dropped, so that it holds an early loss of them."""
    return tuple(np.flatnonzero(_early(table)).tolist())


def _early(table: LossTable) -> BoolArray:
    assert table.estimated_CT is not None
    return np.asarray(table.estimated_CT.any(axis=1))


def _unfinished(table: LossTable) -> BoolArray:
    return np.asarray((table.replicates_CT == 0).all(axis=1) | _early(table))
