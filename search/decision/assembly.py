"""From a decision to the recommendation that is written down: records, sentences and next steps; decides nothing.

Axes: ``T`` tasks, ``M`` the served ones among them, ``R`` fresh seeds.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import stdtrit

from grouping.evidence import (
    Comparisons,
    Interval,
    Judgement,
    audit,
    compare,
    compare_with_random,
    relative_loss,
    verdict,
)
from grouping.evidence.ways import ways_to_share
from grouping.recommendation import (
    Audit,
    Baseline,
    Confirmed,
    Estimate,
    ForeignTrainer,
    FrontierPoint,
    Halving,
    Network,
    Paired,
    RandomGroupings,
    Rung,
    Selection,
    SharingCost,
    WayToShare,
)
from grouping.recommendation.recommend import frontier_records, selection_record
from grouping.solver.solution import Solution
from search.decision.confirmation import confirmation_trials
from search.decision.contenders import Contender, CostOf, random_count
from search.decision.decide import Decision
from search.decision.halving import survivors_CT
from search.decision.selection import early, expected_losses, frontier
from search.networks.sharing import HARD
from search.training.experiment import Experiment
from search.training.foreign.experiment import ForeignExperiment
from search.trials import stream_seed

__all__ = [
    "Comparison",
    "audit_record",
    "baselines",
    "compare_contenders",
    "confirmed",
    "estimates",
    "foreign_trainer",
    "frontier_points",
    "halving_record",
    "measured_at",
    "selection",
    "sharing_cost",
    "ways",
]

_SHOWN = ("chosen", "single-task", "all-in-one", "wide", "runner-up")
_IN_UNITS = frozenset({"RMSE"})
_HIGHER_IS_BETTER = frozenset({"R2", "AUC", "average precision", "accuracy"})


def selection(decision: Decision, solution: Solution) -> Selection:
    """A solver's answer as a record."""
    plan = decision.plan
    return selection_record(plan.candidates, plan.charged_C, solution, _optimal_for(decision))


def _optimal_for(decision: Decision) -> str:
    """Of what the choice is proven best: which numbers, of how many networks."""
    relative, estimator = decision.relative, decision.plan.spec.affinity.estimator
    assert relative.estimated_CT is not None
    known_C = decision.plan.choosable_C & ~np.isnan(relative.mean_CT).all(axis=1)
    known, estimated = int(known_C.sum()), int((known_C & relative.estimated_CT.any(axis=1)).sum())
    if estimator == "early-stopping":
        return f"early-stopping estimates of {known} networks"
    dropped = int(known_C[list(early(decision.table))].sum())
    guessed = [f"{estimator} estimates of {estimated - dropped} networks"] if estimated > dropped else []
    guessed += [f"early losses of {dropped} dropped networks"] if dropped else []
    if expected_losses(decision.plan, decision.table) is not None:
        trained = f"expected losses of the {known - estimated} networks that were trained, given all measured losses"
    else:
        of_all = f"measured losses of {known} networks"
        trained = of_all if not estimated else f"the measured losses of {known - estimated}"
    return f"{', '.join(guessed)} and {trained}" if guessed else trained


def frontier_points(decision: Decision) -> tuple[FrontierPoint, ...]:
    """The best objective for every cost, on what the choice was made on."""
    plan = decision.plan
    return frontier_records(
        plan.candidates, plan.charged_C, frontier(plan, decision.relative, decision.barred, decision.harmless_CT)
    )


def estimates(decision: Decision) -> tuple[Estimate, ...]:
    """Chosen cells that were estimated first and measured afterwards."""
    return _estimated_first(decision, decision.solution.chosen.tolist())


def _estimated_first(decision: Decision, which: Sequence[int]) -> tuple[Estimate, ...]:
    plan, estimated = decision.plan, decision.estimated
    assert estimated.estimated_CT is not None
    early = plan.spec.affinity.estimator == "early-stopping"
    found = []
    for c in which:
        for t in np.flatnonzero(plan.candidates.members_CT[c]):
            guessed = estimated.estimated_CT[c, t] or early
            pair = estimated.mean_CT[c, t], decision.final.mean_CT[c, t]
            if guessed and not np.isnan(pair).any():
                name = plan.candidates.name(c)
                found.append(
                    Estimate(name, float(plan.charged_C[c]), plan.tasks[t].name, float(pair[0]), float(pair[1]))
                )
    return tuple(found)


