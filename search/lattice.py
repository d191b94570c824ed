"""A complete table from beginning to end: settings, trainings in bounded pieces, and the files that come of them.

Like a recommendation it is a pure function of its spec and of trainings that the store remembers: going on is asking
again.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import pandas as pd

from search.data.dataset import load_dataset
from search.data.resolution import resolve
from search.decision.engine_choice import choose_engine, with_engine
from search.decision.lattice import Lattice, ceilings, curves_frame, every_group, losses_frame
from search.decision.measurement import Measurement, Progress
from search.documents import dump_spec
from search.documents.variations import Variation
from search.errors import SpecError
from search.execution.executor import Executor
from search.output.environment import describe_environment
from search.output.folder import RunFolder
from search.spec import EngineName
from search.store.store import Store
from search.training.engines import ENGINES
from search.training.experiment import Experiment
from search.training.gpu_share import with_gpu_share
from search.trials import Trial, TrialResult

__all__ = ["measure_lattices", "prepare_lattices", "settle_engine", "write_lattices"]


def prepare_lattices(varied: Sequence[Variation], base: Path) -> tuple[Lattice, ...]:
    """Load the data of every variation, check everything, and enumerate; nothing is trained.

    Raises:
        SpecError, DataError, InfeasibleError: what is wrong, where, and the way out.
    """
    found = []
    for variation in varied:
        if variation.spec.trainer is not None:
            raise SpecError(
                "complete tables are trained by the built-in trainer, which reads the test part all along",
                where="trainer",
                fix="Use: taskgroup recommend, with affinity.estimator: measured for every group",
            )
        spec = resolve(variation.spec, base)
        dataset = load_dataset(spec, base)
        spec = with_gpu_share(spec, dataset)
        experiment = Experiment(dataset, spec.network, spec.training)
        found.append(Lattice(variation.factors, every_group(spec, experiment), experiment))
    return tuple(found)


def settle_engine(
    lattices: Sequence[Lattice], executor: Executor, chosen: EngineName | None
) -> tuple[tuple[Lattice, ...], EngineName]:
    """All settings with one engine: the one chosen earlier, or the one that the first setting calls for."""
    engine = chosen or choose_engine(lattices[0].plan, lattices[0].experiment, executor).engine
    return tuple(replace(one, experiment=with_engine(one.experiment, engine)) for one in lattices), engine


def measure_lattices(
    lattices: Sequence[Lattice],
    store: Store,
    run: str,
    executor: Executor,
    engine: EngineName,
    progress: Progress,
    *,
    stop: Callable[[], bool] = lambda: False,
) -> tuple[list[dict[Trial, TrialResult]], dict[Trial, str]] | None:
    """Train what the store does not hold yet.

    Args:
        lattices: Settings with one engine.
        store: Where trainings are remembered; ``run`` must be running and owned by this process.
        run: Id of the run.
        executor: The workers.
        engine: The settings' own.
        progress: Told how far the run is.
        stop: Asked now and then whether to leave the rest for later.

    Returns:
        Results of every setting, and why others are missing; None if it was stopped.
    """
    spec = lattices[0].plan.spec
    networks = ENGINES[engine].networks(spec.cluster.gpu_share)
    measurement = Measurement(store, run, executor, ENGINES[engine].train, progress, networks)
    found: list[dict[Trial, TrialResult]] = []
    for number, lattice in enumerate(lattices, 1):
        label = f"setting {number} of {len(lattices)}"
        trials = lattice.trials
        found.append(measurement.measure(lattice.experiment, "measure", label, trials, stop=stop))
        if any(trial not in found[-1] and trial not in measurement.failures for trial in trials):
            return None
    return found, measurement.failures


def write_lattices(
    output: Path,
    lattices: Sequence[Lattice],
    results: Sequence[dict[Trial, TrialResult]],
    failures: dict[Trial, str],
    command: str,
) -> tuple[Path, Path, Path]:
    """Losses, curves, and how they were made: ``NAME.parquet``, ``NAME.curves.parquet``, ``NAME.json``.

    Raises:
        NoResultError, InputError: a setting without a usable single-task network.
        DiskError: they cannot be written.
    """
    folder, stem = RunFolder(output.parent), output.stem
    pairs = list(zip(lattices, results, strict=True))
    losses = pd.concat([losses_frame(one, found, failures) for one, found in pairs], ignore_index=True)
    curves = pd.concat([curves_frame(one, found) for one, found in pairs], ignore_index=True)
    first = lattices[0].plan
    about = {
        "command": command,
        "created": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "tasks": [task.name for task in first.tasks],
        "networks": len(first.candidates),
        "seeds": list(first.search_seeds),
        "settings": [{**one.factors, "noise_ceiling": ceilings(one, found, failures)} for one, found in pairs],
        "trainings": sum(map(len, results)),
        "failed": len(failures),
        "process_seconds": sum(result.seconds for found in results for result in found.values()),
        "spec": dump_spec(first.spec),
        "environment": describe_environment(engine=lattices[0].experiment.training.engine),
    }
    return (
        folder.write_table(output.name, losses),
        folder.write_table(f"{stem}.curves.parquet", curves),
        folder.write_json(f"{stem}.json", about),
    )
