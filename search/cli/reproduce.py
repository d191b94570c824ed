"""``taskgroup reproduce``: one training of a run again, and whether it is bit for bit what is stored."""

from __future__ import annotations

from typing import Annotated

import typer

from search.cli.console import JsonFlag, QuietFlag, emit_json, escape_controls, note, print_result

__all__ = ["reproduce"]


def reproduce(
    run: Annotated[str, typer.Argument(help="Id of the run, its beginning, or 'latest'.", show_default=False)],
    network: Annotated[str, typer.Option("--network", metavar="A+B", help="Its tasks.", show_default=False)],
    seed: Annotated[int, typer.Option("--seed", min=0, help="Its seed.", show_default=False)],
    capacity: Annotated[
        float | None, typer.Option("--capacity", min=0.0, help="In SNT, where it was trained in several sizes.")
    ] = None,
    candidate: Annotated[
        str | None,
        typer.Option("--candidate", help="What its tasks share, where they do in several ways; '': a trunk."),
    ] = None,
    split: Annotated[int | None, typer.Option("--split", min=0, help="Which repetition of the data split.")] = None,
    as_json: JsonFlag = False,
    quiet: QuietFlag = False,
) -> int:
    """Train one network of a run again and compare: exit code 0 if it is bit for bit what is stored, else 3."""
    from search.documents import parse_spec
    from search.execution.ray_executor import RayExecutor
    from search.reproduction import Wanted, find_training
    from search.reproduction import reproduce as train_again
    from search.store.home import runs_home
    from search.store.store import Store

    wanted = Wanted(network, seed, capacity, candidate, split)
    with Store.open(runs_home(), create=False) as store:
        owner = store.run(run)
        record = find_training(store, owner, wanted)
        cluster = parse_spec(owner.spec, f"run {owner.id}").cluster
        note(f"training {record.trial.network} again; it took {record.seconds:.1f} s then", quiet=quiet or as_json)
        with RayExecutor(cluster.address, 1, cluster.gpu_share) as executor:
            found = train_again(store, owner, record, executor)
    trial, same = record.trial, not found.differences
    if as_json:
        emit_json(
            {
                "run": owner.id,
                "network": trial.network,
                "capacity": trial.capacity,
                "seed": trial.seed,
                "phase": record.phase,
                "split": trial.split,
                "key": record.key,
                "identical": same,
                "differences": [{"part": one.part, "largest": one.largest} for one in found.differences],
                "seconds": {"then": found.stored.seconds, "now": found.again.seconds},
                "worker": {"then": found.stored.worker, "now": found.again.worker},
            }
        )
    else:
        which = f"{trial.network} of {trial.capacity:g} SNT with seed {trial.seed} ({record.phase})"
        lines = [f"{which}: {'bit for bit what is stored' if same else 'not what is stored'}"]
        for one in found.differences:
            by = "" if one.largest is None else f" by up to {one.largest:.1e} of their size"
            lines.append(f"  {one.part} differ{by}")
        if not same:
            workers = f"then on {found.stored.worker}, now on {found.again.worker}"
            lines.append(f"{workers}: another processor, or another torch?")
        print_result(escape_controls("\n".join(lines)))
    return 0 if same else 3
