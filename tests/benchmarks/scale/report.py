"""``scale.md`` from ``scale.json``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

__all__ = ["markdown"]

_QUIET = 3.0
"""Load average above which wall times on two cores tell more about other work than about ours."""

_INTRODUCTION = """\
# Scale: a thousand workers and a hundred thousand trainings, on paper

`python -m tests.benchmarks.scale` replays recorded trainings (`results/lattices/nyc_weather`: curves of eight tasks,
durations stretched to a mean) on simulated workers (`search/execution/simulated.py`), with the real driver, the real
store (SQLite) and their real process time, which passes on the simulated clock too. Workers take 4 s to start, die
0.05 times an hour and are, in 1 % of the packs, four times as slow, unless a row says otherwise. Nothing here was
measured on a cluster: what the network, an object store of many nodes and a shared file system add is not in it.
"""

_MEMORY = """\
## Driver, store and memory by the number of trainings

{workers:,} workers, trainings of {seconds:g} s in packs of {pack}. *Memory*: what the driver holds more at the end than
before. *Again*: process seconds of a resumed run to know what is done.
"""

_PAGES = """\
## Lists and reports beside that database

{runs:,} runs with {trials:,} trials and their curves, and the largest run above beside them; wall milliseconds.
"""

_LOAD = """\
## Where workers begin to wait

{trials:,} trainings each. *Ideal*: the whole work over the workers. *Driver*: share of the time that the one driver
process is at work.
"""

_WORKERS = """\
## Real workers on this machine

Weak scaling: {rounds} rounds in turns of a fixed number of equal jobs on one worker, and twice as many on two, on a
Ray cluster each, whose workers were warm. Efficiency (one over two, 1 is perfect): **{efficiency:.2f}** of wall time.
The processes themselves took {one:.2f} s a job on one worker and {two:.2f} s on two: what is missing in efficiency
beyond that ratio ({ratio:.2f}) would be ours; a machine that is shared with other work shows less than it can.

