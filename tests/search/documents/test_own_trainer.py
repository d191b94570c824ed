"""A trainer of one's own in a spec: what is needed, what goes with it, and what is refused with a way out."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from search.data.resolution import resolve
from search.documents import dump_spec, parse_spec, spec_from
from search.errors import SpecError
from search.spec import OWNED, runs_code
from tests.search.messages import assert_one_clear_message

COMMAND = "python train.py {tasks} {seed} {out}"


def document(trainer: dict[str, Any] | None = None, **sections: Any) -> dict[str, Any]:
    return {
        "name": "own",
        "tasks": [{"name": "depth"}, {"name": "normals", "weight": 2.0}],
        "trainer": {"command": COMMAND} if trainer is None else trainer,
        "budget": {"inference": 2},
        **sections,
    }


def test_the_data_may_be_left_out_and_the_spec_is_written_whole() -> None:
    spec = spec_from(document())
    assert spec.opaque
    assert spec.data.source == OWNED
    assert parse_spec(dump_spec(spec)) == spec


def test_resolving_names_types_and_the_folder_that_trainings_work_in(tmp_path: Path) -> None:
    spec = resolve(spec_from(document()), tmp_path)
    assert [task.type for task in spec.tasks] == ["regression", "regression"]
    assert spec.trainer is not None
    assert spec.trainer.cwd == str(tmp_path)
    assert parse_spec(dump_spec(spec)) == spec
    assert resolve(spec, tmp_path / "elsewhere") == spec  # so that a written spec means the same from anywhere


def test_data_may_be_named_beside_the_trainer() -> None:
    spec = resolve(spec_from(document(data={"source": "synthetic"}, tasks=[{"name": "g0_0"}, {"name": "g1_0"}])))
    assert not spec.opaque
    assert spec.data.inputs


def test_a_command_hears_what_its_placeholders_name_and_a_function_what_it_is_told() -> None:
    command, function = spec_from(document()).trainer, spec_from(document({"entry_point": "mine"})).trainer
    assert command is not None
    assert command.hears == {"tasks", "seed"}
    assert function is not None
    assert function.hears == {"tasks", "seed", "epochs"}


def test_only_commands_files_and_folders_are_code_of_whoever_wrote_the_spec() -> None:
    assert runs_code(spec_from(document()))
    assert runs_code(spec_from(document({"entry_point": "mine", "files": ["/etc/passwd"]})))
    assert runs_code(spec_from(document({"entry_point": "mine", "cwd": "/"})))
    assert not runs_code(spec_from(document({"entry_point": "mine"})))
    assert not runs_code(spec_from({"name": "x", "data": {"source": "nyc-weather"}, "budget": {"inference": 1}}))


@pytest.mark.parametrize(
    ("trainer", "where", "words"),
    [
        ({}, "trainer", ("exactly one of 'command' and 'entry_point'",)),
        ({"command": COMMAND, "entry_point": "x"}, "trainer", ("exactly one",)),
        ({"command": "python {tasks} {seed}"}, "trainer.command", ("{out} is missing",)),
        ({"command": "python {seed} {out}"}, "trainer.command", ("{tasks} is missing",)),
        ({"command": "python {tasks} {out}"}, "trainer.command", ("{seed} is missing",)),
        ({"command": COMMAND + " {sed}"}, "trainer.command", ("{sed}", "Did you mean 'seed'?")),
        ({"command": COMMAND + " 'open"}, "trainer.command", ("cannot be split into words",)),
        ({"command": "  "}, "trainer.command", ("is empty",)),
        ({"command": COMMAND, "told": ["tasks", "seed"]}, "trainer", ("'told' goes with 'entry_point'",)),
        ({"entry_point": "x", "told": ["tasks"]}, "trainer.told", ("'seed' is missing",)),
        ({"entry_point": "x", "told": ["tasks", "seed", "out"]}, "trainer.told[2]", ("'out' is not one of",)),
        ({"comand": COMMAND}, "trainer.comand", ("Did you mean 'command'?",)),
        ({"command": COMMAND, "confirm_on": "train"}, "trainer.confirm_on", ("'train' is not one of",)),
        ({"command": COMMAND, "cost": {"trunk": 0}}, "trainer.cost.trunk", ("out of range",)),
    ],
)
def test_a_trainer_that_cannot_be_asked_is_refused(trainer: dict[str, Any], where: str, words: tuple[str, ...]) -> None:
    with pytest.raises(SpecError) as raised:
        spec_from(document(trainer))
    assert_one_clear_message(raised.value, where, *words)


HALVING = {"halving": {"rungs": [0.5]}}


@pytest.mark.parametrize(
    ("sections", "where", "words"),
    [
        ({"affinity": {"estimator": "look-ahead"}}, "affinity.estimator", ("gradients", "linear-surrogate")),
        ({"affinity": {"estimator": "linearised"}}, "affinity.estimator", ("gradients",)),
        ({"affinity": {"estimator": "early-stopping"}}, "affinity.estimator", ("{epochs}",)),
        ({"affinity": {"controls": True}}, "affinity.controls", ("controls",)),
        ({"architectures": ["mtan"]}, "architectures", ("in its own way",)),
        ({"architectures": ["adashare"]}, "architectures", ("in its own way",)),
        ({"network": {"widths": [8]}}, "network.widths", ("built-in trainer",)),
        ({"network": {"capacities": [1.0, 2.0]}}, "network.capacities", ("none of 2", "{capacity}")),
        ({"training": {"balancing": "uncertainty"}}, "training.balancing", ("built-in trainer",)),
        ({"training": {"learning_rate": 0.1}}, "training.learning_rate", ("built-in trainer",)),
        ({"training": {"engine": "fused"}}, "training.engine", ("built-in trainer",)),
        ({"search": {"space": {"learning_rate": [0.1, 0.2]}, "configurations": 2}}, "search", ("settings of its own",)),
        ({"tuning": {"learning_rates": 3}}, "tuning.learning_rates", ("built-in trainer",)),
        ({"candidates": HALVING, "affinity": {"estimator": "measured"}}, "candidates.halving", ("anew at every rung",)),
        ({"candidates": {"linear_clusters": True}}, "candidates.linear_clusters", ("the data",)),
        ({"evidence": {"domination": True}}, "evidence.domination", ("gradients",)),
        ({"evidence": {"splits": 2}}, "evidence.splits", ("{split}",)),
        ({"budget": {"inference": 1e6, "unit": "flops"}}, "trainer.cost", ("flops",)),
        ({"data": {"source": OWNED, "rows": 5}}, "data", ("owns the data",)),
        (
            {"tasks": [{"name": "a", "type": "binary", "metric": "error rate"}]},
            "tasks[0].metric",
            ("that your trainer reports",),
        ),
        ({"tasks": [{"name": "a,b"}]}, "tasks[0].name", ("comma",)),
    ],
)
def test_what_does_not_go_with_it_is_refused(sections: dict[str, Any], where: str, words: tuple[str, ...]) -> None:
    with pytest.raises(SpecError) as raised:
        spec_from(document(**sections))
    assert_one_clear_message(raised.value, where, *words)


def test_a_cost_in_snt_would_be_a_second_truth() -> None:
    with pytest.raises(SpecError) as raised:
        spec_from(document({"command": COMMAND, "cost": {"trunk": 2.0}}))
    assert_one_clear_message(raised.value, "trainer.cost", "costs its capacity")


def test_tasks_that_nobody_knows_must_be_named() -> None:
    nameless = document()
    del nameless["tasks"]
    with pytest.raises(SpecError) as raised:
        resolve(spec_from(nameless))
    assert_one_clear_message(raised.value, "tasks", "Name them")


def test_without_a_trainer_the_data_are_missing() -> None:
    with pytest.raises(SpecError) as raised:
        spec_from({"name": "x", "tasks": [{"name": "a"}], "budget": {"inference": 1}})
    assert_one_clear_message(raised.value, "data", "'data' is missing")
