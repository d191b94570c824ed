"""The same question without Ray, store or spec: a study says what to train next, and is told the losses.

For people who run their own cluster: ``study.ask(8)`` gives eight trainings to hand out, and ``study.save`` keeps what
is known between two days. ``python configs/examples/ask_and_tell.py --study study.json`` goes on where it stopped.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from train_mlp import train  # beside this file; put your own training here

import grouping as g
from search.data.builtin.nyc_weather import load_nyc_weather


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tasks", default="temp,dewp,humid,pressure")
    parser.add_argument("--trainings", type=int, default=24)
    parser.add_argument("--epochs", type=int, default=8)
    parser.add_argument("--every", type=int, default=3, help="Train on every so many rows only.")
    parser.add_argument("--study", type=Path, help="Where to keep it; what is there already is gone on with.")
    asked = parser.parse_args()
    table = load_nyc_weather().table

    if asked.study is not None and asked.study.exists():
        study = g.Study.load(asked.study)
    else:
        study = g.Study(asked.tasks.split(","), budget=2, seeds=2)
    while study.trainings < asked.trainings:
        batch = study.ask(4)
        if not batch:
            break  # nothing is left that is worth a training
        for group, seed in batch:
            study.tell(group, seed, train(table, group, seed, asked.epochs, every=asked.every)["losses"])
        if asked.study is not None:
            study.save(asked.study)
    for budget in (1, 2):
        solution = study.recommend(budget).solution
        served = "; ".join(", ".join(network.serves) for network in solution.networks)
        print(f"{budget} network(s): {served} (mean loss {solution.objective:.3f} of that alone)")  # noqa: T201


if __name__ == "__main__":
    main()
