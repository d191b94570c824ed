"""How the losses of the tasks of one network are balanced in training, as a value. Needs no torch.

What the names do is in ``search.training.balancing``.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib.util import find_spec
from typing import Literal, get_args

from grouping.errors import InputError
from grouping.tasks import nearest_name

__all__ = ["EQUAL", "GRADIENT_METHODS", "Balancing", "BalancingName", "Normaliser"]

BalancingName = Literal[
    "equal",
    "uncertainty",
    "dwa",
    "gradnorm",
    "random",
    "geometric-mean",
    "imtl-l",
    "famo",
    "agreement",
    "mgda",
    "pcgrad",
    "cagrad",
    "nash-mtl",
    "imtl-g",
    "aligned-mtl",
    "upgrad",
    "graddrop",
]
Normaliser = Literal["none", "l2", "loss", "loss+"]

EQUAL: BalancingName = "equal"
"""All weights 1, and the losses added up: what every engine can train."""

GRADIENT_METHODS: tuple[BalancingName, ...] = get_args(BalancingName)[get_args(BalancingName).index("agreement") :]
"""Those that look at every task's gradient, which takes a backward pass for each."""

_WHERE = "training.balancing"
_OPTIONS: dict[str, dict[str, type]] = {
    "dwa": {"temperature": float},
    "gradnorm": {"restoring": float},
    "mgda": {"normalise": str, "by": str},
}
_SOLVERS = {"cagrad": ("cvxpy", "clarabel"), "nash-mtl": ("cvxpy", "ecos"), "upgrad": ("qpsolvers", "quadprog")}


@dataclass(frozen=True)
class Balancing:
    """One way to balance; ``str()`` gives what ``parse`` reads.

    Args:
        name: The method.
        temperature: Of ``dwa``: large ones make weights equal.
        restoring: Strength of ``gradnorm``'s pull towards equal training rates.
        normalise: What ``mgda`` divides gradients by first: nothing, their norm, the first loss, or both.
        by: What ``mgda`` differentiates by: the shared parameters, or what the heads read (``features``: MGDA-UB).

    Raises:
        InputError: an unknown name, a number out of range, or a package that the method needs and that is not there.
    """

    name: BalancingName = "equal"
    temperature: float = 2.0
    restoring: float = 1.5
    normalise: Normaliser = "none"
    by: Literal["parameters", "features"] = "parameters"

    def __post_init__(self) -> None:
        if self.name not in get_args(BalancingName):
            fix = nearest_name(self.name, list(get_args(BalancingName)))
            raise InputError(f"no balancing is called '{self.name}'", where=_WHERE, fix=fix)
        if not 0 < self.temperature < float("inf"):
            raise InputError(f"a temperature of {self.temperature}", where=_WHERE, fix="Use 2, for example")
        if not 0 <= self.restoring < float("inf"):
            raise InputError(f"a restoring strength of {self.restoring}", where=_WHERE, fix="Use 1.5, for example")
        if self.normalise not in get_args(Normaliser):
            fix = nearest_name(self.normalise, list(get_args(Normaliser)))
            raise InputError(f"gradients cannot be normalised by '{self.normalise}'", where=_WHERE, fix=fix)
        if self.by not in {"parameters", "features"}:
            what = f"mgda cannot differentiate by '{self.by}'"
            raise InputError(what, where=_WHERE, fix="Use parameters or features")
        missing = [package for package in _SOLVERS.get(self.name, ()) if find_spec(package) is None]
        if missing:
            what = f"the balancing '{self.name}' needs {' and '.join(missing)}"
            raise InputError(what, where=_WHERE, fix="Use: pip install 'taskgrouping[balancing]'")

    def __str__(self) -> str:
        standard = Balancing(self.name)
        options = _OPTIONS.get(self.name, {})
        changed = [name for name in options if getattr(self, name) != getattr(standard, name)]
        return " ".join([self.name, *(f"{name}={getattr(self, name)}" for name in changed)])

    @staticmethod
    def parse(text: str) -> Balancing:
        """From ``pcgrad``, ``dwa temperature=1.5`` or ``mgda normalise=l2``.

        Raises:
            InputError: an unknown name or option, or a value that is none.
        """
        name, *given = text.split() or [""]
        if name not in get_args(BalancingName):
            fix = nearest_name(name, list(get_args(BalancingName)))
            raise InputError(f"no balancing is called '{name}'", where=_WHERE, fix=fix)
        options = _OPTIONS.get(name, {})
        values: dict[str, str | float] = {}
        for one in given:
            option, equals, value = one.partition("=")
            if option not in options or not equals or option in values:
                takes = ", ".join(f"{known}=..." for known in options) or "no options"
                raise InputError(f"'{one}' is no option of '{name}'", where=_WHERE, fix=f"It takes {takes}")
            try:
                values[option] = options[option](value)
            except ValueError as error:
                raise InputError(f"'{text}': {error}", where=_WHERE, fix="Give a number") from error
        return Balancing(name, **values)  # type: ignore[arg-type]
