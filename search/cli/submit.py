"""``taskgroup submit``: have a spec run by a service; a table that it names is uploaded first."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from search.cli.console import JsonFlag, QuietFlag, emit_json, escape_controls, note, print_result

if TYPE_CHECKING:
    from search.client import Client
    from search.spec import Spec

__all__ = ["ServerOption", "submit"]

ServerOption = Annotated[
    str | None,
    typer.Option(
        "--server",
        metavar="URL",
        envvar="TASKGROUP_SERVER",
        help="Ask this service, with the token in TASKGROUP_TOKEN; '': this machine.",
    ),
]


def submit(
    spec: Annotated[Path, typer.Argument(help="The spec, a YAML file.", show_default=False)],
    server: Annotated[
        str | None, typer.Option("--server", metavar="URL", help="The service; default: TASKGROUP_SERVER.")
    ] = None,
    search: Annotated[
        bool, typer.Option("--search", help="An architecture search, by the spec's section 'search'.")
    ] = False,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Wait for its end and say what happens.")] = False,
    as_json: JsonFlag = False,
    quiet: QuietFlag = False,
) -> None:
    """Submit a spec to a service: it is queued there, and started when its turn comes."""
    from search.client import Client
    from search.documents import dump_spec, read_spec

    asked = read_spec(spec)
    with Client.from_environment(server) as client:
        placed = _with_upload(asked, spec.parent, client, quiet=quiet or as_json)
        run = client.submit(dump_spec(placed), kind="search" if search else "recommend")
        note(f"run {run['id']} is {run['state']} at {client.url}", quiet=quiet or as_json)
        if follow:
            run = _follow(client, run, quiet=quiet or as_json)
    if as_json:
        emit_json(run)
    else:
        print_result(escape_controls(str(run["id"]) if not follow else f"run {run['id']} is {run['state']}"))
    if follow and run["state"] != "finished":
        raise typer.Exit(3)


def _with_upload(spec: Spec, base: Path, client: Client, *, quiet: bool) -> Spec:
    """The spec with its tables named by the service's ids, where it names files of ours."""
    from search.data.registry import is_registered
    from search.data.resolution import source_path

    def there(source: str) -> str:
        if is_registered(source):
            return source
        file = source_path(source, base)
        if not file.is_file():
            return source  # it may be the id of an upload; the service knows
        found = client.upload(file)
        note(f"{file} is data set {found['id']} there", quiet=quiet)
        return str(found["id"])

    tables = {"source": there(spec.data.source), "more": tuple(map(there, spec.data.more))}
    return spec.model_copy(update={"data": spec.data.model_copy(update=tables)})


def _follow(client: Client, run: dict[str, Any], *, quiet: bool) -> dict[str, Any]:
    """Say what happens until the run ends; Ctrl-C leaves it running."""
    for message in client.watch(str(run["id"])):
        data = message["data"]
        if message["event"] in {"state", "phase", "note", "warning", "error"}:
            payload = data["payload"]
            said = payload.get("text") or payload.get("label") or payload.get("what") or payload.get("to") or ""
            note(escape_controls(f"{message['event']}: {said}"), quiet=quiet)
    return client.run(str(run["id"]))
