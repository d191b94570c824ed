"""The context changes with everything a result depends on, and with nothing else."""

from __future__ import annotations

from dataclasses import replace
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any

import pytest

from grouping.errors import InputError
from search.networks import foreign
from search.spec import NetworkSpec
from search.training.experiment import Experiment
from search.training.state_files import StateFiles
from tests.search.messages import assert_one_clear_message
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


@pytest.mark.parametrize("change", [{"norm": "batch"}, {"dropout": 0.1}])
def test_options_of_the_trunk_are_part_of_the_context(change: dict[str, Any]) -> None:
    assert replace(BASE, network=BASE.network.model_copy(update=change)).context != BASE.context


def test_what_an_input_row_shows_is_part_of_the_context() -> None:
    tall, wide = (NetworkSpec(trunk="cnn", widths=(4, 4), image=image) for image in ((1, 3, 2), (1, 2, 3)))
    assert replace(BASE, network=tall).context != replace(BASE, network=wide).context


def test_the_version_of_another_packages_trunk_is_part_of_the_context(monkeypatch: pytest.MonkeyPatch) -> None:
    points = [EntryPoint(name="theirs", value="their_package:trunk", group=foreign.ENTRY_POINTS)]
    monkeypatch.setattr(foreign, "entry_points", lambda group, name=None: points)
    theirs = replace(BASE, network=NetworkSpec(trunk="theirs", widths=BASE.network.widths))
    before = theirs.context
    points[0] = EntryPoint(name="theirs", value="their_package:better", group=foreign.ENTRY_POINTS)
    assert theirs.context != before


def test_trials_stored_by_earlier_versions_keep_their_context() -> None:
    stored = "273b231ba17a8afd45a9c4513cd03029d57a6cfc175a701df28e041606e0f65a"
    assert planted_experiment(engine="plain").context == stored


@pytest.mark.parametrize(("rows", "batch_size"), [(300, 23), (300, 299), (5, 1), (300, 13)])
def test_a_batch_of_one_row_cannot_be_normalised_and_a_better_size_is_named(rows: int, batch_size: int) -> None:
    plain = planted_experiment(planted(rows=rows), batch_size=batch_size)
    with pytest.raises(InputError) as refused:
        replace(plain, network=NetworkSpec(norm="batch"))
    assert_one_clear_message(refused.value, "training.batch_size", "a batch of a single row")
    named = int(refused.value.fix.split()[1].rstrip(","))
    replace(plain, network=NetworkSpec(norm="batch"), training=plain.training.model_copy(update={"batch_size": named}))


def test_asking_for_more_seeds_or_sizes_or_time_keeps_the_context() -> None:
    wider = Experiment(
        BASE.dataset,
        NetworkSpec(widths=BASE.network.widths, capacities=(0.5, 1.0, 3.0)),
        BASE.training.model_copy(update={"seeds": 9, "seed": 5, "timeout_seconds": 1.0, "checkpoint_minutes": 0.0}),
        state_files=StateFiles(Path("anywhere"), 0.0),
    )
    assert wider.context == BASE.context


def test_what_a_task_is_judged_by_is_part_of_the_context() -> None:
    first, *rest = BASE.dataset.tasks
    tasks = (replace(first, metric="absolute error"), *rest)
    assert replace(BASE, dataset=replace(BASE.dataset, tasks=tasks)).context != BASE.context


def test_weights_and_roles_of_tasks_do_not_touch_training() -> None:
    tasks = tuple(replace(task, weight=3.0) for task in BASE.dataset.tasks)
    assert replace(BASE, dataset=replace(BASE.dataset, tasks=tasks)).context == BASE.context