def audit_record(decision: Decision) -> Audit | None:
    """Estimates against measurements on the random sample; None where nothing was audited."""
    audited = list(decision.audited)
    if not audited:
        return None
    rng = np.random.default_rng(stream_seed(decision.plan.spec.training.seed, "audit interval"))
    result = audit(decision.estimated.mean_CT[audited], decision.final.mean_CT[audited], rng)
    return Audit(
        groups=result.groups,
        cells=result.cells,
        spearman=result.spearman,
        low=result.low,
        high=result.high,
        mean_absolute_error=result.mean_absolute_error,
        networks=tuple(decision.plan.candidates.name(c) for c in audited),
        losses=_estimated_first(decision, audited),
    )


def ways(decision: Decision) -> tuple[WayToShare, ...]:
    """Other ways to share against one trunk, on what was trained to the end; none where no other was asked for."""
    return tuple(
        WayToShare(one.sharing, one.groups, one.better, one.gain.mean, *_ends(one.gain), one.gain.n)
        for one in ways_to_share(decision.final)
    )


def halving_record(decision: Decision) -> Halving | None:
    """What halving dropped, what that saved, and how the random sample of the dropped came out; None without it."""
    plan, halving = decision.plan, decision.plan.spec.candidates.halving
    if halving is None:
        return None
    final_CT, reprieved = decision.final.mean_CT, list(decision.reprieved)
    stays_CT = survivors_CT(plan, decision.rungs) & ~np.isnan(final_CT)
    below = np.zeros((len(reprieved), 2), dtype=bool)  # a survivor, every survivor
    for row, c in enumerate(reprieved):
        rivals_C = plan.hard_C & (plan.capacity_C == plan.capacity_C[c])
        for t in np.flatnonzero(plan.candidates.members_CT[c] & ~np.isnan(final_CT[c])):
            losses_N = final_CT[rivals_C & stays_CT[:, t], t]
            if len(losses_N):
                below[row] |= final_CT[c, t] < losses_N.max(), final_CT[c, t] < losses_N.min()
    error_CT = np.abs(decision.estimated.mean_CT[reprieved] - final_CT[reprieved])
    return Halving(
        keep=halving.keep,
        rungs=tuple(
            Rung(rung.fraction, int(plan.halved_C[list(rung.compared)].sum()), len(rung.dropped))
            for rung in decision.rungs
        ),
        saved=decision.saved,
        audited=len(reprieved),
        beaten=int(below[:, 0].sum()),
        best=int(below[:, 1].sum()),
        mean_absolute_error=None if np.isnan(error_CT).all() else float(np.nanmean(error_CT)),
        networks=tuple(plan.candidates.name(c) for rung in decision.rungs for c in rung.dropped),
    )


def measured_at(decision: Decision, rows: int, capacity: float) -> dict[str, int | float | str]:
    """The settings that affinities were measured with; those of a foreign trainer are its own."""
    plan = decision.plan
    training, early = plan.spec.training, plan.spec.affinity.estimator == "early-stopping"
    epochs = training.epochs * (plan.spec.affinity.fraction if early else 1)
    always = {"capacity": capacity, "seeds": len(plan.search_seeds), **early_pairs(decision)}
    if plan.spec.trainer is not None:
        return {**({"epochs": epochs} if "epochs" in plan.spec.trainer.hears else {}), **always}
    return {
        "rows": rows,
        "epochs": epochs,
        "learning_rate": training.learning_rate,
        "batch_size": training.batch_size,
        "widths": ", ".join(str(width) for width in plan.spec.network.widths),
        **always,
    }


def foreign_trainer(decision: Decision, experiment: Experiment) -> ForeignTrainer | None:
    """Who trained the networks, and what is known of their losses; None where that was us."""
    if not isinstance(experiment, ForeignExperiment):
        return None
    by_rows = all(losses.by_rows for losses in decision.confirmation.losses.values())
    return ForeignTrainer(experiment.trainer.name, experiment.trainer.confirm_on, by_rows)


