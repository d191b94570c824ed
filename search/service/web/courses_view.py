"""Validation losses of the trainings so far, one task at a time: the figure that grows while a run is under way."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from grouping.report.labels import Figure, figure, label
from grouping.report.wording import count
from search.networks.sharing import HARD
from search.service.web.wording import joined
from search.store.recent import Course, Courses

__all__ = ["MOST_COURSES", "CoursesView", "courses_view"]

MOST_COURSES = 60
"""Lines that can still be told apart a little; all of them are in the tables."""

_MOST_POINTS = 60
_LONGEST_NAME = 60


@dataclass(frozen=True)
class CoursesView:
    """The figure, and what it says in words.

    Args:
        version: Changes when there is something new to draw.
        caption: What is drawn, and what is left out.
        figure: None before the first training that holds the task has ended.
    """

    version: str
    caption: str
    figure: Figure | None


def courses_view(task: str, found: Courses, version: str) -> CoursesView:
    """What the trainings that hold a task did to its loss.

    Args:
        task: Its name.
        found: The newest of them, and those of the task alone.
        version: What tells this answer from a later one: how many trainings of the run have ended well.
    """
    courses, total = found
    if not courses:
        return CoursesView(version, f"No training that holds {task} has ended yet.", None)
    alone = [one for one in courses if _is_alone(one, task)]
    others = [one for one in courses if not _is_alone(one, task)]
    newest, earlier = others[:1], others[1:]
    data = [
        *_traces(earlier, f"other trainings that hold {label(task, 40)}", "@other", 1, 0.45),
        *_traces(alone, f"{label(task, 40)} alone", "@ink", 2, 1.0, dash="dash"),
        *_traces(newest, "the newest", "@chosen", 2.5, 1.0),
    ]
    layout = {
        "xaxis": {"title": {"text": "step"}, "nticks": 6, "rangemode": "tozero"},
        "yaxis": {"title": {"text": f"validation loss of {label(task, 40)}"}, "nticks": 6},
        "hovermode": "closest",
        "showlegend": True,
        "legend": {"orientation": "h", "y": 1.02, "yanchor": "bottom", "x": 0},
    }
    return CoursesView(version, _caption(task, courses, total), figure(data, layout, 360))


def _caption(task: str, courses: Sequence[Course], total: int) -> str:
    noun = count(total, "training")
    if len(courses) < total:
        return f"{len(courses)} of {noun} that hold {task}: the newest, and those of {task} alone."
    return f"The only training that holds {task} so far." if total == 1 else f"All {noun} that hold {task} so far."


def _is_alone(one: Course, task: str) -> bool:
    trial = one.trial.trial
    return trial.tasks == (task,) and trial.capacity == 1 and trial.sharing == HARD


def _traces(
    courses: Sequence[Course], name: str, colour: str, width: float, opacity: float, dash: str = "solid"
) -> list[dict[str, Any]]:
    """One trace for all of them, with gaps between: sixty traces would be slow to draw."""
    x: list[int | None] = []
    y: list[float | None] = []
    text: list[str] = []
    for one in courses:
        every = max(1, -(-len(one.steps) // _MOST_POINTS))
        kept = [*range(0, len(one.steps) - 1, every), len(one.steps) - 1]
        x += [*(one.steps[i] for i in kept), None]
        y += [*(float(f"{one.losses[i]:.5g}") for i in kept), None]
        text += [_named(one)] * (len(kept) + 1)
    if not x:
        return []
    return [
        {
            "type": "scatter",
            "mode": "lines",
            "name": name,
            "x": x,
            "y": y,
            "text": text,
            "opacity": opacity,
            "line": {"width": width, "color": colour, "dash": dash},
            "hovertemplate": "%{text}<br>step %{x}: %{y:.4g}<extra></extra>",
        }
    ]


def _named(one: Course) -> str:
    trial = one.trial.trial
    size = "" if trial.capacity == 1 else f", {trial.capacity:g} SNT"
    return f"{label(joined(trial.tasks, _LONGEST_NAME))}{size}, seed {trial.seed}"
