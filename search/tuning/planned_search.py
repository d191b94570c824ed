"""The plan of a search and the book that is kept of it: which configuration comes next, and how each of them ended.

Tune asks it for configurations and tells it what became of them; the store hears of everything first, Optuna second.
Whatever the store holds when a search begins counts: what ended is never trained again, what was under way is begun
again, and what was never drawn is drawn now. A configuration follows from the seed and from how those ended that come
``lag`` places or more before it, and waits for them: so a search comes to the same whatever the number of its workers,
and however often it was killed.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from ray.tune.search import Searcher

from grouping.errors import InputError, NoResultError
from search.spec.space import Between, Choices, Space, Value
from search.store.configurations import ENDED, ConfigurationRecord, Configurations
from search.trials import Remark, stream_seed
from search.tuning.cost_brackets import FAILURE, PLACE, Readings
from search.tuning.network import SearchedNetwork
from search.tuning.samplers import ToldSearch

__all__ = ["Plan", "PlannedSearch", "drawn_at_random"]

_DRAWS = 32  # of Optuna, for one configuration, before chance draws it
_CHANCES = 2_000  # of chance, before the bracket is given up
_ATTEMPTS = 2  # of a configuration whose worker died: the cause may have been the machine


@dataclass(frozen=True)
class Plan:
    """What is to be searched.

    Args:
        run: Id of the run.
        space: What is drawn from.
        places: Configurations in all.
        brackets: Upper ends of cost, ascending; place ``i`` is drawn for bracket ``i`` modulo their number.
        by_cost: Whether cost is minimised beside loss.
        seed: Decides the draws: each follows from it, its place and how those ended that are ``lag`` places before.
        lag: At least as many as are trained at the same time, or workers wait.
        timeout: Seconds that one configuration may take.
        network: What network a point describes.
        cost: What serving it costs, in the budget's unit.

    ``network`` and ``cost`` may raise InputError for a point that cannot be built: another one is drawn then.
    """

    run: str
    space: Space
    places: int
    brackets: tuple[float, ...]
    by_cost: bool
    seed: int
    lag: int
    timeout: float
    network: Callable[[Mapping[str, Value]], SearchedNetwork]
    cost: Callable[[SearchedNetwork], float]

    def bracket(self, place: int) -> int:
        """Which bracket a place is drawn for."""
        return place % len(self.brackets)

    def fits(self, values: Mapping[str, Value], bracket: int) -> tuple[SearchedNetwork, float] | None:
        """The network of a point and its cost, if it can be built and belongs into the bracket."""
        try:
            network = self.network(values)
            cost = self.cost(network)
        except InputError:
            return None
        low = 0.0 if bracket == 0 else self.brackets[bracket - 1]
        return (network, cost) if low * (1 + 1e-9) < cost <= self.brackets[bracket] * (1 + 1e-9) else None


class PlannedSearch(Searcher):
    """Draws what is planned and not there yet, in the order of places.

    What goes wrong here must not be lost in Tune, which logs and goes on: it is kept in ``broken``, and everything
    stops.

    Args:
        plan: What is to be searched.
        store: Where it is kept.
        stop: Asked before each new draw whether to leave the rest undrawn.
        progress: Told when a configuration ended, and whether it failed.
        tell: Told what happened to trainings on their way, each thing once.
        forget: Told of every network that will not be trained again.
    """

    def __init__(
        self,
        plan: Plan,
        store: Configurations,
        stop: Callable[[], bool] = lambda: False,
        progress: Callable[[bool], None] = lambda failed: None,
        tell: Callable[[Remark], None] = lambda remark: None,
        forget: Callable[[SearchedNetwork], None] = lambda network: None,
    ) -> None:
        super().__init__()
        self._tell, self._forget, self._heard = tell, forget, set[Remark]()
        self.broken: BaseException | None = None
        self._plan, self._store, self._stop, self._progress = plan, store, stop, progress
        known = store.of(plan.run)
        self._drawn = {record.place: record.values for record in known}
        self._attempts = {record.place: 0 for record in known}
        self._seen = [dict(record.values) for record in known]
        self._ended = {record.place: record for record in known if record.state in ENDED}
        self._open = [place for place in range(plan.places) if place not in self._ended]
        self._studies = [
            ToldSearch(plan.space, by_cost=plan.by_cost, planned=plan.places // len(plan.brackets))
            for _ in plan.brackets
        ]
        self._through = self._told = 0
        self._at_work: dict[str, _UnderWay] = {}
        self._reasons: dict[str, str] = {}

    @property
    def open(self) -> int:
        """Places that have not ended and are not at work."""
        return len(self._open)

    @property
    def studies(self) -> tuple[ToldSearch, ...]:
        """What Optuna knows of each bracket."""
        return tuple(self._studies)

    def known(self, place: int) -> tuple[Readings, ...]:
        """What was read of those that the configuration of a place is compared with: its bracket's, ``lag`` before."""
        alike = range(self._plan.bracket(place), place - self._plan.lag + 1, len(self._plan.brackets))
        return tuple(self._ended[one].readings for one in alike)

    def __getstate__(self) -> dict[str, Any]:
        return {}  # Tune writes down whatever it is given; what is true stands in the store

    def save(self, checkpoint_path: str) -> None:
        """Nothing: the store is the checkpoint."""

    def suggest(self, trial_id: str) -> Any:  # noqa: ANN401 - a configuration, None for "not yet", or Ray's word for the end
        """The next configuration."""
        if self.broken is not None or self._stop() or not (self._open or self._at_work):
            return Searcher.FINISHED
        if not self._open or not self._may_begin(self._open[0]):
            return None  # one that is at work may have to be tried once more, or has to end first
        try:
            return self._begin(trial_id, self._open.pop(0))
        except BaseException as error:  # noqa: BLE001  (raised again where it can be seen)
            self.broken = error
            return Searcher.FINISHED

    def _may_begin(self, place: int) -> bool:
        while self._through in self._ended:
            self._through += 1
        return place in self._drawn or place - self._plan.lag < self._through

    def _begin(self, trial_id: str, place: int) -> dict[str, Any]:
        plan, bracket = self._plan, self._plan.bracket(place)
        if place in self._drawn:
            values = self._drawn[place]
            found = plan.fits(values, bracket)
        else:
            values, found = self._new(place)
        if found is None:
            raise NoResultError(
                f"no network of the space costs more than the bracket before and at most {plan.brackets[bracket]:g}",
                where=f"search.brackets[{bracket}]",
                fix="Widen search.space, or leave the bracket out",
            )
        network, cost = found
        self._store.begin(plan.run, place, values, cost)
        self._drawn[place] = values
        self._attempts[place] = self._attempts.get(place, 0) + 1
        self._at_work[trial_id] = _UnderWay(place, network, cost, time.monotonic())
        return {PLACE: place, "way": str(network.way), "capacity": network.capacity}

    def _new(self, place: int) -> tuple[Mapping[str, Value], tuple[SearchedNetwork, float] | None]:
        """A point that was not drawn before and belongs into the bracket: Optuna's, or after many tries chance's."""
        for one in range(self._told, place - self._plan.lag + 1):
            self._studies[self._plan.bracket(one)].tell(self._ended[one])
            self._told = one + 1
        bracket = self._plan.bracket(place)
        study = self._studies[bracket]
        study.sow(stream_seed(self._plan.seed, "configuration", place) % 2**32)
        rng = np.random.default_rng(stream_seed(self._plan.seed, "chance", place))
        values: Mapping[str, Value] = {}
        for draw in range(_DRAWS + _CHANCES):
            values = study.draw() if draw < _DRAWS else drawn_at_random(self._plan.space, rng)
            found = None if values in self._seen else self._plan.fits(values, bracket)
            if found is not None:
                self._seen.append(dict(values))
                return values, found
        return values, None

    def on_trial_result(self, trial_id: str, result: Mapping[str, Any]) -> None:
        """A reading, unless it is the last one: that comes with the end."""
        try:
            if FAILURE not in result and self.broken is None:
                self._read(trial_id, result)
        except BaseException as error:  # noqa: BLE001
            self.broken = error

    def _read(self, trial_id: str, result: Mapping[str, Any]) -> None:
        one = self._at_work[trial_id]
        if result["share"] <= one.share:
            return  # Tune tells the last one twice
        for remark in result.get("remarks", ()):
            if remark not in self._heard:
                self._heard.add(remark)
                self._tell(remark)
        one.readings.append((result["share"], result["loss"]))
        self._store.read(self._plan.run, one.place, *one.readings[-1])

    def started(self, trial_id: str) -> None:
        """A worker has the configuration: its time begins."""
        if trial_id in self._at_work:
            self._at_work[trial_id].began = time.monotonic()

    def failed(self, trial_id: str, reason: str) -> None:
        """Why the worker of a trial is no more, as far as Tune knows."""
        self._reasons[trial_id] = reason

    def on_trial_complete(self, trial_id: str, result: Mapping[str, Any] | None = None, error: bool = False) -> None:
        """Finished if it was trained to the end, stopped if it was not, failed if it says so or its worker died."""
        try:
            self._hear(trial_id, result or {}, died=error)
        except BaseException as caught:  # noqa: BLE001
            self.broken = caught

    def _hear(self, trial_id: str, result: Mapping[str, Any], *, died: bool) -> None:
        if self.broken is not None:
            return  # whatever is under way was not stopped for its losses: it is begun again when the run is resumed
        one = self._at_work[trial_id]
        if died or not {"share", FAILURE} & result.keys():
            self._died(trial_id, one, died=died)
        elif FAILURE in result:
            reason, detail = str(result[FAILURE]), str(result.get("detail", ""))
            self._end(trial_id, one, "failed", reason=reason, detail=detail, worker=str(result["worker"]))
        else:
            self._read(trial_id, result)
            state: Literal["finished", "stopped"] = "finished" if one.share >= 1 else "stopped"
            told = {"found": result["found"], "seconds": result["seconds"], "worker": result["worker"]}
            self._end(trial_id, one, state, **told)

    def _died(self, trial_id: str, one: _UnderWay, *, died: bool) -> None:
        """Once more where the machine may be to blame; a configuration that takes too long will again."""
        late = time.monotonic() - one.began >= self._plan.timeout
        if died and not late and self._attempts[one.place] < _ATTEMPTS:
            del self._at_work[trial_id]
            self._open.insert(0, one.place)
            return
        reason = f"timed out after {self._plan.timeout:g} s" if late else self._reasons.get(trial_id, "worker died")
        self._end(trial_id, one, "failed", reason=reason if died else "no loss was reported")

    def _end(self, trial_id: str, one: _UnderWay, state: Literal["finished", "stopped", "failed"], **told: Any) -> None:  # noqa: ANN401
        self._store.end(self._plan.run, one.place, state, **told)
        del self._at_work[trial_id]
        self._ended[one.place] = ConfigurationRecord(
            place=one.place,
            values=self._drawn[one.place],
            state=state,
            attempts=self._attempts[one.place],
            loss=one.readings[-1][1] if one.readings else None,
            cost=one.cost,
            readings=tuple(one.readings),
            **{"found": "", "seconds": 0.0, "worker": "", "reason": "", "detail": "", **told},
        )
        self._forget(one.network)
        self._progress(state == "failed")


@dataclass
class _UnderWay:
    """A configuration in training, and how far it is."""

    place: int
    network: SearchedNetwork
    cost: float
    began: float
    readings: list[tuple[float, float]] = field(default_factory=list)

    @property
    def share(self) -> float:
        """Of its training, so far."""
        return self.readings[-1][0] if self.readings else 0.0


def drawn_at_random(space: Space, rng: np.random.Generator) -> dict[str, Value]:
    """A point of the space, every value as likely."""
    values: dict[str, Value] = {}
    for name, one in space.items():
        if isinstance(one, Choices):
            values[name] = one.values[int(rng.integers(len(one.values)))]
        elif one.whole:
            values[name] = int(rng.integers(int(one.low), int(one.high) + 1))
        else:
            values[name] = _between(one, float(rng.random()))
    return values


def _between(one: Between, part: float) -> float:
    value = one.low * (one.high / one.low) ** part if one.log else one.low + part * (one.high - one.low)
    return min(max(float(f"{value:.4g}"), one.low), one.high)
