"""A search comes to the same whatever the number and speed of its workers, and however often it was killed."""

from __future__ import annotations

import random
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ray.tune.schedulers import TrialScheduler
from ray.tune.search import Searcher

from search.networks.sharing import Sharing
from search.spec.searching import SearchSpec
from search.store.configurations import ENDED, Configurations
from search.store.store import Store
from search.tuning.cost_brackets import FAILURE, PLACE, CostBrackets, NoStopping
from search.tuning.network import SearchedNetwork
from search.tuning.planned_search import PlannedSearch
from tests.search.tuning.planted import LAG, SPACE, loss, plan

FORMS = (
    SearchSpec(space=SPACE, configurations=20, brackets=(1.0, 4.0)),
    SearchSpec(space=SPACE, configurations=16, objective="loss-and-cost"),
)
Came = list[tuple[object, ...]]


@dataclass(eq=False)
class _Trial:
    trial_id: str
    config: dict[str, Any]


def _work(store: Store, run: str, search: SearchSpec, clock: random.Random, workers: int, moments: int) -> None:
    """What Tune does, with workers that read their losses in any order; it is dead after so many readings."""
    asked = PlannedSearch(plan(run, search), Configurations(store.sessions))
    asha = search.scheduler == "asha"
    scheduler = (
        CostBrackets(search.first, search.reduction, lambda: False, asked.known) if asha else NoStopping(lambda: False)
    )
    at_work: dict[_Trial, list[float]] = {}
    number = 0
    while moments:
        while len(at_work) < workers:
            number += 1
            config = asked.suggest(f"t{number}")
            if config is None or config == Searcher.FINISHED:
                break
            at_work[_Trial(f"t{number}", config)] = list(search.fractions)
        assert asked.broken is None
        if not at_work:
            assert asked.suggest("last") == Searcher.FINISHED, "somebody waits for what nobody does"
            return
        moments -= 1
        trial = clock.choice(sorted(at_work, key=lambda one: one.trial_id))
        share = at_work[trial].pop(0)
        if trial.config[PLACE] % 7 == 5:
            report: dict[str, Any] = {FAILURE: "non-finite loss", "worker": "w"}
        else:
            value = loss(SearchedNetwork(Sharing.parse(trial.config["way"]), trial.config["capacity"]))
            report = {"share": share, "loss": value * (2 - share), "seconds": 0.0, "worker": "w", "found": "x"}
        decision = scheduler.on_trial_result(None, trial, report)
        if decision == TrialScheduler.STOP or share == 1:
            asked.on_trial_complete(trial.trial_id, report)
            scheduler.on_trial_complete(None, trial, report)  # type: ignore[arg-type]
            del at_work[trial]
        else:
            asked.on_trial_result(trial.trial_id, report)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("same")


def _came(home: Path, search: SearchSpec, workers: int, kills: list[int], seed: int) -> Came:
    with Store.open(home) as store:
        run = store.create_run("planted", "search", "", {})
        store.take(run)
        for moments in (*kills, -1):
            _work(store, run, search, random.Random(seed), workers, moments)
        records = Configurations(store.sessions).of(run)
    assert [record.place for record in records] == list(range(search.configurations))
    assert {record.state for record in records} <= ENDED
    return [(record.values, record.state, record.readings) for record in records]


@pytest.fixture(scope="module")
def undisturbed(home: Path) -> list[Came]:
    return [_came(home, search, 1, [], 0) for search in FORMS]


def test_some_are_stopped_some_fail_and_some_are_finished(undisturbed: list[Came]) -> None:
    assert {state for _, state, _ in undisturbed[0]} == ENDED
    assert {state for _, state, _ in undisturbed[1]} == {"finished", "failed"}


@given(
    form=st.sampled_from(range(len(FORMS))),
    workers=st.integers(1, LAG + 2),
    kills=st.lists(st.integers(0, 25), max_size=3),
    seed=st.integers(0, 2**20),
)
@settings(max_examples=12)
def test_the_same_is_drawn_and_the_same_is_stopped(
    home: Path, undisturbed: list[Came], form: int, workers: int, kills: list[int], seed: int
) -> None:
    assert _came(home, FORMS[form], workers, kills, seed) == undisturbed[form]
