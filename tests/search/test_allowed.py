"""What a service's operator allows a run holds also where only the run itself can count."""

from __future__ import annotations

from pathlib import Path

import pytest

from search.data.resolution import resolve
from search.documents import dump_spec, spec_from
from search.errors import SpecError
from search.execution import ray_cluster
from search.store.store import Store
from search.work import prepared_job


def test_a_run_counts_its_trainings_again_before_it_begins(tmp_path: Path) -> None:
    asked = {
        "name": "x",
        "data": {"source": "synthetic"},
        "tasks": [{"name": name, "target": f"y_{name}"} for name in ("g0_0", "g0_1", "g1_0")],
        "budget": {"inference": 3},
    }
    spec = dump_spec(resolve(spec_from(asked), tmp_path))
    with Store.open(tmp_path) as store:
        few = store.create_run("x", "recommend", spec, {"base": str(tmp_path), "most_trainings": 10})
        with pytest.raises(SpecError, match="trainings are too many"):
            prepared_job(store, store.run(few))
        many = store.create_run("x", "recommend", spec, {"base": str(tmp_path), "most_trainings": 10_000})
        prepared_job(store, store.run(many))


@pytest.mark.parametrize(("asked", "most", "workers"), [(None, None, 8), (None, 3, 3), (None, 20, 8), (5, 3, 3)])
def test_a_joined_cluster_is_not_taken_whole_where_fewer_workers_are_allowed(
    monkeypatch: pytest.MonkeyPatch, asked: int | None, most: int | None, workers: int
) -> None:
    monkeypatch.setattr(ray_cluster, "_there", lambda: (8, 0.0))
    monkeypatch.setattr("ray.available_resources", lambda: {"CPU": 8.0})
    cluster = ray_cluster.RayCluster("head:6379", asked, 0.0, store_bytes=0, state_folder=None, most=most)
    cluster._check_room()
    assert cluster.workers == workers
    assert cluster.resize(0.0, asked) == min(workers, asked or workers)
