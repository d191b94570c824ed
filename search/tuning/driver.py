"""Runs a planned search on Ray Tune: one Tuner for what is still to be done, whose own files are worth nothing.

Tune starts workers, hands out configurations and stops them; its checkpoints are never read, because a search that was
killed before the first of them would end as a success with one trial. The store is asked instead.
"""

from __future__ import annotations

import faulthandler
import io
import logging
import tempfile
import threading
import time
import traceback
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, redirect_stdout, suppress
from functools import partial
from typing import Any

from ray import tune
from ray.tune import Callback, CheckpointConfig, RunConfig, Stopper, Trainable, TuneConfig, Tuner

from grouping.errors import NoResultError
from search.execution.cluster_environment import environment
from search.execution.executor import one_line, this_worker
from search.networks.sharing import Sharing
from search.spec.searching import SearchSpec
from search.store.configurations import ENDED, ConfigurationRecord, Configurations
from search.trials import Remark
from search.tuning.cost_brackets import FAILURE, CostBrackets, NoStopping
from search.tuning.network import SearchedNetwork
from search.tuning.planned_search import Plan, PlannedSearch
from search.tuning.readings import validated
from search.tuning.samplers import quiet_optuna

__all__ = ["Evaluate", "search_configurations"]

Evaluate = Callable[[SearchedNetwork], Iterator[Mapping[str, Any]]]
"""What trains a configuration: yields ``loss`` (and ``seconds``, ``found``, ``remarks``) after each share of it."""

_QUIET = {
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",  # no files of results: the store has them
    "TUNE_DISABLE_SIGINT_HANDLER": "1",  # Ctrl-C is ours
    "TUNE_GLOBAL_CHECKPOINT_S": "100000",  # nor checkpoints, which nobody reads
    "TUNE_WARN_THRESHOLD_S": "30",
    "TUNE_MAX_PENDING_TRIALS_PG": "16",
    "RAY_AIR_NEW_OUTPUT": "0",
}
_LONGEST = 10_000  # characters of a traceback
_LOOK_SECONDS = 0.2
_PATIENCE_SECONDS = 5.0  # for Tune to end once everything is to stop; after that its cluster is taken away
_MANY = 10**9  # the search itself says when it is done


def search_configurations(
    plan: Plan,
    search: SearchSpec,
    store: Configurations,
    evaluate: Evaluate,
    workers: int,
    *,
    gpus: float = 0.0,
    stop: Callable[[], bool] = lambda: False,
    progress: Callable[[bool], None] = lambda failed: None,
    tell: Callable[[Remark], None] = lambda remark: None,
    forget: Callable[[SearchedNetwork], None] = lambda network: None,
    check: Callable[[], None] = lambda: None,
) -> tuple[ConfigurationRecord, ...]:
    """Do what is planned and not there yet; Ray must be running, with a CPU free for each worker.

    Args:
        plan: What is to be searched.
        search: How: when losses are read, what is stopped.
        store: Where it is kept.
        evaluate: Trains one configuration; picklable.
        workers: Configurations that are trained at the same time.
        gpus: Share of a GPU that each of them has.
        stop: Asked before each new draw whether to leave the rest undrawn.
        progress: Told when a configuration ended, and whether it failed.
        tell: Told what happened to trainings on their way.
        forget: Told of every network that will not be trained again.
        check: Called again and again while Tune works; what it raises ends the search.

    Returns:
        All configurations that were begun, by place.

    Raises:
        NoResultError: a bracket that no point of the space belongs into.
        StoreError, DiskError: what ended cannot be kept.
        ClusterError: from ``check``; what was under way is begun again when the run is resumed.
        KeyboardInterrupt: Ctrl-C; what is under way is begun again when the run is resumed.
    """
    while True:
        asked = PlannedSearch(plan, store, stop, progress, tell, forget)
        if not asked.open or stop():
            return store.of(plan.run)
        before = _ended(store, plan.run)
        _apart(asked, partial(_fit, asked, plan, search, evaluate, workers, gpus), check)
        if _ended(store, plan.run) == before and not stop():
            raise NoResultError("no configuration came to an end", where="search", fix="Look at the run's log")


def _apart(asked: PlannedSearch, work: Callable[[], None], check: Callable[[], None]) -> None:
    """Do it in a thread of its own: in the main one Tune would take signals over that are not its own.

    Raises:
        BaseException: what broke the search, or what a signal or ``check`` raised here in the meantime; then nothing is
            written any more.
    """
    failed: list[BaseException] = []

    def attempt() -> None:
        try:
            work()
        except BaseException as error:  # noqa: BLE001  (raised again below)
            failed.append(error)

    thread = threading.Thread(target=attempt, name="tune", daemon=True)
    thread.start()
    try:
        while thread.is_alive():
            thread.join(_LOOK_SECONDS)
            check()
    except BaseException as error:
        asked.broken = asked.broken or error
        thread.join(_PATIENCE_SECONDS)
        raise
    for wrong in (asked.broken, *failed):
        if wrong is not None:
            raise wrong


def _ended(store: Configurations, run: str) -> int:
    return sum(record.state in ENDED for record in store.of(run))


