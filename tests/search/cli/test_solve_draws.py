"""``taskgroup solve --draws``: how often the answer was the best, what it may lose, and who loses least."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from grouping.candidates import Candidates
from grouping.estimators.higher_order import complete
from grouping.evidence import selection_frequency
from grouping.files import write_losses
from grouping.losses import LossTable, single_task_losses
from grouping.solver.solution import Solution
from grouping.solver.solve import solve
from search.cli.app import run
from search.questions import table_draws
from search.questions.loss_columns import LossColumns
from search.questions.table_question import TableQuestion

SEEDS = 3


def table(path: Path, *, noise: float = 0.05, seeds: int = SEEDS) -> LossTable:
    """Four tasks, every group, a pair that lacks a seed; written to a file."""
    rng = np.random.default_rng(7)
    members_CT = (np.arange(1, 16)[:, None] >> np.arange(4) & 1).astype(bool)
    mean_CT = rng.uniform(0.9, 1.1, members_CT.shape)
    losses_RCT = np.where(members_CT, mean_CT + noise * rng.standard_normal((seeds, 15, 4)), np.nan)
    if seeds > 1:
        losses_RCT[1, 2] = np.nan
    candidates = Candidates(("a", "b", "c", "d"), members_CT, np.ones(15))
    measured = LossTable(candidates, losses_RCT, tuple(map(str, range(seeds))))
    write_losses(measured, path)
    return measured


@pytest.fixture
def measured(tmp_path: Path) -> LossTable:
    return table(tmp_path / "t.csv")


@pytest.fixture
def path(tmp_path: Path, measured: LossTable) -> str:
    assert len(measured.seeds) == SEEDS
    return str(tmp_path / "t.csv")


def answer(capsys: pytest.CaptureFixture[str], *arguments: str, code: int = 0) -> dict[str, Any]:
    assert run(["solve", *arguments, "--json"]) == code
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    return found


def question(path: str, estimator: str = "measured", *, relative: bool = False) -> TableQuestion:
    read = TableQuestion.read(
        LossColumns(Path(path), "loss", "network", higher_is_better=False),
        where={},
        score_where={},
        estimator=estimator,
        estimate_where={},
        fraction=None,
        relative=relative,
        max_size=None,
        auxiliary=[],
    )
    options: dict[str, Any] = {"max_size": None, "objective": "sum"}
    return read.constrained(weights={}, at_most={}, together=[], apart=[], deployed=[], **options)


def test_the_json_contract(path: str, capsys: pytest.CaptureFixture[str]) -> None:
    options = [path, "--budget", "2", "--draws", "60", "--top", "2"]
    found = answer(capsys, *options, "--tail", "0.1")
    draws = found["draws"]
    assert list(draws) == [
        "count", "seed", "frequency", "expected_regret", "expected_regret_error", "tail", "cvar", "groupings",
        "least_regret", "least_cvar",
    ]  # fmt: skip
    assert (draws["count"], draws["seed"], draws["tail"]) == (60, 0, 0.1)
    names = sorted(network["network"] for network in found["networks"])
    shares = {tuple(entry["networks"]): entry["frequency"] for entry in draws["groupings"]}
    assert draws["frequency"] == shares.get(tuple(names), 0.0)
    assert 0 <= draws["expected_regret"] <= draws["cvar"]
    assert draws["least_regret"]["expected_regret"] <= draws["expected_regret"] + 1e-12
    assert draws["least_cvar"]["cvar"] <= draws["cvar"] + 1e-12
    assert draws["least_cvar"]["bound"] == pytest.approx(draws["least_cvar"]["cvar"])
    alternative = found["alternatives"][0]
    assert set(alternative["draws"]) == {"frequency", "expected_regret", "expected_regret_error", "tail", "cvar"}
    plain = answer(capsys, *options)["draws"]
    assert not {"tail", "cvar", "least_cvar"} & plain.keys()
    assert plain["expected_regret"] == draws["expected_regret"]


def test_a_seed_gives_the_same_draws_again(path: str, capsys: pytest.CaptureFixture[str]) -> None:
    options = [path, "--budget", "2", "--draws", "40"]
    one, two, other = (answer(capsys, *options, *more)["draws"] for more in ([], ["--seed", "0"], ["--seed", "5"]))
    assert one == two
    assert one["expected_regret"] != other["expected_regret"]


@pytest.mark.parametrize("relative", [False, True])
@pytest.mark.parametrize("estimator", ["measured", "higher-order"])
def test_every_draw_goes_the_whole_way(
    path: str, capsys: pytest.CaptureFixture[str], measured: LossTable, estimator: str, relative: bool
) -> None:
    def choose(drawn: LossTable) -> Solution:
        drawn = drawn.scaled(single_task_losses(drawn)) if relative else drawn
        drawn = complete(drawn, keep_measured=False) if estimator == "higher-order" else drawn
        return solve(drawn.mean_CT, drawn.candidates.cost_C, 2.0)

    options = ["--budget", "2", "--draws", "50", "--estimator", estimator, *(["--relative"] if relative else [])]
    found = answer(capsys, path, *options)["draws"]
    expected = selection_frequency(measured, choose, 50, np.random.default_rng(0))
    assert found["frequency"] == expected.frequency
    shares = {tuple(entry["networks"]): entry["frequency"] for entry in found["groupings"]}
    assert shares == dict(list(expected.groupings.items())[:10])


def test_references_and_estimates_are_made_anew_in_every_draw(path: str) -> None:
    asked = question(path, "higher-order", relative=True)
    drawn_DCT = table_draws.drawn_losses(asked, 7, np.random.default_rng(1))
    candidates = asked.table.candidates
    for t, task in enumerate(candidates.tasks):
        assert drawn_DCT[:, candidates.index([task], 1.0), t] == pytest.approx(np.ones(7))
    pairs = [drawn_DCT[:, candidates.index([partner, "c"], 1.0), 2] for partner in "bd"]
    assert drawn_DCT[:, candidates.index("bcd", 1.0), 2] == pytest.approx(np.mean(pairs, axis=0))


def test_draws_in_parts_are_the_same_draws(path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = question(path, "higher-order", relative=True)
    whole = table_draws.drawn_losses(asked, 9, np.random.default_rng(2))
    monkeypatch.setattr(table_draws, "_AT_ONCE", 4000)
    assert whole.tobytes() == table_draws.drawn_losses(asked, 9, np.random.default_rng(2)).tobytes()


def test_more_draws_than_memory_holds_are_refused(
    path: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(table_draws, "_IN_ALL", 8 * 60 * 30)
    error = answer(capsys, path, "--budget", "2", "--draws", "31", code=2)["error"]
    assert "do not fit into memory" in error["what"]
    assert "at most 30" in error["fix"]
    answer(capsys, path, "--budget", "2", "--draws", "30")


def test_the_limit_of_a_loss_is_that_of_the_measured_table(path: str, capsys: pytest.CaptureFixture[str]) -> None:
    best = answer(capsys, path, "--budget", "2")
    limit = f"a={best['losses']['a']!r}"
    found = answer(capsys, path, "--budget", "2", "--draws", "40", "--at-most", limit)
    assert found["networks"] == best["networks"]
    assert found["draws"]["frequency"] > 0
    assert found["draws"]["least_regret"]["expected_regret"] <= found["draws"]["expected_regret"]


def test_gains_lose_against_the_largest_gain(path: str, capsys: pytest.CaptureFixture[str]) -> None:
    found = answer(capsys, path, "--budget", "2", "--draws", "40", "--higher-is-better", "--top", "2")
    assert found["draws"]["expected_regret"] > 0
    assert found["draws"]["least_regret"]["objective"] == pytest.approx(found["objective"], rel=0.05)
    assert found["alternatives"][0]["gap_to_best"] == pytest.approx(
        found["objective"] - found["alternatives"][0]["objective"]
    )


def test_people_are_told_a_frequency_and_no_probability(path: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["solve", path, "--budget", "2", "--draws", "40", "--tail", "0.1", "--top", "3"]) == 0
    text = capsys.readouterr().out
    assert "Over 40 tables resampled from the seeds, the answer was the best in" in text
    assert "a selection frequency, not the probability of being best" in text
    assert "Expected regret: " in text
    assert "answer" in text
    assert "Regret over the worst 10% of tables (CVaR): " in text
    assert "proven least" in text


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--tail", "0.1"], "--tail needs --draws"),
        (["--draws", "10", "--tail", "0"], "no share"),
        (["--draws", "10", "--tail", "nan"], "no share"),
        (["--draws", "10", "--objective", "max"], "--objective max"),
        (["--draws", "0"], "--draws"),
    ],
)
def test_mistakes_leave_with_2_and_one_message(
    path: str, capsys: pytest.CaptureFixture[str], options: list[str], message: str
) -> None:
    assert message in answer(capsys, path, "--budget", "2", *options, code=2)["error"]["what"]


def test_a_frontier_has_no_draws(path: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert "one answer" in answer(capsys, path, "--frontier", "--draws", "10", code=2)["error"]["what"]


def test_draws_need_seeds(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    table(tmp_path / "one.csv", seeds=1)
    error = answer(capsys, str(tmp_path / "one.csv"), "--budget", "2", "--draws", "10", code=2)["error"]
    assert "no network was measured with two" in error["what"]
    assert "column 'seed'" in error["fix"]


def test_alternatives_say_how_far_they_are_behind(path: str, capsys: pytest.CaptureFixture[str]) -> None:
    found = answer(capsys, path, "--budget", "2", "--top", "10")
    assert len(found["alternatives"]) == 9
    for other in found["alternatives"]:
        assert other["gap_to_best"] == pytest.approx(other["objective"] - found["objective"])
        assert other["gap_to_best_relative"] == pytest.approx(other["gap_to_best"] / found["objective"])
    for options, sign, side in (([], "+", "above"), (["--higher-is-better"], "-", "below")):
        assert run(["solve", path, "--budget", "2", "--top", "2", *options]) == 0
        line = next(line for line in capsys.readouterr().out.splitlines() if line.startswith("2. "))
        assert f"({sign}" in line
        assert f"% {side} the best)" in line
    largest = answer(capsys, path, "--budget", "2", "--top", "4", "--objective", "max")
    assert all(other["gap_to_best"] >= 0 for other in largest["alternatives"])


def test_ctrl_c_during_the_draws_keeps_the_answer(
    path: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*arguments: Any, **options: Any) -> None:
        raise KeyboardInterrupt

    plain = answer(capsys, path, "--budget", "2")
    monkeypatch.setattr(table_draws, "drawn_losses", interrupted)
    found = answer(capsys, path, "--budget", "2", "--draws", "10", code=130)
    assert found["networks"] == plain["networks"]
    assert found["stopped"] == "interrupted"
