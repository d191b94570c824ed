"""The report of a run that came to nothing: what was tried, and why it gave no recommendation."""

from __future__ import annotations

from collections.abc import Sequence

from grouping.errors import GroupingError
from search.output.folder import RunFolder
from search.store.records import TrialRecord

__all__ = ["write_failure"]

_SHOWN = 8  # networks named for each reason


def write_failure(folder: RunFolder, name: str, run: str, error: GroupingError, trials: Sequence[TrialRecord]) -> None:
    """Write ``report.md``.

    Args:
        folder: The run's.
        name: What the user called it.
        run: Its id.
        error: Why there is no recommendation.
        trials: Every training of the run.
    """
    finished = sum(record.state == "finished" for record in trials)
    reasons: dict[str, list[str]] = {}
    for record in trials:
        if record.state == "failed":
            reasons.setdefault(record.reason, []).append(record.trial.network)
    lines = [
        f"# {_inline(name)}: no recommendation",
        "",
        f"No recommendation could be made: {_inline(error.what)}.",
        *([f"{_inline(error.fix)}."] if error.fix else []),
        "",
        f"Run `{run}`: {finished} trainings finished, {len(trials) - finished} failed.",
    ]
    if reasons:
        lines += ["", "| reason | trainings | networks |", "| --- | --- | --- |"]
    for reason, networks in sorted(reasons.items(), key=lambda item: -len(item[1])):
        distinct = list(dict.fromkeys(networks))
        more = f" and {len(distinct) - _SHOWN} more" if len(distinct) > _SHOWN else ""
        lines.append(f"| {_inline(reason)} | {len(networks)} | {_inline(', '.join(distinct[:_SHOWN]))}{more} |")
    folder.write_text("report.md", "\n".join(lines) + "\n")


def _inline(text: str) -> str:
    """A text from users as one line that makes neither markup nor a table's cell."""
    plain = " ".join(text.split())
    return "".join(f"\\{letter}" if letter in "\\`*_[]<>|#" else letter for letter in plain)
