"""``taskgroup report``: render a finished run again, from the files of its folder alone."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from search.cli.console import JsonFlag, QuietFlag, emit_json, escape_controls, print_result
from search.cli.curves import TensorboardOption, write_curves_of
from search.cli.submit import ServerOption

if TYPE_CHECKING:
    from grouping.report.content import Content

__all__ = ["ReportFormat", "report"]

STDOUT = Path("-")


class ReportFormat(StrEnum):
    """What a report can be written as; ``csv`` is the affinity table, ``graphml`` the task graph."""

    html = "html"
    md = "md"
    json = "json"
    csv = "csv"
    graphml = "graphml"


def report(
    run: Annotated[str, typer.Argument(help="A run's folder, its id, the beginning of its id, or 'latest'.")],
    output_format: Annotated[
        ReportFormat, typer.Option("--format", help="csv: the affinity table; graphml: the task graph.")
    ] = ReportFormat.html,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", metavar="FILE", help="'-': stdout. Default: report.html in the run's folder."),
    ] = None,
    tensorboard: TensorboardOption = None,
    server: ServerOption = None,
    as_json: JsonFlag = False,
    quiet: QuietFlag = False,
) -> None:
    """Render a run's report again: HTML into its folder, other formats to stdout, unless FILE says otherwise.

    With --server it is fetched: HTML into RUN-report.html here. With --tensorboard only curves are written, of a run
    that is still under way too.
    """
    if tensorboard is not None:
        _write_curves(run, tensorboard, server, as_json=as_json, quiet=quiet)
        return
    if server:
        _fetch(server, run, output_format, output, as_json=as_json, quiet=quiet)
        return
    from grouping.report.content import read_content
    from search.output.folder import RunFolder

    folder = find_run(run)
    text = _render(read_content(folder), output_format)
    target = output
    if target is None:
        kept = output_format is ReportFormat.html or as_json
        target = folder / f"report.{output_format.value}" if kept else STDOUT
    if target == STDOUT and not as_json:
        print_result(text)
        return
    target = folder / f"report.{output_format.value}" if target == STDOUT else target
    written = RunFolder(target.parent).write_text(target.name, text)
    if as_json:
        emit_json({"run": folder.name, "format": output_format.value, "file": str(written)})
    elif not quiet:
        print_result(escape_controls(str(written)))


def _write_curves(run: str, folder: Path, server: str | None, *, as_json: bool, quiet: bool) -> None:
    from grouping.errors import InputError
    from search.store.home import runs_home
    from search.store.store import Store

    if server:
        raise InputError("curves are not fetched", where="--tensorboard", fix="Leave out --server, or use its pages")
    with Store.open(runs_home(), create=False) as store:
        found = store.run(run).id
        shown = write_curves_of(store, found, folder, quiet=quiet or as_json)
    if as_json:
        emit_json({"run": found, "curves": shown, "folder": str(folder)})


def _fetch(
    server: str, run: str, output_format: ReportFormat, output: Path | None, *, as_json: bool, quiet: bool
) -> None:
    from search.client import Client
    from search.output.folder import RunFolder

    with Client.from_environment(server) as client:
        identity = client.find(run)
        content = client.report(identity, output_format.value)
    kept = output_format is ReportFormat.html or as_json
    target = output or (Path(f"{identity}-report.{output_format.value}") if kept else STDOUT)
    if target == STDOUT and not as_json:
        print_result(content.decode())
        return
    target = Path(f"{identity}-report.{output_format.value}") if target == STDOUT else target
    written = RunFolder(target.parent).write_bytes(target.name, content)
    if as_json:
        emit_json({"run": identity, "format": output_format.value, "file": str(written)})
    elif not quiet:
        print_result(escape_controls(str(written)))


def find_run(run: str) -> Path:
    """The folder of a run named by path, id, unique beginning of an id, or ``latest``.

    Raises:
        InputError: none, or several, fit.
    """
    from grouping.errors import InputError
    from grouping.tasks import nearest_name
    from search.store.home import runs_home
    from search.store.run_ids import LATEST, is_run_id, shown_id

    given = Path(run or "-")  # an empty path would mean the current folder
    try:
        is_folder, is_run = given.is_dir(), (given / "recommendation.json").is_file()
    except OSError:  # no file can have that name: too long, say
        is_folder = is_run = False
    if is_run:
        return given
    home = runs_home()
    # Names are compared with what is there, never joined into a path: an id cannot lead out of the home.
    names = sorted(folder.name for folder in home.iterdir() if folder.is_dir()) if home.is_dir() else []
    if run in names:
        return home / run
    runs = [name for name in names if is_run_id(name)]  # a service keeps folders of its own there
    found = runs[-1:] if run == LATEST else [name for name in names if run and name.startswith(run)]
    if len(found) == 1:
        return home / found[0]
    if is_folder:
        return given
    if found:
        fix = f"It could be any of: {', '.join(found[:5])}"
        raise InputError(f"'{run}' fits {len(found)} runs in {home}", where="RUN", fix=fix)
    shown = shown_id(run)
    fix = nearest_name(shown, names) if names else "See: taskgroup runs"
    raise InputError(f"there is no run '{shown}' in {home}", where="RUN", fix=fix)


def _render(content: Content, output_format: ReportFormat) -> str:
    if output_format is ReportFormat.html:
        from grouping.report.html import html

        return html(content)
    if output_format is ReportFormat.md:
        from grouping.report.markdown import markdown

        return markdown(content)
    if output_format is ReportFormat.json:
        import json

        return json.dumps(content.recommendation.to_json(), indent=2, ensure_ascii=False) + "\n"
    from grouping.report.affinity_view import affinity_csv, graphml

    write = affinity_csv if output_format is ReportFormat.csv else graphml
    return write(content.recommendation)
