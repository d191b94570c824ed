"""One recommendation to make, in all its sections."""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import Field, model_validator

from grouping.tasks import Task
from search.networks.sharing import HARD
from search.spec.checks import (
    check_adaptive,
    check_groups,
    check_halving,
    check_linear_clusters,
    check_no_harm,
    check_redraws,
    check_samples,
    check_tasks,
    ways_to_share,
)
from search.spec.searching import SearchSpec, check_search
from search.spec.sections import (
    AffinitySpec,
    BudgetSpec,
    CandidatesSpec,
    ClusterSpec,
    DataSpec,
    EvidenceSpec,
    NetworkSpec,
    Section,
    TaskSpec,
    TrainingSpec,
    TuningSpec,
)
from search.spec.trainer import OWNED, TrainerSpec, check_trainer

__all__ = ["Spec"]


class Spec(Section):
    """One recommendation to make.

    ``architectures`` are ways to share that groups of two or more tasks are tried in, at equal cost: ``hard`` (one
    trunk; always among them), ``branch``, ``soft``, ``cross-stitch``, ``mtan``, ``mmoe``, ``cgc``, ``ple``, some with
    options, as in ``soft weight=0.1``; ``adashare``, ``learned-branching`` and ``automtl`` search what each layer is to
    each task first. An adaptive search, and estimators that look at few trainings, try the group of all tasks only.
    Settings of a network that differ from the spec stand behind ``with``, as in ``hard with learning_rate=0.003``;
    ``search`` says how ``taskgroup search`` looks for such settings.
    With a ``trainer`` of one's own that owns its data, ``data`` is left out.
    """

    name: str = Field(min_length=1, max_length=100)
    data: DataSpec = DataSpec(source=OWNED)
    tasks: tuple[TaskSpec, ...] = ()
    network: NetworkSpec = NetworkSpec()
    training: TrainingSpec = TrainingSpec()
    trainer: TrainerSpec | None = None
    architectures: Annotated[tuple[str, ...], Field(max_length=16)] = (HARD,)
    tuning: TuningSpec = TuningSpec()
    search: SearchSpec | None = None
    candidates: CandidatesSpec = CandidatesSpec()
    affinity: AffinitySpec = AffinitySpec()
    budget: BudgetSpec
    evidence: EvidenceSpec = EvidenceSpec()
    cluster: ClusterSpec = ClusterSpec()

    @model_validator(mode="after")
    def _coherent(self) -> Self:
        object.__setattr__(self, "architectures", ways_to_share(self.architectures, self.network, self.training))
        check_tasks(self.tasks)
        check_groups(self.candidates.groups, "candidates.groups", self.tasks)
        check_groups(self.evidence.grouping, "evidence.grouping", self.tasks)
        check_redraws(self.evidence.splits, self.data.split)
        check_linear_clusters(self)
        named = "estimator" in self.affinity.model_fields_set or self.candidates.halving is not None
        if self.budget.training is not None and not named:
            # The default follows from another section; written into the spec, it stays what it is from here on.
            adaptive = AffinitySpec(**{**dict(self.affinity), "estimator": "adaptive"})
            object.__setattr__(self, "affinity", adaptive)
        check_halving(self.candidates.halving, self.affinity.estimator)
        check_adaptive(self)
        check_samples(self.affinity)
        check_no_harm(self)
        check_search(self)
        check_trainer(self)
        return self

    @property
    def opaque(self) -> bool:
        """Whether a trainer owns the data, so that nobody else sees a row."""
        return self.trainer is not None and self.data.source == OWNED

    def task_set(self) -> tuple[Task, ...]:
        """The tasks as domain values; types must have been inferred by then."""
        assert all(task.type is not None for task in self.tasks)
        return tuple(Task(t.name, t.type or "regression", t.weight, t.role, t.metric) for t in self.tasks)
