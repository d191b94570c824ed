"""Recommendations to render in tests: the eight weather tasks with plausible numbers, and a nasty variant."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd

from grouping.recommendation import (
    AffinityEntry,
    Audit,
    Baseline,
    Confirmed,
    Estimate,
    FrontierPoint,
    GroupingFrequency,
    Halving,
    Network,
    Paired,
    PairFrequency,
    PhaseCost,
    RandomGroupings,
    Recommendation,
    Rung,
    Selection,
    SharingCost,
    Stability,
)
from grouping.report.content import Content
from grouping.tasks import Task

WEATHER = ("temp", "dewp", "humid", "wind_u", "wind_v", "pressure", "visib", "rain")
_FAMILY = {"temp": 0, "dewp": 0, "humid": 0, "wind_u": 1, "wind_v": 1, "pressure": 2, "visib": 2, "rain": 2}
_UNIT = {"temp": 4.21, "dewp": 4.6, "humid": 11.3, "wind_u": 5.1, "wind_v": 5.3, "pressure": 2.47, "visib": 1.72}
_GROUPS = (("temp", "dewp", "humid"), ("wind_u", "wind_v", "pressure"), ("humid", "visib", "rain"))
_SERVES = (("temp", "dewp", "humid"), ("wind_u", "wind_v", "pressure"), ("visib", "rain"))


def _network(tasks: Sequence[str], serves: Sequence[str], cost: float = 1.0) -> Network:
    flops = 2.0 * (68 * 64 + 64 * 64) * cost + 128 * len(tasks)
    return Network("+".join(tasks), cost, "", tuple(tasks), tuple(serves), flops, round(flops / 2 + 136), 0.021 * cost)


def _gain(task: str, partner: str, rng: np.random.Generator) -> float:
    near = _FAMILY.get(task, len(task)) == _FAMILY.get(partner, len(partner))
    return float(rng.normal(0.012 if near else -0.016, 0.008))


def _affinity(tasks: Sequence[str], rng: np.random.Generator) -> tuple[AffinityEntry, ...]:
    entries = []
    for task in tasks:
        for partner in tasks:
            if task != partner:
                gain = _gain(task, partner, rng)
                half = 0.011
                entries.append(AffinityEntry(task, partner, gain, gain - half, gain + half, abs(gain) > half))
    return tuple(entries)


def _curves(networks: Sequence[str], rng: np.random.Generator, seeds: int = 3) -> pd.DataFrame:
    steps = np.arange(70, 70 * 13, 70)
    rows = []
    for network in networks:
        members = network.split("+")
        for seed in range(seeds):
            for t, task in enumerate(members):
                floor = 0.14 + 0.05 * t + 0.01 * len(members)
                losses = floor + 0.6 * np.exp(-steps / 160) + 0.00008 * steps * (len(members) > 1)
                losses = losses + rng.normal(0, 0.006, len(steps))
                rows += [
                    (network, "", 1.0, str(seed), task, int(s), float(v)) for s, v in zip(steps, losses, strict=True)
                ]
    return pd.DataFrame(rows, columns=["network", "candidate", "cost", "seed", "task", "step", "loss"])


def _losses(curves: pd.DataFrame) -> pd.DataFrame:
    last = curves.sort_values("step").groupby(["network", "candidate", "cost", "seed", "task"], as_index=False).last()
    return last.assign(source="measured")[["network", "cost", "candidate", "task", "loss", "seed", "source"]]


def _confirmed(tasks: Sequence[str], rng: np.random.Generator) -> tuple[Confirmed, ...]:
    rows = []
    for network, served in zip(_GROUPS, _SERVES, strict=True):
        name = "+".join(network)
        for task in served:
            mean = float(1.012 + rng.normal(0, 0.012))
            rows.append(Confirmed("chosen", name, task, "relative loss", mean, mean - 0.009, mean + 0.009, 5))
            rows.append(Confirmed("single-task", task, task, "relative loss", 1.0, 1.0, 1.0, 5))
            for grouping, network_name, worse in (("chosen", name, mean), ("single-task", task, 1.0)):
                if task == "rain":
                    for metric, value in (("AUC", 0.8914), ("average precision", 0.4127)):
                        value -= 0.01 * (worse - 1)
                        rows.append(
                            Confirmed(
                                grouping,
                                network_name,
                                task,
                                metric,
                                value,
                                value - 0.004,
                                value + 0.004,
                                5,
                                higher_is_better=True,
                            )
                        )
                else:
                    value = _UNIT[task] * worse**0.5
                    rows.append(Confirmed(grouping, network_name, task, "RMSE", value, value * 0.993, value * 1.007, 5))
                    r2 = 0.94 - 0.02 * worse
                    rows.append(
                        Confirmed(
                            grouping, network_name, task, "R2", r2, r2 - 0.003, r2 + 0.003, 5, higher_is_better=True
                        )
                    )
    return tuple(rows)


def _baselines(chosen: tuple[Network, ...]) -> tuple[Baseline, ...]:
    single = tuple(_network([t], [t]) for t in WEATHER)
    thin = tuple(_network([t], [t], 0.375) for t in WEATHER)
    everything = (_network(WEATHER, WEATHER),)
    wide = (_network(WEATHER, WEATHER, 3.0),)
    runner = _runner_up().networks
    return (
        Baseline("chosen", "the chosen grouping", 3.0, chosen, 1.0121, 1.0083, 1.0160, 5),
        Baseline("runner-up", "the runner-up", 3.0, runner, 1.0139, 1.0099, 1.0178, 5),
        Baseline("independent", "one network per task, 0.375 SNT each", 3.0, thin, 1.0312, 1.0261, 1.0366, 5),
        Baseline("all-in-one", "one standard network for all tasks", 1.0, everything, 1.0702, 1.0633, 1.0771, 5,
            note="one network only",
       ),
        Baseline("wide", "one network for all, as wide as the budget (3 SNT)", 3.0, wide, 1.0395, 1.0335, 1.0458, 5),
        Baseline("ensemble", "the average of 3 all-in-one networks", 3.0, everything, 1.0288, 1.0231, 1.0343, 5),
        Baseline("best-of-random", "the best of as many random groups", 3.0, runner, 1.0204, 1.0158, 1.0251, 5),
        Baseline("correlation", "tasks clustered by their labels' correlation", 3.0, runner, 1.0177, 1.0131, 1.0222, 5),
        Baseline(
            "single-task", "one standard network per task", 8.0, single, 1.0, 1.0, 1.0, 5, comparable=False,
            note="costs 8, the budget is 3",
        ),
    )  # fmt: skip


def _runner_up() -> Selection:
    groups = (("temp", "dewp"), ("wind_u", "wind_v", "pressure"), ("humid", "visib", "rain"))
    networks = tuple(_network(g, g) for g in groups)
    return _selection(1.00713, networks, 0.004)


def _selection(objective: float, networks: tuple[Network, ...], shift: float) -> Selection:
    return Selection(
        budget=3.0,
        cost=3.0,
        objective=objective,
        bound=objective,
        gap=0.0,
        proven_optimal=True,
        optimal_for="estimates (higher-order)",
        networks=networks,
        losses=_selected(shift),
    )


def _selected(shift: float) -> dict[str, float]:
    return {task: 0.996 + 0.003 * i + shift for i, task in enumerate(WEATHER)}


def _random() -> RandomGroupings:
    return RandomGroupings((1.0188, 1.0231, 1.0254, 1.0279, 1.0281, 1.0302, 1.0317, 1.0346, 1.0301, 1.0266), 1.02765, 5)


def _paired(baselines: Sequence[Baseline]) -> tuple[Paired, ...]:
    rows = [
        Paired(b.name, b.label, 1.0121 - b.mean, 1.0121 - b.mean - 0.0037, 1.0121 - b.mean + 0.0039, 5)
        for b in baselines
        if b.name != "chosen"
    ]
    return (*rows, Paired("random", "the mean of 10 random groupings", -0.01555, -0.0205, -0.0108, 5))


def weather() -> Content:
    """The demo's task set, with every optional part present."""
    rng = np.random.default_rng(7)
    chosen = tuple(_network(g, s) for g, s in zip(_GROUPS, _SERVES, strict=True))
    baselines = _baselines(chosen)
    names = [n.network for n in chosen]
    pairs = tuple(
        PairFrequency(a, b, 0.9 if _FAMILY[a] == _FAMILY[b] else float(rng.uniform(0, 0.4)))
        for i, a in enumerate(WEATHER)
        for b in WEATHER[i + 1 :]
    )
    curves = _curves([*names, *WEATHER], rng)
    recommendation = Recommendation(
        name="nyc-weather",
        run="20260301-101500-nyc-weather-3f9a",
        created="2026-03-01T10:15:00+00:00",
        verdict="grouping",
        verdict_text="Which tasks share matters: the chosen grouping beats random groupings and a wide network of the "
        "same cost. The chosen grouping against random groupings of the same cost -1.6 % (-2.1 to -1.0), against one "
        "network as wide as the budget -2.7 % (-3.2 to -2.3); percent of the single-task loss, negative is better, "
        "97 % intervals over 5 fresh seeds and the test rows.",
        tasks=tuple(Task(t, "binary" if t == "rain" else "regression") for t in WEATHER),
        budget=3.0,
        unit="snt",
        max_networks=3,
        solution=_selection(1.00412, chosen, 0.0),
        runner_up=_runner_up(),
        frontier=tuple(
            FrontierPoint(float(k), m, chosen[:k], proven_optimal=True)
            for k, m in ((1, 1.0561), (2, 1.0187), (3, 1.00412), (4, 0.9989), (5, 0.9964), (6, 0.99561), (8, 0.99522))
        ),
        estimator="higher-order",
        estimates=tuple(
            Estimate(n.network, n.cost, t, 1.001 + 0.004 * i, 1.005 + 0.003 * i)
            for n in chosen
            for i, t in enumerate(n.serves)
        ),
        audit=Audit(
            6, 21, 0.71, 0.42, 0.88, 0.0093, ("temp+rain+visib", "dewp+wind_u+pressure"),
            tuple(
                Estimate(group, 1.0, task, 1.01 + 0.002 * i, 1.012 - 0.003 * i)
                for group in ("temp+rain+visib", "dewp+wind_u+pressure")
                for i, task in enumerate(group.split("+"))
            ),
        ),
        affinity=_affinity(WEATHER, rng),
        affinity_measured_at={"rows": 17966, "epochs": 12, "learning rate": 0.001, "widths": "64, 64", "seeds": 3},
        sharing_cost=tuple(
            SharingCost(n.network, t, 1.0045 + 0.002 * i, 1.0012 + 0.002 * i)
            for n in chosen
            for i, t in enumerate(n.tasks)
        ),
        confirmed=_confirmed(WEATHER, rng),
        baselines=baselines,
        random=_random(),
        paired=_paired(baselines),
        stability=Stability(
            0.615,
            200,
            (
                GroupingFrequency(tuple(names), 0.615),
                GroupingFrequency(tuple(n.network for n in _runner_up().networks), 0.21),
                GroupingFrequency(("temp+dewp+humid", "wind_u+wind_v", "pressure+visib+rain"), 0.095),
            ),
            pairs,
        ),
        training_cost=(
            PhaseCost("search", "Search: singles, pairs, all in one", 111, 1, 214.3),
            PhaseCost("audit", "Audit of the estimates", 18, 0, 39.1),
            PhaseCost("confirm", "Confirmation on fresh seeds", 155, 0, 301.8),
        ),
        wall_seconds=223.4,
        next_steps=(
            "Give 4 networks a look: the frontier still falls by 0.52 % from 3 to 4 SNT.",
            "Train two more seeds to settle the pair humid and rain (chosen together in 40 % of draws).",
        ),
        warnings=("Task pressure has 10.2 % missing labels; its rows were masked.",),
        repeated_splits=(
            {"split": 1, "networks": " | ".join(names), "chosen": 1.0133, "random": 1.0291, "verdict": "grouping"},
            {"split": 2, "networks": " | ".join(names), "chosen": 1.0108, "random": 1.0262, "verdict": "grouping"},
        ),
        environment={
            "python": "3.11.7", "torch": "2.13.0", "taskgrouping": "0.1.0", "engine": "plain", "workers": 2,
            "commit": "2663038", "seeds": {"search": [0, 1, 2], "confirm": [1000, 1001, 1002, 1003, 1004]},
        },
        command="taskgroup recommend configs/nyc_weather.yaml",
        halving=Halving(
            0.5, (Rung(0.25, 29, 11), Rung(0.5, 18, 4)), 0.304, 6, 2, 1, 0.0123,
            ("temp+wind_u", "dewp+visib"),
        ),
    )  # fmt: skip
    return Content(recommendation, curves, _losses(curves))