def early_pairs(decision: Decision) -> dict[str, int]:
    """How many pairs halving dropped, so that their effects are read early; nothing where there is none."""
    sizes = decision.plan.candidates.size_C
    pairs = sum(int(sizes[c]) == 2 for c in early(decision.table))
    return {"pairs read early": pairs} if pairs else {}


def sharing_cost(decision: Decision) -> tuple[SharingCost, ...]:
    """What one served state costs the chosen networks against a best epoch per task (validation, relative)."""
    plan, best = decision.plan, decision.curves.best_per_task().scaled(decision.reference_T)
    return tuple(
        SharingCost(
            plan.candidates.name(int(c)),
            plan.tasks[t].name,
            float(decision.final.mean_CT[c, t]),
            float(best.mean_CT[c, t]),
        )
        for c in decision.solution.chosen
        for t in np.flatnonzero(plan.candidates.members_CT[c])
        if not np.isnan(decision.final.mean_CT[c, t])
    )


@dataclass(frozen=True)
class Comparison:
    """What the fresh seeds say.

    Args:
        levels: Relative test loss of every contender.
        paired: Chosen minus each alternative, and minus the mean of the random groupings; which of them keep the
            budget, ``baselines`` says.
        random: The random groupings' own losses.
        against_random: Chosen minus their mean; None where there is no other way to split the tasks.
        judgement: The verdict and its sentence.
    """

    levels: Mapping[str, Interval]
    paired: tuple[Paired, ...]
    random: RandomGroupings | None
    against_random: Interval | None
    judgement: Judgement


def compare_contenders(decision: Decision) -> Comparison:
    """Paired differences of the choice to every alternative, and the verdict that follows from them."""
    plan, losses = decision.plan, decision.confirmation.losses
    weights_M = plan.weights_T[list(plan.main)]
    chosen, reference = losses["chosen"], losses["single-task"]
    levels = {name: relative_loss(found, reference, weights_M) for name, found in losses.items()}
    labels = {contender.name: contender.label for contender in decision.contenders}
    rivals = {contender.name for contender in decision.contenders if contender.comparable}
    differences = {
        name: compare(chosen, found, reference, weights_M)
        for name, found in losses.items()
        if name != "chosen" and not name.startswith("random-")
    }
    randoms = [found for name, found in losses.items() if name.startswith("random-")]
    against_random = None
    possible = random_count(plan, decision.contenders[0])
    if not randoms and possible > 0:
        # There are other ways to split the tasks, but none was trained: nobody knows how they would do.
        against_random = Interval(float("nan"), float("inf"), 1.0, len(decision.confirmation.seeds))
    elif randoms:
        against_random = compare_with_random(chosen, randoms, reference, weights_M, possible=possible)
    widening = None
    if {"wide", "all-in-one"} <= set(losses):
        widening = compare(losses["wide"], losses["all-in-one"], reference, weights_M)
    judgement = verdict(
        Comparisons(
            random=against_random,
            wide=differences.get("wide", differences.get("all-in-one") if _is_budget(decision) else None),
            widening=widening,
            all_in_one=differences.get("all-in-one"),
            independent=differences.get("independent") if "independent" in rivals else None,
            ensemble=differences.get("ensemble"),
        ),
        tasks=len(plan.main),
        networks=len(decision.solution.chosen),
        seeds=len(decision.confirmation.seeds),
        by_rows=chosen.by_rows,
    )
    if len(plan.main) == 1 and plan.auxiliary:
        judgement = Judgement("noise", _helped(differences["single-task"]))
    paired = [_paired(name, labels[name], interval) for name, interval in differences.items()]
    if randoms and against_random is not None:
        label = f"the mean of {len(randoms)} random groupings"
        paired.insert(0, _paired("random", label, against_random))
    values = tuple(levels[name].mean for name in levels if name.startswith("random-"))
    random = RandomGroupings(values, float(np.mean(values)), len(decision.confirmation.seeds)) if values else None
    return Comparison(levels, tuple(paired), random, against_random, judgement)


