"""A plan as JSON: candidates, trainings and their cost, for ``taskgroup plan --json`` and the service."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from search.data.dataset import Dataset
from search.decision.phases import phases_of, search_trainings
from search.decision.plan import Plan

if TYPE_CHECKING:  # they bring torch, which a plan without them does not need
    from search.decision.engine_choice import EngineChoice
    from search.decision.probe import Speed

__all__ = ["plan_as_json"]


def plan_as_json(
    made: Plan, dataset: Dataset, speed: Speed | None = None, engine: EngineChoice | None = None
) -> dict[str, Any]:
    """What ``plan --json`` prints: ``trainings`` are at most so many; costs and minutes are of what is expected."""
    phases: list[dict[str, Any]] = [
        {
            "phase": phase.phase,
            "label": phase.label,
            "expected_trainings": phase.expected,
            "trainings": phase.trainings,
            "standard_trainings": phase.standard_trainings,
            **({} if phase.least is None else {"least_standard_trainings": phase.least}),
            **({"minutes": phase.part * speed.wall(phase.trials) / 60} if speed else {}),
        }
        for phase in phases_of(made)
    ]
    trainer = made.spec.trainer
    data: dict[str, Any] = {
        "name": made.spec.name,
        "tasks": [task.name for task in made.tasks],
        "rows": {part: len(getattr(dataset, part).inputs_NF) for part in ("train", "validation", "test")},
        "inputs": len(dataset.input_names),
        **({} if trainer is None else {"trainer": trainer.command or trainer.entry_point}),
        "candidates": len(made.candidates),
        "trained_candidates": int(made.trained_C.sum()),
        "largest_group": made.largest_group,
        **({"linear_clusters": made.proposed} if made.spec.candidates.linear_clusters else {}),
        "estimator": made.spec.affinity.estimator,
        "budget": {"limit": made.spec.budget.inference, "unit": made.spec.budget.unit},
        "search_seeds": len(made.search_seeds),
        "fresh_seeds": len(made.fresh_seeds),
        "phases": phases,
        "expected_trainings": sum(phase["expected_trainings"] for phase in phases),
        "trainings": sum(phase["trainings"] for phase in phases),
        "search_trainings": search_trainings(made),
        "warnings": list(dataset.warnings),
    }
    if speed:
        data["probe"] = {
            "minutes": sum(phase["minutes"] for phase in phases) + speed.start / 60,
            "workers": speed.workers,
            "memory_mb": speed.memory_mb * speed.workers,
        }
    if engine:
        data["probe"]["engine"] = engine.engine
    return data
