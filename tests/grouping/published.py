"""Where the published tables stand beside a checkout; tests that need them are skipped where they are absent."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from grouping.files import read_losses
from grouping.losses import LossTable

PUBLISHED = Path("../shared/data/published")

needs_published = pytest.mark.skipif(not PUBLISHED.is_dir(), reason=f"the published tables are not in {PUBLISHED}")


def rows(name: str) -> list[dict[str, str]]:
    """A published CSV as dictionaries of text; empty where it is absent, so that tests can be parametrised by it."""
    if not PUBLISHED.is_dir():
        return []
    with (PUBLISHED / name).open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def standley(setting: int, split: str) -> LossTable:
    """Losses of 36 networks over five tasks."""
    return read_losses(PUBLISHED / "standley/networks.csv", where={"setting": str(setting), "split": split})


def gains(dataset: str, split: str) -> LossTable:
    """Negated gains of all groups, so that lower is better."""
    return read_losses(
        PUBLISHED / f"mtgnet/{dataset}.csv",
        where={"split": split},
        loss_column="value",
        group_column="group",
        higher_is_better=True,
    )
