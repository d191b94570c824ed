"""What a point of the space is, what it costs, and how it is trained and read, without Tune."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from grouping.errors import InputError
from search.decision.phases import phases_of
from search.decision.selection import curves_of
from search.errors import TrialError
from search.job import Job, prepare
from search.networks.sharing import HARD, Sharing
from search.training.experiment import Experiment
from search.training.fused import train_fused
from search.training.packs import Pack, TrainPack, train_plain
from search.training.settled import Settled
from search.trials import Course, Trial, TrialFailure, TrialResult
from search.tuning.network import SearchedNetwork, network_of
from search.tuning.trainings import JointTraining
from tests.search.test_run import resolved

SEARCH: dict[str, Any] = {"space": {"learning_rate": [1e-3, 1e-2]}, "configurations": 2}


def job(**sections: Any) -> Job:
    given = {"network": {"widths": [32, 32]}, "search": SEARCH, "affinity": {"estimator": "measured"}, **sections}
    return prepare(resolved(**given), Path())


def network(job: Job, **values: Any) -> SearchedNetwork:
    return network_of(values, job.spec, len(job.experiments[0].dataset.input_names))


def test_what_the_spec_says_already_is_left_out() -> None:
    made = job()
    assert str(network(made, learning_rate=1e-3, trunk="mlp", norm="none").way) == "hard with capacity=1"
    assert str(network(made, learning_rate=1e-2).way) == "hard with capacity=1 learning_rate=0.01"


def test_a_network_costs_what_its_widths_make_it_cost_unless_a_capacity_is_given() -> None:
    made = job()
    tasks = [task.name for task in made.plan.tasks]
    deeper = network(made, depth=3)
    assert deeper.way.settings.widths == (32, 32, 32)
    wider = network(made, width=64)
    assert wider.way.settings.widths == (64, 64)
    assert 1 < deeper.capacity < wider.capacity
    for one in (deeper, wider):
        assert made.cost_of(tasks, one.capacity, str(one.way)) == one.capacity
    sized = network(made, depth=3, capacity=2.0)
    assert (sized.capacity, sized.way.settings.capacity) == (2.0, 2.0)


def test_networks_without_a_capacity_get_exactly_the_widths_of_the_point() -> None:
    made = job(budget={"inference": 1e6, "unit": "flops"})
    tasks = [task.name for task in made.plan.tasks]
    inputs = len(made.experiments[0].dataset.input_names)
    for width in (24, 40, 77):
        one = network(made, width=width, depth=3)
        trunk = 2 * (inputs * width + 2 * width * width)
        assert made.cost_of(tasks, one.capacity, str(one.way)) == trunk + 2 * width * len(tasks)


def test_weights_of_policy_searches_reach_those_ways_only() -> None:
    made = job(network={"trunk": "resmlp", "widths": [16, 16, 16]})
    assert network(made, sharing="adashare", sparsity=0.3).way.sparsity == 0.3
    assert network(made, sharing="hard", sparsity=0.3).way == network(made, sharing="hard").way
    assert network(made, sharing="adashare", sparsity=0.3).costs_like == "hard with capacity=1"


def _training(made: Job, shares: tuple[float, ...], seeds: tuple[int, ...], pack_size: int = 8) -> JointTraining:
    n_tasks = len(made.plan.tasks)
    return JointTraining(
        made.experiments[0], train_fused, pack_size, seeds, made.plan.weights_T, np.linspace(0.5, 1.0, n_tasks), shares
    )


def test_a_reading_is_the_best_state_so_far_over_tasks_mean_over_seeds() -> None:
    made = job(training={"epochs": 8, "seeds": 1})
    training, one = _training(made, (0.25, 0.5, 1.0), (7, 8)), network(made, learning_rate=1e-2)
    readings = list(training(one))
    tasks = tuple(task.name for task in made.plan.tasks)
    for share, reading in zip((0.25, 0.5, 1.0), readings, strict=True):
        losses = []
        for seed in (7, 8):
            trial = Trial(tasks, 1.0, seed, sharing=str(one.way), fraction=share)
            (result,) = Settled(train_plain)(training.experiment, (Course(trial),))
            assert isinstance(result, TrialResult)
            relative_TS = result.curve_TS / np.linspace(0.5, 1.0, len(tasks))[:, None]
            losses.append((made.plan.weights_T @ relative_TS).min())
        assert reading["loss"] == pytest.approx(np.mean(losses), rel=1e-3)
        assert reading["found"] == str(one.way)
    assert readings[0]["loss"] >= readings[1]["loss"] >= readings[2]["loss"]
    assert 0 < readings[0]["seconds"] < readings[2]["seconds"]


def test_seeds_in_one_pack_or_apart_give_the_same() -> None:
    made = job(training={"epochs": 4, "seeds": 1})
    one = network(made, learning_rate=1e-2)
    together, apart = (list(_training(made, (0.5, 1.0), (1, 2, 3), size)(one)) for size in (8, 1))
    assert [reading["loss"] for reading in together] == [reading["loss"] for reading in apart]


@pytest.mark.parametrize(("trunk", "seeds", "packed"), [("mlp", 1, True), ("resmlp", 1, False), ("resmlp", 8, True)])
def test_networks_are_packed_where_that_pays(trunk: str, seeds: int, packed: bool) -> None:
    made = job(network={"trunk": "mlp", "widths": [8, 8]}, training={"epochs": 4, "seeds": 1})
    used = set[str]()

    def used_by(name: str) -> TrainPack:
        def train(experiment: Experiment, pack: Pack) -> list[TrialResult | TrialFailure]:
            used.add(name)
            return train_plain(experiment, pack)

        return train

    training = replace(_training(made, (1.0,), tuple(range(seeds))), train=used_by("packed"), few=used_by("one by one"))
    list(training(network(made, trunk=trunk)))
    assert used == {"packed" if packed else "one by one"}


def test_a_policy_is_searched_first_and_what_was_found_is_trained() -> None:
    made = job(network={"trunk": "resmlp", "widths": [16, 16, 16]}, training={"epochs": 4, "seeds": 1})
    one = network(made, sharing="learned-branching", sparsity=0.1)
    (reading,) = _training(made, (1.0,), (1,))(one)
    found = Sharing.parse(reading["found"])
    assert not found.to_search
    assert found.settings == one.way.settings
    assert found.kind == HARD or found.policy.n_tasks == len(made.plan.tasks)
    tasks = [task.name for task in made.plan.tasks]
    assert made.cost_of(tasks, one.capacity, str(found)) == one.capacity


def test_what_cannot_be_trained_says_why() -> None:
    made = job()
    with pytest.raises(TrialError, match=r"non-finite|exploding"):
        list(_training(made, (1.0,), (1,))(network(made, learning_rate=1e30)))
    with pytest.raises(InputError):
        network(made, trunk="nowhere")


def test_kept_networks_are_candidates_of_one_size_for_every_group_and_for_single_tasks() -> None:
    groups = [["g0_0", "g0_1", "g0_2"], ["g1_0", "g1_1", "g1_2"]]
    kept = "mtan with capacity=1.5 learning_rate=0.003"
    made = job(architectures=["hard", kept], candidates={"groups": groups}, budget={"inference": 4})
    alone = str(Sharing(settings=Sharing.parse(kept).settings))
    ours = {c: made.plan.sharing_C[c] for c in range(len(made.plan.candidates)) if made.plan.capacity_C[c] == 1.5}
    assert {len(made.plan.group(c)): way for c, way in ours.items()} == {1: alone, 3: kept, 6: kept}
    assert len(ours) == 6 + 2 + 1
    assert made.plan.choosable_C[list(ours)].all()
    assert made.plan.plain_way == "hard with learning_rate=0.003"
    without = replace(made.plan, spec=made.spec.model_copy(update={"search": None}))
    assert without.plain_way == HARD


def test_a_plan_counts_configurations_and_what_is_kept() -> None:
    made = job(search={**SEARCH, "seeds": 3, "brackets": [1.0, 2.0]})
    phases = {phase.phase: phase for phase in phases_of(made.plan)}
    assert phases["settings"].trainings == 2 * 3
    groups = {made.plan.group(c) for c in range(len(made.plan.candidates)) if made.plan.trained_C[c]}
    assert phases["kept"].trainings == 2 * len(groups) * 3
    assert {"settings", "kept"}.isdisjoint(phase.phase for phase in phases_of(job(search=None).plan))


def test_curves_of_other_batch_sizes_end_where_the_training_ends() -> None:
    """As much training is another number of steps; what was trained to the end counts as that for all of them."""
    way = "hard with capacity=1 batch_size=8"
    made = job(architectures=["hard", way], candidates={"max_size": 2}, affinity={"estimator": "measured"})
    results = {}
    for trial in made.plan.search_trials():
        steps = 10 if trial.sharing == HARD else 37
        steps_S = np.arange(1, 9, dtype=np.int64) * steps
        results[trial] = TrialResult(steps_S, np.full((len(trial.tasks), 8), 0.5), 0.0, "w")
    curves = curves_of(made.plan, results)
    assert curves.steps_S.tolist() == [10, 20, 30, 40, 50, 60, 70, 80]
    for trial in results:
        c = made.plan.index(*trial.identity)
        r = made.plan.search_seeds.index(trial.seed)
        members_T = made.plan.candidates.members_CT[c]
        assert (curves.curves_RCTS[r, c][members_T] == 0.5).all()
