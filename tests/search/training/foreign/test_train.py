"""One training by somebody else's code: what it is told, what becomes of its losses, and that trouble stays its own."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from search.errors import SpecError
from search.spec.trainer import ENTRY_POINTS
from search.training.foreign import call
from search.trials import Trial, TrialResult
from tests.search.messages import assert_one_clear_message
from tests.search.training.foreign.offered import (
    COMMAND,
    TOLD,
    attempt,
    experiment_of,
    failure,
    install,
    script,
    spec_of,
    trained,
    writing,
)

SHORT = "python trainer.py {tasks} {seed} {out}"
REFERENCE = (1.0, 1.0)


def test_a_command_is_told_what_its_placeholders_name(tmp_path: Path) -> None:
    words = (
        "import json, os, sys\njson.dump({'losses': {'a': 1, 'b': 2}}, open(sys.argv[-1], 'w'))\nprint(sys.argv[1:])"
    )
    words += "\nprint(os.path.basename(os.getcwd()), os.listdir(sys.argv[-2]))\nsys.exit(5)"
    command = "python trainer.py {tasks} s{seed}s '{epochs} {capacity}' --{phase}={split}{copies} {folder} {out}"
    script(tmp_path / "mine", words)
    found = failure(experiment_of(spec_of({"command": command}), tmp_path / "mine"), Trial(("a", "b"), 1.5, 7))
    told, where = found.detail.splitlines()
    assert told.startswith("['a,b', 's7s', '4 1.5', '--search=01', '")
    assert where == "mine []"
    assert found.reason == "it ended with exit status 5"


def test_a_value_is_not_looked_into_for_placeholders(tmp_path: Path) -> None:
    script(tmp_path, "import sys; print(sys.argv[1]); sys.exit(1)")
    spec = spec_of({"command": SHORT}, tasks=("{seed}", "b"))
    assert failure(experiment_of(spec, tmp_path), Trial(("{seed}",), 1.0, 7)).detail == "{seed}\n"


def test_a_function_is_told_what_the_spec_says_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = """
    import numpy, pandas
    def planted(**told):
        print(sorted(told.items()))
        return {"losses": pandas.Series({"a": numpy.float32(1), "b": 2}), "test": {"a": numpy.array(3), "b": 4}}
    """
    install(tmp_path / "site", monkeypatch, text)
    trainer = {"entry_point": "planted", "told": ["tasks", "seed", "copies"]}
    found = trained(experiment_of(spec_of(trainer), tmp_path), Trial(("a", "b"), 1.0, 7))
    assert found.curve_TS.tolist() == [[1.0], [2.0]]


def test_a_curve_that_ends_early_stays_where_it_ended(tmp_path: Path) -> None:
    experiment = experiment_of(spec_of({"command": SHORT}), script(tmp_path, writing('{"curve": {"a": [3, 2]}}')))
    found = trained(experiment, Trial(("a",), 1.0, 0))
    assert found.steps_S.tolist() == [1, 2, 3, 4]
    assert found.curve_TS.tolist() == [[3.0, 2.0, 2.0, 2.0]]
    assert found.seconds > 0


def test_losses_without_a_curve_are_those_after_the_last_epoch(tmp_path: Path) -> None:
    command = "python trainer.py {tasks} {seed} {epochs} {out}"
    experiment = experiment_of(spec_of({"command": command}), script(tmp_path, writing('{"a": 3}')))
    assert trained(experiment, Trial(("a",), 1.0, 0)).steps_S.tolist() == [4]
    assert trained(experiment, Trial(("a",), 1.0, 0, fraction=0.5)).steps_S.tolist() == [2]


def test_a_longer_curve_than_there_are_epochs_is_a_failure(tmp_path: Path) -> None:
    experiment = experiment_of(spec_of({"command": SHORT}), script(tmp_path, writing('{"a": [1, 2]}')))
    assert "the loss of 'a' is a list" in failure(experiment, Trial(("a",), 1.0, 0)).reason
    script(tmp_path, writing('{"curve": {"a": [5, 4, 3, 2, 1]}}'))
    assert "5 readings, 4 epochs" in failure(experiment, Trial(("a",), 1.0, 0)).reason


def test_the_kept_reading_is_best_for_the_mean_of_the_tasks_and_scored_on_the_test_part(tmp_path: Path) -> None:
    report = {"curve": {"a": [4, 2, 3], "b": [40, 30, 10]}, "test": {"a": [5, 6, 7], "b": [50, 60, 70]}}
    experiment = experiment_of(spec_of({"command": SHORT}), script(tmp_path, writing(json.dumps(report))))
    found = trained(experiment, Trial(("a", "b"), 1.0, 0, "confirm", reference=(1.0, 10.0)))
    assert found.kept == 2
    assert found.test is not None
    assert found.test.cluster_sum_TG.tolist() == [[7.0], [70.0]]
    assert found.weights == b""


def test_clusters_of_test_rows_and_metrics_are_taken_over(tmp_path: Path) -> None:
    report = {
        "losses": {"a": 1},
        "clusters": {"a": {"sums": [1, 2], "counts": [3, 4]}},
        "metrics": {"a": {"accuracy": 0.5}},
    }
    experiment = experiment_of(spec_of({"command": SHORT}), script(tmp_path, writing(json.dumps(report))))
    test = trained(experiment, Trial(("a",), 1.0, 0, "confirm", reference=(1.0,))).test
    assert test is not None
    np.testing.assert_array_equal(test.cluster_count_TG, [[3, 4]])
    assert test.metrics == {"a": {"accuracy": 0.5}}


def test_a_confirmation_without_test_losses_fails_unless_the_spec_says_so(tmp_path: Path) -> None:
    script(tmp_path, writing('{"a": 3}'))
    trial = Trial(("a",), 1.0, 0, "confirm", reference=(1.0,))
    found = failure(experiment_of(spec_of({"command": SHORT}), tmp_path), trial)
    assert "it reported no test losses" in found.reason
    assert "trainer.confirm_on: validation" in found.reason
    test = trained(experiment_of(spec_of({"command": SHORT, "confirm_on": "validation"}), tmp_path), trial).test
    assert test is not None
    assert test.cluster_sum_TG.tolist() == [[3.0]]


def test_a_file_with_a_suffix_of_its_own_is_found(tmp_path: Path) -> None:
    script(tmp_path, "import sys\nopen(sys.argv[-1] + '.csv', 'w').write('task,loss\\na,3\\n')")
    assert trained(experiment_of(spec_of({"command": SHORT}), tmp_path), Trial(("a",), 1.0, 0)).curve_TS == [[3.0]]


TROUBLE = {
    "raises": ("raise ValueError('first\\nsecond')", "ValueError: first second", "exit status 1"),
    "exits": ("sys.exit(4)", "exit status 4", "exit status 4"),
    "exits well": ("sys.exit(0)", "wrote no losses", "wrote no losses"),
    "leaves at once": ("os._exit(3)", "exit status 3", "exit status 3"),
    "segfault": ("ctypes.string_at(0)", "SIGSEGV", "SIGSEGV"),
    "hangs": ("time.sleep(600)", "timed out after 1 s", "timed out after 1 s"),
    "prints without end": ("exec(\"while True: print('x' * 1000)\")", "timed out after 1 s", "timed out after 1 s"),
}


def limits(kind: str) -> dict[str, Any]:
    return {"training": {"timeout_seconds": 1.0 if kind in {"hangs", "prints without end"} else 60.0}}


@pytest.mark.parametrize("kind", TROUBLE)
def test_trouble_of_a_command_is_a_failure_of_that_trial(tmp_path: Path, kind: str) -> None:
    code, _, words = TROUBLE[kind]
    script(tmp_path, f"import ctypes, os, sys, time\nprint('before', flush=True)\n{code}")
    found = failure(experiment_of(spec_of({"command": SHORT}, **limits(kind)), tmp_path), Trial(("a",), 1.0, 0))
    assert words in found.reason
    assert found.detail


def test_trouble_reaches_no_other_trial_of_the_pack(tmp_path: Path) -> None:
    text = "import os, sys\nif sys.argv[1] == 'b': os._exit(9)\nopen(sys.argv[-1], 'w').write('{\"a\": 1}')"
    experiment = experiment_of(spec_of({"command": SHORT}), script(tmp_path, text))
    results = attempt(experiment, Trial(("a",), 1.0, 0), Trial(("b",), 1.0, 0), Trial(("a",), 1.0, 1))
    assert [isinstance(result, TrialResult) for result in results] == [True, False, True]


FUNCTIONS = TROUBLE | {
    "returns a generator": ("return (x for x in ())", "TypeError: it returned a generator", ""),
    "returns a class": ("return object", "TypeError: it returned a type", ""),
    "returns nothing": ("return None", "it reported nothing", ""),
    "returns NaN": ("return {'a': float('nan')}", "non-finite loss of 'a'", ""),
    "forks": ("os.fork(); return {'a': 1e308}", "exploded loss of 'a'", ""),
    "changes folder": ("os.chdir('/'); os.environ.clear(); return {'a': 'low'}", "the text 'low'", ""),
    "too deep": ("x = []; x.append(x); return x", "RecursionError", ""),
}


@pytest.mark.parametrize("kind", FUNCTIONS)
def test_trouble_of_a_function_is_a_failure_of_that_trial(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    code, words, _ = FUNCTIONS[kind]
    install(
        tmp_path / "site", monkeypatch, f"import ctypes, os, sys, time\ndef planted(tasks, seed, epochs):\n    {code}"
    )
    before = Path.cwd(), dict(os.environ)
    found = failure(experiment_of(spec_of({"entry_point": "planted"}, **limits(kind)), tmp_path), Trial(("a",), 1.0, 0))
    assert words in found.reason
    assert "\n" not in found.reason
    assert (Path.cwd(), dict(os.environ)) == before


def test_a_function_that_raises_shows_where(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install(tmp_path / "site", monkeypatch)
    found = failure(experiment_of(spec_of({"entry_point": "planted", "told": TOLD}), tmp_path), Trial(("a",), 0.01, 0))
    assert found.reason == "ValueError: no network of capacity 0.01"
    assert "own_trainers.py" in found.detail


def test_functions_are_looked_for_where_specs_say() -> None:
    assert call.ENTRY_POINTS == ENTRY_POINTS


def test_a_function_works_in_an_empty_folder_unless_one_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    install(tmp_path / "site", monkeypatch, "import os\ndef planted(**told): raise ValueError(os.listdir())")
    (tmp_path / "here").mkdir()
    (tmp_path / "here" / "x").touch()
    trial = Trial(("a",), 1.0, 0)
    reasons = [
        failure(experiment_of(spec_of({"entry_point": "planted", **more}), tmp_path), trial).reason
        for more in ({}, {"cwd": "here"})
    ]
    assert reasons == ["ValueError: []", "ValueError: ['x']"]


def test_what_lies_in_the_folder_of_the_spec_is_not_taken_for_ours(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "search").mkdir()
    (tmp_path / "search" / "__init__.py").write_text("raise SystemExit('not this one')")
    install(tmp_path / "site", monkeypatch)
    assert trained(experiment_of(spec_of({"entry_point": "planted", "cwd": "."}), tmp_path), Trial(("a",), 1.0, 0))


def test_keys_of_trials_follow_what_the_losses_depend_on(tmp_path: Path) -> None:
    script(tmp_path)
    (tmp_path / "data.csv").write_text("1")
    trainer = {"command": COMMAND, "files": ["data.csv"], "version": "1"}
    first = experiment_of(spec_of(trainer), tmp_path).context
    assert experiment_of(spec_of(trainer), tmp_path).context == first
    others = [
        experiment_of(spec_of({**trainer, "version": "2"}), tmp_path).context,
        experiment_of(spec_of({**trainer, "command": COMMAND + " --more"}), tmp_path).context,
        experiment_of(spec_of(trainer, training={"epochs": 5}), tmp_path).context,
        experiment_of(spec_of(trainer, tasks="abc"), tmp_path).context,
    ]
    (tmp_path / "data.csv").write_text("2")
    others.append(experiment_of(spec_of(trainer), tmp_path).context)
    (tmp_path / "data.csv").write_text("1")
    script(tmp_path, "print('another')")
    others.append(experiment_of(spec_of(trainer), tmp_path).context)
    assert len({first, *others}) == 7
    script(tmp_path)
    more = experiment_of(spec_of(trainer, training={"seeds": 5, "epochs": 4, "timeout_seconds": 9.0}), tmp_path).context
    assert more == first


@pytest.mark.parametrize(
    ("trainer", "where", "words"),
    [
        ({"entry_point": "nobody's"}, "trainer.entry_point", ("no installed trainer is called 'nobody's'",)),
        ({"command": COMMAND, "files": ["none.csv"]}, "trainer.files[0]", ("there is no file", "none.csv")),
        ({"command": COMMAND, "cwd": "nowhere"}, "trainer.cwd", ("there is no folder", "nowhere")),
    ],
)
def test_what_is_not_there_is_said_before_anything_runs(
    tmp_path: Path, trainer: dict[str, object], where: str, words: tuple[str, ...]
) -> None:
    with pytest.raises(SpecError) as raised:
        experiment_of(spec_of(trainer), script(tmp_path))
    assert_one_clear_message(raised.value, where, *words)
