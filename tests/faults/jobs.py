"""What misbehaving jobs do; workers import this module."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from search import faults
from search.training.experiment import Experiment
from search.training.packs import Pack, train_plain
from search.trials import Course, Trial, TrialFailure, TrialResult

__all__ = ["DiesAt", "course", "forks_and_hangs", "prints", "swells", "wanders"]


def course(trial: Trial) -> Course:
    """The whole training of a trial."""
    return Course(trial)


@dataclass(frozen=True)
class DiesAt:
    """Trains packs with the plain engine, and dies where ``TASKGROUP_FAULT`` would say so."""

    fault: str

    def __call__(self, experiment: Experiment, pack: Pack) -> list[TrialResult | TrialFailure]:
        faults._fault, faults._passages = self.fault, 0
        try:
            return train_plain(experiment, pack)
        finally:
            faults._fault = None


def prints(shared: None, size: int) -> int:
    line = "x" * 999 + "\n"
    for _ in range(size // len(line)):
        sys.stdout.write(line)
    sys.stdout.flush()
    return size


def wanders(shared: None, folder: str) -> str:
    """Tells where it is, and goes elsewhere."""
    here = str(Path.cwd())
    time.sleep(0.05)  # so that both workers get jobs
    os.chdir(folder)
    return here


def forks_and_hangs(shared: None, pids: str) -> None:
    """Leaves a child and a child's child behind, and never ends."""
    code = (
        "import os, subprocess, sys, time\n"
        "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)'])\n"
        f"open({pids!r}, 'a').write(f'{{os.getpid()}} {{child.pid}}\\n')\n"
        "time.sleep(600)"
    )
    subprocess.Popen([sys.executable, "-c", code])
    time.sleep(600)


def swells(shared: None, size: int) -> int:
    """Takes so many bytes of memory, a little at a time, and keeps them for a while."""
    held = []
    for _ in range(size // 50_000_000):
        held.append(os.urandom(1024) * (50_000_000 // 1024))
        time.sleep(0.05)
    time.sleep(20 if size else 0)
    return len(held)
