"""What a result page says: certainty in plain words, runs compared, tables solved, events told."""

from __future__ import annotations

from dataclasses import replace

import pytest

from grouping.recommendation import Recommendation
from grouping.recommendation.agreement import agreements
from search.service.web.certainty_view import plain_certainty
from search.service.web.compare_view import compare
from search.service.web.history_view import history, present_phase
from search.service.web.run_view import asked, live, run_head
from search.service.web.table_view import solved
from search.service.web.trials_view import trials_page
from search.store.records import EventRecord, RunState, TrialRecord
from search.trials import Trial
from tests.grouping.report.sample import weather
from tests.search.service.web.samples import NOW, record


def answers(recommendation: Recommendation) -> list[str]:
    return [answer.short for answer in plain_certainty(recommendation)]


def with_score(low: float, mean: float, high: float) -> Recommendation:
    found = weather().recommendation
    baselines = tuple(replace(b, low=low, mean=mean, high=high) if b.name == "chosen" else b for b in found.baselines)
    return replace(found, baselines=baselines)


@pytest.mark.parametrize(
    ("low", "mean", "high", "says"),
    [
        (0.9, 0.95, 0.99, "Yes: it is better than one network per task"),
        (1.01, 1.05, 1.1, "It costs some accuracy against one network per task"),
        (0.98, 1.0, 1.02, "It is as good as one network per task, as far as can be told"),
    ],
)
def test_only_an_interval_that_excludes_zero_names_a_winner(low: float, mean: float, high: float, says: str) -> None:
    assert says in answers(with_score(low, mean, high))


def test_a_choice_nobody_confirmed_is_not_called_sure() -> None:
    found = replace(weather().recommendation, baselines=(), paired=(), stability=None)
    assert answers(found)[1:] == ["Not known"]


def test_a_proof_that_was_cut_short_is_not_called_one() -> None:
    found = weather().recommendation
    unproven = replace(found, solution=replace(found.solution, proven_optimal=False, gap=0.01))
    assert answers(unproven)[0] == "Perhaps a slightly better one"
    assert "1.00" in plain_certainty(unproven)[0].text


def test_equal_runs_agree_and_ask_nothing_differently() -> None:
    found = weather().recommendation
    first, second = record(state="finished"), record(state="finished", id="20261122-103512-plants-ffff")
    comparison = compare([(first, found), (second, found)])
    assert [run.label for run in comparison.runs] == ["plants (a1b2)", "plants (ffff)"]
    assert comparison.sentences == ("plants (a1b2) and plants (ffff) serve the same tasks together.",)
    assert "What was asked differently" not in [table.caption for table in comparison.tables]


