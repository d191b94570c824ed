"""A recommendation that is ready to be worked on: its spec, data and plan, checked; what is done with it is ``run``."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from search.data.dataset import Dataset, load_dataset
from search.decision.contenders import CostOf
from search.decision.costs import Latency
from search.decision.linear_clusters import plan_for
from search.decision.plan import Plan
from search.networks.architectures import make_network
from search.networks.latency import measured_latency_ms
from search.networks.sharing import HARD, Sharing
from search.spec import Spec
from search.spec.settled import own_shape
from search.training.experiment import Experiment
from search.training.foreign.experiment import ForeignExperiment
from search.training.foreign.trainer import resolve_trainer

__all__ = ["Job", "prepare"]


@dataclass(frozen=True, eq=False)
class Job:
    """A recommendation that is ready to be worked on.

    Args:
        spec: The resolved spec.
        plan: Candidates and trainings.
        experiments: One for each repetition of the data split.
        cost_of: Cost of a network in the budget's unit.
        latency: Measures a network.
    """

    spec: Spec
    plan: Plan
    experiments: tuple[Experiment, ...]
    cost_of: CostOf
    latency: Latency


def prepare(spec: Spec, base: Path, latencies: dict[str, float] | None = None) -> Job:
    """Load the data, check everything, and plan; nothing is trained.

    Args:
        spec: A resolved spec.
        base: Folder that relative paths start from.
        latencies: Milliseconds measured earlier, by network; new ones are added. Only used with a latency budget.

    Raises:
        SpecError, DataError, InfeasibleError: what is wrong, where, and the way out.
    """
    datasets = [load_dataset(spec, base, split=split) for split in range(spec.evidence.splits)]
    first = datasets[0]
    spec = _on_gpus(spec, first)
    latency = _latency(spec, len(first.input_names), {} if latencies is None else latencies)
    plan = plan_for(spec, first, latency)
    experiments = tuple(_experiment(spec, dataset) for dataset in datasets)
    return Job(spec, plan, experiments, plan.costs.charged, latency)


def _on_gpus(spec: Spec, dataset: Dataset) -> Spec:
    if spec.cluster.gpus_per_worker != "auto":
        return spec
    from search.training.gpu_share import with_gpu_share  # loads torch, which planning does without

    return with_gpu_share(spec, dataset)


def _experiment(spec: Spec, dataset: Dataset) -> Experiment:
    if spec.trainer is None:
        return Experiment(dataset, spec.network, spec.training)
    return ForeignExperiment(dataset, spec.network, spec.training, trainer=resolve_trainer(spec.trainer))


def _latency(spec: Spec, n_inputs: int, known: dict[str, float]) -> Latency:
    """Measures each network once and keeps it in ``known``, so that a resumed run decides on the same costs."""

    def latency(sharing: Sharing, widths: tuple[int, ...], outputs: tuple[int, ...]) -> float:
        key = f"{widths} {outputs}" if sharing.kind == HARD else f"{sharing} {widths} {outputs}"
        if key not in known:
            shape, _ = own_shape(sharing.settings, spec.network, n_inputs)
            network = make_network(sharing.bare, replace(shape, widths=widths), outputs)
            known[key] = measured_latency_ms(network, n_inputs)
        return known[key]

    return latency
