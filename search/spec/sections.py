"""The sections of a spec, each complete in itself."""

from __future__ import annotations

from itertools import pairwise
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from grouping.budget import Budget, BudgetUnit
from grouping.errors import InputError
from grouping.tasks import Metric, Role, TaskType
from search.balancing import EQUAL, Balancing
from search.errors import SpecError
from search.networks.shape import Norm, TrunkShape, check_trunk, check_units
from search.task_sampling import BY_ROWS, TaskSampling

__all__ = [
    "AffinitySpec",
    "BudgetSpec",
    "CandidatesSpec",
    "ClusterSpec",
    "DataSpec",
    "EngineName",
    "Estimator",
    "EvidenceSpec",
    "HalvingSpec",
    "NetworkSpec",
    "NoHarmSpec",
    "Precision",
    "Section",
    "SplitSpec",
    "TaskSpec",
    "TrainingBudgetSpec",
    "TrainingSpec",
    "TuningSpec",
    "Weighting",
]

Weighting = Literal["equal", "declared"]
Precision = Literal["float32", "bfloat16"]
EngineName = Literal["plain", "fused", "fused-onednn", "fused-relaxed"]
Estimator = Literal[
    "measured",
    "higher-order",
    "early-stopping",
    "adaptive",
    "linear-surrogate",
    "look-ahead",
    "first-order",
    "cosine",
    "linearised",
]

Positive = Annotated[float, Field(gt=0, allow_inf_nan=False, strict=True)]
Count = Annotated[int, Field(ge=1, strict=True)]
Width = Annotated[int, Field(ge=1, le=65_536, strict=True)]
Repeats = Annotated[int, Field(ge=1, le=1_000, strict=True)]
"""Seeds and the like: each trains every network again, so a slip of the pen is refused before it is planned."""
Seed = Annotated[int, Field(ge=0, lt=2**63, strict=True)]


class Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=False)


class SplitSpec(Section):
    """How rows become training, validation and test part: a column, or fractions of rows, groups or time.

    Exactly one of ``column`` and ``fractions``. With ``group`` no group spans two parts; with ``time`` the parts follow
    each other in that column's order.
    """

    column: str | None = None
    fractions: tuple[Positive, Positive, Positive] | None = None
    seed: Seed = 0
    group: str | None = None
    time: str | None = None

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        if (self.column is None) == (self.fractions is None):
            raise ValueError("give exactly one of 'column' and 'fractions'")
        if self.fractions is not None and abs(sum(self.fractions) - 1) > 1e-6:
            raise ValueError(f"the fractions add up to {sum(self.fractions):g}, not 1")
        if self.group is not None and self.time is not None:
            raise ValueError("give 'group' or 'time', not both")
        if self.column is not None and (self.group or self.time):
            raise ValueError("'group' and 'time' go with 'fractions'; 'column' already says which part a row is in")
        return self


class DataSpec(Section):
    """Where rows come from.

    ``source`` is a registered data set (``nyc-weather``) or a path to CSV, Parquet or npz; an array of an npz file with
    the shape rows x height x width holds pictures. ``more`` are tables whose rows are added: tasks may have data sets
    of their own, with the same inputs. ``inputs`` are column names or globs; ``cluster`` names the column whose values
    are resampled together in intervals (weeks, scaffolds).
    ``fold`` adds up binary inputs modulo that many columns (hashed fingerprints). ``rows`` caps the training rows.
    """

    source: str = Field(min_length=1)
    more: Annotated[tuple[Annotated[str, Field(min_length=1)], ...], Field(max_length=64)] = ()
    inputs: tuple[str, ...] | None = None
    exclude: tuple[str, ...] = ()
    categorical: tuple[str, ...] = ()
    split: SplitSpec | None = None
    cluster: str | None = None
    fold: Count | None = None
    rows: Count | None = None


class TaskSpec(Section):
    """One task: its name, its target column (default: the name), its type.

    Networks are trained on the loss of the type; ``metric`` is what they are compared on: that loss (squared error,
    cross-entropy), ``absolute error`` for regression, ``error rate`` for classes.
    """

    name: str
    target: str | None = None
    type: TaskType | None = None
    weight: Positive = 1.0
    role: Role = "main"
    unit: str = ""
    metric: Metric = "loss"

    @property
    def column(self) -> str:
        return self.target if self.target is not None else self.name


