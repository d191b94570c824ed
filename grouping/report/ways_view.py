"""Ways to share compared with one trunk: one sentence and a table."""

from __future__ import annotations

from collections.abc import Sequence

from grouping.recommendation import Tuning, WayToShare
from grouping.report.blocks import Column, Table
from grouping.report.wording import change, count, difference

__all__ = ["tuning_table", "ways_table", "ways_text"]


def ways_text(ways: Sequence[WayToShare], tuning: Sequence[Tuning] = ()) -> str:
    """Which ways to share are better or worse than one trunk, as far as the seeds tell."""
    better = [way.sharing for way in ways if way.low is not None and way.low > 0]
    worse = [way.sharing for way in ways if way.high is not None and way.high < 0]
    open_ = [way.sharing for way in ways if way.sharing not in {*better, *worse}]
    parts = [
        f"{word}: {', '.join(names)}"
        for word, names in (("better", better), ("worse", worse), ("not to be told from it", open_))
        if names
    ]
    settings = "All were trained with the same settings, which may suit some better than others."
    if tuning:
        settings = (
            f"Each was trained with the best of {max(len(one.losses) for one in tuning)} learning rates; what else is "
            "set is the same for all."
        )
    if any("start=searched" in way.sharing for way in ways):
        settings += " What goes on from the weights of a search costs what its policy costs, which may be less or more."
    return (
        "The same groups were also trained with other ways to share, with networks of the same cost. Against one trunk "
        f"(validation losses, mean over groups and tasks) they are {'; '.join(parts)}. {settings} "
        "Which network serves whom was decided by the solver, group and way together."
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


def tuning_table(tuning: Sequence[Tuning]) -> Table:
    """Losses with every learning rate that was tried."""
    rates = sorted({rate for one in tuning for rate, _ in one.losses})
    rows = []
    for one in tuning:
        losses = dict(one.losses)
        shown = (change(losses[rate]) if rate in losses else "failed" for rate in rates)
        rows.append((one.sharing, *shown, f"{one.kept:g} times"))
    columns = (
        Column("Way to share"),
        *(Column(f"{rate:g} times", numeric=True) for rate in rates),
        Column("Kept", numeric=True),
    )
    caption = (
        "Learning rates tried on one network of all tasks: validation loss against hard sharing at the spec's rate; "
        "hard sharing's multiples are of that rate, the others' of the one that was kept for it"
    )
    return Table(caption, columns, tuple(rows))


def _interval(way: WayToShare) -> str:
    if way.low is None or way.high is None:
        return "unknown with one seed"
    return f"{difference(way.low)} to {difference(way.high)}"