def test_pairs_that_two_runs_treat_alike_are_those_together_or_apart_in_both() -> None:
    found = weather().recommendation
    first, second, *others = found.solution.networks
    every = [task for network in found.solution.networks for task in network.serves]
    moved, left = first.serves[0], first.serves[1:]
    networks = (replace(first, serves=left), replace(second, serves=(*second.serves, moved)), *others)
    other = replace(found, solution=replace(found.solution, networks=networks))
    fewer = replace(found, solution=replace(found.solution, networks=(first,)))
    (pair,) = agreements([found, other])
    whole = len(every) * (len(every) - 1) // 2
    assert (pair.pairs, pair.alike, pair.same_tasks) == (whole, whole - len(left) - len(second.serves), True)
    assert [(one.first, one.second) for one in agreements([found, None, other])] == [(0, 2)]
    (part,) = agreements([found, fewer])
    assert (part.pairs, part.same_tasks) == (len(first.serves) * (len(first.serves) - 1) // 2, False)
    assert part.alike == part.pairs
    rows = [(record(), found), (record(name="other"), other)]
    (sentence,) = compare(rows).sentences
    assert f"plants and other agree on {pair.alike} of {pair.pairs}" in sentence


def test_different_questions_are_named_by_their_keys() -> None:
    other = record(spec=record().spec.replace("seeds: 3", "seeds: 5"), name="more seeds")
    comparison = compare([(record(), None), (other, None)])
    table = comparison.tables[-1]
    assert table.caption == "What was asked differently"
    assert table.rows == (("training.seeds", "3", "5"),)


def test_a_run_without_a_result_can_be_compared() -> None:
    comparison = compare([(record(), weather().recommendation), (record(name="other"), None)])
    assert comparison.runs[1].headline == "No recommendation yet"
    assert all(len(row) == 3 for table in comparison.tables for row in table.rows)


def solution(cost: float, loss: float) -> dict[str, object]:
    network = {"network": "a+b", "cost": cost, "candidate": "", "tasks": ["a", "b"], "serves": ["a", "b"]}
    return {
        "cost": cost,
        "objective": 2 * loss,
        "proven_optimal": True,
        "gap": 0.0,
        "networks": [network],
        "losses": {"a": loss, "b": loss},
    }


@pytest.mark.parametrize(("budget", "shown"), [(None, 1), (1.0, 0), (2.9, 1), (99.0, 2), (0.5, 0)])
def test_a_solved_table_opens_with_what_can_be_afforded(budget: float | None, shown: int) -> None:
    points = [solution(1, 1.0), solution(2, 0.5), solution(3, 0.45)]
    page = solved(points, relative=False, higher_is_better=False, budget=budget)
    assert page.shown == shown
    assert ("Nothing fits" in page.reason) == (budget == 0.5)


def test_a_long_frontier_says_how_much_of_it_is_left_out() -> None:
    page = solved(
        [solution(i + 1, 2.0 - i / 100) for i in range(75)], relative=False, higher_is_better=False, budget=None
    )
    assert (len(page.points), page.left_out) == (60, 15)


def event(number: int, kind: str, **payload: object) -> EventRecord:
    return EventRecord(number, kind, payload, NOW + number)


def test_events_are_told_as_sentences() -> None:
    lines, earlier = history(
        [
            event(1, "state", to="queued"),
            event(2, "phase", label="groups of the search", total=114, done=4),
            event(3, "warning", text="few labels"),
            event(4, "state", to="failed", reason="no space"),
            event(5, "unheard-of", a=1),
            event(6, "trial_failed", key="0", network="a+b", seed=7, phase="search", reason="timed out after 5 s"),
        ]
    )
    assert [line.text.replace("\N{NO-BREAK SPACE}", " ") for line in lines] == [
        "Queued",
        "Part begins: groups of the search, 114 networks, 4 of them known already",
        "few labels",
        "Failed: no space",
        'unheard-of {"a": 1}',
        "a+b with seed 7 failed: timed out after 5 s",
    ]
    assert [line.tone for line in lines] == ["", "", "warning", "failure", "", "warning"]
    assert earlier == 0


def test_a_log_of_many_events_says_how_many_are_not_shown() -> None:
    lines, earlier = history([event(i, "note", text=str(i)) for i in range(1_000)])
    assert (len(lines), earlier, lines[-1].text) == (200, 800, "999")


def test_no_event_can_forge_a_line_or_move_a_cursor() -> None:
    ((line,), _) = history([event(1, "note", text="a\nqueued\x1b[2J\u202e")])
    assert line.text == "a\\nqueued\\x1b[2J\\u202e"


def test_the_present_phase_is_the_last_that_began() -> None:
    phases = [
        event(1, "phase", label="one", total=2, done=0),
        event(2, "note"),
        event(3, "phase", label="two", total=5),
    ]
    found = present_phase(phases)
    assert found is not None
    assert (found.label, found.total, found.done) == ("two", 5, 0)
    assert present_phase([event(1, "note")]) is None


@pytest.mark.parametrize("state", ["queued", "running", "interrupted", "failed", "finished", "cancelled"])
def test_buttons_follow_the_state(state: RunState) -> None:
    head = run_head(record(state=state), NOW, steer=True)
    assert head.may_cancel == (state in {"queued", "running", "interrupted"})
    assert head.may_resume == (state in {"interrupted", "failed"})
    reader = run_head(record(state=state), NOW, steer=False)
    assert [reader.may_cancel, reader.may_resume, reader.may_delete] == [False] * 3


def test_progress_names_the_phase_and_failures() -> None:
    shown = live(record(), [event(1, "phase", label="groups of the search", total=40, done=0)], 60.0)
    assert shown.sentence.startswith("Now: groups of the search")
    assert [fact.label for fact in shown.facts] == ["Trainings done", "Failed", "Best so far", "Time worked"]
    assert shown.part == 0.25


def test_a_run_that_stopped_says_why_in_its_own_words() -> None:
    stopped = event(
        1, "error", code="disk", what="no space on /data", where="/data/x", fix="Free some space and resume"
    )
    text = "/data/x: no space on /data. Free some space and resume"
    assert live(record(state="failed"), [stopped], None).reason == text
    assert live(record(state="running"), [stopped], None).reason == ""
    assert history([stopped])[0][0].tone == "failure"
    assert live(record(state="interrupted"), [], None).reason == ""


def test_what_was_asked_is_shown_unless_it_cannot_be_read() -> None:
    settings, tasks = asked(record())
    assert ("Data", "plants.csv") in settings.rows
    assert [row[0] for row in tasks.rows] == ["a", "b", "c"]
    assert asked(record(spec="of another version")) == ()


def test_a_failed_training_says_why() -> None:
    trial = TrialRecord(
        "k", "search", Trial(("a", "b"), 1.0, 3), "failed", 2, 1.5, "w", 0, "non-finite loss", "step 3", 0.0
    )
    page = trials_page([trial], 1, 1, "", "/x")
    assert page.rows[0].network == "a + b"
    assert page.rows[0].reason == "non-finite loss: step 3"
