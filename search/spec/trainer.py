"""Somebody's own trainer, as a spec names it: a command or an entry point, what it is told, and what serving costs.

What becomes of a training, and how it is kept in its bounds, is ``search.training.foreign``; nothing is run here.
"""

from __future__ import annotations

import re
import shlex
from importlib.metadata import entry_points
from typing import TYPE_CHECKING, Annotated, Final, Literal, Self, get_args

from pydantic import Field, model_validator

from grouping.tasks import nearest_name
from search.errors import SpecError
from search.spec.sections import DataSpec, NetworkSpec, Positive, Section, TrainingSpec, TuningSpec

if TYPE_CHECKING:
    from search.spec.spec import Spec

__all__ = [
    "ENTRY_POINTS",
    "OWNED",
    "ServingCostSpec",
    "Told",
    "TrainerSpec",
    "check_trainer",
    "installed_trainers",
    "runs_code",
]

ENTRY_POINTS: Final = "taskgrouping.trainers"
"""Group of entry points under which packages offer trainers.

Each names a function that is called with keywords, those that ``trainer.told`` lists: ``tasks`` (a list of names),
``seed``, ``epochs``, ``capacity``, ``copies``, ``phase``, ``split``, ``folder``. It returns the losses as
``search.training.foreign.reported`` reads them, ``{"losses": {...}, "test": {...}}`` for example.
"""

OWNED: Final = "trainer"
"""``data.source`` where the trainer owns the data and nobody else sees them."""

Told = Literal["tasks", "seed", "epochs", "capacity", "copies", "phase", "split", "folder"]
"""What a trainer may be told of a training, as placeholders of a command or arguments of a function."""

_NEEDED: Final = ("tasks", "seed")  # without either all trainings would be the same
_OUT: Final = "out"
_COMMAND: Final = "trainer.command"
_PLACEHOLDER = re.compile(r"\{(\w+)\}")
_HEARD = frozenset({"capacities", "epochs", "seeds", "seed", "timeout_seconds"})
_ESTIMATORS = ("measured", "higher-order", "early-stopping", "adaptive", "linear-surrogate")


class ServingCostSpec(Section):
    """What serving a network costs in ``budget.unit``: so much for a trunk of capacity 1, so much for each task."""

    trunk: Positive
    head: Annotated[float, Field(ge=0, allow_inf_nan=False, strict=True)] = 0.0


class TrainerSpec(Section):
    """A training pipeline in place of the built-in trainer: exactly one of ``command`` and ``entry_point``.

    ``command`` is split into words as a shell would, and run without one. Words may hold placeholders: ``{tasks}``
    (names joined by commas), ``{seed}``, ``{out}`` (where losses are to be written; these three are needed),
    ``{epochs}``, ``{capacity}``, ``{copies}``, ``{phase}``, ``{split}`` and ``{folder}`` (an empty folder of this
    training). ``entry_point`` is a function that an installed package offers under ``taskgrouping.trainers``; it is
    called with what ``told`` names, as keywords, and returns the losses.

    Trainings work in the folder ``cwd``, by default that of the spec; relative ``files`` are found there too. An
    installed function that names neither works in an empty folder of its own.
    ``version`` and ``files`` belong to what a result depends on, as do the command and the files it names: change a
    version when something else changes that matters. ``confirm_on: validation`` is for trainers without test losses.
    ``cost`` is what serving a network costs in another unit than SNT; in SNT that is its capacity.
    """

    command: Annotated[str | None, Field(max_length=10_000)] = None
    entry_point: Annotated[str | None, Field(min_length=1, max_length=100)] = None
    told: tuple[Told, ...] | None = None
    cwd: Annotated[str | None, Field(min_length=1, max_length=4_000)] = None
    version: Annotated[str, Field(max_length=200)] = ""
    files: Annotated[tuple[str, ...], Field(max_length=1_000)] = ()
    confirm_on: Literal["test", "validation"] = "test"
    cost: ServingCostSpec | None = None

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        if (self.command is None) == (self.entry_point is None):
            raise ValueError("give exactly one of 'command' and 'entry_point'")
        if self.command is not None:
            if self.told is not None:
                raise ValueError("'told' goes with 'entry_point'; a command holds placeholders")
            _check_command(self.command)
        elif self.told is None:
            object.__setattr__(self, "told", ("tasks", "seed", "epochs"))
        for name in _NEEDED if self.told is not None else ():
            if name not in self.hears:
                raise SpecError(f"'{name}' is missing", where="trainer.told", fix=f"Add {name}")
        return self

    @property
    def hears(self) -> frozenset[str]:
        """What the trainer is told of a training."""
        if self.command is None:
            return frozenset(self.told or ())
        return frozenset(_PLACEHOLDER.findall(self.command)) - {_OUT}


def installed_trainers() -> list[str]:
    """Names of the trainers that installed packages offer; nothing of them is loaded."""
    return list(dict.fromkeys(point.name for point in entry_points(group=ENTRY_POINTS)))


def runs_code(spec: Spec) -> bool:
    """Whether the spec makes this machine run, or read, what its author chose: a command, or files and folders.

    Such a spec is for the command line and for Python. It must never be taken from the network; an entry point may,
    since it names what the operator has installed.
    """
    trainer = spec.trainer
    return trainer is not None and (trainer.command is not None or bool(trainer.files) or trainer.cwd is not None)


