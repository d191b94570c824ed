"""What the tasks of a network share, as a value: one trunk (``hard``), or something in between that and nothing.

Needs no torch. The modules are in ``search.networks.architectures``, their costs in ``search.networks.sharing_cost``.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Literal, get_args

from grouping.errors import InputError
from grouping.tasks import nearest_name
from search.networks.shape import BUILT_IN

__all__ = ["HARD", "Penalty", "Sharing", "SharingKind", "check_sharing"]

SharingKind = Literal["hard", "branch", "soft", "cross-stitch", "mtan", "mmoe", "cgc", "ple"]
Penalty = Literal["l2", "trace-norm"]

HARD: SharingKind = "hard"
"""Hard parameter sharing: one trunk for all tasks of a network."""

_KINDS: tuple[SharingKind, ...] = get_args(SharingKind)
_OPTIONS: dict[SharingKind, tuple[str, ...]] = {
    "hard": (),
    "branch": ("depth",),
    "soft": ("penalty", "weight"),
    "cross-stitch": (),
    "mtan": (),
    "mmoe": ("experts",),
    "cgc": ("experts",),
    "ple": ("experts",),
}


@dataclass(frozen=True)
class Sharing:
    """One way to share; ``str()`` gives what ``parse`` reads.

    Args:
        kind: ``hard``: one trunk (Caruana 1997). ``branch``: the first layers of it. ``soft``: a trunk a task, tied by
            a penalty. ``cross-stitch``: a trunk a task, features mixed after every layer (Misra et al. 2016).
            ``mtan``: one trunk, an attention mask a task (Liu et al. 2019). ``mmoe``: experts, mixed for each task by a
            gate (Ma et al. 2018); ``cgc``: also experts of each task's own, ``ple``: in every layer (Tang et al. 2020).
        depth: Layers that all tasks share (``branch``); 0 is a trunk a task, all of them one trunk.
        penalty: On the differences between the tasks' weights (``soft``): their squares, or the trace norm of the
            weights side by side (Yang & Hospedales 2017).
        weight: Of the penalty.
        experts: Of all tasks together (``mmoe``), or of all together and of each task (``cgc``, ``ple``).

    Raises:
        InputError: an unknown kind, or a number out of range.
    """

    kind: SharingKind = "hard"
    depth: int = 1
    penalty: Penalty = "l2"
    weight: float = 0.01
    experts: int = 2

    def __post_init__(self) -> None:
        if self.kind not in _KINDS:
            what = f"no architecture is called '{self.kind}'"
            raise InputError(what, where="architectures", fix=nearest_name(self.kind, list(_KINDS)))
        if self.penalty not in get_args(Penalty):
            what = f"no penalty is called '{self.penalty}'"
            raise InputError(what, where="architectures", fix=nearest_name(self.penalty, list(get_args(Penalty))))
        if self.depth < 0:
            raise InputError(f"a depth of {self.depth} layers", where="architectures", fix="Use 0 or more")
        if not 0 <= self.weight < float("inf"):
            raise InputError(f"a penalty's weight of {self.weight}", where="architectures", fix="Use 0 or more")
        if not 1 <= self.experts <= 64:
            raise InputError(f"{self.experts} experts", where="architectures", fix="Use 1 to 64")

    def __str__(self) -> str:
        standard = Sharing(self.kind)
        given = [f"{name}={getattr(self, name)}" for name in _OPTIONS[self.kind]]
        changed = [text for name, text in zip(_OPTIONS[self.kind], given, strict=True) if self._differs(standard, name)]
        return " ".join([self.kind, *changed])

    def _differs(self, other: Sharing, name: str) -> bool:
        return bool(getattr(self, name) != getattr(other, name))

    @staticmethod
    def parse(text: str) -> Sharing:
        """From ``mtan``, ``branch depth=2`` or ``soft penalty=trace-norm weight=0.1``.

        Raises:
            InputError: an unknown kind or option, or a value that is none.
        """
        kind, *given = text.split() or [""]
        if kind not in _KINDS:
            what = f"no architecture is called '{kind}'"
            raise InputError(what, where="architectures", fix=nearest_name(kind, list(_KINDS)))
        options: dict[str, str] = {}
        for one in given:
            name, equals, value = one.partition("=")
            if name not in _OPTIONS[kind] or not equals or name in options:
                takes = ", ".join(f"{option}=..." for option in _OPTIONS[kind]) or "no options"
                raise InputError(f"'{one}' is no option of '{kind}'", where="architectures", fix=f"It takes {takes}")
            options[name] = value
        kinds = {field.name: type(getattr(Sharing(), field.name)) for field in fields(Sharing)}
        try:
            return Sharing(kind, **{name: kinds[name](value) for name, value in options.items()})
        except ValueError as error:
            raise InputError(f"'{text}': {error}", where="architectures", fix="Give numbers, as in depth=2") from error


def check_sharing(sharing: Sharing, trunk: str, n_layers: int) -> None:
    """Whether a trunk can be shared so.

    Raises:
        InputError: a trunk of another package, which cannot be cut into layers; a depth that the trunk does not have.
    """
    if sharing.kind != HARD and trunk not in BUILT_IN:
        raise InputError(
            f"the trunk {trunk} of another package cannot be cut into layers",
            where="architectures",
            fix="Leave architectures out, or use trunk: mlp or cnn",
        )
    if sharing.kind == "branch" and sharing.depth > n_layers:
        what = f"'{sharing}' shares {sharing.depth} layers of a trunk of {n_layers}"
        raise InputError(what, where="architectures", fix=f"Use a depth up to {n_layers}")
