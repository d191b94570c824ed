"""``taskgroup doctor``: is this machine, or that cluster, fit to run searches?"""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import typer

from search.cli.console import JsonFlag, emit_json, escape_controls, print_result

__all__ = ["doctor"]

_MARKS = {"ok": "ok", "warning": "warning", "failed": "FAILED"}


def doctor(
    address: Annotated[
        str, typer.Option("--address", help="A Ray cluster to look at: host:port, ray://host:port, or auto.")
    ] = "local",
    workers: Annotated[int | None, typer.Option("--workers", min=1, help="Workers that a search would have.")] = None,
    jobs_port: Annotated[
        int | None, typer.Option(min=1, max=65_535, help="Where that cluster takes jobs; 8265 by default.")
    ] = None,
    as_json: JsonFlag = False,
) -> int:
    """Look at Python, packages, memory, disk, store, torch and Ray; say what to do about what is amiss."""
    from search.doctor import examine
    from search.store.home import runs_home

    found = []
    for finding in examine(runs_home(), address, workers, jobs_port):
        found.append(finding)
        if not as_json:
            print_result(escape_controls(f"{_MARKS[finding.state]:<9}{finding.check:<17}{finding.what}"))
            if finding.fix:
                print_result(escape_controls(f"{'':<26}{finding.fix}"))
    failed = sum(finding.state == "failed" for finding in found)
    warned = sum(finding.state == "warning" for finding in found)
    if as_json:
        emit_json({"failed": failed, "warnings": warned, "findings": [asdict(finding) for finding in found]})
    else:
        verdict = "Not fit to run" if failed else "Fit to run"
        warnings = f"{warned} warning{'s' * (warned != 1)}"
        print_result(f"{verdict}: {len(found)} checks, {failed} failed, {warnings}")
    return 1 if failed else 0
