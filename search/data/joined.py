"""Several tables as one: tasks with data sets of their own, whose rows have no labels of the other tasks.

The inputs are the same columns everywhere; a target may stand in one table only, and is a missing label in the others.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate

import numpy as np
import pandas as pd

from search.data.images import Images
from search.data.layout import Source, Table
from search.data.splits import Rows, split_rows
from search.errors import DataError
from search.spec import SplitSpec
from search.trials import stream_seed

__all__ = ["check_columns", "joined", "split_tables"]

_WHERE = "data.more"


def joined(sources: Sequence[tuple[str, Source]]) -> Source:
    """The rows of all sources one after the other.

    Args:
        sources: Each with a name for messages; two or more.

    Raises:
        DataError: pictures that are not in every table, or of unequal sizes.
    """
    names = [name for name, _ in sources]
    frames = [source.table for _, source in sources]
    images = {name: _joined_images(name, sources) for name in sources[0][1].images}
    odd = next((name for _, source in sources[1:] for name in source.images if name not in images), None)
    if odd is not None:
        raise DataError(f"the pictures '{odd}' are not in {names[0]}", where=_WHERE, fix="Give every table its inputs")
    columns = list(dict.fromkeys(column for frame in frames for column in frame.columns))
    # A column without any value says nothing about its type, and must not change what it is elsewhere.
    said = [frame.dropna(axis="columns", how="all") for frame in frames]
    table = pd.concat(said, ignore_index=True, sort=False).reindex(columns=columns)
    parts = tuple(Table(name, len(f), frozenset(map(str, f.columns))) for name, f in zip(names, frames, strict=True))
    return Source(table, images=images, tables=parts)


def _joined_images(name: str, sources: Sequence[tuple[str, Source]]) -> Images:
    first = sources[0][1].images[name]
    for other, source in sources[1:]:
        if name not in source.images:
            raise DataError(
                f"the pictures '{name}' are not in {other}", where=_WHERE, fix="Give every table its inputs"
            )
        if source.images[name].shape[1:] != first.shape[1:]:
            what = f"'{name}' is {source.images[name].shape[1:]} in {other}, {first.shape[1:]} in {sources[0][0]}"
            raise DataError(what, where=_WHERE, fix="Bring the pictures to one size")
    return np.concatenate([source.images[name] for _, source in sources])


def check_columns(source: Source, needed: Sequence[str]) -> None:
    """Whether every table has the columns that a row cannot do without.

    Raises:
        DataError: names table and column.
    """
    for table in source.tables:
        missing = next((name for name in needed if name not in table.columns), None)
        if missing is not None:
            raise DataError(
                f"the column '{missing}' is not in {table.name}",
                where=_WHERE,
                fix="Give every table all inputs and the columns of data.split and data.cluster; only targets may be "
                "missing",
            )


def split_tables(source: Source, split: SplitSpec, draw: int) -> Rows:
    """Rows of each part; where seeded fractions of rows are drawn, of every table its fractions.

    So a task whose labels stand in one small table has some of them in every part.

    Raises:
        DataError: as ``split_rows``.
    """
    if not source.tables or split.fractions is None or split.group is not None or split.time is not None:
        return split_rows(source.table, split, draw=draw)
    ends = list(accumulate(table.rows for table in source.tables))
    found = []
    for number, (table, end) in enumerate(zip(source.tables, ends, strict=True)):
        own = split.model_copy(update={"seed": stream_seed(split.seed, "table", number)})
        begin = end - table.rows
        found.append([begin + rows_N for rows_N in split_rows(source.table.iloc[begin:end], own, draw=draw)])
    return Rows(*(np.concatenate(parts) for parts in zip(*found, strict=True)))
