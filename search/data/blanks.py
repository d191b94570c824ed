"""Blank cells of a table, column by column: what ``init`` says of them before anything is trained."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

__all__ = ["blanks"]

_SHOWN = 12
"""Columns that a sentence names; of the others it says how many they are."""


def blanks(table: pd.DataFrame, targets: Sequence[str], inputs: Sequence[str]) -> tuple[str, ...]:
    """A sentence for targets and one for inputs: which columns have blank cells, how many, and what becomes of them.

    Args:
        table: The table.
        targets: Its columns that are targets.
        inputs: Its columns that are inputs.
    """
    told = (
        ("labels", targets, "they are left out of every loss, and their rows still count for the other tasks"),
        ("inputs", inputs, "a number takes the column's mean, a category none, and a column NAME_missing says where"),
    )
    sentences = []
    for what, columns, fate in told:
        count = {name: int(table[name].isna().sum()) for name in columns if name in table.columns}
        some = sorted((name for name, n in count.items() if n), key=lambda name: -count[name])
        if some:
            shown = ", ".join(f"{name} {count[name]:,}" for name in some[:_SHOWN])
            more = f", {len(some) - _SHOWN} more columns" if len(some) > _SHOWN else ""
            sentences.append(f"blank {what}, of {len(table):,} rows: {shown}{more}; {fate}")
    return tuple(sentences)
