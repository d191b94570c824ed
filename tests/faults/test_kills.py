"""SIGKILL at every point where a crash could come, and at moments nobody chose: resumed, all ends as if untouched.

Trainings are looked up here; the points that trainings pass are in ``test_workers``.
"""

from __future__ import annotations

import math
import random
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from search.faults import POINTS, Point
from tests.faults import FULL
from tests.faults.conftest import Resume, Undisturbed
from tests.faults.victims import Victims

Note = Callable[[str, object], None]


@pytest.mark.fault("R29", "SIGKILL at every commit point (TASKGROUP_FAULT)")
@pytest.mark.parametrize("point", [point for point in POINTS if not point.startswith("checkpoint")])
def test_a_run_killed_at_a_point_is_resumed_to_the_same_end(
    point: Point,
    victims: Victims,
    undisturbed: Undisturbed,
    resume: Resume,
    home: Path,
    record_property: Note,
) -> None:
    passages, kills = undisturbed.passages[point], 0
    few = {1, (passages + 1) // 2, passages} if point.startswith("store") else {1, passages}
    step = math.ceil(passages / (24 if point.startswith("store") else 12))
    chosen = sorted({*few, *range(1, passages + 1, step)} if FULL else few)
    for n in chosen:
        place = home / str(n) / "runs"
        place.mkdir(parents=True)
        code = victims.run(place, fault=f"{point}:{n}")
        # A lease is renewed by the clock: a quicker run may be over before the last of a slower one's commits.
        assert code == -signal.SIGKILL or (code == 0 and point.startswith("store") and n > passages - 5)
        kills += code == -signal.SIGKILL
        assert resume(place) == 0
        undisturbed.assert_equalled(place, kills=1)
    record_property("count", kills)
    record_property("figure", f"{point}: {kills} of {passages} passages, all with the same decision")


@pytest.mark.fault("R29", "SIGKILL again and again, at random points, while resuming too")
def test_a_run_that_is_killed_whenever_it_is_resumed_comes_to_the_same_end(
    victims: Victims, undisturbed: Undisturbed, resume: Resume, home: Path, record_property: Note
) -> None:
    rng = random.Random(4)
    kills = 0
    while victims.run(home, "resume" if kills else "recommend", fault=_early(rng, kills)) == -signal.SIGKILL:
        kills += 1
        if kills == (12 if FULL else 4):
            break
    assert resume(home) == 0
    undisturbed.assert_equalled(home, kills=kills)
    record_property("count", kills)
    record_property("figure", f"killed {kills} times in a row, then finished; same decision")


@pytest.mark.fault("R2", "SIGKILL of the driver at random moments, before the first result too")
def test_a_driver_killed_at_any_moment_is_resumed_to_the_same_end(
    victims: Victims, undisturbed: Undisturbed, resume: Resume, home: Path, record_property: Note
) -> None:
    rng = random.Random(2)
    moments = [0.0, *(rng.uniform(0, 1.5) for _ in range(9 if FULL else 2))]
    for n, moment in enumerate(moments):
        place = home / str(n) / "runs"
        place.mkdir(parents=True)
        victim = victims.start(place, seconds=0.03)
        time.sleep(moment)
        victim.kill()
        assert victim.wait() == -signal.SIGKILL
        assert resume(place) == 0
        undisturbed.assert_equalled(place, kills=1)
    record_property("count", len(moments))
    record_property("figure", f"{len(undisturbed.keys)} of {len(undisturbed.keys)} trials every time, none twice")


def _early(rng: random.Random, kills: int) -> str:
    """A point that is met early in any run; the very first time after the run was created."""
    point = rng.choice(["store.commit.before", "store.commit.after", "job.begin", "job.end", "phase.begin"])
    return f"{point}:{rng.randint(3, 6) if point.startswith('store') else rng.randint(1, 2)}" if kills else f"{point}:3"
