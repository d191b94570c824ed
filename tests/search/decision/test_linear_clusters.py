"""Clusters of linear models become candidates: found in the training part, trained like any group of the search."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from search.data.dataset import Dataset, load_dataset
from search.decision.linear_clusters import linear_clusters, plan_for
from search.errors import SpecError
from search.spec import Estimator, Spec


def _rows(n_inputs: int = 6) -> pd.DataFrame:
    """Tasks a, c, e need one direction of the inputs, b, d another; b is a class."""
    rng = np.random.default_rng(0)
    inputs_NF = rng.normal(size=(400, n_inputs))
    near, far = inputs_NF @ rng.normal(size=n_inputs), inputs_NF @ rng.normal(size=n_inputs)
    noisy = {name: base + 0.3 * rng.normal(size=400) for name, base in zip("abcde", [near, far] * 3, strict=False)}
    frame = pd.DataFrame(inputs_NF, columns=[f"x_{f}" for f in range(n_inputs)])
    frame["part"] = np.repeat(["train", "val", "test"], [200, 100, 100])
    for name, values in noisy.items():
        frame[f"y_{name}"] = (values > 0).astype(int) if name == "b" else 5 + 100 * values
    frame.loc[rng.random(400) < 0.2, "y_c"] = np.nan
    return frame


def _spec(folder: Path, frame: pd.DataFrame, estimator: Estimator = "higher-order", **sections: object) -> Spec:
    frame.to_csv(folder / "rows.csv", index=False)
    tasks = [{"name": n, "target": f"y_{n}", "type": "binary" if n == "b" else "regression"} for n in "abcde"]
    return Spec.model_validate(
        {
            "name": "clusters",
            "data": {"source": str(folder / "rows.csv"), "inputs": ["x_*"], "split": {"column": "part"}},
            "tasks": tasks,
            "candidates": {"linear_clusters": True},
            "affinity": {"estimator": estimator},
            "budget": {"inference": 2},
            **sections,
        }
    )


def _dataset(folder: Path, frame: pd.DataFrame) -> Dataset:
    return load_dataset(_spec(folder, frame))


@pytest.mark.parametrize("n_inputs", [6, 80])
def test_tasks_of_all_types_that_need_the_inputs_alike_are_a_group(tmp_path: Path, n_inputs: int) -> None:
    dataset = _dataset(tmp_path, _rows(n_inputs))
    assert set(linear_clusters(dataset, 2, 0)) == {("a", "c", "e"), ("b", "d")}


def test_finer_partitions_bring_groups_of_two_or_more_of_their_own(tmp_path: Path) -> None:
    dataset = _dataset(tmp_path, _rows())
    groups = linear_clusters(dataset, 5, 0)
    assert {("a", "c", "e"), ("b", "d")} < set(groups)
    assert len(set(groups)) == len(groups)
    assert all(2 <= len(group) < 5 for group in groups)


def test_other_parts_than_the_training_part_are_not_looked_at(tmp_path: Path) -> None:
    frame, changed = _rows(), _rows()
    later = changed["part"] != "train"
    changed.loc[later, ["y_a", "y_e"]] = -changed.loc[later, ["y_e", "y_d"]].to_numpy()
    changed.loc[later, "x_0"] *= 10
    one, two = (linear_clusters(_dataset(tmp_path, rows), 4, 0) for rows in (frame, changed))
    assert one == two
    trained = _rows()
    trained.loc[~later, ["y_a", "y_b"]] = trained.loc[~later, ["y_d", "y_b"]].to_numpy()
    assert linear_clusters(_dataset(tmp_path, trained), 2, 0) != linear_clusters(_dataset(tmp_path, frame), 2, 0)


@pytest.mark.parametrize("estimator", ["higher-order", "early-stopping", "measured", "linear-surrogate", "look-ahead"])
def test_a_plan_trains_them_whatever_estimates_the_rest(tmp_path: Path, estimator: Estimator) -> None:
    spec = _spec(tmp_path, _rows(), estimator)
    plan = plan_for(spec, load_dataset(spec))
    assert set(plan.proposed) == {("a", "c", "e"), ("b", "d")}
    for group in plan.proposed:
        candidate = plan.index(group, 1.0)
        assert candidate is not None
        assert plan.trained_C[candidate]


def test_without_the_option_nothing_is_added(tmp_path: Path) -> None:
    spec = _spec(tmp_path, _rows(), candidates={})
    plan = plan_for(spec, load_dataset(spec))
    candidate = plan.index(("a", "c", "e"), 1.0)
    assert plan.proposed == ()
    assert candidate is not None
    assert not plan.trained_C[candidate]


def test_they_are_added_to_listed_groups(tmp_path: Path) -> None:
    listed = {"groups": [["a", "b"], ["c", "d", "e"]], "linear_clusters": True}
    spec = _spec(tmp_path, _rows(), "measured", candidates=listed)
    plan = plan_for(spec, load_dataset(spec))
    names = {plan.candidates.name(c) for c in np.flatnonzero(plan.candidates.size_C > 1).tolist()}
    assert names == {"a+b", "c+d+e", "a+c+e", "b+d", "a+b+c+d+e"}


def test_a_budget_of_one_network_leaves_nothing_to_cluster(tmp_path: Path) -> None:
    spec = _spec(tmp_path, _rows(), budget={"inference": 1})
    assert plan_for(spec, load_dataset(spec)).proposed == ()


def test_repeated_splits_are_refused_for_clusters_would_know_other_test_rows(tmp_path: Path) -> None:
    fractions = {"source": "rows.csv", "inputs": ["x_*"], "split": {"fractions": [0.6, 0.2, 0.2]}}
    with pytest.raises(SpecError, match=r"candidates\.linear_clusters: .* may know test rows of the other 2"):
        _spec(tmp_path, _rows(), data=fractions, evidence={"splits": 3})
