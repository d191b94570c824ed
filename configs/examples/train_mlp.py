"""A training pipeline of one's own, here scikit-learn's MLPRegressor: ``configs/own-trainer.yaml`` says how to call it.

It knows nothing of taskgrouping but the data set that comes with it: it is told which targets to train together, with
which seed, how long and how wide, and writes their losses as JSON. Put your own training between reading and writing.
"""

from __future__ import annotations

import argparse
import json
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from sklearn.exceptions import ConvergenceWarning
from sklearn.neural_network import MLPRegressor

from search.data.builtin.nyc_weather import load_nyc_weather

WIDTH = 32


def train(
    table: pd.DataFrame, tasks: Sequence[str], seed: int, epochs: int, capacity: float = 1.0, every: int = 3
) -> dict[str, Any]:
    """Train one network on some tasks; losses are squared errors in standard deviations of the training rows."""
    inputs = [name for name in table.columns if name.startswith("x_") and name != "x_airport"]
    targets = [f"y_{task}" for task in tasks]
    rows = table[table["split"] == "train"].iloc[::every]
    x_mean, x_std = rows[inputs].mean(), rows[inputs].std()
    y_mean, y_std = rows[targets].mean(), rows[targets].std()

    width = round(WIDTH * capacity**0.5)  # nearly all products are between two layers of this width
    network = MLPRegressor(hidden_layer_sizes=(width, width), max_iter=epochs, random_state=seed, batch_size=256)
    known = ((rows[targets] - y_mean) / y_std).fillna(0.0)  # a label that is not known pulls to the mean
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # so many epochs and no more is what was asked for
        network.fit(((rows[inputs] - x_mean) / x_std).to_numpy(), known.to_numpy().squeeze())

    report: dict[str, Any] = {"losses": {}, "clusters": {}, "metrics": {}}
    for part in ("val", "test"):
        rows = table[table["split"] == part]
        predicted = network.predict(((rows[inputs] - x_mean) / x_std).to_numpy()).reshape(len(rows), -1)
        for t, task in enumerate(tasks):
            squared = (predicted[:, t] - (rows[targets[t]] - y_mean.iloc[t]) / y_std.iloc[t]) ** 2
            if part == "val":
                report["losses"][task] = float(squared.mean())
            else:  # test losses week by week, so that intervals know of the rows; {"test": {task: loss}} would do
                weeks = squared.groupby(rows["week"]).agg(["sum", "count"])
                report["clusters"][task] = {"sums": weeks["sum"].tolist(), "counts": weeks["count"].tolist()}
                report["metrics"][task] = {"RMSE": float(y_std.iloc[t] * np.sqrt(squared.mean()))}
    return report


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--targets", required=True, help="Names, joined by commas.")
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--epochs", type=int, default=8)
    parser.add_argument("--capacity", type=float, default=1.0, help="FLOPs in those of the standard network.")
    parser.add_argument("--every", type=int, default=3, help="Train on every so many rows only.")
    parser.add_argument("--out", type=Path, required=True)
    asked = parser.parse_args()
    table = load_nyc_weather().table
    report = train(table, asked.targets.split(","), asked.seed, asked.epochs, asked.capacity, asked.every)
    asked.out.write_text(json.dumps(report), encoding="utf-8")


if __name__ == "__main__":
    main()
