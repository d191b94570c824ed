"""The tables that strategies are replayed on, and what was to be reached on the published ones."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import product
from pathlib import Path

from grouping.acquisition import Goals
from grouping.files import read_losses
from grouping.losses import LossTable, single_task_losses
from tests.grouping.published import PUBLISHED, gains, standley

__all__ = ["Case", "lattices", "published_cases"]

LATTICES = Path("results/lattices")
FACTORS: dict[str, dict[str, tuple[str, ...]]] = {
    "nyc_weather": {
        "data.rows": ("2000", "8000"),
        "network.widths": ("32-32", "64-64"),
        "data.split.seed": ("0", "1"),
    },
    "sarcos_small": {"data.split.seed": ("0", "1")},
    "tox21": {"data.split.seed": ("0", "1")},
    "yeast": {"data.split.seed": ("0", "1")},
    "synthetic": {"data.rows": ("450", "1800")},
}


@dataclass(frozen=True, eq=False)
class Goal:
    """After so many trained groups a measure is to reach a floor, and had better reach more."""

    groups: int
    measure: str
    floor: float
    ambitious: float


@dataclass(frozen=True, eq=False)
class Case:
    """One table.

    Args:
        name: For people.
        table: What is searched.
        scored: The same networks on the test part, or None.
        goals: Budgets.
        groups: Trained groups at which a run ends.
        wanted: What was to be reached.
    """

    name: str
    table: LossTable
    scored: LossTable | None
    goals: Goals
    groups: int
    wanted: tuple[Goal, ...] = field(default=())


def published_cases() -> list[Case]:
    """Tables of others, one network of cost 1 for each group; empty where they are not there."""
    if not PUBLISHED.is_dir():
        return []
    found = [_case("taskonomy", gains("taskonomy", "gain"), None, 10, Goal(10, "captured", 0.90, 0.96))]
    for setting, floor, ambitious in ((1, 0.82, 0.95), (3, 0.85, 0.98)):
        table = standley(setting, "val")
        table = table.select(table.candidates.cost_C == 1)
        found.append(_case(f"Standley {setting}", table, None, 13, Goal(13, "captured", floor, ambitious)))
    wanted = (
        Goal(21, "share", 0.70, 0.80),
        Goal(40, "share", 0.85, 0.93),
        Goal(60, "share", 0.92, 0.97),
        Goal(21, "test gain", 0.115, 0.150),
    )
    found.append(_case("ETTm1", gains("ettm1", "valid"), gains("ettm1", "test"), 60, *wanted))
    return found


def _case(name: str, table: LossTable, scored: LossTable | None, groups: int, *wanted: Goal) -> Case:
    limits = tuple(float(k) for k in range(2, table.candidates.n_tasks + 1))
    return Case(name, table, scored, Goals(table.candidates, limits), groups, wanted)


def lattices() -> list[Case]:
    """Our own complete tables, a case for each setting; relative losses, three networks, as many groups as pairs."""
    found = []
    for name, factors in FACTORS.items():
        path = LATTICES / f"{name}.parquet"
        for values in product(*factors.values()):
            where = dict(zip(factors, values, strict=True))
            parts = [read_losses(path, where={**where, "split": part}) for part in ("val", "test")]
            table, scored = (part.scaled(single_task_losses(part)) for part in parts)
            n_tasks = table.candidates.n_tasks
            limit = 2.0 if name == "synthetic" else 3.0
            goals = Goals(table.candidates, (limit,))
            label = f"{name} {', '.join(values)}"
            found.append(Case(label, table, scored, goals, n_tasks * (n_tasks - 1) // 2))
    return found
