"""The plan of a search and the book that is kept of it, driven by hand in Tune's place: no cluster is needed."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from optuna.trial import TrialState
from ray.tune.search import Searcher

from grouping.errors import NoResultError
from search.networks.sharing import Sharing
from search.spec.searching import SearchSpec
from search.store.configurations import Configurations
from search.store.store import Store
from search.tuning.account import grouped_reasons, importance, kept_of, settings_record
from search.tuning.cost_brackets import FAILURE, PLACE
from search.tuning.network import SearchedNetwork
from search.tuning.planned_search import PlannedSearch
from tests.search.tuning.planted import LAG, SPACE, cost, loss, plan

PLANNED = 12
SEARCH = SearchSpec(space=SPACE, configurations=PLANNED, brackets=(1.0, 4.0))


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store.open(tmp_path) as store:
        yield store


@pytest.fixture
def run(store: Store) -> str:
    run = store.create_run("planted", "search", "name: x\n", {})
    store.take(run)
    return run


def _network(config: dict[str, Any]) -> SearchedNetwork:
    return SearchedNetwork(Sharing.parse(config["way"]), config["capacity"])


def _report(config: dict[str, Any], share: float) -> dict[str, Any]:
    network = _network(config)
    value = loss(network) * (1 + 0.5 * (1 - share))
    return {"share": share, "loss": value, "seconds": share, "worker": "w:1", "found": config["way"]}


class _Killed(Exception):  # noqa: N818
    """Stands for kill -9: nothing after it happens."""


def _drive(asked: PlannedSearch, moments: int = 10**9, workers: int = 2) -> Counter[int]:
    """What Tune does with some workers: one worker's trainings are stopped half way. Ends after so many calls."""
    begun: Counter[int] = Counter()
    at_work: dict[str, dict[str, Any]] = {}
    number = 0

    def tick() -> None:
        nonlocal moments
        moments -= 1
        if moments < 0:
            raise _Killed

    try:
        while True:
            while len(at_work) < workers:
                tick()
                number += 1
                config = asked.suggest(f"t{number}")
                if config == Searcher.FINISHED or config is None:
                    break
                begun[config["place"]] += 1
                at_work[f"t{number}"] = config
            if not at_work:
                return begun
            name, config = next(iter(at_work.items()))
            if config["place"] % 4 == 3:
                tick()
                del at_work[name]
                asked.on_trial_complete(name, {FAILURE: "non-finite loss", "worker": "w:1"})
                continue
            for share in (0.25, 0.5) if config["place"] % 2 == 0 else (0.25, 0.5, 1.0):
                tick()
                asked.on_trial_result(name, _report(config, share))
            tick()
            del at_work[name]
            last = 0.5 if config["place"] % 2 == 0 else 1.0
            asked.on_trial_complete(name, _report(config, last))
    except _Killed:
        return begun


def test_exactly_what_is_planned_is_drawn_and_booked(store: Store, run: str) -> None:
    asked = PlannedSearch(plan(run, SEARCH), Configurations(store.sessions))
    begun = _drive(asked)
    assert asked.broken is None
    assert begun == dict.fromkeys(range(PLANNED), 1)
    records = Configurations(store.sessions).of(run)
    assert [record.place for record in records] == list(range(PLANNED))
    assert Counter(record.state for record in records) == {"stopped": 6, "finished": 3, "failed": 3}


def test_every_configuration_belongs_into_its_bracket_and_none_is_drawn_twice(store: Store, run: str) -> None:
    _drive(PlannedSearch(plan(run, SEARCH), Configurations(store.sessions)))
    records = Configurations(store.sessions).of(run)
    for record in records:
        assert record.cost is not None
        assert (record.cost <= 1.0) == (record.place % 2 == 0)
    assert len({tuple(sorted(record.values.items())) for record in records}) == PLANNED


