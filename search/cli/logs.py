"""``taskgroup logs``: what happened to a run, from the store, so from any place that reaches it."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Annotated

import typer

from search.cli.console import escape_controls, print_result
from search.cli.elsewhere import logs_there
from search.cli.submit import ServerOption

if TYPE_CHECKING:
    from search.store.records import EventRecord

__all__ = ["logs", "shown_event"]

_EVERY_SECONDS = 0.5
_WAITING = {"queued", "running"}
_SAID_BY_NOTES = {"engine", "latency", "trainer"}  # for whoever resumes the run


def logs(
    run: Annotated[str, typer.Argument(help="Id of the run, its beginning, or 'latest'.", show_default=False)],
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Wait for more until the run has ended.")] = False,
    server: ServerOption = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a line.")] = False,
) -> None:
    """Show what happened to a run: its states, phases, notes, warnings and errors, in order."""
    if server:
        logs_there(server, run, follow=follow, as_json=as_json)
        return
    from search.store.home import runs_home
    from search.store.store import Store

    with Store.open(runs_home(), create=False) as store:
        found, last = store.run(run).id, 0
        while True:
            over = store.run(found).state not in _WAITING  # before its events are read: none is missed
            for event in store.events(found, after=last):
                line = shown_event(found, event, as_json=as_json)
                if line is not None:
                    print_result(line)
                last = event.number
            if over or not follow:
                return
            time.sleep(_EVERY_SECONDS)


def shown_event(run: str, event: EventRecord, *, as_json: bool) -> str | None:
    """An event as a line, or as one JSON object; None where a note says the same."""
    if as_json:
        return _json(run, event)
    return None if event.kind in _SAID_BY_NOTES else _line(event)


def _json(run: str, event: EventRecord) -> str:
    import json

    line = {**event.payload, "number": event.number, "at": event.at, "run": run, "event": event.kind}
    return json.dumps(line)


def _line(event: EventRecord) -> str:
    from datetime import datetime

    payload = event.payload
    match event.kind:
        case "state":
            said = str(payload.get("to"))
        case "phase":
            known = f", {payload['done']} known already" if payload.get("done") else ""
            said = f"{payload.get('label')}: {payload.get('total')} trainings{known}"
        case "note":
            said = str(payload.get("text"))
        case "warning":
            said = f"warning: {payload.get('text')}"
        case "trial_failed":
            said = f"failed: {payload.get('network')} with seed {payload.get('seed')}: {payload.get('reason')}"
        case "searching":
            said = f"{payload.get('configurations')} configurations, drawn from those {payload.get('lag')} before them"
        case "searched":
            said = (
                f"{payload.get('configurations')} of {payload.get('planned')} configurations, which decide from now on"
            )
        case "asked":
            said = f"asked to {payload.get('to')}"
        case "error":
            said = ": ".join(str(payload[name]) for name in ("where", "what") if payload.get(name))
            said = f"error: {said}" + (f". {payload['fix']}" if payload.get("fix") else "")
        case kind:
            said = f"{kind} " + ", ".join(f"{name} {value}" for name, value in payload.items())
    at = datetime.fromtimestamp(event.at).strftime("%Y-%m-%d %H:%M:%S")
    return escape_controls(f"{at}  {' '.join(said.split())}")
