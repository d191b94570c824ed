"""Processes that work on a whole run of the planted world and may be killed at any moment.

``python -m tests.faults.victims`` imports everything once and forks a process for every run, so that a kill and what
follows cost a second. The run is a real one, from spec to report; only trainings are looked up (``planted``).
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

__all__ = ["Victim", "Victims", "decided", "log_of", "trained"]

ROOT = Path(__file__).resolve().parents[2]
_NAMES = ("g0_0", "g0_1", "g1_0")
_SPEC: Final[dict[str, Any]] = {
    "name": "planted",
    "data": {"source": "synthetic"},
    "tasks": [{"name": name, "target": f"y_{name}", "type": "regression"} for name in _NAMES],
    "network": {"widths": [16, 16], "capacities": [1.0]},
    "training": {"epochs": 8, "seeds": 2},
    "affinity": {"estimator": "higher-order", "audit": 1},
    "budget": {"inference": 2, "max_networks": 2},
    "evidence": {"seeds": 2, "random_groupings": 1, "draws": 5},
}
_PASSING = {"run", "created", "wall_seconds", "environment", "command"}
"""What a recommendation says that is not about the decision."""


@dataclass(frozen=True)
class Victim:
    """A process at work."""

    victims: Victims
    pid: int
    messages: Path

    def wait(self) -> int:
        """Its exit code; a signal's number below zero."""
        return self.victims.wait(self.pid)

    def kill(self, how: signal.Signals = signal.SIGKILL) -> None:
        os.kill(self.pid, how)

    @property
    def said(self) -> str:
        """What it wrote to stderr."""
        return self.messages.read_text()


class Victims:
    """Starts them."""

    def __init__(self) -> None:
        environment = {**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.faults.victims"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=environment,
        )

    def start(
        self,
        home: Path,
        verb: str = "recommend",
        *,
        fault: str = "",
        seconds: float = 0.0,
        principal: str = "",
        url: str = "",
        port: int = 0,
    ) -> Victim:
        """A process that makes a recommendation in a folder of runs, resumes the latest, or serves the folder.

        Args:
            home: The folder of runs.
            verb: ``recommend``, ``resume`` or ``serve``.
            fault: Where it kills itself, ``POINT:N``; ``count`` tells the passages of every point instead.
            seconds: How long each training takes.
            principal: Who the run belongs to.
            url: The database, where it is not in the folder.
            port: Where it listens, if it serves; it starts no runs.
        """
        messages = home.parent / f"{home.name}-{verb}.err"
        order = {"home": str(home), "verb": verb, "fault": fault, "seconds": seconds, "messages": str(messages)}
        order |= {"principal": principal, "url": url, "port": port}
        return Victim(self, int(self._answer(order)), messages)

    def run(self, home: Path, verb: str = "recommend", *, fault: str = "", seconds: float = 0.0) -> int:
        """Start one and wait for its end; returns the exit code."""
        return self.start(home, verb, fault=fault, seconds=seconds).wait()

    def wait(self, pid: int) -> int:
        return int(self._answer({"wait": pid}))

    def _answer(self, order: dict[str, Any]) -> str:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        print(json.dumps(order), file=self._process.stdin, flush=True)
        return self._process.stdout.readline()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.wait(timeout=60)
        self._process.stdout.close()


def decided(home: Path, run: str) -> dict[str, Any]:
    """What a run's recommendation says of the decision; equal to the last bit wherever the same was decided."""
    data = json.loads((home / run / "recommendation.json").read_text())
    return {name: value for name, value in data.items() if name not in _PASSING}


def trained(home: Path) -> Counter[str]:
    """How often each trial was trained, whatever became of the result; probes of the workers' speed left out."""
    log = log_of(home)
    return Counter(log.read_text().split() if log.exists() else [])


def log_of(home: Path) -> Path:
    """Where trainings are noted: beside the folder, which may be full or damaged."""
    return home.with_name(f"{home.name}.trained")


