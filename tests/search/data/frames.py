"""Small tables, pictures and specs for tests of the data."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from search.data.dataset import Dataset, load_dataset
from search.documents import spec_from
from search.spec import Spec

__all__ = ["load", "pictures", "spec_for", "table"]


def table(rows: int = 60, seed: int = 0) -> pd.DataFrame:
    """Three numeric inputs, one text input, a regression, a binary and a three-class target, split, week and day."""
    random = np.random.default_rng(seed)
    frame = pd.DataFrame({f"x_{f}": random.normal(3.0 * f, 1.0 + f, rows) for f in range(3)})
    frame["x_place"] = np.array(["north", "east", "south"])[np.arange(rows) % 3]
    frame["y_level"] = 10 + frame["x_0"] + random.normal(0, 1, rows)
    frame["y_flag"] = (np.arange(rows) % 2).astype(float)
    frame["y_kind"] = np.array(["low", "mid", "high"])[np.arange(rows) // 2 % 3]
    frame["split"] = np.array(["train", "train", "train", "val", "test"])[np.arange(rows) // 6 % 5]
    frame["week"] = np.arange(rows) // 6
    frame["day"] = np.arange(rows) // 2
    return frame


def pictures(rows: int = 120, channels: int = 2, seed: int = 0) -> dict[str, Any]:
    """Noise with a bright corner: which corner is one target, how bright another; the first row of pixels is black."""
    random = np.random.default_rng(seed)
    x_NCHW = random.integers(0, 100, size=(rows, channels, 6, 5)).astype(np.uint8)
    corner_N, light_N = np.arange(rows) % 3, random.uniform(100, 150, rows)
    x_NCHW[:, 0, -1, 0] += (light_N * (corner_N == 0)).astype(np.uint8)
    x_NCHW[:, 0, -1, -1] += (light_N * (corner_N == 1)).astype(np.uint8)
    x_NCHW[:, :, 0] = 0
    return {"x": x_NCHW, "y_corner": corner_N, "y_light": light_N.round()}


def spec_for(source: str, **data: object) -> Spec:
    """A spec for a file made of ``table``; ``tasks`` and entries of ``data`` as given."""
    tasks = data.pop("tasks", None)
    document: dict[str, object] = {"name": "t", "data": {"source": source, **data}, "budget": {"inference": 1}}
    if tasks is not None:
        document["tasks"] = tasks
    return spec_from(document)


def load(frame: pd.DataFrame, folder: Path, *, draw: int = 0, **data: object) -> Dataset:
    """The data set of a frame, by way of a Parquet file."""
    frame.to_parquet(folder / "t.parquet", index=False)
    return load_dataset(spec_for("t.parquet", **data), folder, split=draw)
