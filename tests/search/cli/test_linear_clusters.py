"""Clusters of linear models in a whole run: they are planned, trained, and named in the report."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from tests.search.cli.test_recommend import finish, start, trained

pytestmark = pytest.mark.ray

SPEC = """\
name: clusters
data: {source: rows.csv, inputs: ["x_*"], split: {fractions: [0.6, 0.2, 0.2]}}
tasks:
  - {name: a, target: y_a, type: regression}
  - {name: b, target: y_b, type: regression}
  - {name: c, target: y_c, type: regression}
  - {name: d, target: y_d, type: binary}
  - {name: e, target: y_e, type: regression}
network: {widths: [8], capacities: [1.0]}
training: {epochs: 2, batch_size: 32, seeds: 1, engine: plain}
candidates: {linear_clusters: true}
affinity: {audit: 0}
budget: {inference: 2, max_networks: 2}
evidence: {seeds: 2, random_groupings: 1, best_of_random: false, draws: 10}
cluster: {workers: 1}
"""


def test_clusters_are_planned_trained_and_named(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    x_NF = rng.normal(size=(200, 3))
    y_NT = x_NF @ rng.normal(size=(3, 2))[:, [0, 0, 0, 1, 1]] + 0.2 * rng.normal(size=(200, 5))
    y_NT[:, 3] = y_NT[:, 3] > 0
    table = np.hstack([x_NF, y_NT])
    np.savetxt(tmp_path / "rows.csv", table, "%.4f", ",", header="x_0,x_1,x_2,y_a,y_b,y_c,y_d,y_e", comments="")
    (tmp_path / "spec.yaml").write_text(SPEC)

    code, out, err = finish(start(tmp_path, "plan", "spec.yaml", "--json"))
    assert code == 0, err
    plan = json.loads(out)
    assert plan["linear_clusters"] == [["a", "b", "c"], ["d", "e"]]
    code, text, _ = finish(start(tmp_path, "plan", "spec.yaml"))
    assert code == 0
    assert "Clusters     a+b+c; d+e" in text

    code, out, err = finish(start(tmp_path, "recommend", "spec.yaml", "--json"))
    assert code == 0, err
    sentence = "clusters of linear models were among the candidates: a+b+c; d+e"
    assert sentence in json.loads(out)["warnings"]
    trials = trained(tmp_path)
    assert "a+b+c" in set(trials.loc[trials["phase"] == "search", "network"])
