"""What the tasks of a network share, as a value: one trunk (``hard``), or something in between that and nothing.

Needs no torch. The modules are in ``search.networks.architectures``, their costs in ``search.networks.sharing_cost``.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import Literal, get_args

from grouping.errors import InputError
from grouping.policy import Mode, Policy, without_modes
from grouping.tasks import nearest_name
from search.networks.settings import SPECS_OWN, Settings
from search.networks.shape import BUILT_IN

__all__ = ["FRESH", "HARD", "SEARCHED", "Penalty", "Sampling", "Sharing", "SharingKind", "Variant", "check_sharing"]

SharingKind = Literal[
    "hard",
    "branch",
    "soft",
    "cross-stitch",
    "mtan",
    "mmoe",
    "cgc",
    "ple",
    "adashare",
    "learned-branching",
    "automtl",
]
Sampling = Literal["soft", "straight-through"]
Variant = Literal["paper", "official-code"]
Penalty = Literal["l2", "trace-norm"]

HARD: SharingKind = "hard"
"""Hard parameter sharing: one trunk for all tasks of a network."""

FRESH = "fresh"
"""Trained from initial values, like any network."""

_DIGITS = frozenset("0123456789abcdef")

_KINDS: tuple[SharingKind, ...] = get_args(SharingKind)
SEARCHED: dict[SharingKind, tuple[Mode, ...]] = {
    "adashare": ("shared", "skip"),
    "learned-branching": ("shared", "own"),
    "automtl": ("shared", "own", "skip"),
}
"""Ways whose policy is searched (``search.policy``), and what is chosen from for every task and unit."""

_WITH = "with"
_SEARCH = ("modes", "sparsity", "alike", "target", "draws", "sampling", "start", "rate")
_OPTIONS: dict[SharingKind, tuple[str, ...]] = {
    "hard": (),
    "branch": ("depth", "rate"),
    "soft": ("penalty", "weight", "rate"),
    "cross-stitch": ("rate",),
    "mtan": ("rate",),
    "mmoe": ("experts", "rate"),
    "cgc": ("experts", "rate"),
    "ple": ("experts", "rate"),
    "adashare": (*_SEARCH, "variant"),
    "learned-branching": _SEARCH,
    "automtl": _SEARCH,
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
        modes: What each task does in each unit, once a search has found it, as ``Policy`` writes it; empty before.
            ``adashare`` (Sun et al. 2020) searches which units a task skips, ``learned-branching`` (Guo et al. 2020)
            from where on it has units of its own, ``automtl`` (Zhang et al. 2022) both, unit by unit.
        sparsity: Weight of the search's loss on the FLOPs that are run.
        alike: Weight of its loss on differences between tasks.
        target: Share of the trunk's FLOPs per task that the loss on FLOPs does not ask to fall below.
        draws: Policies that are drawn from what the search ends with, of which validation losses choose one.
        sampling: In the search: a mixture of the modes (``soft``), or one of them with the mixture's gradient.
        variant: Of ``adashare``'s losses on policies: those of the paper, or of its official code, which differ.
        rate: What the learning rate is multiplied by; every way but ``hard`` takes it.
        start: What the network of a searched policy is trained from: initial values (``fresh``), with widths that meet
            the cost of others; or the weights of the search (``searched``; once they are known, the first digits of
            their sha256), whose widths it then has, and costs what the policy costs.
        settings: In what else its networks and their training differ from the spec.

    Raises:
        InputError: an unknown kind, or a number out of range.
    """

    kind: SharingKind = "hard"
    depth: int = 1
    penalty: Penalty = "l2"
    weight: float = 0.01
    experts: int = 2
    modes: str = ""
    sparsity: float = 0.02
    alike: float = 0.005
    target: float = 0.0
    draws: int = 8
    sampling: Sampling = "soft"
    rate: float = 1.0
    variant: Variant = "paper"
    start: str = FRESH
    settings: Settings = SPECS_OWN

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
        for name, known in (("sampling", list(get_args(Sampling))), ("variant", list(get_args(Variant)))):
            if getattr(self, name) not in known:
                what, fix = f"no {name} is called '{getattr(self, name)}'", nearest_name(getattr(self, name), known)
                raise InputError(what, where="architectures", fix=fix)
        for name, low, high in (("sparsity", 0, 100), ("alike", 0, 100), ("target", 0, 1), ("draws", 1, 1000)):
            if not low <= getattr(self, name) <= high:
                what = f"{name}={getattr(self, name)} is out of range"
                raise InputError(what, where="architectures", fix=f"Use {low} to {high}")
        digest = bool(self.modes and self.start) and set(self.start) <= _DIGITS
        if self.start not in {FRESH, "searched"} and not digest:
            what = f"a network cannot start from '{self.start}'"
            raise InputError(what, where="architectures", fix="Use start=fresh or start=searched")
        if not 0 < self.rate < float("inf"):
            raise InputError(f"a learning rate times {self.rate}", where="architectures", fix="Use a number above 0")
        if self.modes:
            self._check_modes()

    def _check_modes(self) -> None:
        allowed = SEARCHED.get(self.kind, ())
        used = {mode for modes_L in self.policy.modes_TL for mode in modes_L}
        if not used <= set(allowed):
            what = f"'{self.kind}' has modes {', '.join(allowed)} only" if allowed else f"'{self.kind}' has no modes"
            raise InputError(what, where="architectures", fix="Use automtl for all modes")

    @property
    def policy(self) -> Policy:
        """The policy that a search found."""
        return Policy.parse(self.modes)

    @property
    def to_search(self) -> bool:
        """Whether a search is needed before anything can be built."""
        return self.kind in SEARCHED and not self.modes

    def found(self, policy: Policy, start: str = FRESH) -> Sharing:
        """What a search of this way came to: the policy alone says what is built, and ``start`` from which weights."""
        return Sharing(self.kind, modes=str(policy), rate=self.rate, start=start, settings=self.settings)

    @property
    def bare(self) -> Sharing:
        """The same with the spec's own settings."""
        return replace(self, settings=SPECS_OWN)

    @property
    def family(self) -> str:
        """The same without the modes and weights that a search found."""
        return without_modes(str(self))

    def __str__(self) -> str:
        standard = Sharing(self.kind)
        given = [f"{name}={getattr(self, name)}" for name in _OPTIONS[self.kind]]
        changed = [text for name, text in zip(_OPTIONS[self.kind], given, strict=True) if self._differs(standard, name)]
        return " ".join([self.kind, *changed, *([_WITH, str(self.settings)] if self.settings else [])])

    def _differs(self, other: Sharing, name: str) -> bool:
        return bool(getattr(self, name) != getattr(other, name))

    @staticmethod
    def parse(text: str) -> Sharing:
        """From ``mtan``, ``branch depth=2``, ``soft penalty=trace-norm weight=0.1``, ``hard with batch_size=64``.

        Raises:
            InputError: an unknown kind, option or setting, or a value that is none.
        """
        way, _, settings = text.partition(f" {_WITH} ")
        kind, *given = way.split() or [""]
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
        apart = Settings.parse(settings)
        try:
            return Sharing(kind, **{name: kinds[name](value) for name, value in options.items()}, settings=apart)
        except ValueError as error:
            raise InputError(f"'{text}': {error}", where="architectures", fix="Give numbers, as in depth=2") from error


def check_sharing(sharing: Sharing, trunk: str, n_layers: int) -> None:
    """Whether a trunk can be shared so.

    Raises:
        InputError: a trunk of another package, which is shared by one trunk or by a policy only; a depth or units that
            the trunk does not have.
    """
    if sharing.kind != HARD and sharing.kind not in SEARCHED and trunk not in BUILT_IN:
        raise InputError(
            f"the trunk {trunk} of another package cannot be shared by '{sharing.kind}'",
            where="architectures",
            fix=f"Use {' or '.join(SEARCHED)}, or trunk: {' or '.join(BUILT_IN)}",
        )
    if sharing.kind == "branch" and sharing.depth > n_layers:
        what = f"'{sharing}' shares {sharing.depth} layers of a trunk of {n_layers}"
        raise InputError(what, where="architectures", fix=f"Use a depth up to {n_layers}")
    if sharing.modes and sharing.policy.n_units != n_layers:
        what = f"'{sharing}' has modes for {sharing.policy.n_units} units, the trunk has {n_layers}"
        raise InputError(what, where="architectures", fix=f"Give {n_layers} modes for every task, or none to search")