def _fit(asked: PlannedSearch, plan: Plan, search: SearchSpec, evaluate: Evaluate, workers: int, gpus: float) -> None:
    def halted() -> bool:
        return asked.broken is not None

    asha = search.scheduler == "asha"
    scheduler = CostBrackets(search.first, search.reduction, halted, asked.known) if asha else NoStopping(halted)
    with ExitStack() as around, tempfile.TemporaryDirectory(prefix="tg-tune-", ignore_cleanup_errors=True) as folder:
        around.enter_context(environment(_QUIET))
        around.enter_context(_silence())
        trainable = tune.with_parameters(_Training, evaluate=evaluate, shares=search.fractions, timeout=plan.timeout)
        Tuner(
            tune.with_resources(trainable, {"cpu": 1, "gpu": gpus}),
            tune_config=TuneConfig(
                search_alg=asked,
                scheduler=scheduler,
                num_samples=_MANY,
                max_concurrent_trials=workers,
                reuse_actors=True,
                trial_dirname_creator=_folder_name,
                trial_name_creator=_folder_name,
            ),
            run_config=RunConfig(
                name="search",
                storage_path=folder,
                verbose=0,
                callbacks=[_Lives(asked)],
                checkpoint_config=CheckpointConfig(checkpoint_at_end=False),
                stop=_Halt(halted),
            ),
        ).fit()


class _Training(Trainable):
    """What a worker does with a configuration, one reading a step: whatever goes wrong is a report of its own."""

    def setup(
        self,
        config: Mapping[str, Any],
        evaluate: Evaluate = lambda network: iter(()),
        shares: tuple[float, ...] = (1.0,),
        timeout: float = 3600.0,
    ) -> None:
        """A worker begins with its first configuration."""
        self._evaluate, self._shares, self._timeout = evaluate, shares, timeout
        self.reset_config(config)

    def reset_config(self, new_config: Mapping[str, Any]) -> bool:
        """A worker goes on with another configuration."""
        self._network = SearchedNetwork(Sharing.parse(new_config["way"]), float(new_config["capacity"]))
        self._reports: Iterator[Mapping[str, Any]] | None = None
        self._read, self._left = 0, self._timeout
        return True

    def step(self) -> dict[str, Any]:
        """Train to the next reading."""
        began = time.monotonic()
        faulthandler.dump_traceback_later(max(self._left, 0.1), exit=True)  # it works where nothing else does
        try:
            return self._next()
        except (Exception, SystemExit) as error:  # noqa: BLE001
            detail = "".join(traceback.format_exception(error))[-_LONGEST:]
            return {FAILURE: one_line(error)[:1000], "detail": detail, "worker": this_worker(), "done": True}
        finally:
            faulthandler.cancel_dump_traceback_later()
            self._left -= time.monotonic() - began

    def _next(self) -> dict[str, Any]:
        if self._reports is None:
            self._reports = self._evaluate(self._network)
        share = self._shares[self._read]
        reading = validated(next(self._reports, {}), share, this_worker())
        self._read += 1
        found = reading.found or str(self._network.way)
        return {**vars(reading), "found": found, "done": share >= 1}


class _Halt(Stopper):
    """Stops everything once something is broken."""

    def __init__(self, halted: Callable[[], bool]) -> None:
        self._halted = halted

    def __getstate__(self) -> dict[str, Any]:
        return {}

    def __call__(self, trial_id: str, result: Mapping[str, Any]) -> bool:
        return False

    def stop_all(self) -> bool:
        return self._halted()


class _Lives(Callback):
    """Hears when workers begin, and why they died."""

    def __init__(self, asked: PlannedSearch) -> None:
        self._asked = asked

    def __getstate__(self) -> dict[str, Any]:
        return {}

    def on_trial_start(self, iteration: int, trials: list[Any], trial: Any, **info: object) -> None:  # noqa: ANN401
        """A worker has it from now on."""
        self._asked.started(trial.trial_id)

    def on_trial_error(self, iteration: int, trials: list[Any], trial: Any, **info: object) -> None:  # noqa: ANN401
        """Tune's own account of it may be unreadable, on a full disk for instance."""
        with suppress(Exception):
            self._asked.failed(trial.trial_id, _reason(trial.get_error()))


def _reason(error: object) -> str:
    return "out of memory" if "OutOfMemory" in type(error).__name__ + str(error)[:2000] else "worker died"


def _folder_name(trial: Any) -> str:  # noqa: ANN401 - Ray's own
    """Without values of settings: what users write must not reach the file system."""
    return f"t{trial.trial_id}"


@contextmanager
def _silence() -> Iterator[None]:
    """Nothing that Tune, Ray or Optuna have to say reaches users: boxes, hints, and warnings of what will change."""
    loggers = [logging.getLogger(name) for name in ("ray", "ray.tune", "ray.train", "optuna")]
    levels = [logger.level for logger in loggers]
    try:
        for logger in loggers:
            logger.setLevel(logging.CRITICAL)
        with redirect_stdout(io.StringIO()), quiet_optuna(), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