class NetworkSpec(Section):
    """The trunk at 1 SNT and the sizes it may have.

    ``trunk`` is ``mlp``, ``cnn``, one of residual blocks (``resmlp``, ``resnet``), or one that another package offers.
    ``image`` is what an input row is to cnn and resnet: channels, height, width; left out, it follows from the data.
    ``norm`` and ``dropout`` are for those that come along, ``units`` for the others: the submodules that policies are
    searched for, where torch.fx cannot find them or other ones are wanted.
    """

    trunk: str = Field(default="mlp", min_length=1, max_length=100)
    image: tuple[Width, Width, Width] | None = None
    widths: tuple[Width, ...] = Field(default=(64, 64), min_length=1, max_length=32)
    norm: Norm = "none"
    dropout: Annotated[float, Field(ge=0, lt=1, strict=True)] = 0.0
    units: Annotated[tuple[Annotated[str, Field(min_length=1, max_length=200)], ...], Field(max_length=256)] = ()
    capacities: tuple[Annotated[float, Field(gt=0, le=1_000, allow_inf_nan=False, strict=True)], ...] = Field(
        default=(1.0,), min_length=1
    )

    @model_validator(mode="after")
    def _coherent(self) -> Self:
        check_trunk(self.trunk, self.widths, self.image, self.norm, self.dropout)
        check_units(self.trunk, self.units)
        return self

    def shape(self, n_inputs: int) -> TrunkShape:
        """The trunk at 1 SNT on rows of ``n_inputs`` columns.

        Raises:
            InputError: a cnn whose image is unknown or does not fit.
        """
        return TrunkShape(self.trunk, n_inputs, self.widths, self.image, self.norm, self.dropout, self.units)


class TrainingSpec(Section):
    """How every candidate is trained; ``seeds`` replicates of each during the search.

    ``engine: auto`` stands for the fastest engine that rounds nothing, found when a run begins and kept in its spec.
    ``weighting: declared`` multiplies each task's loss by its weight; ``balancing`` is how the tasks of a network are
    kept in balance on top of that (``search.balancing``), ``sampling`` whose turn a step is (``search.task_sampling``).
    ``clip_norm`` is the largest norm of a network's gradient.
    ``precision: bfloat16`` rounds the factors of products in training; parameters and losses stay float32.
    ``checkpoint_minutes``: so often a training's state is written down, from which it goes on if its worker dies.
    """

    epochs: Annotated[int, Field(ge=1, le=1_000_000, strict=True)] = 12
    batch_size: Count = 256
    learning_rate: Positive = 1e-3
    weight_decay: Annotated[float, Field(ge=0, allow_inf_nan=False, strict=True)] = 0.0
    seeds: Repeats = 3
    seed: Seed = 0
    weighting: Weighting = "equal"
    balancing: str = EQUAL
    sampling: str = BY_ROWS
    clip_norm: Positive | None = None
    precision: Precision = "float32"
    engine: EngineName | Literal["auto"] = "auto"
    readings_per_epoch: Repeats = 1
    timeout_seconds: Positive = 3600.0
    checkpoint_minutes: Annotated[float, Field(ge=0, allow_inf_nan=False, strict=True)] = 1.0

    @model_validator(mode="after")
    def _written_one_way(self) -> Self:
        try:
            object.__setattr__(self, "balancing", str(Balancing.parse(self.balancing)))
            object.__setattr__(self, "sampling", str(TaskSampling.parse(self.sampling)))
        except InputError as error:
            raise SpecError(error.what, where=error.where, fix=error.fix) from error
        return self


Share = Annotated[float, Field(gt=0, lt=1, strict=True)]


class HalvingSpec(Section):
    """Groups that are hopeless for all of their tasks are trained no further.

    Groups are compared when each share of ``rungs`` of their training is done; for each task the best ``keep`` of those
    that hold it go on. Early ranks are near chance: before a quarter of training they say next to nothing.
    """

    rungs: tuple[Share, ...] = Field(default=(0.25, 0.5), min_length=1, max_length=16)
    keep: Share = 0.5

    @model_validator(mode="after")
    def _ascending(self) -> Self:
        if any(later <= earlier for earlier, later in pairwise(self.rungs)):
            raise ValueError("the shares in 'rungs' must ascend")
        return self


class CandidatesSpec(Section):
    """Which groups are trained during the search: all up to ``max_size``, or the list ``groups``.

    The default follows from the estimator: pairs for ``higher-order``, every size for the others. With ``halving`` not
    all of them are trained to the end. ``linear_clusters`` adds clusters of tasks found by linear models of the
    training part, into as many as the budget holds networks and fewer.
    """

    max_size: Count | None = None
    groups: tuple[tuple[str, ...], ...] | None = None
    halving: HalvingSpec | None = None
    linear_clusters: bool = False

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        if self.max_size is not None and self.groups is not None:
            raise ValueError("give 'max_size' or 'groups', not both")
        return self