def test_optuna_is_told_how_those_ended_that_a_draw_follows_from(store: Store, run: str) -> None:
    """What was stopped is censored, no trial is ever left running, and the last few are told to nobody."""
    asked = PlannedSearch(plan(run, SEARCH), Configurations(store.sessions))
    _drive(asked)
    records = Configurations(store.sessions).of(run)
    told = {tuple(sorted(trial.params.items())): trial for study in asked.studies for trial in study.study.trials}
    assert all(trial.state.is_finished() for trial in told.values())
    states = {"stopped": TrialState.PRUNED, "finished": TrialState.COMPLETE, "failed": TrialState.FAIL}
    for record in records:
        trial = told.get(tuple(sorted(record.values.items())))
        if trial is None or record.place > PLANNED - 1 - LAG:
            assert trial is None
            assert record.place > PLANNED - 1 - LAG
            continue
        assert trial.state == states[record.state]
        assert list(trial.intermediate_values.values()) == [loss for _, loss in record.readings]
        assert trial.values == ([record.loss] if record.state == "finished" else None)


def test_killed_at_any_moment_it_ends_with_what_was_planned_and_repeats_nothing(store: Store, run: str) -> None:
    """Between two calls, before the first configuration too, and then once more at random."""
    rng = random.Random(0)
    whole = plan(run, SEARCH)
    for moment in (0, 1, 5, 13, 34):
        again = store.create_run("planted", "search", "", {})
        store.take(again)
        book = Configurations(store.sessions)
        dead = plan(again, SEARCH)
        _drive(PlannedSearch(dead, book), moment)
        before = {record.place: record for record in book.of(again)}
        ended = {place for place, record in before.items() if record.state in {"finished", "stopped", "failed"}}
        _drive(PlannedSearch(dead, book), rng.randrange(1, 20))
        asked = PlannedSearch(dead, book)
        begun = _drive(asked)
        assert asked.broken is None
        records = book.of(again)
        assert [record.place for record in records] == list(range(PLANNED))
        assert {record.state for record in records} == {"finished", "stopped", "failed"}
        assert not ended & set(begun)
        for record in records:  # what was drawn stays what it was
            if record.place in before:
                assert record.values == before[record.place].values
            if record.place in ended:
                assert record == before[record.place]
        assert PlannedSearch(dead, book).open == 0
    assert whole.places == PLANNED


def test_another_seed_draws_other_points(store: Store, run: str) -> None:
    other = store.create_run("planted", "search", "", {})
    store.take(other)
    book = Configurations(store.sessions)
    _drive(PlannedSearch(plan(run, SEARCH), book))
    _drive(PlannedSearch(plan(other, SEARCH, seed=1), book))
    assert not {str(record.values) for record in book.of(run)} & {str(record.values) for record in book.of(other)}


def test_by_loss_and_cost_both_are_told_and_early_losses_are_not(store: Store, run: str) -> None:
    search = SearchSpec(space=SPACE, configurations=PLANNED, objective="loss-and-cost")
    asked = PlannedSearch(plan(run, search), Configurations(store.sessions))
    _drive(asked)
    (study,) = asked.studies
    complete = study.study.get_trials(states=[TrialState.COMPLETE])
    assert len(complete) == 2
    for trial in complete:
        assert trial.values[1] == pytest.approx(trial.params["capacity"], rel=1e-3)
        assert trial.intermediate_values == {}


def test_a_worker_that_dies_gets_another_chance_and_then_its_configuration_failed(store: Store, run: str) -> None:
    search = SearchSpec(space=SPACE, configurations=1)
    asked = PlannedSearch(plan(run, search), Configurations(store.sessions))
    first = asked.suggest("a")
    asked.on_trial_complete("a", error=True)
    second = asked.suggest("b")
    assert (second["place"], second["way"]) == (first["place"], first["way"])
    asked.failed("b", "out of memory")
    asked.on_trial_complete("b", error=True)
    assert asked.suggest("c") == Searcher.FINISHED
    (record,) = Configurations(store.sessions).of(run)
    assert (record.state, record.reason, record.attempts) == ("failed", "out of memory", 2)


def test_one_that_took_too_long_is_not_tried_again(store: Store, run: str) -> None:
    search = SearchSpec(space=SPACE, configurations=1)
    asked = PlannedSearch(plan(run, search, timeout=0.0), Configurations(store.sessions))
    asked.suggest("a")
    asked.on_trial_complete("a", error=True)
    (record,) = Configurations(store.sessions).of(run)
    assert (record.state, record.reason) == ("failed", "timed out after 0 s")


def test_when_time_is_up_nothing_new_is_drawn(store: Store, run: str) -> None:
    drawn: list[int] = []
    asked = PlannedSearch(plan(run, SEARCH), Configurations(store.sessions), lambda: len(drawn) == 3)
    drawn.extend(asked.suggest(name)["place"] for name in "abc")
    assert asked.suggest("d") == Searcher.FINISHED
    assert asked.broken is None


