"""A search on Ray Tune itself: the best is found, junk never gets through, deaths and hangs cost one configuration."""

from __future__ import annotations

import logging
import math
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import optuna
import pytest

from search.errors import ClusterError
from search.spec.searching import SearchSpec
from search.store.configurations import ConfigurationRecord, Configurations
from search.store.store import Store
from search.tuning import driver
from search.tuning.account import grouped_reasons, kept_of
from search.tuning.driver import Evaluate, search_configurations
from search.tuning.planned_search import PlannedSearch
from tests.search.tuning.planted import BEST_RATE, SPACE, deadly, hopeless, junk, plan, planted, to_the_end

if TYPE_CHECKING:
    from search.execution.ray_executor import RayExecutor

pytestmark = pytest.mark.ray


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store.open(tmp_path) as store:
        yield store


def _search(
    store: Store,
    executor: RayExecutor,
    search: SearchSpec,
    evaluate: Evaluate,
    timeout: float = 60.0,
) -> tuple[tuple[ConfigurationRecord, ...], str]:
    run = store.create_run("planted", "search", "", {})
    store.take(run)
    executor.release()
    planned = plan(run, search, timeout=timeout)
    return search_configurations(planned, search, Configurations(store.sessions), evaluate, executor.workers), run


def test_the_planted_best_is_found_and_the_hopeless_are_stopped(
    store: Store,
    ray_executor: RayExecutor,
    capfd: pytest.CaptureFixture[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    search = SearchSpec(space=SPACE, configurations=24, brackets=(1.0, 4.0))
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    level, verbosity = logging.getLogger("ray.tune").level, optuna.logging.get_verbosity()
    records, run = _search(store, ray_executor, search, planted)
    states = Counter(record.state for record in records)
    assert len(records) == 24
    assert states["failed"] == 0
    assert states["stopped"] >= 4
    for record in records:
        if record.state == "stopped":
            assert record.readings[-1][0] < 1
        else:
            assert [share for share, _ in record.readings] == [0.25, 0.5, 1.0]
    for one in kept_of(records, plan(run, search), 1):
        assert abs(math.log10(one.values["learning_rate"] / BEST_RATE)) < 1
    # Tune's boxes and hints reach nobody, and its files are gone.
    said = capfd.readouterr()
    assert said.out == said.err == ""
    assert list(tmp_path.glob("tg-tune-*")) == []
    assert (logging.getLogger("ray.tune").level, optuna.logging.get_verbosity()) == (level, verbosity)


def test_what_is_no_loss_fails_its_configuration_and_nothing_else(
    store: Store, ray_executor: RayExecutor, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[PlannedSearch] = []

    class Watched(PlannedSearch):
        def __init__(self, *given: Any, **named: Any) -> None:
            super().__init__(*given, **named)
            asked.append(self)

    monkeypatch.setattr(driver, "PlannedSearch", Watched)
    records, _ = _search(store, ray_executor, SearchSpec(space=SPACE, configurations=36), junk)
    assert len(records) == 36
    reasons = Counter(record.reason.partition(" after ")[0] for record in records if record.state == "failed")
    assert {"non-finite loss", "no loss was reported"} <= reasons.keys()
    assert {record.state for record in records} <= {"finished", "stopped", "failed"}
    for record in records:
        assert all(math.isfinite(loss) and loss < 1e9 for _, loss in record.readings)
        assert (record.state == "failed") == bool(record.reason)
    trials = [trial for one in asked for study in one.studies for trial in study.study.trials]
    assert trials
    assert all(trial.state.is_finished() for trial in trials)
    assert all(math.isfinite(value) for trial in trials for value in trial.values or ())


def test_where_nothing_can_be_trained_every_reason_is_kept(store: Store, ray_executor: RayExecutor) -> None:
    records, run = _search(store, ray_executor, SearchSpec(space=SPACE, configurations=6), hopeless)
    assert {record.state for record in records} == {"failed"}
    assert kept_of(records, plan(run, SearchSpec(space=SPACE)), 1) == ()
    assert {reason.partition(": ")[2] for reason in grouped_reasons(records)} <= {
        "non-finite loss at step 7",
        "no solver",
    }
    assert sum(int(reason.partition(" ")[0]) for reason in grouped_reasons(records)) == 6


def test_workers_that_die_or_hang_cost_their_configuration_only(store: Store, ray_executor: RayExecutor) -> None:
    records, _ = _search(store, ray_executor, SearchSpec(space=SPACE, configurations=6), deadly, timeout=4.0)
    assert len(records) == 6
    for record in records:
        settings = record.values
        if settings["norm"] == "batch":
            assert (record.state, record.reason, record.attempts) == ("failed", "worker died", 2)
        elif settings["capacity"] > 2:
            assert (record.state, record.reason, record.attempts) == ("failed", "timed out after 4 s", 1)
        else:
            assert record.state in {"finished", "stopped"}


def test_without_early_stopping_loss_and_cost_are_minimised_together(store: Store, ray_executor: RayExecutor) -> None:
    search = SearchSpec(space=SPACE, configurations=12, objective="loss-and-cost", keep=3)
    records, run = _search(store, ray_executor, search, to_the_end)
    assert {record.state for record in records} == {"finished"}
    kept = kept_of(records, plan(run, search), 3)
    assert len(kept) >= 2
    ordered = sorted(kept, key=lambda record: record.cost or 0.0)
    losses = [record.loss or 0.0 for record in ordered]
    assert losses == sorted(losses, reverse=True)


def test_a_configuration_gets_the_share_of_a_gpu_that_other_trainings_get(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[dict[str, float]] = []

    def noted(trainable: object, resources: dict[str, float]) -> None:
        asked.append(resources)
        raise RuntimeError("that is all")

    monkeypatch.setattr("search.tuning.driver.tune.with_parameters", lambda *_, **__: None)
    monkeypatch.setattr("search.tuning.driver.tune.with_resources", noted)
    search = SearchSpec(space=SPACE, configurations=2)
    run = store.create_run("planted", "search", "", {})
    with pytest.raises(RuntimeError, match="that is all"):
        search_configurations(plan(run, search), search, Configurations(store.sessions), planted, 2, gpus=0.25)
    assert asked == [{"cpu": 1, "gpu": 0.25}]


def test_a_search_that_has_ended_starts_nothing(store: Store, ray_executor: RayExecutor) -> None:
    search = SearchSpec(space=SPACE, configurations=3)
    records, run = _search(store, ray_executor, search, planted)
    book = Configurations(store.sessions)
    assert search_configurations(plan(run, search), search, book, hopeless, 2) == records


def test_a_head_that_is_lost_while_tune_works_ends_the_search_and_nothing_is_written_after(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, told = threading.Event(), threading.Event()

    def waits(asked: PlannedSearch, *given: object) -> None:
        begun.set()
        for _ in range(200):  # and then it gives up
            if asked.broken is not None:
                told.set()
                return
            time.sleep(0.01)

    def check() -> None:
        if begun.is_set():
            raise ClusterError("the head of the Ray cluster has not answered")

    monkeypatch.setattr(driver, "_fit", waits)
    search = SearchSpec(space=SPACE, configurations=2)
    run = store.create_run("planted", "search", "", {})
    store.take(run)
    with pytest.raises(ClusterError, match="has not answered"):
        search_configurations(plan(run, search), search, Configurations(store.sessions), planted, 2, check=check)
    assert told.is_set(), "Tune is told to stop"
