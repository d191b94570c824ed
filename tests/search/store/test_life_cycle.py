"""The life of a run, against a model: any sequence of commands leaves it where the rules say, and nowhere else."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import get_args

import numpy as np
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, invariant, rule

from search.errors import StoreError
from search.store.records import NEXT_STATES, RunState
from search.store.store import Store
from search.trials import Trial, TrialFailure, TrialResult

STATES: tuple[RunState, ...] = get_args(RunState)


class LifeCycle(RuleBasedStateMachine):
    """Two stores on one file stand for two programs that look at the same runs; the model is two dictionaries."""

    runs: Bundle[str] = Bundle("runs")

    def __init__(self) -> None:
        super().__init__()
        self.home = Path(tempfile.mkdtemp())
        self.store, self.other = Store.open(self.home), Store.open(self.home)
        self.states: dict[str, RunState] = {}
        self.trials: dict[str, dict[str, str]] = {}

    def teardown(self) -> None:
        self.store.close()
        self.other.close()
        shutil.rmtree(self.home)

    @rule(target=runs, name=st.text(max_size=5))
    def create(self, name: str) -> str:
        run = self.store.create_run(name, "recommend", "", {})
        assert run not in self.states
        self.states[run], self.trials[run] = "queued", {}
        return run

    @rule(run=runs, state=st.sampled_from(STATES))
    def move(self, run: str, state: RunState) -> None:
        before = self.states[run]
        if state == before or state in NEXT_STATES[before]:
            self.store.set_state(run, state)
            self.states[run] = state
        else:
            with pytest.raises(StoreError, match=f"is {before} and cannot become {state}"):
                self.store.set_state(run, state)

    @rule(run=runs, seed=st.integers(0, 2), succeeds=st.booleans())
    def record(self, run: str, seed: int, succeeds: bool) -> None:
        trial = Trial(("a",), 1.0, seed)
        key = trial.key("")
        if self.states[run] != "running":
            with pytest.raises(StoreError, match="nothing was written"):
                self._record(run, trial, key, succeeds=succeeds)
            return
        self._record(run, trial, key, succeeds=succeeds)
        if self.trials[run].get(key) != "finished":
            self.trials[run][key] = "finished" if succeeds else "failed"

    def _record(self, run: str, trial: Trial, key: str, *, succeeds: bool) -> None:
        if succeeds:
            result = TrialResult(np.array([1]), np.array([[float(trial.seed)]]), 0.0, "h:1")
            self.store.record_result(run, "p", trial, key, result)
        else:
            self.store.record_failure(run, "p", trial, key, TrialFailure("no"))

    @rule()
    def reopen(self) -> None:
        self.store.close()
        self.store = Store.open(self.home)

    @rule(run=consumes(runs))
    def forget(self, run: str) -> None:
        """Leave this run alone from now on; it must stay as it is."""

    @invariant()
    def everybody_sees_the_model(self) -> None:
        page = self.other.list_runs(limit=1000)
        assert [record.id for record in page.runs] == list(reversed(self.states))
        for record in page.runs:
            outcomes = list(self.trials[record.id].values())
            assert record.state == self.states[record.id]
            assert (record.finished, record.failed) == (outcomes.count("finished"), outcomes.count("failed"))
            finished = {key for key, outcome in self.trials[record.id].items() if outcome == "finished"}
            assert set(self.other.finished_trials(record.id)) == finished


LifeCycle.TestCase.settings = settings(max_examples=20, stateful_step_count=25, deadline=None)
TestLifeCycle = LifeCycle.TestCase


def test_ended_runs_stay_ended_and_every_other_state_has_a_way_on() -> None:
    assert set(NEXT_STATES) == set(STATES)
    assert [state for state in STATES if not NEXT_STATES[state]] == ["finished", "cancelled"]


def test_time_at_work_is_counted_without_the_pauses(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [1000.0]
    monkeypatch.setattr("time.time", lambda: clock[0])
    with Store.open(tmp_path) as store:
        run = store.create_run("x", "recommend", "", {})
        moves: list[tuple[float, RunState]] = [
            (1010.0, "running"),
            (1013.0, "interrupted"),
            (2000.0, "running"),
            (2004.0, "finished"),
        ]
        for at, state in moves:
            clock[0] = at
            store.set_state(run, state)
        record = store.run(run)
    assert (record.created, record.started, record.ended, record.seconds) == (1000.0, 1010.0, 2004.0, 7.0)
