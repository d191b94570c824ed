"""One task a step: as often as declared, through its own rows, carried on anywhere; and a training that does so."""

from __future__ import annotations

from dataclasses import replace
from itertools import islice
from typing import get_args

import numpy as np
import pytest
import torch

from grouping.errors import InputError
from search.task_sampling import SamplingName, TaskSampling
from search.training.engines import ENGINES
from search.training.residence import ResidentPart
from search.training.task_batches import TaskBatches
from search.training.trainer import train
from search.trials import Trial
from tests.search.training.planted import planted, planted_experiment
from tests.search.training.test_trainer import ALL, assert_same_result

NAMES = [name for name in get_args(SamplingName) if name != "rows"]
LABELLED = (90, 30, 10)


def part() -> ResidentPart:
    """Three tasks with 90, 30 and 10 labels; a row's input is its number."""
    labelled_NT = torch.zeros(100, 3)
    for task, count in enumerate(LABELLED):
        labelled_NT[:count, task] = 1
    return ResidentPart(torch.arange(100.0)[:, None], torch.zeros(100, 3), labelled_NT)


def turns(name: str, steps: int, batch_size: int = 8) -> list[tuple[int, list[int]]]:
    """Task and rows of every step."""
    found = []
    batches = TaskBatches(part(), TaskSampling.parse(name), batch_size, steps, 3)
    for inputs_NF, _, labelled_NT in islice(batches, steps):
        tasks = torch.nonzero(labelled_NT.any(dim=0)).flatten().tolist()
        assert len(tasks) == 1
        assert labelled_NT[:, tasks[0]].all()
        found.append((tasks[0], [int(row) for row in inputs_NF[:, 0]]))
        batches.read(torch.ones(3))
    return found


@pytest.mark.parametrize("name", NAMES)
def test_a_pass_goes_through_every_labelled_row_of_the_task_once(name: str) -> None:
    rows: dict[int, list[int]] = {0: [], 1: [], 2: []}
    for task, drawn in turns(name, 300):
        assert all(row < LABELLED[task] for row in drawn)
        rows[task] += drawn
    for task, count in enumerate(LABELLED):
        whole = len(rows[task]) // count
        for number in range(whole):
            assert sorted(rows[task][number * count : (number + 1) * count]) == list(range(count))


@pytest.mark.parametrize(
    ("name", "shares"),
    [
        ("proportional", np.array(LABELLED) / sum(LABELLED)),
        ("temperature temperature=2", np.sqrt(LABELLED) / np.sqrt(LABELLED).sum()),
        ("uniform", np.full(3, 1 / 3)),
        ("round-robin", np.full(3, 1 / 3)),
        ("reshuffled", np.full(3, 1 / 3)),
        ("loss-slope", np.full(3, 1 / 3)),
    ],
)
def test_tasks_come_as_often_as_declared(name: str, shares: np.ndarray[tuple[int], np.dtype[np.float64]]) -> None:
    steps = 3000
    count_T = np.bincount([task for task, _ in turns(name, steps)], minlength=3)
    assert (np.abs(count_T - steps * shares) < 4 * np.sqrt(steps * shares * (1 - shares))).all()


def test_annealing_comes_from_proportional_to_uniform() -> None:
    drawn = [task for task, _ in turns("annealed", 4000)]
    first, last = (np.bincount(part_, minlength=3) / 1000 for part_ in (drawn[:1000], drawn[-1000:]))
    assert first[0] > 0.6
    assert last[0] < 0.45


SAMPLED = planted_experiment(planted(rows=200, missing=0.4), epochs=4)


@pytest.mark.parametrize("name", NAMES)
def test_a_training_learns_and_is_carried_on_as_if_it_had_never_stopped(name: str) -> None:
    experiment = replace(SAMPLED, training=SAMPLED.training.model_copy(update={"sampling": name}))
    trial = Trial(ALL, 1.0, 1)
    whole = train(experiment, trial)
    assert (whole.curve_TS[:, -1] < whole.curve_TS[:, 0]).sum() >= 3
    first = train(experiment, replace(trial, fraction=0.5), keep_state=True)
    assert_same_result(train(experiment, trial, first.state), whole)
    assert experiment.context != SAMPLED.context
    assert not np.array_equal(whole.curve_TS, train(SAMPLED, trial).curve_TS)
    assert name in ENGINES["fused"].obstacle(experiment)


@pytest.mark.parametrize("balancing", ["dwa", "uncertainty", "gradnorm", "agreement", "upgrad"])
def test_balancing_and_sampling_go_together_and_are_carried_on_together(balancing: str) -> None:
    settings = {"sampling": "uniform", "balancing": balancing}
    experiment = replace(SAMPLED, training=SAMPLED.training.model_copy(update=settings))
    trial = Trial(ALL, 1.0, 1)
    whole = train(experiment, trial)
    assert (whole.curve_TS[:, -1] < whole.curve_TS[:, 0]).sum() >= 3
    first = train(experiment, replace(trial, fraction=0.5), keep_state=True)
    assert_same_result(train(experiment, trial, first.state), whole)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("unifrom", "no sampling of tasks is called 'unifrom'"),
        ("uniform temperature=2", "'temperature=2' is no option of 'uniform'"),
        ("temperature temperature=0", "a temperature of 0"),
        ("temperature temperature=x", "could not convert"),
        ("loss-slope explore=2", "2 is no share"),
    ],
)
def test_what_is_no_sampling_is_refused(text: str, message: str) -> None:
    with pytest.raises(InputError, match=message) as refused:
        TaskSampling.parse(text)
    assert refused.value.where == "training.sampling"
    assert refused.value.fix


@pytest.mark.parametrize("name", NAMES)
def test_its_text_is_read_back(name: SamplingName) -> None:
    for one in (TaskSampling(name), TaskSampling.parse(str(TaskSampling("temperature", temperature=5.0)))):
        assert TaskSampling.parse(str(one)) == one
