"""Every candidate of a spec measured and nothing chosen: a complete table that choices and estimates are judged on.

A table of all subsets of the tasks is a lattice. Validation and test losses are read together all along training, so
the table can stand for a search (validation) and for what came of it (test).

Axes as everywhere: ``R`` seeds, ``C`` candidates, ``T`` tasks, ``S`` readings.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from grouping.candidates import FloatArray
from grouping.curves import CurveTable
from grouping.evidence.ceiling import noise_ceiling
from grouping.losses import LossTable
from search.decision.enumeration import make_plan
from search.decision.plan import Plan
from search.decision.selection import curves_of, reference_losses
from search.errors import SpecError
from search.networks.sharing import Sharing
from search.spec import AffinitySpec, ClusterSpec, Spec
from search.training.experiment import Experiment
from search.trials import Trial, TrialResult

__all__ = ["Lattice", "ceilings", "curves_frame", "every_group", "losses_frame", "with_cluster"]

_PARTS = ("val", "test")


@dataclass(frozen=True, eq=False)
class Lattice:
    """One setting of a lattice.

    Args:
        factors: Its value of each varied field.
        plan: Its candidates, all of which are trained.
        experiment: Data, network and training.
    """

    factors: Mapping[str, float | str]
    plan: Plan
    experiment: Experiment

    @property
    def trials(self) -> tuple[Trial, ...]:
        """Every candidate with every seed."""
        return tuple(replace(trial, phase="measure") for trial in self.plan.search_trials())


def with_cluster(lattice: Lattice, cluster: ClusterSpec) -> Lattice:
    """The same with other workers."""
    spec = lattice.plan.spec.model_copy(update={"cluster": cluster})
    return replace(lattice, plan=replace(lattice.plan, spec=spec))


def every_group(spec: Spec, experiment: Experiment) -> Plan:
    """The plan of a spec in which whatever is considered is trained to the end.

    Raises:
        SpecError: a way to share whose policy would have to be searched first.
    """
    searched = next((way for way in spec.architectures if Sharing.parse(way).to_search), None)
    if searched is not None:
        raise SpecError(
            f"a complete table has networks that are known beforehand, and '{searched}' is searched",
            where="architectures",
            fix="Leave it out, or give the modes that a search found, as in 'adashare modes=ss-,s-s'",
        )
    candidates = spec.candidates.model_copy(update={"halving": None})
    whole = spec.model_copy(update={"affinity": AffinitySpec(estimator="measured"), "candidates": candidates})
    dataset = experiment.dataset
    return make_plan(whole, dataset.tasks, len(dataset.input_names), dataset.classes_T)


def losses_frame(lattice: Lattice, results: Mapping[Trial, TrialResult], failures: Mapping[Trial, str]) -> pd.DataFrame:
    """Losses of the kept states, one row a (network, seed, task, part); the state is kept by validation loss.

    Columns: ``network``, ``cost`` (SNT), ``candidate`` where groups are tried in several ways to share, ``seed``,
    ``task``, ``split`` (``val`` or ``test``), ``loss``, ``epoch`` (of the kept state, may be broken), ``seconds``
    (process time of the training), then the factors.

    Raises:
        NoResultError, InputError: as ``reference_losses``.
    """
    validation, test = _curves(lattice, results)
    reference_T = reference_losses(lattice.plan, validation, failures)
    kept_RC = validation.kept_step_RC(reference_T)
    per_epoch = validation.steps_S[-1] / lattice.plan.spec.training.epochs
    seconds = {(trial.identity, trial.seed): result.seconds for trial, result in results.items()}
    frames = []
    for part, curves in zip(_PARTS, (validation, test), strict=True):
        frame, place_RCT = _cells(lattice, curves.curves_RCTS[..., -1])
        kept = kept_RC[place_RCT[0], place_RCT[1]]
        frame["split"] = part
        frame["loss"] = curves.curves_RCTS[(*place_RCT, kept)]
        frame["epoch"] = curves.steps_S[kept] / per_epoch
        frame["seconds"] = [
            seconds[lattice.plan.key(int(c)), lattice.plan.search_seeds[r]] for r, c in zip(*place_RCT[:2], strict=True)
        ]
        frames.append(frame)
    return _with_factors(lattice, frames)


def ceilings(lattice: Lattice, results: Mapping[Trial, TrialResult], failures: Mapping[Trial, str]) -> dict[str, float]:
    """Noise ceilings of one setting: how well two halves of the seeds agree, on each part; none with one seed."""
    if len(lattice.plan.search_seeds) < 2 or len(lattice.plan.tasks) < 3:
        return {}
    validation, test = _curves(lattice, results)
    reference_T = reference_losses(lattice.plan, validation, failures)
    kept_RC = np.maximum(validation.kept_step_RC(reference_T), 0)
    found: dict[str, float] = {}
    for part, curves in zip(_PARTS, (validation, test), strict=True):
        losses_RCT = np.take_along_axis(curves.curves_RCTS, kept_RC[:, :, None, None], axis=3)[..., 0]
        table = LossTable(lattice.plan.candidates, losses_RCT, validation.seeds)
        ceiling = noise_ceiling(table, np.random.default_rng(0))
        found |= {f"{part}_halves": ceiling.halves, f"{part}_attainable": ceiling.attainable}
    return found


def curves_frame(lattice: Lattice, results: Mapping[Trial, TrialResult]) -> pd.DataFrame:
    """Losses along training in single precision, one row a (network, seed, task, part, step), then the factors."""
    frames = []
    for part, curves in zip(_PARTS, _curves(lattice, results), strict=True):
        for s, step in enumerate(curves.steps_S.tolist()):
            frame, place_RCT = _cells(lattice, curves.curves_RCTS[..., s])
            frame["split"], frame["step"] = part, step
            frame["loss"] = curves.curves_RCTS[(*place_RCT, s)].astype(np.float32)
            frames.append(frame)
    return _with_factors(lattice, frames)


def _curves(lattice: Lattice, results: Mapping[Trial, TrialResult]) -> tuple[CurveTable, CurveTable]:
    """Validation and test losses along training."""
    tested = {
        trial: replace(result, curve_TS=result.test_curve_TS)
        for trial, result in results.items()
        if result.test_curve_TS is not None
    }
    return curves_of(lattice.plan, results), curves_of(lattice.plan, tested)


def _cells(lattice: Lattice, losses_RCT: FloatArray) -> tuple[pd.DataFrame, tuple[np.ndarray, ...]]:
    """Who each known cell belongs to, and where it is."""
    plan = lattice.plan
    place_RCT = np.nonzero(~np.isnan(losses_RCT))
    r, c, t = place_RCT
    names_C = np.array([plan.candidates.name(row) for row in range(len(plan.candidates))], dtype=object)
    tasks_T = np.array([task.name for task in plan.tasks], dtype=object)
    frame = pd.DataFrame(
        {
            "network": names_C[c],
            "cost": plan.capacity_C[c],
            **({} if plan.hard_C.all() else {"candidate": np.array(plan.candidates.label_C, dtype=object)[c]}),
            "seed": np.array(plan.search_seeds)[r],
            "task": tasks_T[t],
        }
    )
    return frame, place_RCT


def _with_factors(lattice: Lattice, frames: Sequence[pd.DataFrame]) -> pd.DataFrame:
    frame = pd.concat(frames, ignore_index=True)
    for path, value in lattice.factors.items():
        frame[path] = value
    return frame
