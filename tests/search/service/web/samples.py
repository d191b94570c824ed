"""Runs and solved tables to show in tests, ordinary ones and ones with nasty names."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from grouping.budget import Budget
from grouping.candidates import Candidates, groups_up_to
from grouping.files import write_losses
from grouping.losses import LossTable
from grouping.recommendation import Recommendation
from grouping.recommendation.recommend import recommend
from search.documents import dump_spec, spec_from
from search.spec import Spec
from search.store.records import RunRecord

NASTY = "<img src=x onerror=\"window.__hit='name'\"></script><script>window.__hit='script'</script>"
"""A name that runs where it is not escaped."""

NOW = 1_796_000_000.0


def spec(tasks: tuple[str, ...] = ("a", "b", "c"), budget: float = 2.0, name: str = "plants") -> Spec:
    """A small spec."""
    return spec_from(
        {
            "name": name,
            "data": {"source": "plants.csv", "inputs": ["x_*"]},
            "tasks": [{"name": task, "type": "regression"} for task in tasks],
            "budget": {"inference": budget},
        }
    )


def record(**changes: object) -> RunRecord:
    """A run that is being worked on."""
    asked = spec()
    run = RunRecord(
        id="20261122-103512-plants-a1b2",
        name="plants",
        kind="recommend",
        state="running",
        spec=dump_spec(asked),
        plan={},
        tasks=("a", "b", "c"),
        planned=40,
        finished=9,
        failed=1,
        best=0.93,
        created=NOW - 300,
        started=NOW - 200,
        ended=None,
        seconds=200.0,
        owner="host:1:1",
        principal="ada",
        epoch=1,
        asked=None,
        starts=1,
        heartbeat=NOW - 1,
    )
    return replace(run, **changes)  # type: ignore[arg-type]


def loss_table(n_tasks: int = 3, seed: int = 0) -> LossTable:
    """Every group of some tasks, with plausible losses."""
    rng = np.random.default_rng(seed)
    tasks = tuple("abcdefghij"[:n_tasks])
    groups = list(groups_up_to(n_tasks, n_tasks))
    members_CT = np.zeros((len(groups), n_tasks), dtype=bool)
    for c, group in enumerate(groups):
        members_CT[c, list(group)] = True
    losses_RCT = np.where(members_CT, rng.uniform(0.7, 1.3, (1, *members_CT.shape)), np.nan)
    return LossTable(Candidates(tasks, members_CT, np.ones(len(groups))), losses_RCT, ("0",))


def run_folder(folder: Path, n_tasks: int = 3, budget: float = 2.0, seed: int = 0) -> Recommendation:
    """A folder with the losses of a run, and what was recommended on them."""
    table = loss_table(n_tasks, seed)
    write_losses(table, folder / "losses.csv")
    return replace(recommend(table, Budget(snt=budget)), run=f"run-{n_tasks}-{budget}-{seed}")
