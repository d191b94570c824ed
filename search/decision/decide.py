"""One decision on one split of the data: search, audit, check, choose, and confirm on fresh seeds.

The middle of the story that ``search.run`` tells; every step asks ``measurement`` for trainings and gets them from the
store where they were done before.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from grouping.candidates import BoolArray, FloatArray
from grouping.curves import CurveTable
from grouping.errors import InfeasibleError
from grouping.evidence import SelectionFrequency, selection_frequency
from grouping.losses import LossTable, check_reference
from grouping.recommendation import Outlook, Regret
from grouping.solver.baselines import label_similarity
from grouping.solver.solution import Solution
from search.decision import halving
from search.decision.adaptive import Round, adaptive_search
from search.decision.confirmation import Confirmation, confirmation_trials, read_confirmation
from search.decision.contenders import Contender, CostOf, alternatives, from_solution, random_contenders
from search.decision.measurement import Measurement
from search.decision.no_harm import harmless, refused
from search.decision.one_run import look
from search.decision.plan import ROUNDS, Plan
from search.decision.policies import SearchedPolicy, with_policies
from search.decision.regret import choice_regret
from search.decision.selection import (
    choose,
    completed,
    curves_of,
    early,
    expected_losses,
    finished,
    measured,
    never_trained,
    reference_losses,
    unmeasured,
)
from search.decision.standing import Standing
from search.training.experiment import Experiment
from search.trials import Trial, TrialResult, stream_seed

__all__ = ["Decision", "decide"]


@dataclass(frozen=True, eq=False)
class Decision:
    """What one split gave.

    Args:
        plan: Candidates and seeds.
        curves: Validation curves of everything the search trained, [R, C, T, S].
        reference_T: Validation loss of every task's own standard network.
        table: Raw validation losses that the choice was made on.
        relative: The same, relative and completed by estimates: what the solver saw in the end.
        barred: Candidates that could not be trained and were not to be chosen.
        harmless_CT: Which candidates might serve which tasks; None where harm was no constraint.
        estimated: Relative losses as they stood before audited and chosen networks were trained.
        final: Relative losses of what was trained to the end.
        audited: Candidates of the random audit sample.
        rungs: Where groups of the search were compared and dropped; empty without halving.
        rounds: What an adaptive search trained when and why; empty otherwise.
        stopped: Why it ended before its budget did; None where it did not.
        reprieved: Dropped candidates of the random sample that was trained to the end all the same.
        solution: The choice; indices into ``plan.candidates``.
        runner_up: The next best solution with a different routing, or None.
        stability: How often the choice comes out of resampled losses; None where no network has two.
        contenders: What was confirmed; the first is the choice.
        confirmation: Test losses on fresh seeds.
        regret: What the choice may lose against the best; None where no network was trained twice.
        saved: Share of the search's network-epochs that halving saved.
        results: Every finished trial of this split.
        split: Which repetition of the data split this is.
        notes: What could not be done, in sentences.
        policies: Searches of policies, whose networks are among the candidates.
    """

    plan: Plan
    curves: CurveTable
    reference_T: FloatArray
    table: LossTable
    relative: LossTable
    barred: tuple[int, ...]
    harmless_CT: BoolArray | None
    estimated: LossTable
    final: LossTable
    audited: tuple[int, ...]
    rungs: tuple[halving.Rung, ...]
    rounds: tuple[Round, ...]
    stopped: Outlook | None
    reprieved: tuple[int, ...]
    solution: Solution
    runner_up: Solution | None
    stability: SelectionFrequency | None
    contenders: tuple[Contender, ...]
    confirmation: Confirmation
    regret: Regret | None
    saved: float
    results: Mapping[Trial, TrialResult]
    split: int
    notes: tuple[str, ...]
    policies: tuple[SearchedPolicy, ...] = ()


def decide(plan: Plan, experiment: Experiment, measurement: Measurement, cost_of: CostOf, split: int = 0) -> Decision:
    """Find, choose and confirm on one split.

    Raises:
        NoResultError: a task cannot be trained alone, or the choice cannot be confirmed.
        InputError: a task that is perfect alone, on the validation or on the test part: no loss can be relative to it.
        InfeasibleError: the trained networks do not cover every task within the budget.
    """
    spec, seed = plan.spec, plan.spec.training.seed
    plan, experiment, policies = with_policies(plan, experiment, measurement, split)
    measurement.standing = None if split else Standing(plan, partial(measurement.chosen, split=split))
    searching = halving.search(plan, experiment, measurement, split)
    measurement.standing = None  # from here on choices are told
    results, dropped = searching.results, halving.dropped_by(searching.rungs)
    plan = replace(plan, seen=look(plan, experiment, measurement, split))
    results, rounds, stopped = adaptive_search(plan, experiment, measurement, results, split)
    reference_T = reference_losses(plan, curves_of(plan, results), measurement.failures)

    def table() -> LossTable:
        return measured(plan, curves_of(plan, results), reference_T, dropped)

    estimated = completed(plan, table())
    audited = _audit_sample(plan, estimated, dropped, np.random.default_rng(stream_seed(seed, "audit", split)))
    reprieved = halving.audit_sample(
        plan, searching.rungs, np.random.default_rng(stream_seed(seed, "audit halving", split))
    )
    sample = plan.trials([*audited, *reprieved], split)
    results |= measurement.measure(experiment, "audit", "audit", sample)
    # A choice that rests on estimates is trained and made again: estimates err most where they promise most.
    proposed = sum(len(found.proposals) for found in rounds)
    estimate, spare, affordable = True, plan.spare - proposed - len(sample), True
    for round_ in range(ROUNDS + 1):
        estimate, present = round_ < ROUNDS, table()
        barred = never_trained(plan, present, measurement.failures)
        if not (estimate and affordable):  # what halving dropped is chosen once it was trained to the end, or never
            barred = tuple(sorted({*barred, *early(present)}))
        harmless_CT = harmless(plan, present, estimate=estimate)
        try:
            solution = choose(plan, present, top=2, estimate=estimate, barred=barred, harmless_CT=harmless_CT)
        except InfeasibleError as error:
            if harmless_CT is None:
                raise
            raise refused(plan, error) from error
        measurement.chosen(solution.objective, split)
        unfinished = _untrained(plan, solution, present)
        untried = [trial for trial in plan.trials(unfinished, split) if trial not in results]
        trials = [trial for trial in untried if trial not in measurement.failures]
        if not trials:
            break
        if len(trials) <= spare:
            spare -= len(trials)
            results |= measurement.measure(experiment, "check", "check the choice", trials)
        elif affordable and set(unfinished) & set(early(present)):
            affordable = False
        else:
            break
    stability = None
    if (table().replicates_CT > 1).any():
        rng = np.random.default_rng(stream_seed(seed, "stability", split))
        expected = expected_losses(plan, table())  # once for all draws: seeds change losses, not how noisy they are
        stability = selection_frequency(
            table(),
            lambda drawn: choose(
                plan, drawn, estimate=estimate, barred=barred, harmless_CT=harmless_CT, expected=expected
            ),
            spec.evidence.draws,
            rng,
        )
    curves = curves_of(plan, results)
    final = finished(curves, reference_T).scaled(reference_T)
    searched = dict(results)
    measurement.forget_states()

    runner_up = solution.alternatives[0] if solution.alternatives else None
    contenders = [from_solution(plan, solution, "chosen", "the chosen grouping")]
    if runner_up is not None:
        contenders.append(from_solution(plan, runner_up, "runner-up", "the runner-up"))
    dataset = experiment.dataset
    similarity_TT = None if dataset.opaque else label_similarity(dataset.train.targets_NT.astype(float))
    honest, notes = alternatives(plan, similarity_TT, cost_of, solution.cost)
    contenders += honest
    try:
        best = _best_of_random(plan, experiment, measurement, searched, reference_T, split)
        contenders += [] if best is None else [best]
    except InfeasibleError:
        notes += ("left out: the best of as many random groups: those that could be trained do not serve every task",)
    contenders += random_contenders(
        plan, cost_of, contenders[0], np.random.default_rng(stream_seed(seed, "random", split))
    )
    wanted = [
        trial
        for fresh in plan.fresh_seeds
        for contender in contenders
        for trial in confirmation_trials(plan, contender, fresh, reference_T, split)
    ]
    results |= measurement.measure(experiment, "confirm", "confirm on fresh seeds", wanted)
    confirmation = read_confirmation(
        plan, contenders, results, reference_T, ("chosen", "single-task"), measurement.failures, split
    )
    check_reference([plan.tasks[t].name for t in plan.main], confirmation.losses["single-task"].mean_T, "test loss")
    return Decision(
        plan,
        curves,
        reference_T,
        table(),
        completed(plan, table(), estimate=estimate),
        barred,
        harmless_CT,
        estimated,
        final,
        audited,
        searching.rungs,
        rounds,
        stopped,
        reprieved,
        solution,
        runner_up,
        stability,
        tuple(contenders),
        confirmation,
        choice_regret(plan, final, solution, split),
        halving.saved(plan, searched),
        results,
        split,
        plan.left_out + halving.early_warning(plan) + notes + confirmation.left_out,
        policies,
    )


def _audit_sample(
    plan: Plan, estimated: LossTable, dropped: Collection[int], rng: np.random.Generator
) -> tuple[int, ...]:
    """Random candidates that rest on estimates: chosen groups alone would be a biased sample."""
    if plan.audit_groups == 0:
        return ()
    guessed = plan.choosable_C & (plan.candidates.size_C >= 3)
    guessed[list(dropped)] = False  # those have an audit of their own
    if plan.spec.affinity.estimator not in {"measured", "early-stopping"}:
        assert estimated.estimated_CT is not None
        guessed &= estimated.estimated_CT.any(axis=1) & ~np.isnan(estimated.mean_CT).any(
            axis=1, where=plan.candidates.members_CT
        )
    pool = np.flatnonzero(guessed)
    count = min(plan.audit_groups, len(pool))
    return tuple(sorted(int(c) for c in rng.choice(pool, size=count, replace=False)))


def _untrained(plan: Plan, solution: Solution, table: LossTable) -> tuple[int, ...]:
    """Chosen candidates that were not trained to the end yet."""
    if plan.spec.affinity.estimator in {"early-stopping", "adaptive"}:
        return tuple(int(c) for c in solution.chosen)
    return unmeasured(solution, table)


def _best_of_random(
    plan: Plan,
    experiment: Experiment,
    measurement: Measurement,
    searched: Mapping[Trial, TrialResult],
    reference_T: FloatArray,
    split: int,
) -> Contender | None:
    """The proven best grouping of as many random groups as the search trained, singles and all-in-one being free.

    A group that the search trained for a fraction, or with some of the seeds, counts as that fraction: random search
    gets the same effort.
    """
    if not plan.spec.evidence.best_of_random or plan.networks < 2:
        return None
    sizes_C = plan.candidates.size_C
    everything = len(plan.tasks)
    trained: dict[tuple[tuple[str, ...], int], float] = {}
    for trial in searched:
        if 1 < len(trial.tasks) < everything:
            training = trial.tasks, trial.seed
            trained[training] = max(trial.fraction, trained.get(training, 0.0))
    count = int(sum(trained.values()) / plan.spec.training.seeds + 1e-9)
    plain_C = plan.choosable_C & plan.plain_C & (sizes_C > 1) & (sizes_C < everything)
    pool = np.flatnonzero(plain_C)
    rng = np.random.default_rng(stream_seed(plan.spec.training.seed, "best-of-random", split))
    drawn = [int(c) for c in rng.choice(pool, size=min(count, len(pool)), replace=False)]
    if not drawn:
        return None
    free = [int(c) for c in np.flatnonzero(plan.trained_C & ((sizes_C == 1) | (sizes_C == everything)))]
    trials = plan.trials([*free, *drawn], split)
    results = measurement.measure(experiment, "compare", f"{len(drawn)} random groups", trials)
    table = finished(curves_of(plan, results), reference_T)
    solution = choose(plan, table, estimate=False)
    return from_solution(plan, solution, "best-of-random", f"the best of {len(drawn)} random groups")
