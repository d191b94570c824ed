"""Commands on runs of a service: the words and the JSON of the same commands on runs of this machine."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any

from search.cli.console import emit_json, escape_controls, note, print_result

if TYPE_CHECKING:
    from grouping.recommendation import Recommendation
    from search.store.records import EventRecord

__all__ = ["cancel_there", "logs_there", "recommendations_there", "resume_there"]

_EVERY_SECONDS = 0.5


def cancel_there(server: str, run: str, patience: float, *, as_json: bool, quiet: bool) -> None:
    """Cancel a run of a service, and wait a while until it has ended."""
    from search.client import Client

    with Client.from_environment(server) as client:
        found = client.cancel(client.find(run))
        deadline = time.monotonic() + patience
        while found["state"] == "running" and time.monotonic() < deadline:
            time.sleep(_EVERY_SECONDS)
            found = client.run(found["id"])
    if as_json:
        emit_json({"run": found["id"], "state": found["state"], "asked": found["asked"]})
    elif found["state"] == "running":
        note(f"run {found['id']} has been asked to stop and has not answered for {patience:g} s; it will")
    elif not quiet:
        print_result(f"run {found['id']} is {found['state']}")


def resume_there(server: str, run: str, *, as_json: bool, quiet: bool) -> None:
    """Queue a run of a service again; it goes on there when its turn comes."""
    from search.client import Client

    with Client.from_environment(server) as client:
        found = client.resume(client.find(run))
    if as_json:
        emit_json({"run": found["id"], "state": found["state"]})
        return
    print_result(f"run {found['id']} is {found['state']}")
    note(f"follow it: taskgroup logs {found['id']} --follow --server {client.url}", quiet=quiet)


def logs_there(server: str, run: str, *, follow: bool, as_json: bool) -> None:
    """What happened to a run of a service; ``follow``: until it has ended."""
    from search.cli.logs import shown_event
    from search.client import Client

    with Client.from_environment(server) as client:
        found = client.find(run)
        for message in client.watch(found):
            if message["event"] == "progress" and not follow:
                return  # everything that had happened was told before
            if message["event"] not in {"progress", "end"}:
                line = shown_event(found, _event(message["data"]), as_json=as_json)
                if line is not None:
                    print_result(line)


def _event(data: dict[str, Any]) -> EventRecord:
    from search.store.records import EventRecord

    return EventRecord(int(data["number"]), str(data["kind"]), dict(data["payload"]), float(data["at"]))


def recommendations_there(server: str, runs: list[str]) -> list[tuple[str, Recommendation]]:
    """Ids and recommendations of runs of a service.

    Raises:
        ServiceError: one of another version.
    """
    from pydantic import ValidationError

    from grouping.recommendation import Recommendation
    from search.client import Client
    from search.errors import ServiceError

    found = []
    with Client.from_environment(server) as client:
        for run in runs:
            identity = client.find(run)
            try:
                found.append((identity, Recommendation.from_json(json.loads(client.report(identity, "json")))))
            except (ValidationError, ValueError) as error:
                fix = "Use the version of taskgroup that is served there"
                what = f"the recommendation of {escape_controls(identity)} cannot be read"
                raise ServiceError(what, where=client.url, fix=fix) from error
    return found
