"""``halving.md`` from ``halving.json``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tests.benchmarks.halving.worlds import SETS

__all__ = ["markdown"]

_GOAL = 0.85

_INTRODUCTION = """\
# Halving: what it saves, and what it costs in ranking quality

A group is dropped at a rung where it is hopeless for every one of its tasks: for none among the best `keep` of the
groups that hold the task. `python -m tests.benchmarks.halving` (with `TASKGROUP_DATA` set) measures both tables.
"""

_QUALITY = """\
## Ranking quality on real data

Every pair, a sample of larger groups and all singles were trained to the end with every seed; halving was replayed on
the stored curves of every three of the search seeds, as a run would decide on them. The truth is the test loss of
*other* seeds: neither a seed nor a row that a replay saw is in it. Budget: 3 networks of 1 SNT, proven choice, checked
as in the product (no dropped group is chosen before it was trained to the end; that counts as spent).

- *epochs saved*: of all network-epochs of the search, mean over runs. *dropped*: share of the shared groups.
- *best lost*: share of tasks whose truly best shared group was dropped. The truth is uncertain itself: see its
  reliability.
- *regret*: true mean relative loss of the choice minus that without halving, in percent of a single-task loss, with
  its 95 % interval over resampled seeds; *same*: runs that choose the same networks.
- *error*: mean absolute error of the estimates for dropped groups, in percent of a single-task loss, and in brackets
  what it would be if their early relative losses were taken as they were read.
- *rank at the rung*: rank correlation within tasks of the losses of three seeds at the first rung with the truth.
"""


def markdown(data: Mapping[str, Any]) -> str:
    """The page; parts that were never measured are left out."""
    parts = [_INTRODUCTION]
    if "time" in data:
        parts.append(_time(data["time"]))
    measured = [name for name in SETS if name in data]
    if measured:
        parts.append(_QUALITY)
        parts += [_set(name, data[name]) for name in measured]
    return "\n".join(parts)


def _time(part: Mapping[str, Any]) -> str:
    rows = [
        (
            f"{row['keep']:g}",
            ", ".join(f"{rung:g}" for rung in row["rungs"]),
            f"{_median(row['seconds_whole']):.2f}",
            f"{_median(row['seconds_halved']):.2f}",
            f"{row['network_epochs_saved']:.1%}",
            f"{row['time_saved']:.1%}",
            f"{row['of_the_ideal']:.0%}",
            f"{row['speedup']:.2f} of {row['speedup_ideal']:.2f}",
        )
        for row in part["rows"]
    ]
    heads = ("keep", "rungs", "s without", "s with", "epochs saved", "time saved", "of the ideal", "speed-up of ideal")
    return (
        f"## Time against network-epochs\n\n{part['job']}. Process seconds of the whole search (store, states and "
        f"comparisons included), medians of {len(part['rows'][0]['seconds_whole'])} rounds in turns. Goal: "
        f"{_GOAL:.0%} of the ideal, which is the share of network-epochs saved.\n\n"
        f"{_table(heads, rows)}\n{_origin(part)}"
    )


def _set(name: str, part: Mapping[str, Any]) -> str:
    rows = [
        (
            ", ".join(f"{rung:g}" for rung in row["rungs"]),
            f"{row['keep']:g}",
            f"{row['dropped']:.0%}",
            f"{row['saved']:.0%}",
            f"{row['best_lost']:.0%}",
            f"{100 * row['regret']:+.2f} [{100 * row['low']:+.2f}, {100 * row['high']:+.2f}]",
            f"{row['same']:.0%}",
            f"{row['error']:.1%} ({row['error_as_read']:.1%})",
            f"{row['rung_rank']:.2f}",
        )
        for row in part["rows"]
    ]
    heads = ("rungs", "keep", "dropped", "epochs saved", "best lost", "regret (%)", "same", "error", "rank at the rung")
    first, training = part["rows"][0], part["settings"]["training"]
    return (
        f"### {name}\n\n{part['tasks']} tasks, {part['groups']} shared groups, {training['epochs']} epochs in batches "
        f"of {training['batch_size']}; {part['search_seeds']} search seeds, {part['truth_seeds']} for the truth. "
        f"Rank correlation with the truth after whole trainings {first['final_rank']:.2f}; of one half of the truth's "
        f"seeds with the other {first['truth_rank']:.2f}.\n\n{_table(heads, rows)}\n{_origin(part)}"
    )


def _origin(part: Mapping[str, Any]) -> str:
    return f"Commit {part['commit']}, {part['date']}; {part['machine']}; load average {part['load']:.1f} at the end.\n"


def _median(values: Sequence[float]) -> float:
    return sorted(values)[len(values) // 2]


def _table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [heads, ["---"] * len(heads), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines) + "\n"