def test_what_cannot_be_kept_stops_everything(store: Store, run: str) -> None:
    """Tune would log it and go on; here nothing more is drawn, and whoever waits is told."""
    asked = PlannedSearch(plan(run, SEARCH), Configurations(store.sessions))
    config = asked.suggest("a")
    store.set_state(run, "interrupted")
    asked.on_trial_result("a", _report(config, 0.25))
    assert "nothing was written" in str(asked.broken)
    assert asked.suggest("b") == Searcher.FINISHED


def test_a_bracket_without_networks_is_named(store: Store, run: str) -> None:
    search = SearchSpec(space={**SPACE, "capacity": [2.0, 3.0]}, configurations=4, brackets=(1.0, 4.0))
    asked = PlannedSearch(plan(run, search), Configurations(store.sessions))
    assert asked.suggest("a") == Searcher.FINISHED
    assert isinstance(asked.broken, NoResultError)
    assert asked.broken.where == "search.brackets[0]"


def test_a_small_space_is_drawn_to_its_last_point(store: Store, run: str) -> None:
    search = SearchSpec(
        space={"learning_rate": [1e-3], "capacity": [1.0, 2.0], "norm": ["none", "batch"]}, configurations=4
    )
    asked = PlannedSearch(plan(run, search), Configurations(store.sessions))
    _drive(asked)
    records = Configurations(store.sessions).of(run)
    assert len({str(sorted(record.values.items())) for record in records}) == 4


def test_the_best_finished_of_each_bracket_are_kept(store: Store, run: str) -> None:
    whole = plan(run, SEARCH)
    _drive(PlannedSearch(whole, Configurations(store.sessions)))
    records = Configurations(store.sessions).of(run)
    kept = kept_of(records, whole, 1)
    assert all(record.state == "finished" for record in kept)
    assert [record.loss for record in kept] == sorted(record.loss or 0.0 for record in kept)
    for bracket in (0, 1):
        best = [r.loss for r in records if r.state == "finished" and r.place % 2 == bracket]
        mine = [record.loss for record in kept if record.place % 2 == bracket]
        assert mine == ([min(value for value in best if value is not None)] if best else [])


def test_by_loss_and_cost_the_frontier_is_kept(store: Store, run: str) -> None:
    search = SearchSpec(space=SPACE, configurations=40, objective="loss-and-cost", keep=3)
    whole = plan(run, search)
    _drive(PlannedSearch(whole, Configurations(store.sessions)))
    records = [record for record in Configurations(store.sessions).of(run) if record.state == "finished"]
    kept = kept_of(records, whole, 3)
    assert 1 <= len(kept) <= 3
    for one in kept:
        assert not any(
            other.loss is not None
            and one.loss is not None
            and other.loss <= one.loss
            and (other.cost or 0) < (one.cost or 0)
            for other in records
        )
    assert min(record.loss or 9.0 for record in records) in {one.loss for one in kept}


def test_the_account_says_what_was_tried_and_what_mattered(store: Store, run: str) -> None:
    search = SearchSpec(space=SPACE, configurations=36)
    whole = plan(run, search)
    _drive(PlannedSearch(whole, Configurations(store.sessions)))
    records = Configurations(store.sessions).of(run)
    record = settings_record(records, whole, search, kept_of(records, whole, 1))
    assert len(record.tried) == record.planned == 36
    assert sum(one.kept for one in record.tried) == 1
    assert (record.count("finished"), record.count("stopped"), record.count("failed")) == (9, 18, 9)
    assert dict(record.importance).keys() == {"learning_rate", "capacity", "norm"}
    assert sum(share for _, share in record.importance) == pytest.approx(1)
    assert grouped_reasons(records) == ("9 configurations: non-finite loss",)
    assert importance(whole.space, records[:4]) == ()


def test_costs_are_what_networks_of_the_plan_cost(store: Store, run: str) -> None:
    asked = PlannedSearch(plan(run, SEARCH), Configurations(store.sessions))
    config = asked.suggest("a")
    (record,) = Configurations(store.sessions).of(run)
    assert record.cost == cost(_network(config))
    assert config[PLACE] == 0
