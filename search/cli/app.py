"""The console script ``taskgroup``: its commands, and the one place where an error becomes a message and an exit code.

Command modules import only typer at their top; what a command needs is imported inside it, so ``--help`` stays quick.
"""

from __future__ import annotations

import os
import re
import sys
from typing import Annotated

import typer
from typer.exceptions import TyperException

from search.cli.backup import backup, restore
from search.cli.cancel import cancel
from search.cli.compare import compare
from search.cli.console import emit_json, escape_controls, note, print_result
from search.cli.doctor import doctor
from search.cli.init import init
from search.cli.logs import logs
from search.cli.measure import measure
from search.cli.plan import plan
from search.cli.recommend import recommend, resume, search
from search.cli.replay import replay
from search.cli.report import report
from search.cli.reproduce import reproduce
from search.cli.runs import runs
from search.cli.serve import serve
from search.cli.solve import solve
from search.cli.submit import submit
from search.cli.token import token
from search.leaving import leave

app = typer.Typer(
    name="taskgroup",
    help="Which tasks should share a network, and what does that cost?",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


def _print_version(asked: bool) -> None:
    if asked:
        from importlib.metadata import version as installed

        print_result(f"taskgroup {installed('taskgrouping')}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool,
        typer.Option("--version", help="Print the version and leave.", is_eager=True, callback=_print_version),
    ] = False,
) -> None:
    """What comes before the command."""


def main(arguments: list[str] | None = None) -> None:
    """Run the command line and leave the process with its exit code."""
    # Matrices here are small. With a thread a core their threads wait for each other where workers keep the cores busy,
    # for minutes in place of seconds. Libraries read this when a command first imports them.
    for library in ("OMP", "MKL", "OPENBLAS"):
        os.environ.setdefault(f"{library}_NUM_THREADS", "1")
    leave(run(sys.argv[1:] if arguments is None else arguments))


def run(arguments: list[str]) -> int:
    """Run one command; returns its exit code. A user's mistake never shows a traceback."""
    from grouping.errors import GroupingError

    as_json = "--json" in arguments
    try:
        code = app(args=arguments, standalone_mode=False)
    except GroupingError as error:
        return _fail(error.as_json(), error.exit_code, as_json=as_json)
    except TyperException as error:
        # typer passes on pydantic's messages, with a prefix that says nothing to a user.
        message = error.format_message().replace(": Value error, ", ": ", 1)
        if type(error).__name__ == "NoArgsIsHelpError":  # private to typer; its message is the help
            note(message)
            return 2
        fix = _nearest_value(message) or f"See: taskgroup {_command(arguments)}--help"
        return _fail({"code": "usage", "what": message.rstrip("."), "where": "", "fix": fix}, 2, as_json=as_json)
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        _forget_reader()
        return 0
    except Exception as error:
        if os.environ.get("TASKGROUP_DEBUG"):
            raise
        what = f"unexpected {type(error).__name__}: {error}"
        fix = "This is a defect of taskgroup: run again with TASKGROUP_DEBUG=1 and report the traceback"
        return _fail({"code": "unexpected", "what": what, "where": "", "fix": fix}, 1, as_json=as_json)
    return int(code) if isinstance(code, int) else 0


def _nearest_value(message: str) -> str:
    """What was meant, where a value is one of an option's but for its spelling: dashes, underscores, capitals."""
    found = re.search(r"'([^']*)' is not one of (.+)", message)
    if found is None:
        return ""
    from grouping.tasks import nearest_name

    known = re.findall(r"'([^']*)'", found[2])
    fix = nearest_name(found[1].lower().replace("_", "-"), known)
    return fix if fix.startswith("Did you mean") else ""


def _command(arguments: list[str]) -> str:
    known = {command.callback.__name__ for command in app.registered_commands if command.callback is not None}
    return f"{arguments[0]} " if arguments and arguments[0] in known else ""


def _fail(error: dict[str, object], exit_code: int, *, as_json: bool) -> int:
    if as_json:
        try:
            emit_json({"error": error})
        except BrokenPipeError:
            _forget_reader()
    where = f"{error['where']}: " if error["where"] else ""
    fix = f"\n       {error['fix']}" if error["fix"] else ""
    fix += "" if fix.endswith(("?", ".")) or not fix else "."
    stop = "" if str(error["what"]).endswith("?") else "."
    note(escape_controls(f"error: {where}{error['what']}{stop}{fix}"))
    return exit_code


def _forget_reader() -> None:
    """The reader of stdout went away (``| head``): nothing is wrong, and nothing more can be said there."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


app.command()(init)
app.command()(report)
app.command()(compare)
app.command()(reproduce)
app.command()(runs)
app.command()(plan)
app.command()(recommend)
app.command()(search)
app.command()(resume)
app.command()(cancel)
app.command()(logs)
app.command()(backup)
app.command()(restore)
app.command()(solve)
app.command()(measure)
app.command()(replay)
app.command()(doctor)
app.command()(serve)
app.command()(submit)
app.add_typer(token)