def _is_budget(decision: Decision) -> bool:
    """Whether one standard network for all tasks is as wide as the budget."""
    whole = next(contender for contender in decision.contenders if contender.name == "all-in-one")
    return abs(whole.cost / decision.plan.spec.budget.inference - 1) <= 1e-9


def _helped(against_alone: Interval) -> str:
    """What there is to say where one task is served and others are trained for its sake only."""
    mean, (low, high) = against_alone.mean, _ends(against_alone)
    ends = "" if low is None or high is None else f" ({low:+.1%} to {high:+.1%})"
    return (
        "One task is served, so there is no grouping to judge. Against its own standard network the test loss of the "
        f"chosen network changes by {mean:+.1%}{ends}; negative is better."
    )


def _paired(name: str, label: str, interval: Interval) -> Paired:
    return Paired(name, label, interval.mean, *_ends(interval), interval.n)


def baselines(decision: Decision, comparison: Comparison, cost_of: CostOf) -> tuple[Baseline, ...]:
    """Every contender but the random groupings, the choice first."""
    return tuple(
        Baseline(
            contender.name,
            contender.label,
            contender.cost,
            _members(contender, cost_of),
            level.mean,
            *_ends(level),
            level.n,
            contender.comparable,
            contender.note,
        )
        for contender in decision.contenders
        if (level := comparison.levels.get(contender.name)) is not None and not contender.name.startswith("random-")
    )


def _members(contender: Contender, cost_of: CostOf) -> tuple[Network, ...]:
    return tuple(
        Network(
            network=member.name,
            cost=member.copies * cost_of(member.tasks, member.capacity, member.sharing),
            candidate="" if member.sharing == HARD else member.sharing,
            tasks=member.tasks,
            serves=tuple(task for task, served_by in contender.routing.items() if served_by == m),
        )
        for m, member in enumerate(contender.members)
    )


def confirmed(decision: Decision) -> tuple[Confirmed, ...]:
    """Served tasks on the test part: relative loss (seeds and rows) and natural metrics (seeds)."""
    plan, losses = decision.plan, decision.confirmation.losses
    seeds = decision.confirmation.seeds
    units = {task.name: task.unit for task in plan.spec.tasks}
    records = []
    for contender in decision.contenders:
        if contender.name not in _SHOWN or contender.name not in losses:
            continue
        for m, t in enumerate(plan.main):
            task = plan.tasks[t].name
            only = np.eye(len(plan.main))[m]
            network = contender.members[contender.routing[task]].name
            level = relative_loss(losses[contender.name], losses["single-task"], only)
            records.append(
                Confirmed(contender.name, network, task, "relative loss", level.mean, *_ends(level), level.n)
            )
            for metric, values in _metrics(decision, contender, task, seeds).items():
                mean = float(np.mean(values))
                records.append(
                    Confirmed(
                        contender.name,
                        network,
                        task,
                        metric,
                        mean,
                        *_ends_over_seeds(values),
                        len(values),
                        metric in _HIGHER_IS_BETTER,
                        units[task] if metric in _IN_UNITS else "",
                    )
                )
    return tuple(records)


def _metrics(decision: Decision, contender: Contender, task: str, seeds: Sequence[int]) -> dict[str, list[float]]:
    """Values over seeds of every natural metric of a task in the network that serves it."""
    values: dict[str, list[float]] = {}
    for seed in seeds:
        trials = confirmation_trials(decision.plan, contender, seed, decision.reference_T, decision.split)
        test = decision.results[trials[contender.routing[task]]].test
        assert test is not None
        for metric, value in test.metrics[task].items():
            values.setdefault(metric, []).append(value)
    return {metric: found for metric, found in values.items() if len(found) == len(seeds)}


def _ends(interval: Interval) -> tuple[float | None, float | None]:
    return (interval.low, interval.high) if interval.bounded else (None, None)


def _ends_over_seeds(values: Sequence[float]) -> tuple[float | None, float | None]:
    """Ends of the 95 % t interval of a mean over seeds; None with a single one."""
    if len(values) < 2:
        return None, None
    mean = float(np.mean(values))
    half = float(stdtrit(len(values) - 1, 0.975) * np.std(values, ddof=1) / np.sqrt(len(values)))
    return mean - half, mean + half
