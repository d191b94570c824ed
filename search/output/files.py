"""The files a finished run leaves: tables, recommendation, report, networks."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pandas as pd

from grouping.estimators.higher_order import higher_order
from grouping.files.losses import losses_csv
from grouping.recommendation import Recommendation
from grouping.report.affinity_view import affinity_csv
from grouping.report.content import CURVE_COLUMNS, Content
from grouping.report.html import html
from grouping.report.markdown import markdown
from search.decision.confirmation import confirmation_trials
from search.decision.decide import Decision
from search.output.folder import RunFolder
from search.store.records import TrialRecord
from search.trials import Trial

__all__ = ["write_run"]


def write_run(
    folder: RunFolder,
    recommendation: Recommendation,
    decision: Decision,
    trials: Sequence[TrialRecord],
    weights: Callable[[Trial], bytes],
) -> None:
    """Write everything but the spec and the log, which exist already; the report last.

    Args:
        folder: Where.
        recommendation: What is said.
        decision: What it rests on.
        trials: Every training of the run.
        weights: The kept state of a confirmed training.
    """
    plan = decision.plan
    losses = higher_order(decision.table) if plan.spec.affinity.estimator == "higher-order" else decision.table
    folder.write_text("losses.csv", losses_csv(losses))
    curves = _curves_frame(decision)
    folder.write_table("curves.parquet", curves)
    folder.write_table("trials.parquet", _trials_frame(trials))
    folder.write_text("affinity.csv", affinity_csv(recommendation))
    _write_networks(folder, decision, weights)
    folder.write_json("environment.json", recommendation.environment)
    folder.write_json("recommendation.json", recommendation.to_json())
    content = Content(recommendation, curves, pd.read_csv(folder.path / "losses.csv", keep_default_na=False))
    folder.write_text("report.md", markdown(content))
    folder.write_text("report.html", html(content))


def _curves_frame(decision: Decision) -> pd.DataFrame:
    """Validation losses along training, one row a reading."""
    plan, curves = decision.plan, decision.curves
    rows = [
        (
            plan.candidates.name(int(c)),
            plan.candidates.label_C[int(c)],
            float(plan.candidates.cost_C[c]),
            seed,
            plan.tasks[t].name,
            int(step),
            float(loss),
        )
        for r, seed in enumerate(plan.search_seeds)
        for c, t in np.argwhere(~np.isnan(curves.curves_RCTS[r]).all(axis=2))
        for step, loss in zip(curves.steps_S, curves.curves_RCTS[r, c, t], strict=True)
        if not np.isnan(loss)
    ]
    return pd.DataFrame(rows, columns=list(CURVE_COLUMNS))


def _trials_frame(trials: Sequence[TrialRecord]) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "key": [record.key for record in trials],
            "phase": [record.phase for record in trials],
            "network": [record.trial.network for record in trials],
            "capacity": [record.trial.capacity for record in trials],
            "seed": [record.trial.seed for record in trials],
            "copies": [record.trial.copies for record in trials],
            "fraction": [record.trial.fraction for record in trials],
            "split": [record.trial.split for record in trials],
            "state": [record.state for record in trials],
            "reason": [record.reason for record in trials],
            "attempts": [record.attempts for record in trials],
            "seconds": [record.seconds for record in trials],
            "worker": [record.worker for record in trials],
        }
    )


def _write_networks(folder: RunFolder, decision: Decision, weights: Callable[[Trial], bytes]) -> None:
    """The chosen networks' weights, each from the fresh seed with the lowest mean relative *validation* loss."""
    plan, chosen = decision.plan, decision.contenders[0]
    if plan.spec.trainer is not None:
        return  # a foreign trainer keeps its networks
    best: dict[int, tuple[float, Trial]] = {}
    for seed in decision.confirmation.seeds:
        trials = confirmation_trials(plan, chosen, seed, decision.reference_T, decision.split)
        for m, trial in enumerate(trials):
            result = decision.results[trial]
            relative = float(np.mean(result.curve_TS[:, result.kept] / np.array(trial.reference)))
            if m not in best or relative < best[m][0]:
                best[m] = (relative, trial)
    for m, (_, trial) in best.items():
        folder.write_network(f"network-{m + 1}", weights(trial))
