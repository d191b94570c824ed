"""Halving in the search: what is trained how far, whatever the packs, and what is asked of it beforehand."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from grouping.errors import NoResultError
from search.decision import measurement as measuring
from search.decision.halving import Rung, Searched, dropped_by, early_warning, saved, search
from search.decision.measurement import Measurement
from search.decision.phases import phases_of
from search.documents import dump_spec, parse_spec
from search.errors import SpecError, TrialError
from search.execution.executor import InlineExecutor
from search.job import Job
from search.store.store import Store
from search.training.engines import ENGINES
from search.training.experiment import Experiment
from search.training.packs import OneByOne, Pack, TrainPack
from search.trials import Trial, TrialFailure, TrialResult
from tests.search.decision.test_measurement import Quiet
from tests.search.decision.test_plan import groups, plan_of
from tests.search.messages import assert_one_clear_message
from tests.search.planted import GROUPS, planted
from tests.search.test_run import job_of

FOUR = [{"name": n, "target": f"y_{n}", "type": "regression"} for n in ("g0_0", "g0_1", "g1_0", "g1_1")]


def halved_job(**sections: Any) -> Job:
    given = {"network": {"widths": [12]}, "candidates": {"halving": {"keep": 0.3}}, "tasks": FOUR}
    training = {"epochs": 4, "seeds": 2, "engine": "fused", "batch_size": 512}
    return job_of(**{**given, "training": training, **sections})


class Searches:
    """Searches in one store."""

    def __init__(self, home: Path) -> None:
        self.store = Store.open(home)

    def run(self) -> str:
        run = self.store.create_run("x", "recommend", "", {})
        self.store.set_state(run, "running")
        return run

    def search(self, job: Job, train: TrainPack, pack_size: int = 8, run: str = "") -> tuple[Searched, Measurement]:
        measured = Measurement(self.store, run or self.run(), InlineExecutor(), train, Quiet(), pack_size)
        return search(job.plan, job.experiments[0], measured), measured


@pytest.fixture
def searches(tmp_path: Path) -> Iterator[Searches]:
    made = Searches(tmp_path)
    yield made
    made.store.close()


class Recorded:
    """Trains, and remembers which trials started from a state and how large packs were."""

    def __init__(self) -> None:
        self.sizes: list[int] = []
        self.carried: list[Trial] = []

    def __call__(self, experiment: Experiment, pack: Pack) -> list[TrialResult | TrialFailure]:
        self.sizes.append(len(pack))
        self.carried += [course.trial for course in pack if course.start is not None]
        return list(ENGINES["fused"].train(experiment, pack))


def decisions(searched: Searched) -> list[tuple[float, tuple[int, ...], tuple[int, ...]]]:
    return [(rung.fraction, rung.compared, rung.dropped) for rung in searched.rungs]


def finished(searched: Searched) -> dict[Trial, bytes]:
    return {t: result.curve_TS.tobytes() for t, result in searched.results.items() if t.fraction == 1}


def test_survivors_are_bitwise_what_they_are_without_halving(searches: Searches) -> None:
    train = Recorded()
    halved, _ = searches.search(halved_job(), train)
    whole, _ = searches.search(halved_job(candidates={}), ENGINES["fused"].train)
    out = {halved_job().plan.key(c) for c in dropped_by(halved.rungs)}
    assert out
    assert whole.rungs == ()
    survivors = {t: curve for t, curve in finished(whole).items() if t.identity not in out}
    assert finished(halved) == survivors
    assert train.carried, "survivors go on from where they are"
    assert all(size > 1 for size in train.sizes)


def test_what_is_dropped_depends_neither_on_packs_nor_on_states(
    searches: Searches, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, _ = searches.search(halved_job(), ENGINES["fused"].train)
    for size in (1, 3):
        other, _ = searches.search(halved_job(), ENGINES["fused"].train, size)
        assert decisions(other) == decisions(first)
        assert finished(other) == finished(first)
    monkeypatch.setattr(measuring, "_MOST_STATES", 0)
    train = Recorded()
    forgetful, _ = searches.search(halved_job(), train)
    assert train.carried == []
    assert decisions(forgetful) == decisions(first)
    assert finished(forgetful) == finished(first)


@pytest.mark.parametrize("after", [1, 3])
def test_a_search_that_was_interrupted_drops_the_same(searches: Searches, after: int) -> None:
    straight, _ = searches.search(halved_job(), ENGINES["fused"].train)
    packs = 0

    def stops(experiment: Experiment, pack: Pack) -> list[TrialResult | TrialFailure]:
        nonlocal packs
        packs += 1
        if packs > after:
            raise KeyboardInterrupt
        return list(ENGINES["fused"].train(experiment, pack))

    run = searches.run()
    with pytest.raises(KeyboardInterrupt):
        searches.search(halved_job(), stops, run=run)
    resumed, _ = searches.search(halved_job(), ENGINES["fused"].train, run=run)
    assert decisions(resumed) == decisions(straight)
    assert finished(resumed) == finished(straight)


def test_singles_all_in_one_and_the_users_own_groups_are_never_dropped() -> None:
    own = [["g0_0", "g1_1"], ["g0_1", "g1_0"]]
    plan = job_of(candidates={"halving": {}}, evidence={"grouping": [*own, ["g0_2", "g1_2"]]}).plan
    never = groups(plan, ~plan.halved_C & plan.trained_C)
    singles = {name for group in GROUPS for name in group}
    assert never == singles | {"+".join(group) for group in own} | {"g0_2+g1_2", "+".join(sorted(singles))}
    assert groups(plan, plan.halved_C) & never == set()
    assert not job_of().plan.halved_C.any()


def test_a_group_that_serves_every_task_alone_is_never_dropped() -> None:
    plan = plan_of(4, auxiliary=(3,), affinity={"estimator": "measured"}, candidates={"halving": {}})
    assert {"t0+t1+t2", "t0+t1+t2+t3"} <= groups(plan, ~plan.halved_C)


def test_a_training_that_fails_on_the_way_is_not_carried_on(searches: Searches) -> None:
    asked: list[Trial] = []

    def train(experiment: Experiment, trial: Trial) -> TrialResult:
        asked.append(trial)
        if trial.tasks == ("g0_0", "g0_1") and trial.seed == 0:
            raise TrialError("lost")
        return planted(experiment, trial)

    searched, measured = searches.search(job_of(candidates={"halving": {}}), OneByOne(train))
    lost = [trial for trial in asked if trial.tasks == ("g0_0", "g0_1") and trial.seed == 0]
    assert [trial.fraction for trial in lost] == [0.25]
    assert measured.failures == {lost[0]: "lost"}
    assert {t.seed for t in searched.results if t.tasks == ("g0_0", "g0_1") and t.fraction == 1} == {1, 2}


def test_a_task_that_fails_alone_on_the_way_could_not_be_trained_alone(searches: Searches) -> None:
    def train(experiment: Experiment, trial: Trial) -> TrialResult:
        if trial.tasks == ("g0_0",) and trial.fraction > 0.25:
            raise TrialError("lost late")
        return planted(experiment, trial)

    with pytest.raises(NoResultError, match=r"task 'g0_0' could not be trained alone \(lost late\)"):
        searches.search(job_of(candidates={"halving": {}}), OneByOne(train))


def test_a_group_that_fails_on_the_way_leaves_nothing_behind(searches: Searches) -> None:
    def train(experiment: Experiment, trial: Trial) -> TrialResult:
        if trial.tasks == ("g0_0", "g0_1") and trial.fraction == 1:
            raise TrialError("lost late")
        return planted(experiment, trial)

    searched, measured = searches.search(job_of(candidates={"halving": {}}), OneByOne(train))
    assert set(measured.failures.values()) == {"lost late"}
    assert not [trial for trial in searched.results if trial.tasks == ("g0_0", "g0_1")]


def test_a_network_trained_in_stretches_is_charged_once_and_its_epochs_as_they_were(searches: Searches) -> None:
    job = job_of(candidates={"halving": {}})
    searched, measured = searches.search(job, OneByOne(planted))
    [charged] = measured.costs({"search": "Search"})
    assert charged.trainings == len(job.plan.search_trials())
    assert charged.seconds == pytest.approx(0.01 * len(searched.results))
    out = [len(rung.dropped) for rung in searched.rungs]
    whole = int(job.plan.trained_C.sum())
    expected = (0.75 * out[0] + 0.5 * out[1]) / whole
    assert expected > 0.2
    assert saved(job.plan, searched.results) == pytest.approx(expected)
    again = {replace(t, fraction=1.0) for t in searched.results}
    assert saved(job.plan, [*searched.results, *again]) == pytest.approx(0.0)


def test_pairs_across_the_planted_groups_are_dropped(searches: Searches) -> None:
    job = job_of(candidates={"halving": {}})
    searched, _ = searches.search(job, OneByOne(planted))
    first = searched.rungs[0]
    assert isinstance(first, Rung)
    across = {
        c for c in first.compared if len(set(job.plan.group(c)) & GROUPS[0]) == 1 == job.plan.candidates.size_C[c] - 1
    }
    assert set(first.dropped) == across


def test_the_plan_says_what_halving_leaves_at_least() -> None:
    plan = plan_of(8, candidates={"halving": {}}, training={"seeds": 1, "epochs": 8})
    [phase] = [phase for phase in phases_of(plan) if phase.phase == "search"]
    assert phase.most == phase.trainings == 37
    # Nine are always trained to the end. A task is in 7 pairs and the all-in-one: 4 of the 8 stay, then 2 of the 4.
    # Where the all-in-one is among them, 12 pairs and then 4 are enough.
    assert phase.least == 9 + 0.25 * 28 + 0.25 * 12 + 0.5 * 4
    assert phase.standard_trainings == (phase.least + 37) / 2
    whole = phases_of(plan_of(8))[0]
    assert whole.least is None
    assert whole.standard_trainings == whole.most


def test_a_plan_without_anything_to_drop_expects_all_of_it() -> None:
    """Trainings of all tasks, which an estimator looks at, are among what is left."""
    given: dict[str, Any] = {"affinity": {"estimator": "cosine"}, "training": {"seeds": 2, "epochs": 8}}
    plan = plan_of(8, candidates={"halving": {}}, **given)
    assert not plan.halved_C.any()
    [phase] = [phase for phase in phases_of(plan) if phase.phase == "search"]
    assert phase.least == phase.standard_trainings == phase.most == 2 * (9 + 1)


def test_no_search_trains_less_than_the_plan_said(searches: Searches) -> None:
    job = job_of(candidates={"halving": {}})
    searched, _ = searches.search(job, OneByOne(planted))
    [phase] = [phase for phase in phases_of(job.plan) if phase.phase == "search"]
    spent = (1 - saved(job.plan, searched.results)) * phase.most
    assert phase.least is not None
    assert phase.least <= spent + 1e-9
    assert spent < phase.most
    assert phase.least < phase.standard_trainings < phase.most


def test_groups_that_may_be_dropped_are_audited_apart() -> None:
    plan = plan_of(4, candidates={"halving": {}}, affinity={"estimator": "measured", "audit": 3}, training={"seeds": 2})
    assert (plan.audit_groups, plan.audit_dropped) == (0, 3)
    phases = {phase.phase: phase.trainings for phase in phases_of(plan)}
    assert phases["audit"] == 3 * 2
    assert "check" in phases
    tight = plan_of(
        4,
        candidates={"halving": {}},
        affinity={"estimator": "measured"},
        training={"seeds": 2},
        budget={"inference": 2, "training": {"trainings": 32}},
    )
    assert (tight.audit_groups, tight.audit_dropped) == (0, 0)
    assert tight.spare == 2


SPEC = """\
name: demo
data: {{source: nyc-weather}}
training: {{epochs: 12}}
{sections}
budget: {{inference: 3}}
"""


def test_defaults_are_written_out() -> None:
    spec = parse_spec(SPEC.format(sections="candidates: {halving: {}}"))
    assert spec.candidates.halving is not None
    assert spec.candidates.halving.rungs == (0.25, 0.5)
    assert "halving:" in dump_spec(spec)
    assert parse_spec(dump_spec(spec)) == spec
    assert "halving" not in dump_spec(parse_spec(SPEC.format(sections="")))


@pytest.mark.parametrize(
    ("sections", "where", "word"),
    [
        ("candidates: {halving: {rungs: [0.5, 0.25]}}", "candidates.halving", "ascend"),
        ("candidates: {halving: {rungs: [0.25, 0.25]}}", "candidates.halving", "ascend"),
        ("candidates: {halving: {rungs: []}}", "candidates.halving.rungs", "at least 1"),
        ("candidates: {halving: {rungs: [0.25, 1.0]}}", "candidates.halving.rungs[1]", "below 1"),
        ("candidates: {halving: {rungs: [0]}}", "candidates.halving.rungs[0]", "above 0"),
        ("candidates: {halving: {keep: 0}}", "candidates.halving.keep", "above 0"),
        ("candidates: {halving: {rung: [0.5]}}", "candidates.halving.rung", "Did you mean 'rungs'?"),
        ("candidates: {halving: {}}\naffinity: {estimator: early-stopping}", "candidates.halving", "early-stopping"),
    ],
)
def test_bad_rungs_get_one_clear_message(sections: str, where: str, word: str) -> None:
    with pytest.raises(SpecError) as caught:
        parse_spec(SPEC.format(sections=sections))
    assert_one_clear_message(caught.value, where, word)


@pytest.mark.parametrize(
    ("rungs", "word"), [([0.25, 0.9], "between 0.9 and 1 of 4"), ([0.3, 0.4], "between 0.3 and 0.4")]
)
def test_rungs_that_no_reading_tells_apart_are_refused_before_anything_is_trained(
    rungs: list[float], word: str
) -> None:
    with pytest.raises(SpecError, match=word) as caught:
        plan_of(3, candidates={"halving": {"rungs": rungs}}, training={"epochs": 4})
    assert caught.value.where == "candidates.halving.rungs"


@pytest.mark.parametrize(("epochs", "first"), [(4, 0.25), (5, 0.4), (6, 2 / 6), (10, 0.3), (15, 4 / 15)])
def test_a_rung_between_two_readings_waits_for_the_next(epochs: int, first: float) -> None:
    plan = plan_of(3, candidates={"halving": {}}, training={"epochs": epochs})
    assert plan.rungs[0] == pytest.approx(first)
    assert int(plan.rungs[0] * epochs + 1e-9) / epochs >= 0.25
    assert early_warning(plan) == ()
