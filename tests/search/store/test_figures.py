"""Numbers for Prometheus: what they count, and that its own parser reads them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from prometheus_client.parser import text_string_to_metric_families

from search.cli.app import run as taskgroup
from search.store.figures import Figure, exposition, figures_of_runs, figures_of_store
from search.store.store import Store
from search.trials import Trial, TrialFailure, TrialResult

Samples = dict[tuple[str, tuple[tuple[str, str], ...]], float]


def parsed(text: str) -> Samples:
    """Every sample, as Prometheus reads it."""
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Store:
    monkeypatch.setenv("TASKGROUP_HOME", str(tmp_path))
    return Store.open(tmp_path)


def begin(store: Store) -> str:
    run = store.create_run('a "run"\\', "recommend", "", {}, tasks=["a"], planned=7)
    store.set_state(run, "running")
    result = TrialResult(np.array([1]), np.ones((1, 1)), 2.5, "h:1")
    store.record_result(run, "p", Trial(("a",), 1.0, 0), "1", result)
    store.record_failure(run, "p", Trial(("a",), 1.0, 1), "2", TrialFailure("no"))
    store.set_progress(run, best=0.5)
    return run


def test_an_empty_store_has_nothing_to_count(store: Store) -> None:
    found = parsed(exposition((*figures_of_runs(store), *figures_of_store(store))))
    assert set(found.values()) == {0.0}
    assert found["taskgroup_runs", (("state", "running"),)] == 0


def test_runs_by_state_trainings_seconds_and_who_waits(store: Store) -> None:
    run = begin(store)
    store.create_run("waiting", "recommend", "", {})
    found = parsed(exposition((*figures_of_runs(store), *figures_of_store(store))))
    assert found["taskgroup_runs", (("state", "running"),)] == 1
    assert found["taskgroup_runs", (("state", "queued"),)] == 1
    assert found["taskgroup_trainings", (("state", "finished"),)] == 1
    assert found["taskgroup_trainings", (("state", "failed"),)] == 1
    assert found["taskgroup_training_seconds", ()] == 2.5
    assert found["taskgroup_queue_length", ()] == 1
    assert found["taskgroup_run_planned", (("run", run),)] == 7
    assert found["taskgroup_run_trainings", (("run", run), ("state", "failed"))] == 1
    assert found["taskgroup_run_best", (("run", run),)] == 0.5


def test_what_is_for_everybody_names_no_run(store: Store) -> None:
    assert begin(store) not in exposition(figures_of_store(store))


def test_labels_cannot_break_the_format() -> None:
    figure = Figure("x", "One.", "gauge", [({"name": 'a"b\\c\nd'}, 1.0)])
    assert parsed(exposition([figure])) == {("x", (("name", 'a"b\\c\nd'),)): 1.0}


def test_the_command_prints_them(store: Store, capsys: pytest.CaptureFixture[str]) -> None:
    run = begin(store)
    assert taskgroup(["runs", "--metrics"]) == 0
    assert parsed(capsys.readouterr().out)["taskgroup_run_planned", (("run", run),)] == 7