class AffinitySpec(Section):
    """How losses of groups that were not trained to the end are estimated, and how that is audited.

    ``adaptive`` estimates nothing that is chosen: it spends ``budget.training`` on the trainings that are expected to
    improve the choice most, and is the default where that budget is given and nothing is halved. ``linear-surrogate``
    trains ``samples`` random groups (default: as many as there are pairs) and learns each partner's share from them.
    ``look-ahead``, ``first-order``, ``cosine`` and ``linearised`` look at one training of all tasks a seed. ``audit``
    random groups (three or more tasks) are trained to compare estimates with measurements. ``controls`` trains partners
    that have nothing to teach, wider networks, and pairs with fewer rows, to tell what affinities are made of.
    """

    estimator: Estimator = "higher-order"
    fraction: Annotated[float, Field(gt=0, lt=1, strict=True)] = 0.25
    samples: Count | None = None
    audit: Annotated[int, Field(ge=0, le=1_000, strict=True)] = 6
    controls: bool = False


class TrainingBudgetSpec(Section):
    """What the search may cost; checked before it starts. ``trainings`` counts every (candidate, seed), and
    every (configuration, seed) of a search over settings.

    An adaptive search stops earlier once it is unlikely that another grouping is better by more than ``worthwhile``
    (relative to single-task losses, mean over tasks); with 0 it spends all it may.
    """

    trainings: Count | None = None
    minutes: Positive | None = None
    worthwhile: Annotated[float, Field(ge=0, lt=1, strict=True)] = 0.01

    @model_validator(mode="after")
    def _one_limit(self) -> Self:
        if (self.trainings is None) == (self.minutes is None):
            raise ValueError("give exactly one of 'trainings' and 'minutes'")
        return self


class BudgetSpec(Section):
    """What serving may cost, and what the search may cost."""

    inference: Positive
    unit: BudgetUnit = "snt"
    max_networks: Count | None = None
    training: TrainingBudgetSpec | None = None

    def as_budget(self) -> Budget:
        return Budget(**{self.unit: self.inference}, max_networks=self.max_networks)  # type: ignore[arg-type]


class NoHarmSpec(Section):
    """By how much sharing may raise the loss of a served task, relative to a reference.

    ``against`` is each task's single-task network, or its network in ``evidence.grouping``. ``margin`` is relative
    (0.02 is 2 %), limits are one-sided at ``confidence``. With ``constrain`` only networks that keep the margin on the
    validation part at that confidence may serve a task; without, the report says what was kept.
    """

    margin: Annotated[float, Field(ge=0, lt=10, strict=True)] = 0.02
    confidence: Annotated[float, Field(gt=0.5, lt=1, strict=True)] = 0.95
    against: Literal["single-task", "grouping"] = "single-task"
    constrain: bool = False


class TuningSpec(Section):
    """How many learning rates every way to share is tried with, on one network of all tasks: 1, 1/2, 2, 1/4, ... times.

    With 1 all are trained with the rate of the spec, which may suit some better than others.
    """

    learning_rates: Annotated[int, Field(ge=1, le=7, strict=True)] = 1


class EvidenceSpec(Section):
    """How the choice is confirmed: fresh seeds, random groupings to compare with, the user's own grouping.

    ``splits`` repeats the whole job on that many redrawn splits (fractions only). ``domination`` looks at the gradients
    of one network of all tasks: which task has the most of them, and whether balancing (three ways) makes up for it.
    """

    seeds: Repeats = 5
    random_groupings: Annotated[int, Field(ge=0, le=1_000, strict=True)] = 10
    best_of_random: bool = True
    grouping: tuple[tuple[str, ...], ...] | None = None
    splits: Repeats = 1
    draws: Annotated[int, Field(ge=1, le=100_000, strict=True)] = 200
    no_harm: NoHarmSpec = NoHarmSpec()
    domination: bool = False


class ClusterSpec(Section):
    """Where trials run: ``local`` or the address of an existing Ray cluster.

    ``launcher`` says where the process runs that works on a detached run: on this machine, or as a job on the cluster,
    whose job server is at ``jobs`` and whose interpreter, with this package installed, is ``python``.
    """

    address: str = "local"
    workers: Repeats | None = None
    gpus_per_worker: Annotated[float, Field(ge=0, le=8, strict=True)] | Literal["auto"] = 0.0
    launcher: Literal["local", "ray-job"] = "local"
    jobs: Annotated[str, Field(pattern=r"^https?://[^/\s]+/?$")] = "http://127.0.0.1:8265"
    python: Annotated[str, Field(min_length=1)] = "python"

    @property
    def gpu_share(self) -> float:
        """Share of a GPU for each worker; 0 as long as ``auto`` has not been decided."""
        return 0.0 if self.gpus_per_worker == "auto" else self.gpus_per_worker