A job that does nothing costs the driver {job:.2f} ms of process time (sent, waited for, taken). Asking Ray which of
the pending answers is there takes {wait_100:.2f} ms with 100 workers and {wait_1000:.2f} ms with 1,000. Both are part
of the driver's time in the simulations.
"""


def markdown(data: Mapping[str, Any]) -> str:
    """The page; parts that were never measured are left out."""
    parts = [_INTRODUCTION]
    if "memory" in data:
        parts += [_memory(data["memory"]), _pages(data["memory"])]
    if "load" in data:
        parts.append(_load(data["load"]))
    if "workers" in data:
        parts.append(_workers(data["workers"]))
    if "memory" in data and "workers" in data:
        parts.append(_limits(data["memory"]["loads"], data["workers"]))
    return "\n".join(parts)


def _memory(part: Mapping[str, Any]) -> str:
    rows = [
        (
            f"{load['trials']:,}",
            f"{load['minutes']:.1f}",
            f"{load['trials_per_second']:.0f}",
            f"{load['driver_seconds']:.1f}",
            f"{load['transactions']:,}",
            f"{load['rows']:,}",
            f"{load['rows'] / load['driver_seconds']:,.0f}",
            f"{load['database_mb']:.0f}",
            f"{load['memory_mb']:.0f}",
            f"{1024 * load['memory_mb'] / load['trials']:.1f}",
            f"{load['resume_seconds']:.1f}",
        )
        for load in part["loads"]
    ]
    heads = (
        "trainings",
        "simulated min",
        "trainings/s",
        "driver process s",
        "transactions",
        "rows",
        "rows per driver s",
        "database MiB",
        "memory MiB",
        "KiB a training",
        "again (s)",
    )
    first = part["loads"][0]
    text = _MEMORY.format(workers=first["workers"], seconds=first["seconds_each"], pack=first["pack"])
    return f"{text}\n{_table(heads, rows)}\n{_origin(part)}"


def _pages(part: Mapping[str, Any]) -> str:
    rows = [
        (
            page["question"],
            f"{page['median_ms']:.1f}",
            f"{page['highest_ms']:.1f}",
            f"{page['goal_ms']:g}",
            "yes"
            if page["highest_ms"] < page["goal_ms"]
            else "median only"
            if page["median_ms"] < page["goal_ms"]
            else "no",
        )
        for page in part["pages"]
    ]
    heads = ("question", "median", "highest", "goal", "met")
    text = _PAGES.format(runs=part["runs"], trials=part["trials"])
    if part["load"] > _QUIET:
        text += (
            f"\nThe machine was busy with other work (load average {part['load']:.0f}), so these are upper bounds.\n"
        )
    return f"{text}\n{_table(heads, rows)}\n{_origin(part)}"


def _load(part: Mapping[str, Any]) -> str:
    rows = [
        (
            f"{load['workers']:,}",
            f"{load['seconds_each']:g}",
            f"{load['pack']}",
            f"{load['deaths_per_hour']:g}",
            f"{load['stragglers']:.0%}",
            f"{load['minutes']:.1f}",
            f"{_ideal(load):.1f}",
            f"{load['utilisation']:.0%}",
            f"{load['trials_per_second']:.0f}",
            f"{load['driver_busy']:.0%}",
            f"{load['transactions'] / (60 * load['minutes']):.1f}",
            f"{load['deaths']}",
            f"{load['failed']}",
        )
        for load in part["loads"]
    ]
    heads = (
        "workers",
        "s a training",
        "pack",
        "deaths/h",
        "stragglers",
        "min",
        "ideal min",
        "utilisation",
        "trainings/s",
        "driver",
        "transactions/s",
        "deaths",
        "failed",
    )
    return f"{_LOAD.format(trials=part['loads'][0]['trials'])}\n{_table(heads, rows)}\n{_origin(part)}"


def _workers(part: Mapping[str, Any]) -> str:
    one, two = _mean(part["process_one"]), _mean(part["process_two"])
    text = _WORKERS.format(
        rounds=len(part["one"]),
        efficiency=part["efficiency"],
        one=one,
        two=two,
        ratio=one / two,
        job=part["job_ms"],
        wait_100=part["wait_ms"]["100"],
        wait_1000=part["wait_ms"]["1000"],
    )
    if part["load"] > _QUIET:
        text += (
            f"\n**The machine was busy with other work (load average {part['load']:.0f}): the wall times of the weak\n"
        )
        text += "scaling say nothing here.** Process times do.\n"
    return f"{text}\n{_origin(part)}"


def _limits(loads: Sequence[Mapping[str, Any]], workers: Mapping[str, Any]) -> str:
    """What breaks first, from the figures above."""
    largest = loads[-1]
    trials, rows = largest["trials"], largest["rows"] / largest["trials"]
    recorded = 1000 * largest["driver_seconds"] / trials
    handled = (workers["job_ms"] + workers["wait_ms"]["1000"]) / largest["pack"]
    most = 1000 / (recorded + handled)
    memory, size = 1024 * largest["memory_mb"] / trials, 1024 * largest["database_mb"] / trials
    return f"""\
## What breaks first beyond

1. **The driver's process.** A training costs it {recorded:.2f} ms to record ({rows:.0f} rows each) and {handled:.2f} ms
   to send and take at 1,000 workers: about {most:,.0f} trainings a second at most. 1,000 workers stay busy with
   trainings above {1000 / most:.1f} s, 10,000 workers above {10_000 / most:.0f} s (and asking Ray who answered grows
   with them).
2. **The last wave.** With as many packs as a few times the workers, one slow pack keeps everybody waiting: compare
   utilisation with and without stragglers above. Smaller packs help; a second copy of a slow pack is not started.
3. **Memory** grows by {memory:.1f} KiB a training: curves that the decision looks at; weights stay in the store. A
   million trainings would take {memory * 1e6 / 2**20:.1f} GiB.
4. **The database file** grows by {size:.1f} KiB a training, weights not counted; one writer at a time is enough for
   the rates above, and other runs wait for milliseconds.
"""


def _ideal(load: Mapping[str, Any]) -> float:
    return float(load["trials"] * load["seconds_each"] / load["workers"] / 60)


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)


def _origin(part: Mapping[str, Any]) -> str:
    return f"Commit {part['commit']}, {part['date']}; {part['machine']}; load average {part['load']:.1f} at the end.\n"


def _table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [heads, ["---"] * len(heads), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines) + "\n"
