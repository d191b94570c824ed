"""The context changes with everything a result depends on, and with nothing else."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from search.spec import NetworkSpec
from search.training.experiment import Experiment
from tests.search.training.planted import planted, planted_experiment

BASE = planted_experiment()


@pytest.mark.parametrize(
    "change",
    [
        {"epochs": 5},
        {"batch_size": 32},
        {"learning_rate": 2e-3},
        {"weight_decay": 0.1},
        {"readings_per_epoch": 2},
    ],
)
def test_how_networks_are_trained_is_part_of_the_context(change: dict[str, Any]) -> None:
    assert planted_experiment(**change).context != BASE.context


def test_data_and_network_are_part_of_the_context() -> None:
    assert planted_experiment(planted(seed=1)).context != BASE.context
    assert planted_experiment(widths=(8, 8)).context != BASE.context


def test_asking_for_more_seeds_or_sizes_or_time_keeps_the_context() -> None:
    wider = Experiment(
        BASE.dataset,
        NetworkSpec(widths=BASE.network.widths, capacities=(0.5, 1.0, 3.0)),
        BASE.training.model_copy(update={"seeds": 9, "seed": 5, "timeout_seconds": 1.0}),
    )
    assert wider.context == BASE.context


def test_what_a_task_is_judged_by_is_part_of_the_context() -> None:
    first, *rest = BASE.dataset.tasks
    tasks = (replace(first, metric="absolute error"), *rest)
    assert replace(BASE, dataset=replace(BASE.dataset, tasks=tasks)).context != BASE.context


def test_weights_and_roles_of_tasks_do_not_touch_training() -> None:
    tasks = tuple(replace(task, weight=3.0) for task in BASE.dataset.tasks)
    assert replace(BASE, dataset=replace(BASE.dataset, tasks=tasks)).context == BASE.context
