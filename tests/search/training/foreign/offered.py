"""Foreign trainers for tests: a planted one as a script and as a function of an installed package, and experiments."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest

from search.data.dataset import load_dataset
from search.data.resolution import resolve
from search.documents import spec_from
from search.spec import Spec
from search.training.foreign.experiment import ForeignExperiment
from search.training.foreign.train import train_foreign
from search.training.foreign.trainer import resolve_trainer
from search.trials import Course, Trial, TrialFailure, TrialResult

COMMAND = (
    "python trainer.py --targets {tasks} --seed {seed} --epochs {epochs} --capacity {capacity} --phase {phase} "
    "--out {out}"
)
TOLD = ("tasks", "seed", "epochs", "capacity", "phase")

PLANTED = '''
"""a and b help each other, c and d too, others harm; noise by seed; a loss an epoch; test losses when confirming."""
import hashlib

def planted(tasks, seed, epochs, capacity=1.0, phase="confirm"):
    if capacity < 0.1:
        raise ValueError(f"no network of capacity {capacity:g}")
    friends = {"a": "ab", "b": "ab", "c": "cd", "d": "cd"}
    report = {"curve": {}, "test": {}}
    for task in tasks:
        others = [other for other in tasks if other != task]
        effect = sum(-0.1 if other in friends[task] else 0.15 for other in others) / max(1, len(others))
        drawn = int(hashlib.sha256(f"{task} {tasks} {seed}".encode()).hexdigest()[:8], 16) / 16**8
        level = (1 + effect) * (1 + 0.01 * (drawn - 0.5)) * capacity**-0.02
        report["curve"][task] = [level * (1 + 0.5**epoch) for epoch in range(1, epochs + 1)]
        report["test"][task] = [1.1 * loss for loss in report["curve"][task]]
    return report if phase == "confirm" else {"curve": report["curve"]}
'''

SCRIPT = (
    PLANTED
    + """
if __name__ == "__main__":
    import argparse, json
    parser = argparse.ArgumentParser()
    for name, kind in {"targets": str, "seed": int, "epochs": int, "capacity": float, "phase": str, "out": str}.items():
        parser.add_argument(f"--{name}", type=kind)
    asked = parser.parse_args()
    print("training", asked.targets)
    report = planted(asked.targets.split(","), asked.seed, asked.epochs, asked.capacity, asked.phase)
    with open(asked.out, "w") as file:
        json.dump(report, file)
"""
)


def spec_of(trainer: dict[str, Any], tasks: Sequence[str] = "abcd", **sections: Any) -> Spec:
    """A spec with a trainer of one's own that has the data."""
    document = {
        "name": "own",
        "tasks": [{"name": task} for task in tasks],
        "trainer": trainer,
        "training": {"epochs": 4, "seeds": 2, "timeout_seconds": 20.0},
        "budget": {"inference": 2, "max_networks": 2},
        "evidence": {"seeds": 3, "random_groupings": 2, "draws": 5},
    }
    return spec_from({**document, **sections})


def experiment_of(spec: Spec, folder: Path) -> ForeignExperiment:
    resolved = resolve(spec, folder)
    assert resolved.trainer is not None
    trainer = resolve_trainer(resolved.trainer)
    return ForeignExperiment(load_dataset(resolved), resolved.network, resolved.training, trainer=trainer)


def script(folder: Path, text: str = SCRIPT) -> Path:
    """Write the trainer that ``COMMAND`` runs."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "trainer.py").write_text(dedent(text))
    return folder


def writing(report: str) -> str:
    """A script that writes so, to its last argument."""
    return f"import sys\nopen(sys.argv[-1], 'w').write({report!r})\n"


def install(folder: Path, monkeypatch: pytest.MonkeyPatch, text: str = PLANTED, *names: str) -> None:
    """Install a package ``own_trainers`` that offers its functions, for this process and those it starts."""
    about = folder / "own_trainers-1.0.dist-info"
    about.mkdir(parents=True)
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: own-trainers\nVersion: 1.0\n")
    offered = "".join(f"{name} = own_trainers:{name}\n" for name in names or ("planted",))
    (about / "entry_points.txt").write_text(f"[taskgrouping.trainers]\n{offered}")
    (folder / "own_trainers.py").write_text(dedent(text))
    monkeypatch.syspath_prepend(str(folder))
    monkeypatch.setenv(
        "PYTHONPATH", os.pathsep.join([str(folder), os.environ.get("PYTHONPATH", "")]).rstrip(os.pathsep)
    )


def attempt(experiment: ForeignExperiment, *trials: Trial) -> list[TrialResult | TrialFailure]:
    return train_foreign(experiment, tuple(map(Course, trials)))


def failure(experiment: ForeignExperiment, trial: Trial) -> TrialFailure:
    (result,) = attempt(experiment, trial)
    assert isinstance(result, TrialFailure), result
    return result


def trained(experiment: ForeignExperiment, trial: Trial) -> TrialResult:
    (result,) = attempt(experiment, trial)
    assert isinstance(result, TrialResult), result
    return result
