"""The specs that come with the project: they are read, fit their data, and ask what they say they ask."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from search.data.dataset import load_dataset
from search.data.registry import registered_names
from search.documents import read_spec

CONFIGS = sorted(Path("configs").rglob("*.yaml"))
DATA = Path("../shared/data/tasks")


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_every_config_is_a_spec(path: Path) -> None:
    spec = read_spec(path)
    assert spec.tasks or spec.data.source in registered_names()


def test_the_quickstart_is_what_the_documents_say() -> None:
    spec = read_spec(Path("configs/quickstart.yaml"))
    assert len(spec.tasks) == 8
    assert spec.network.widths == (64, 64)
    assert spec.network.capacities == (1.0, 3.0)
    assert (spec.training.epochs, spec.training.batch_size, spec.training.learning_rate) == (12, 256, 1e-3)
    assert spec.training.seeds == 3
    assert spec.affinity.estimator == "higher-order"
    assert (spec.budget.inference, spec.budget.unit, spec.budget.max_networks) == (3, "snt", 3)


@pytest.mark.parametrize(
    ("name", "tasks", "inputs", "rows"),
    [
        ("tox21", 12, 128, (6258, 782, 783)),
        ("sarcos_small", 7, 21, (3114, 667, 668)),
        ("multimnist", 2, 784, (4000, 4000, 4000)),
    ],
)
def test_configs_fit_their_data(
    name: str, tasks: int, inputs: int, rows: tuple[int, int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    if not (DATA / name).exists():
        pytest.skip(f"needs {DATA / name}")
    monkeypatch.setenv("TASKGROUP_DATA", os.fspath(DATA.resolve()))
    dataset = load_dataset(read_spec(Path("configs") / f"{name}.yaml"))
    assert (len(dataset.tasks), len(dataset.input_names)) == (tasks, inputs)
    assert (len(dataset.train), len(dataset.validation), len(dataset.test)) == rows
