"""Ask and tell: what is asked for first and next, what may be told, and that nothing is lost between two runs."""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import grouping as g
from grouping.study import Asked

TASKS = ("a", "b", "c", "d", "e", "f")
FRIENDS = (frozenset("abc"), frozenset("def"))


def trained(group: Sequence[str], seed: int, noise: float = 0.01) -> dict[str, float]:
    """A world in which partners of one's own three help and others harm."""
    losses = {}
    for task in group:
        friends = next(friends for friends in FRIENDS if task in friends)
        partners = [other for other in group if other != task]
        effect = np.mean([-0.1 if other in friends else 0.15 for other in partners]) if partners else 0.0
        rng = np.random.default_rng([seed, *map(ord, "+".join(group)), ord(task)])
        losses[task] = float((1 + effect) * np.exp(noise * rng.normal()) * (1 + TASKS.index(task)))
    return losses


def run(study: g.Study, trainings: int, at_once: int = 3) -> g.Study:
    while study.trainings < trainings:
        asked = study.ask(at_once)
        if not asked:
            break
        for group, seed in asked:
            study.tell(group, seed, trained(group, seed))
    return study


def test_single_tasks_and_all_together_come_first_seed_by_seed() -> None:
    study = g.Study(TASKS, 2, seeds=2)
    first = study.ask(100)
    assert [asked.group for asked in first] == [*((task,) for task in TASKS), TASKS] * 2
    assert [asked.seed for asked in first] == [0] * 7 + [1] * 7
    assert study.ask(5) == [], "nothing can be said before these are told"


def test_the_planted_grouping_is_found_with_a_fraction_of_the_trainings() -> None:
    study = run(g.Study(TASKS, 2, seeds=2), 38)
    assert {frozenset(network.serves) for network in study.recommend().solution.networks} == set(FRIENDS)
    assert study.trainings < 0.35 * 2 * (2**6 - 1)


def test_further_seeds_of_known_groups_are_asked_for_too() -> None:
    study = run(g.Study(TASKS, 2, seeds=3), 45)
    assert int(study.table().replicates_CT[study.table().candidates.size_C == 3].max(initial=0)) > 1


@pytest.mark.parametrize("at_once", [1, 4])
def test_a_saved_study_goes_on_as_if_it_had_never_stopped(tmp_path: Path, at_once: int) -> None:
    whole = run(g.Study(TASKS, 2, seed=3), 30, at_once)
    half = run(g.Study(TASKS, 2, seed=3), 25, at_once)
    asked = half.ask(2)
    half.save(tmp_path / "study.json")
    again = g.Study.load(tmp_path / "study.json")
    assert again.pending == half.pending == tuple(asked)
    for group, seed in asked:
        again.forget(group, seed)
        half.tell(group, seed, trained(group, seed))
    assert run(again, 30, at_once).trainings >= 30
    straight = run(g.Study(TASKS, 2, seed=3), 30, at_once)
    assert np.array_equal(whole.table().losses_RCT, straight.table().losses_RCT, equal_nan=True)
    half.save(tmp_path / "study.json")
    resumed = g.Study.load(tmp_path / "study.json")
    assert resumed.ask(3) == half.ask(3)
    assert list(tmp_path.iterdir()) == [tmp_path / "study.json"], "nothing is left beside it"


def test_what_is_pending_is_not_asked_for_again_unless_it_was_lost() -> None:
    study = run(g.Study(TASKS, 2), 21)
    one = study.ask(2)
    other = study.ask(2)
    assert not {asked.group for asked in one} & {asked.group for asked in other}
    study.forget(*one[0])
    assert one[0] not in study.pending


def test_a_group_that_failed_is_asked_for_no_more() -> None:
    study = run(g.Study(TASKS, 2, seeds=2), 14)
    (asked,) = study.ask(1)
    study.tell_failed(asked.group, asked.seed, "diverged")
    seen = set()
    for _ in range(60):
        for more in study.ask(3):
            seen.add(more.group)
            study.tell(more.group, more.seed, trained(more.group, more.seed))
    assert asked.group not in seen
    assert len(seen) == 2**6 - 2 - 6 - 1, "every other group was, in the end"
    assert study.ask(3) == []


def test_trainings_that_nobody_asked_for_may_be_told() -> None:
    study = g.Study(TASKS, 2)
    for group in [*((task,) for task in TASKS), ("c", "a", "b"), ("d", "e", "f")]:
        study.tell(group, 7, trained(sorted(group), 7))
    assert {frozenset(n.serves) for n in study.recommend().solution.networks} == set(FRIENDS)


