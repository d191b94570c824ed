"""The section ``search`` of a spec: how settings of networks are searched, and whether that goes with the rest."""

from __future__ import annotations

from functools import cached_property
from itertools import pairwise
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self

import numpy as np
from pydantic import Field, field_validator, model_validator

from grouping.errors import InputError
from search.errors import SpecError
from search.networks.settings import Settings
from search.networks.sharing import Sharing, check_sharing
from search.spec.sections import Count, NetworkSpec, Positive, Repeats, Section, Share
from search.spec.settled import settled
from search.spec.space import Choices, Space, count, read_space, shapes

if TYPE_CHECKING:
    from search.spec.spec import Spec

__all__ = ["SearchSpec", "check_search", "stretched"]

Scheduler = Literal["asha", "none"]
Objective = Literal["loss", "loss-and-cost"]


class SearchSpec(Section):
    """A search over settings: every configuration is one network of all tasks, trained with ``seeds`` seeds.

    ``space`` says what is chosen from (``search.spec.space``), ``configurations`` how many are drawn, ``minutes`` after
    how long no more are begun. ``brackets`` are upper ends of cost, in the budget's unit, that configurations are drawn
    for in turn and compared within; the last is the budget. With ``scheduler: asha`` a configuration is trained no
    further that, after ``first`` of its training or a multiple of that by ``reduction``, is not among the best
    1/``reduction`` seen there; its objective is the loss alone. Without it, loss and cost are minimised together. The
    ``keep`` best of each bracket, or of the frontier, are trained again in every group and join the candidates. A
    configuration is drawn from, and compared with, what became of those at least ``lag`` places before it, so that the
    search comes to the same whichever worker is faster; default: 6, or three times the workers if that is more.
    """

    space: dict[str, Any]
    configurations: Annotated[int, Field(ge=1, le=100_000, strict=True)] = 24
    seeds: Repeats = 1
    minutes: Positive | None = None
    scheduler: Scheduler = "asha"
    objective: Objective = "loss"
    first: Share = 0.25
    reduction: Annotated[int, Field(ge=2, le=16, strict=True)] = 2
    brackets: Annotated[tuple[Positive, ...], Field(max_length=16)] = ()
    keep: Count = 1
    lag: Count | None = None

    @field_validator("space")
    @classmethod
    def _readable(cls, space: dict[str, Any]) -> dict[str, Any]:
        read_space(space)
        return space

    @model_validator(mode="after")
    def _coherent(self) -> Self:
        if self.objective == "loss-and-cost" and "scheduler" not in self.model_fields_set:
            object.__setattr__(self, "scheduler", "none")
        if self.objective == "loss-and-cost" and self.scheduler == "asha":
            raise SpecError(
                "whether to stop a configuration is decided on one number, and loss and cost are two",
                where="search.scheduler",
                fix="Use scheduler: none, or objective: loss",
            )
        for index, (before, after) in enumerate(pairwise(self.brackets), 1):
            if after <= before:
                raise SpecError("the ends of brackets must ascend", where=f"search.brackets[{index}]", fix="Sort them")
        if self.objective == "loss-and-cost" and self.brackets:
            raise SpecError(
                "brackets are for a search by loss alone; by loss and cost it finds networks of every cost",
                where="search.brackets",
                fix="Leave them out, or use objective: loss",
            )
        points = count(self.dimensions)
        if points < self.configurations:
            raise SpecError(
                f"{self.configurations} configurations are asked of a space that has {points:g}",
                where="search.configurations",
                fix=f"Ask for {points:g}, or widen the space",
            )
        return self

    @cached_property
    def dimensions(self) -> Space:
        """The space as values."""
        return read_space(self.space)

    @property
    def fractions(self) -> tuple[float, ...]:
        """Shares of the training at which losses are read, ascending; the last is 1."""
        if self.scheduler == "none":
            return (1.0,)
        found, share = list[float](), self.first
        while share < 1 - 1e-9:
            found.append(share)
            share *= self.reduction
        return (*found, 1.0)


def check_search(spec: Spec) -> None:
    """Whether the space goes with the network, and the brackets with the budget."""
    search = spec.search
    if spec.tuning.learning_rates > 1 and (search or any(Sharing.parse(way).settings for way in spec.architectures)):
        raise SpecError(
            "networks with settings of their own have a learning rate of their own",
            where="tuning.learning_rates",
            fix="Leave it out; a search finds rates if search.space.learning_rate says between what",
        )
    if search is None:
        return
    if spec.trainer is not None:
        raise SpecError(
            "a trainer of your own has settings of its own, which are not searched here",
            where="search",
            fix="Leave out the section, or the section trainer",
        )
    if spec.cluster.address.startswith("ray://"):
        raise SpecError(
            "a search cannot work through a proxy (ray://): Ray Tune runs in this process",
            where="cluster.address",
            fix="Use HOST:PORT on a machine of the cluster, or launcher: ray-job with address: auto",
        )
    for trunk, depth, width in shapes(search.dimensions):
        settings = Settings(trunk=trunk, widths=stretched(spec.network, depth, width))
        try:
            network, _ = settled(settings, spec.network, spec.training)
        except InputError as error:
            name = "trunk" if error.where == "network.trunk" else "depth" if depth is not None else "trunk"
            raise SpecError(error.what, where=f"search.space.{name}", fix=error.fix) from error
        _check_ways(search.dimensions, network)
    limit = spec.budget.inference
    if search.brackets and abs(search.brackets[-1] / limit - 1) > 1e-9:
        raise SpecError(
            f"the last bracket ends at {search.brackets[-1]:g}, the budget is {limit:g} {spec.budget.unit}",
            where=f"search.brackets[{len(search.brackets) - 1}]",
            fix=f"End it at {limit:g}",
        )
    readings = spec.training.epochs * spec.training.readings_per_epoch
    if search.fractions[0] * readings < 1 - 1e-9:
        raise SpecError(
            f"no loss is read within the first {search.fractions[0]:g} of {spec.training.epochs} epochs",
            where="search.first",
            fix=f"Use {1 / readings:.3g} or more, or raise training.readings_per_epoch",
        )
    if spec.evidence.splits > 1:
        raise SpecError(
            f"settings found on one split may know test rows of the other {spec.evidence.splits - 1}",
            where="evidence.splits",
            fix="Set it to 1, or leave it out",
        )


def _check_ways(space: Space, network: NetworkSpec) -> None:
    ways = space.get("sharing")
    for index, text in enumerate(ways.values if isinstance(ways, Choices) else ()):
        try:
            check_sharing(Sharing.parse(str(text)), network.trunk, len(network.widths))
        except InputError as error:
            raise SpecError(error.what, where=f"search.space.sharing[{index}]", fix=error.fix) from error


def stretched(network: NetworkSpec, depth: int | None, width: int | None) -> tuple[int, ...] | None:
    """The spec's widths with another number of layers, or another widest layer; their proportions stay.

    Args:
        network: Whose widths those are.
        depth: How many there shall be; None: as many.
        width: Of the widest; None: as it is.

    Returns:
        Widths from the first layer on; None where nothing changes.
    """
    if depth is None and width is None:
        return None
    before = np.asarray(network.widths, np.float64)
    places = np.linspace(0, len(before) - 1, depth if depth is not None else len(before))
    scale = 1.0 if width is None else width / before.max()
    widths = np.interp(places, np.arange(len(before)), before) * scale
    return tuple(max(1, int(value + 0.5)) for value in widths)
