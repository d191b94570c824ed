"""The confirmation on fresh seeds: which networks are trained for the contenders, and what they score on the test part.

Axes: ``R`` fresh seeds, ``T`` served tasks, ``G`` clusters of test rows.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from grouping.candidates import FloatArray
from grouping.errors import NoResultError
from grouping.evidence import TestLosses
from search.decision.contenders import Contender
from search.decision.plan import Plan
from search.trials import Trial, TrialResult

__all__ = ["Confirmation", "confirmation_trials", "read_confirmation"]


@dataclass(frozen=True)
class Confirmation:
    """Test scores of the contenders, on the seeds that all of them finished.

    Args:
        seeds: Fresh seeds that count.
        losses: Test losses per contender name.
        left_out: A sentence for each contender or seed that failed.
    """

    seeds: tuple[int, ...]
    losses: Mapping[str, TestLosses]
    left_out: tuple[str, ...]


def confirmation_trials(
    plan: Plan, contender: Contender, seed: int, reference_T: FloatArray, split: int = 0
) -> tuple[Trial, ...]:
    """One trial per network of a contender; the kept epoch is decided by the reference losses."""
    reference = {task.name: float(reference_T[t]) for t, task in enumerate(plan.tasks)}
    return tuple(
        Trial(
            member.tasks,
            member.capacity,
            seed,
            phase="confirm",
            copies=member.copies,
            split=split,
            reference=tuple(reference[task] for task in member.tasks),
            sharing=member.sharing,
        )
        for member in contender.members
    )


def read_confirmation(
    plan: Plan,
    contenders: Sequence[Contender],
    results: Mapping[Trial, TrialResult],
    reference_T: FloatArray,
    essential: Iterable[str],
    failures: Mapping[Trial, str],
    split: int = 0,
) -> Confirmation:
    """Collect test losses; only seeds that every counted contender finished are kept, so that all are paired.

    Args:
        plan: Tasks and fresh seeds.
        contenders: What was trained.
        results: Finished trials.
        reference_T: As in ``confirmation_trials``.
        essential: Contenders that must be there; another one that failed with some seed is left out and named.
        failures: Reasons of the trials that failed.
        split: Repetition of the data split.

    Raises:
        NoResultError: an essential contender finished with no fresh seed.
    """
    needed = set(essential)
    trials = {
        (contender.name, seed): confirmation_trials(plan, contender, seed, reference_T, split)
        for contender in contenders
        for seed in plan.fresh_seeds
    }
    whole = {key for key, group in trials.items() if all(trial in results for trial in group)}
    seeds = tuple(seed for seed in plan.fresh_seeds if all((name, seed) in whole for name in needed))
    if not seeds:
        lost = [
            trial for (name, _), group in trials.items() if name in needed for trial in group if trial not in results
        ]
        reasons = "; ".join(sorted({f"{trial.network}: {failures.get(trial, 'not trained')}" for trial in lost}))
        raise NoResultError(
            f"the chosen networks or their references failed with every fresh seed ({reasons})",
            fix="Lower training.learning_rate or leave out the task that cannot be trained",
        )
    left_out = [f"fresh seed {seed} failed and is left out" for seed in plan.fresh_seeds if seed not in seeds]
    losses: dict[str, TestLosses] = {}
    for contender in contenders:
        if all((contender.name, seed) in whole for seed in seeds):
            rows = [_test_losses(plan, contender, trials[contender.name, seed], results) for seed in seeds]
            losses[contender.name] = _together(rows, by_rows=plan.spec.trainer is None)
        else:
            left_out.append(f"left out: {contender.label}: a training failed")
    return Confirmation(seeds, losses, tuple(left_out))


def _together(found: Sequence[tuple[FloatArray, FloatArray]], *, by_rows: bool) -> TestLosses:
    """One contender's losses over the seeds.

    A foreign trainer that reports one number a task says nothing of rows; one that reports clusters must report the
    same ones every time.

    Args:
        found: Sums and counts, [T, G] each, by seed.
        by_rows: Whether the clusters are known to be of rows, and the same.
    """
    counts_TG = found[0][1]
    if any(not np.array_equal(other, counts_TG) for _, other in found):
        raise _other_rows()
    return TestLosses(np.stack([sums for sums, _ in found]), counts_TG, by_rows or counts_TG.shape[1] > 1)


def _test_losses(
    plan: Plan, contender: Contender, trials: Sequence[Trial], results: Mapping[Trial, TrialResult]
) -> tuple[FloatArray, FloatArray]:
    """Summed row losses and row counts of the served tasks, [T, G] each, routed as the contender says."""
    sums, counts = [], []
    for t in plan.main:
        task = plan.tasks[t].name
        trial = trials[contender.routing[task]]
        test = results[trial].test
        assert test is not None, "a confirm trial is scored on the test part"
        row = trial.tasks.index(task)
        sums.append(test.cluster_sum_TG[row])
        counts.append(test.cluster_count_TG[row])
    if len({len(row) for row in sums}) > 1:
        raise _other_rows()
    return np.stack(sums), np.stack(counts)


def _other_rows() -> NoResultError:
    return NoResultError(
        "the trainer reported clusters of test rows that differ from training to training",
        where="trainer",
        fix="Report as many clusters for every task, of the same test rows and in the same order every time",
    )
