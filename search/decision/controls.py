"""Controls of the affinities: what partners without help to give do, wider networks, shorter training, fewer rows.

Axes: ``R`` seeds, ``K`` treatments of one task.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from grouping.candidates import FloatArray
from grouping.evidence.affinity_parts import Gain, gains, unstable
from grouping.recommendation import Controls, PairControl, TaskControl
from search.data.controls import copy_of, part_of, shuffled, with_controls
from search.decision.measurement import Measurement
from search.decision.plan import STANDARD, Plan
from search.training.experiment import Experiment
from search.trials import Trial, TrialResult

__all__ = ["WIDER", "control_trials", "measure_controls"]

WIDER = 1.5
"""Capacity of the control for capacity, in standard network times."""
_NOISY_PARTNERS = 2
_LENGTHS = (0.25, 0.5, 1.0)
_ROWS = (0.25, 0.5)

Results = Mapping[Trial, TrialResult]


def control_trials(plan: Plan) -> tuple[tuple[Trial, ...], tuple[Trial, ...]]:
    """What is trained with all rows, and what with each share of them."""
    names = [task.name for task in plan.tasks]
    alone = [((name,), STANDARD) for name in names]
    pairs = [((one, other), STANDARD) for place, one in enumerate(names) for other in names[place + 1 :]]
    noisy = [((name, shuffled(other)), STANDARD) for name in names for other in _partners(names, name)]
    copies = [((name, copy_of(name)), STANDARD) for name in names]
    wider = [((name,), WIDER * STANDARD) for name in names]
    whole, fewer = [*alone, *pairs, *noisy, *copies, *wider], [*alone, *pairs]
    seeds = plan.search_seeds
    return tuple(Trial(*what, seed) for what in whole for seed in seeds), tuple(
        Trial(*what, seed) for what in fewer for seed in seeds
    )


def measure_controls(plan: Plan, experiment: Experiment, measurement: Measurement) -> Controls | None:
    """Train the controls and take the affinities apart; None where the spec does not ask for them."""
    if not plan.spec.affinity.controls:
        return None
    seed = plan.spec.training.seed
    more = replace(experiment, dataset=with_controls(experiment.dataset, seed))
    whole, fewer = control_trials(plan)
    results = measurement.measure(more, "controls", "controls of the affinities", whole)
    small = []
    for share in _ROWS:
        part = replace(more, dataset=part_of(more.dataset, share, seed))
        small.append(measurement.measure(part, "controls", f"pairs with {share:.0%} of the rows", fewer))
    names = [task.name for task in plan.tasks]
    tasks, pairs = [], []
    for name in names:
        found = _Task(name, names, plan.search_seeds, results, small)
        tasks.append(found.control())
        pairs += [found.pair(other) for other in names if other != name]
    return Controls(tuple(tasks), tuple(pairs), WIDER, _LENGTHS, _ROWS)


class _Task:
    """One recipient with all its treatments."""

    def __init__(
        self, name: str, names: Sequence[str], seeds: Sequence[int], results: Results, small: Sequence[Results]
    ) -> None:
        self._name = name
        self._others = [other for other in names if other != name]
        noisy = [(name, shuffled(other)) for other in _partners(names, name)]
        pairs = [tuple(sorted((name, other), key=names.index)) for other in self._others]
        networks = [((name,), STANDARD), *((pair, STANDARD) for pair in pairs), *((group, STANDARD) for group in noisy)]
        networks += [((name, copy_of(name)), STANDARD), ((name,), WIDER * STANDARD)]
        known = networks[: 1 + len(pairs)]
        ends_RK = _losses(results, networks, name, seeds, 1.0)
        # Shuffled partners are one treatment: what they have in common is that they teach nothing.
        first = 1 + len(pairs)
        noise_R1 = _mean(ends_RK[:, first : first + len(noisy)])
        whole_RK = np.concatenate([ends_RK[:, :first], noise_R1, ends_RK[:, first + len(noisy) :]], axis=1)
        self._parts = gains(whole_RK, [0] * whole_RK.shape[1])
        self._transfer = gains(whole_RK, [first] * whole_RK.shape[1])[1:first]
        lengths = [gains(_losses(results, known, name, seeds, length), [0] * len(known))[1:] for length in _LENGTHS]
        self._lengths = list(zip(*lengths, strict=True))
        rows = [gains(_losses(part, known, name, seeds, 1.0), [0] * len(known))[1:] for part in small]
        self._rows = list(zip(*rows, strict=True))
        self._pace = [_pace(results, group, name, seeds) for group, _ in known[1:]]
        self._first = first

    def control(self) -> TaskControl:
        """What partners do that have nothing to teach, and a wider network."""
        crowding, copy, wider = self._parts[self._first :]
        return TaskControl(self._name, _ends(crowding), _ends(copy), _ends(wider))

    def pair(self, other: str) -> PairControl:
        """What a partner does, what of it is transfer, and whether its sign can be relied on."""
        place = self._others.index(other)
        lengths, rows = self._lengths[place], self._rows[place]
        return PairControl(
            self._name,
            other,
            _ends(self._parts[1 + place]),
            _ends(self._transfer[place]),
            tuple(_ends(gain) for gain in lengths),
            tuple(_ends(gain) for gain in rows),
            self._pace[place],
            unstable([*lengths, *rows]),
        )


def _losses(
    results: Results, networks: Sequence[tuple[tuple[str, ...], float]], task: str, seeds: Sequence[int], length: float
) -> FloatArray:
    """Best validation loss of a task within a share of training, [R, K]; NaN where the training failed."""
    losses_RK = np.full((len(seeds), len(networks)), np.nan)
    for r, seed in enumerate(seeds):
        for k, (group, capacity) in enumerate(networks):
            result = results.get(Trial(group, capacity, seed))
            if result is not None:
                read = max(1, int(length * len(result.steps_S) + 1e-9))
                losses_RK[r, k] = result.curve_TS[group.index(task), :read].min()
    return losses_RK


def _pace(results: Results, group: tuple[str, ...], task: str, seeds: Sequence[int]) -> float | None:
    """Steps to the best loss that the task reaches alone, relative to those it takes alone; None if it never does."""
    ratios = []
    for seed in seeds:
        alone, pair = results.get(Trial((task,), STANDARD, seed)), results.get(Trial(group, STANDARD, seed))
        if alone is None or pair is None:
            continue
        place = int(alone.curve_TS[0].argmin())
        there = np.flatnonzero(pair.curve_TS[group.index(task)] <= alone.curve_TS[0, place])
        if not len(there):
            return None
        ratios.append(float(pair.steps_S[there[0]] / alone.steps_S[place]))
    return float(np.mean(ratios)) if ratios else None


def _partners(names: Sequence[str], name: str) -> list[str]:
    """The tasks that come next in the task set, round and round."""
    place = names.index(name)
    return [names[(place + step) % len(names)] for step in range(1, 1 + min(_NOISY_PARTNERS, len(names) - 1))]


def _mean(losses_RK: FloatArray) -> FloatArray:
    known_RK = ~np.isnan(losses_RK)
    total_R = np.where(known_RK, losses_RK, 0.0).sum(axis=1)
    count_R = known_RK.sum(axis=1)
    mean_R = np.divide(total_R, count_R, out=np.full(len(total_R), np.nan), where=count_R > 0)
    return np.asarray(mean_R[:, None])


def _ends(gain: Gain) -> tuple[float | None, float | None, float | None]:
    mean, low, high = (end if np.isfinite(end) else None for end in (gain.mean, gain.low, gain.high))
    return mean, low, high