def changed(**losses: Any) -> dict[str, Any]:
    return {"a": 1.0, "b": 2.0, **losses}


@pytest.mark.parametrize(
    ("tell", "message"),
    [
        (lambda s: s.tell(["a", "x"], 0, changed()), "no task is called 'x'"),
        (lambda s: s.tell(["a", "a"], 0, changed()), "'a' appears twice"),
        (lambda s: s.tell(["a", "b"], -1, changed()), "the seed -1"),
        (lambda s: s.tell(["a", "b"], 0, {"a": 1.0}), "lacks the loss of 'b'"),
        (lambda s: s.tell(["a", "b"], 0, changed(c=1.0)), "has a loss of 'c'"),
        (lambda s: s.tell(["a", "b"], 0, changed(b=float("nan"))), "has the loss nan of 'b'"),
        (lambda s: s.tell(["a", "b"], 0, changed(b=float("inf"))), "has the loss inf of 'b'"),
        (lambda s: s.tell(["a", "b"], 0, changed(b="0.3")), "has the loss '0.3' of 'b'"),
        (lambda s: s.tell(["c"], 0, {"c": 5.0}), "was told before with other losses"),
        (lambda s: s.tell([], 0, {}), "a group of 0 tasks"),
        (lambda s: s.ask(0), "0 trainings were asked for"),
    ],
)
def test_what_cannot_be_is_refused_and_changes_nothing(tell: Callable[[g.Study], Any], message: str) -> None:
    study = g.Study(TASKS, 2)
    study.tell(["c"], 0, {"c": 3.0})
    with pytest.raises(g.InputError, match=message):
        tell(study)
    assert study.trainings == 1
    assert study.table().losses_RCT.tolist()[0][0][2] == 3.0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"tasks": ["a"]}, "nothing to be grouped with"),
        ({"tasks": ["a", "a"]}, "a"),
        ({"budget": 0.5}, "costs 1 SNT"),
        ({"budget": g.Budget(flops=10)}, "costs 1 SNT"),
        ({"seeds": 0}, "seeds is 0"),
        ({"weights": {"x": 1.0}}, "no task 'x' to weigh"),
    ],
)
def test_a_study_that_makes_no_sense_is_refused(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(g.InputError, match=message):
        g.Study(**{"tasks": TASKS, "budget": 2, **arguments})


def test_files_that_are_no_studies_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "study.json"
    with pytest.raises(g.InputError, match="cannot be read"):
        g.Study.load(path)
    for text in ("", "[]", "{}", '{"schema": 1}', json.dumps({"schema": 99})):
        path.write_text(text)
        with pytest.raises(g.InputError) as refused:
            g.Study.load(path)
        assert refused.value.fix


def test_before_anything_was_told_there_is_nothing_to_recommend() -> None:
    with pytest.raises(g.InputError, match="nothing was told yet"):
        g.Study(TASKS, 2).recommend()
    assert tuple(Asked(("a",), 3)) == (("a",), 3)


def test_networks_of_another_library_are_grouped() -> None:
    """scikit-learn's perceptrons: two tasks are the same function, the third another one."""
    neural = pytest.importorskip("sklearn.neural_network")
    rng = np.random.default_rng(0)
    x_NF = rng.normal(size=(400, 4))
    clean_N = np.sin(2 * x_NF[:, 0]) + x_NF[:, 1] ** 2
    y_NT = np.stack([clean_N, clean_N, np.cos(3 * x_NF[:, 2] * x_NF[:, 3])], axis=1) + 0.3 * rng.normal(size=(400, 3))
    tasks = ["one", "twin", "other"]

    def train(group: Sequence[str], seed: int) -> dict[str, float]:
        columns = [tasks.index(task) for task in group]
        # The penalty keeps a seed from going astray: three of them would not tell such luck from partners.
        network = neural.MLPRegressor(
            hidden_layer_sizes=(12,), max_iter=80, random_state=seed, solver="lbfgs", alpha=1.0
        )
        targets_NT = y_NT[:, columns]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # it is stopped early, and says so
            network.fit(x_NF[:200], targets_NT[:200].squeeze())
        error_NT = network.predict(x_NF[200:]).reshape(200, -1) - targets_NT[200:]
        return dict(zip(group, (error_NT**2).mean(axis=0).tolist(), strict=True))

    study = g.Study(tasks, 2, seeds=3)
    while asked := study.ask(4):
        for group, seed in asked:
            study.tell(group, seed, train(group, seed))
    assert study.trainings == 3 * 7
    networks = study.recommend().solution.networks
    served = {frozenset(network.serves) for network in networks}
    assert frozenset({"other"}) in served