def _main() -> None:
    """Take orders from stdin, one a line, and answer each with one line."""
    import search.output.files
    import search.supervisor  # noqa: F401 - what a run needs is there before it is forked
    import tests.search.planted  # noqa: F401

    for line in sys.stdin:
        order = json.loads(line)
        if "wait" in order:
            _say(os.waitstatus_to_exitcode(os.waitpid(order["wait"], 0)[1]))
            continue
        pid = os.fork()
        if pid == 0:
            _child(order)
        _say(pid)


def _say(number: int) -> None:
    sys.stdout.write(f"{number}\n")
    sys.stdout.flush()


def _child(order: dict[str, Any]) -> None:
    """Work, and leave with the exit code that the console script would have."""
    from grouping.errors import GroupingError
    from search import faults

    messages = os.open(order["messages"], os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.dup2(messages, 1)
    os.dup2(messages, 2)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    faults._fault = order["fault"] or None
    passed: Counter[str] = Counter()
    if faults._fault == "count":
        faults._count = lambda point, fault: passed.update([point])
    code = 1
    try:
        if order["verb"] == "serve":
            _serve(Path(order["home"]), order["port"])
        else:
            _work(Path(order["home"]), order["verb"], order["seconds"], order["principal"], order["url"] or None)
        code = 0
    except GroupingError as error:
        sys.stderr.write(f"{error}\n")
        code = error.exit_code
    except KeyboardInterrupt:
        code = 130
    except SystemExit as error:
        code = int(error.code or 0)
    except BaseException:  # noqa: BLE001 - told, and the process ends
        sys.excepthook(*sys.exc_info())
    finally:
        if passed:
            sys.stderr.write(json.dumps(passed))
        sys.stderr.flush()
        os._exit(code)


def _serve(home: Path, port: int) -> None:
    """What ``taskgroup serve`` does, with a launcher that starts nothing."""
    from search.service.server import serve
    from search.service.settings import Settings
    from tests.search.service.serving import Noted

    settings = Settings(home=home, port=port, requests_per_second=100_000.0, burst=100_000)
    serve(settings, lambda _: Noted(), _tell)


def _work(home: Path, verb: str, seconds: float, principal: str, url: str | None) -> None:
    """What ``taskgroup recommend`` and ``taskgroup resume`` do, with trainings of the planted world in this process."""
    from search.data.resolution import resolve
    from search.desk import Desk, Unseen
    from search.documents import dump_spec, parse_spec
    from search.execution.executor import InlineExecutor
    from search.job import prepare
    from search.output.folder import RunFolder
    from search.run import run_recommendation
    from search.spec import Spec
    from search.store.store import Store
    from search.supervisor import supervise
    from search.training.experiment import Experiment
    from search.training.packs import OneByOne
    from search.trials import Trial, TrialResult
    from tests.search.planted import planted

    def train(experiment: Experiment, trial: Trial) -> TrialResult:
        if trial.phase != "probe":
            time.sleep(seconds)
            with log_of(home).open("a") as log:
                log.write(f"{trial.key(experiment.context)}\n")
        return planted(experiment, trial)

    with Store.open(home, url=url) as store:
        if verb == "recommend":
            spec = resolve(Spec.model_validate(_SPEC))
            run = store.create_run(spec.name, "recommend", dump_spec(spec), {}, tasks=_NAMES, principal=principal)
        else:
            run = store.run("latest").id
        job = prepare(parse_spec(store.run(run).spec, "the store"), home)
        folder = RunFolder(home / run)

        def work(desk: Desk) -> object:
            executor, progress = InlineExecutor(), desk.progress
            return run_recommendation(
                job, store, run, folder, executor, progress, train=OneByOne(train), command="test"
            )

        supervise(Desk(store, store.run(run), folder, Unseen(), _tell, _tell), work)


def _tell(text: str) -> None:
    sys.stderr.write(f"{text}\n")


if __name__ == "__main__":
    _main()