def check_trainer(spec: Spec) -> None:
    """Refuse what a foreign trainer cannot do, each with what can be done instead.

    Raises:
        SpecError: the field that does not go with a trainer of one's own.
    """
    if spec.trainer is None:
        if spec.data.source == OWNED and "data" not in spec.model_fields_set:
            raise SpecError("the key 'data' is missing", where="data", fix="Add it")
        return
    for name, own in (("network", spec.network), ("training", spec.training), ("tuning", spec.tuning)):
        _check_section(name, own)
    own_way = "a trainer of your own shares and balances its tasks in its own way"
    if len(spec.architectures) > 1:
        raise _refused(own_way, "architectures", "Leave them out, or use the built-in trainer")
    estimator = spec.affinity.estimator
    if estimator not in _ESTIMATORS:
        raise _refused(
            f"the estimator {estimator} looks at gradients on the way, which a trainer of your own does not show",
            "affinity.estimator",
            f"Use {', '.join(_ESTIMATORS[:-1])} or {_ESTIMATORS[-1]}",
        )
    if spec.candidates.halving is not None:
        raise _refused(
            "a trainer of your own begins anew at every rung, so halving saves little",
            "candidates.halving",
            "Leave it out; affinity.estimator: early-stopping, or a budget.training, saves more",
        )
    for asked, where, what in (
        (spec.affinity.controls, "affinity.controls", "controls need partners made of the data"),
        (spec.evidence.domination, "evidence.domination", "who dominates is seen in gradients"),
    ):
        if asked:
            raise _refused(f"{what}, which a trainer of your own does not show", where, "Leave it out")
    owned = spec.data.source == OWNED
    if owned and spec.candidates.linear_clusters:
        raise _refused("linear models need the data, which the trainer owns", "candidates.linear_clusters", "Leave out")
    if spec.budget.unit != "snt" and spec.trainer.cost is None:
        raise _refused(
            f"nobody knows what networks of your own cost in {spec.budget.unit}",
            "trainer.cost",
            "Give it: cost: {trunk: 2.1e+6, head: 3.0e+4}, or use budget.unit: snt",
        )
    if spec.budget.unit == "snt" and spec.trainer.cost is not None:
        fix = "Leave it out, or give it in flops, parameters or latency_ms and set budget.unit to that"
        raise _refused("in SNT a network costs its capacity", "trainer.cost", fix)
    for index, task in enumerate(spec.tasks):
        if task.metric != "loss":
            what = "networks are compared on the losses that your trainer reports"
            raise _refused(what, f"tasks[{index}].metric", "Leave it out, and report the metric as the loss")
        if spec.trainer.command is not None and "," in task.name:
            what = f"task name {task.name!r} holds a comma, which joins the names in {{tasks}}"
            raise _refused(what, f"tasks[{index}].name", "Rename it")
    if owned and spec.data != DataSpec(source=OWNED):
        raise _refused("the trainer owns the data, so nothing can be said of them", "data", "Leave it out")
    _check_hearing(spec, spec.trainer)


def _check_hearing(spec: Spec, trainer: TrainerSpec) -> None:
    """Refuse questions whose answer needs more than the trainer is told."""
    way = "Put {%s} into trainer.command" if trainer.command is not None else "Add %s to trainer.told"
    if spec.affinity.estimator == "early-stopping" and "epochs" not in trainer.hears:
        what = "the trainer is not told for how long to train, so nothing can be stopped early"
        raise _refused(what, "affinity.estimator", way % "epochs")
    others = [capacity for capacity in spec.network.capacities if capacity != 1.0]
    if others and "capacity" not in trainer.hears:
        what = f"the trainer is not told how large a network is to be, so there is none of {others[0]:g}"
        raise _refused(what, "network.capacities", way % "capacity")
    if spec.evidence.splits > 1 and "split" not in trainer.hears:
        what = "the trainer is not told which split to use, so there is only one"
        raise _refused(what, "evidence.splits", way % "split")


def _check_command(command: str) -> None:
    try:
        words = shlex.split(command)
    except ValueError as error:
        raise SpecError(
            f"cannot be split into words ({error})", where="trainer.command", fix="Close the quotes"
        ) from None
    if not words:
        raise SpecError(
            "is empty", where="trainer.command", fix="Write: python train.py --targets {tasks} ... --out {out}"
        )
    found, known = set(_PLACEHOLDER.findall(command)), (*get_args(Told), _OUT)
    unknown = sorted(found - set(known))
    if unknown:
        what = f"unknown placeholder {{{unknown[0]}}}"
        raise SpecError(what, where=_COMMAND, fix=nearest_name(unknown[0], known))
    missing = [name for name in (*_NEEDED, _OUT) if name not in found]
    if missing:
        raise SpecError(
            f"the placeholder {{{missing[0]}}} is missing", where="trainer.command", fix="Add it to the command"
        )


def _check_section(name: str, section: NetworkSpec | TrainingSpec | TuningSpec) -> None:
    """Only what a foreign trainer is told, or what limits it, may differ from what stands there by default."""
    for field, about in type(section).model_fields.items():
        value = getattr(section, field)
        allowed = field in _HEARD or (field == "engine" and value == "plain")
        if not allowed and value != about.get_default(call_default_factory=True):
            what = f"'{field}' is a setting of the built-in trainer, yours does not hear of it"
            raise _refused(what, f"{name}.{field}", "Leave it out, and give it to your trainer yourself")


def _refused(what: str, where: str, fix: str) -> SpecError:
    return SpecError(what, where=where, fix=fix)
