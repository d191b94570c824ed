"""Ways to share compared with one trunk: one sentence and a table."""

from __future__ import annotations

from collections.abc import Sequence

from grouping.recommendation import WayToShare
from grouping.report.blocks import Column, Table
from grouping.report.wording import count, difference

__all__ = ["ways_table", "ways_text"]


def ways_text(ways: Sequence[WayToShare]) -> str:
    """Which ways to share are better or worse than one trunk, as far as the seeds tell."""
    better = [way.sharing for way in ways if way.low is not None and way.low > 0]
    worse = [way.sharing for way in ways if way.high is not None and way.high < 0]
    open_ = [way.sharing for way in ways if way.sharing not in {*better, *worse}]
    parts = [
        f"{word}: {', '.join(names)}"
        for word, names in (("better", better), ("worse", worse), ("not to be told from it", open_))
        if names
    ]
    return (
        "The same groups were also trained with other ways to share, with networks of the same cost. Against one trunk "
        f"(validation losses, mean over groups and tasks) they are {'; '.join(parts)}. All were trained with the same "
        "settings, which may suit some better than others. Which network serves whom was decided by the solver, group "
        "and way together."
    )


def ways_table(ways: Sequence[WayToShare]) -> Table:
    """Each way's gain over one trunk."""
    rows = [
        (way.sharing, count(way.groups, "group"), str(way.better), difference(way.gain), _interval(way)) for way in ways
    ]
    columns = (
        Column("Way to share"),
        Column("Trained both ways", numeric=True),
        Column("Better in", numeric=True),
        Column("Gain over one trunk", numeric=True),
        Column("95 % interval over seeds", numeric=True),
    )
    return Table("Ways to share against one trunk of the same cost", columns, tuple(rows))


def _interval(way: WayToShare) -> str:
    if way.low is None or way.high is None:
        return "unknown with one seed"
    return f"{difference(way.low)} to {difference(way.high)}"