NASTY_NAMES = (
    "<img src=x onerror=window.__hit=1>",
    "</script><script>window.__hit=1</script>",
    '=HYPERLINK("http://evil.example","click")',
    "<a href='javascript:window.__hit=1'>name</a>",
    "@mention [link](http://evil.example) | pipe * star `tick`",
    "{{ 7 * 7 }} %{customdata} ${window.__hit=1}",
    "-2 &amp; &lt;b&gt;",
    "Ünïcode 天気 name that is quite long and goes on and on until nobody wants to read it any more",
    "http://evil.example/index.html?q=1",
    "NA",
)


def nasty() -> Content:
    """Thirty tasks with hostile names and none of the optional parts."""
    names = (*NASTY_NAMES, *(f"sensor_{i:02d}" for i in range(30 - len(NASTY_NAMES))))
    rng = np.random.default_rng(3)
    groups = tuple(names[i::5] for i in range(5))
    networks = tuple(_network(g, g) for g in groups)
    curves = _curves([n.network for n in networks], rng, seeds=1)
    base = weather().recommendation
    recommendation = replace(
        base,
        name=NASTY_NAMES[1],
        verdict="unsure",
        verdict_text=f"Unsure: {NASTY_NAMES[0]} may be noise.",
        tasks=tuple(Task(n) for n in names),
        budget=5.0,
        max_networks=None,
        solution=Selection(
            5.0, 5.0, 0.998, 0.991, 0.00701, proven_optimal=False, optimal_for="measured losses", networks=networks,
            losses={n: 0.99 + 0.001 * i for i, n in enumerate(names)},
        ),
        runner_up=None,
        frontier=(FrontierPoint(5.0, 0.998, networks, proven_optimal=False),),
        estimator="measured",
        estimates=(),
        audit=None,
        affinity=_affinity(names, rng),
        sharing_cost=(),
        confirmed=(),
        baselines=(),
        random=None,
        paired=(),
        stability=None,
        next_steps=(),
        warnings=(f"Task {NASTY_NAMES[3]} is odd.",),
        repeated_splits=(),
        environment={"note": NASTY_NAMES[1]},
        command=f"taskgroup recommend '{NASTY_NAMES[0]}.yaml'",
        halving=None,
    )  # fmt: skip
    return Content(recommendation, curves, _losses(curves))


def write_run(content: Content, folder: Path) -> Path:
    """The files of a run folder that a report is rendered from."""
    import json

    folder.mkdir(parents=True, exist_ok=True)
    data = json.dumps(content.recommendation.to_json())
    (folder / "recommendation.json").write_text(data, encoding="utf-8")
    content.curves.to_parquet(folder / "curves.parquet")
    content.losses.to_csv(folder / "losses.csv", index=False)
    return folder
