"""The pilot: a few trainings that tell whether a search would pay."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path

import pytest

from search.errors import SpecError
from search.execution.executor import InlineExecutor
from search.pilot import Pilot, run_pilot
from search.training.packs import OneByOne
from search.training.trainer import TrialFunction
from tests.search.cli.test_plan import SPEC
from tests.search.cli.test_recommend import finish, start
from tests.search.planted import planted, planted_with_noise
from tests.search.test_run import Quiet, resolved


def piloted(train: TrialFunction, **sections: object) -> Pilot:
    return run_pilot(resolved(**sections), Path(), InlineExecutor(), Quiet(), train=OneByOne(train))


def test_where_groups_help_it_expects_a_gain_and_costs_a_small_part_of_the_run() -> None:
    seen = piloted(planted)
    assert seen.outlook is not None
    assert seen.outlook.chance > 0.8
    assert 0.04 < seen.outlook.expected < 0.20  # planted: one network for all tasks loses 3 %, the groups gain 6 %
    assert seen.trainings <= 0.15 * seen.planned


def test_where_nothing_matters_it_advises_against_a_search() -> None:
    nothing = partial(planted_with_noise, spread=0.005, effects=False)
    seen = piloted(nothing, network={"widths": [32, 32]}, budget={"inference": 2, "training": {"trainings": 200}})
    assert seen.outlook is not None
    assert seen.outlook.chance <= 0.2


def test_a_budget_of_one_network_has_nothing_to_group() -> None:
    with pytest.raises(SpecError, match="nothing to group"):
        piloted(planted, network={"widths": [32, 32]}, budget={"inference": 1})


@pytest.mark.ray
def test_the_plan_ends_with_the_advice(tmp_path: Path) -> None:
    (tmp_path / "spec.yaml").write_text(SPEC)
    code, out, err = finish(start(tmp_path, "plan", "spec.yaml", "--pilot", "--quiet"))
    assert code == 0, err
    assert "Pilot" in out
    assert "chance that it changes the decision" in " ".join(out.split())
    code, out, err = finish(start(tmp_path, "plan", "spec.yaml", "--pilot", "--json"))
    assert code == 0, err
    data = json.loads(out)
    assert 0 <= data["pilot"]["outlook"]["chance"] <= 1
    assert data["pilot"]["trainings"] > 0
