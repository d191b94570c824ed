"""``taskgroup runs``: which runs there are and how far each came."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from search.cli.console import JsonFlag, emit_json, escape_controls, print_result
from search.cli.submit import ServerOption

if TYPE_CHECKING:
    from pathlib import Path

    from search.store.records import RunRecord

__all__ = ["runs"]

_COLUMNS = ("run", "name", "state", "tasks", "best", "trainings", "started", "duration", "left")
_LONGEST_NAME = 24


def runs(
    state: Annotated[str | None, typer.Option("--state", help="Only runs in this state.")] = None,
    limit: Annotated[int, typer.Option("--limit", min=1, max=100_000, help="At most this many, newest first.")] = 20,
    metrics: Annotated[bool, typer.Option("--metrics", help="Print numbers about all runs for Prometheus.")] = False,
    server: ServerOption = None,
    as_json: JsonFlag = False,
) -> None:
    """List the runs, newest first: state, tasks, best objective, trainings, start, duration, about what is left."""
    from search.store.home import STORE_FILE, home_is_explicit, runs_home, store_url
    from search.store.records import RunPage

    wanted = _state(state)
    if server:
        _of_service(server, wanted, limit, as_json=as_json)
        return
    home = runs_home()
    if metrics:
        _print_metrics(home)
        return
    page = RunPage((), 0)
    # Before the first run there is no database; a home that was named and is not there is a mistake, though.
    if store_url() or (home / STORE_FILE).exists() or (home_is_explicit() and not home.is_dir()):
        from search.store.store import Store

        with Store.open(home, create=False) as store:
            page = store.list_runs(state=wanted, limit=limit)
    if as_json:
        runs = [_as_json(run) for run in page.runs]
        emit_json({"home": str(home), "shown": len(runs), "total": page.total, "runs": runs})
    else:
        rows = [_as_json(run) for run in page.runs]
        print_result(_table(rows, page.total) if rows else _nothing(str(home), state))


def _print_metrics(home: Path) -> None:
    from search.store.figures import exposition, figures_of_runs, figures_of_store
    from search.store.store import Store

    with Store.open(home, create=False) as store:
        print_result(exposition((*figures_of_runs(store), *figures_of_store(store))).rstrip("\n"))


def _of_service(server: str, state: str | None, limit: int, *, as_json: bool) -> None:
    from search.client import MOST_LISTED, Client

    with Client.from_environment(server) as client:
        runs: list[dict[str, Any]] = []
        while True:
            page = client.runs(state=state, limit=min(MOST_LISTED, limit - len(runs)), offset=len(runs))
            runs += page["runs"]
            if len(runs) >= min(limit, page["total"]) or not page["runs"]:
                break
    if as_json:
        emit_json({"server": client.url, "shown": len(runs), "total": page["total"], "runs": runs})
    else:
        print_result(_table(runs, page["total"]) if runs else _nothing(client.url, state))


def _state(text: str | None) -> Any:  # noqa: ANN401 - one of RunState's literals, or None
    from grouping.errors import InputError
    from grouping.tasks import nearest_name
    from search.store.records import NEXT_STATES

    if text is not None and text not in NEXT_STATES:
        raise InputError(f"there is no state '{text}'", where="--state", fix=nearest_name(text, NEXT_STATES))
    return text


def _nothing(place: str, state: str | None) -> str:
    which = f"No runs in state {state}" if state else "No runs yet"
    way_out = "All runs: taskgroup runs" if state else "Start one: taskgroup recommend SPEC"
    return f"{which} in {place}. {way_out}"


def _table(runs: Sequence[Mapping[str, Any]], total: int) -> str:
    rows = [_COLUMNS, *(_cells(run) for run in runs)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(_COLUMNS))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    if len(runs) < total:
        lines.append(f"showing {len(runs)} of {total}; all of them: taskgroup runs --limit {total}")
    return "\n".join(lines)


def _cells(run: Mapping[str, Any]) -> tuple[str, ...]:
    from datetime import datetime

    trials, started = run["trials"], run["started"]
    name = escape_controls(" ".join(run["name"].split()))
    return (
        run["id"],
        name if len(name) <= _LONGEST_NAME else f"{name[: _LONGEST_NAME - 1]}…",
        run["state"],
        str(len(run["tasks"])),
        "-" if run["best"] is None else f"{run['best']:.4g}",
        f"{trials['finished'] + trials['failed']}/{trials['planned']}"
        + (f" ({trials['failed']} failed)" if trials["failed"] else ""),
        "-" if started is None else datetime.fromisoformat(started).astimezone().strftime("%Y-%m-%d %H:%M"),
        "-" if started is None else _duration(run["seconds"]),
        "-" if run["seconds_left"] is None else f"~{_duration(run['seconds_left'])}",
    )


def _duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02} min" if hours else f"{minutes} min {rest:02} s" if minutes else f"{rest} s"


def _as_json(run: RunRecord) -> dict[str, object]:
    from datetime import UTC, datetime

    def moment(at: float | None) -> str | None:
        return None if at is None else datetime.fromtimestamp(at, UTC).isoformat(timespec="seconds")

    return {
        "id": run.id,
        "name": run.name,
        "kind": run.kind,
        "state": run.state,
        "tasks": list(run.tasks),
        "best": run.best,
        "trials": {"finished": run.finished, "failed": run.failed, "planned": run.planned},
        "created": moment(run.created),
        "started": moment(run.started),
        "ended": moment(run.ended),
        "seconds": run.seconds,
        "seconds_left": run.seconds_left,
        "asked": run.asked,
    }
