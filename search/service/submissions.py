"""A spec from a stranger on its way to a queued run: never chooses code, stays within quotas, is complete by then."""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from grouping.tasks import nearest_name
from search.data.registry import is_registered, registered_names
from search.documents import on_one_line, spec_from
from search.documents.parsing import Document
from search.errors import DataError, SpecError
from search.networks.shape import BUILT_IN
from search.service.auth import Principal
from search.service.errand_runners import ErrandRunners
from search.service.offered import Offered
from search.service.settings import Settings
from search.spec import OWNED, ClusterSpec, Spec, installed_trainers, runs_code
from search.store.datasets import Datasets

__all__ = ["Prepared", "Submissions", "SubmittedKind"]

SubmittedKind = Literal["recommend", "search"]

_MOST_REMEMBERED = 512
_LONGEST_REMEMBERED = 50_000
"""Characters of a completed spec that is remembered, so that all of them together stay small."""

_SECONDS = 120.0
_LOCAL = "local"


@dataclass(frozen=True)
class Prepared:
    """A spec that can be run.

    Args:
        name: Of the run.
        spec: YAML, with everything filled in.
        tasks: Names of the tasks.
        cost: What it amounts to, as ``taskgroup plan --json`` says it.
    """

    name: str
    spec: str
    tasks: tuple[str, ...]
    cost: Mapping[str, Any]

    @property
    def trainings(self) -> int:
        """Largest number of networks that are trained; 0 where only the run itself can tell."""
        return int(self.cost.get("trainings") or 0)


class Submissions:
    """Checks specs, and remembers what completing one by its data came to: equal specs come to the same.

    Args:
        settings: Quotas, and the cluster.
        datasets: The uploaded tables.
        errands: Who reads tables.
        offered: The operator's tables.
    """

    def __init__(self, settings: Settings, datasets: Datasets, errands: ErrandRunners, offered: Offered) -> None:
        self._settings = settings
        self._datasets = datasets
        self._errands = errands
        self._offered = offered
        self._remembered: OrderedDict[str, Prepared] = OrderedDict()
        self._under_way: dict[str, asyncio.Task[Prepared]] = {}

    async def prepare(self, document: Document, kind: SubmittedKind, who: Principal) -> Prepared:
        """Everything a run needs, or why it cannot be.

        Raises:
            SpecError, DataError, InfeasibleError: what is wrong, where, and the way out.
        """
        spec = self._placed(_harmless(spec_from(document.data)))
        source = OWNED if spec.opaque else self._source(spec.data.source, who)
        more = [self._source(name, who, "data.more") for name in spec.data.more]
        data = spec.model_dump(mode="json", exclude_none=True)
        data["data"] |= {"source": source, "more": more}
        if not spec.tasks:
            del data["tasks"]
        if kind == "search" and spec.search is None:
            fix = "Add a section 'search' that says what is looked for"
            raise SpecError("the spec says nothing of a search", where="search", fix=fix)
        if kind == "recommend" and spec.search is not None:  # it would fail when its turn comes
            fix = "Ask for a run of kind 'search', or take the section out"
            raise SpecError("the spec asks for a search over settings", where="search", fix=fix)
        stamps = [self._offered.stamp(one) for one in (source, *more)]
        key = hashlib.sha256(json.dumps([kind, {**data, "name": ""}, stamps]).encode()).hexdigest()
        known = self._remembered.get(key)
        if known is None:
            known = await self._completed(key, data, spec, who)
            if len(known.spec) <= _LONGEST_REMEMBERED:
                self._remembered[key] = known
            if len(self._remembered) > _MOST_REMEMBERED:
                self._remembered.popitem(last=False)
        else:
            self._remembered.move_to_end(key)
        self._check_quotas(known)
        named = f"name: {on_one_line(spec.name)}\n{known.spec}"
        return Prepared(spec.name, named, known.tasks, {**known.cost, "name": spec.name})

    async def _completed(self, key: str, data: dict[str, Any], spec: Spec, who: Principal) -> Prepared:
        """As ``_complete``; equal specs that arrive together are completed once."""
        task = self._under_way.get(key)
        if task is None:
            task = self._under_way[key] = asyncio.create_task(self._complete(data, spec, who))
            task.add_done_callback(lambda _: self._under_way.pop(key, None))
        return await asyncio.shield(task)

    async def _complete(self, data: dict[str, Any], spec: Spec, who: Principal) -> Prepared:
        arguments = {
            "spec": {**data, "name": "x"},  # what is remembered is the same for every name
            "base": str(self._settings.datasets.absolute()),
            # Costs of other packages' trunks are told by building them, which is for the run's own process.
            "plan": spec.network.trunk in BUILT_IN and spec.budget.unit != "latency_ms" and spec.trainer is None,
        }
        folders = (arguments["base"], *self._offered.environment.values())
        told = {f"{folder}/": "" for folder in folders}
        found = await self._errands.run("prepare", arguments, _SECONDS, who.token, told)
        text = str(found.pop("spec")).removeprefix("name: x\n")
        return Prepared("", text, tuple(found["tasks"]), found)

    def _placed(self, spec: Spec) -> Spec:
        """The spec on the operator's cluster.

        Raises:
            SpecError: it asks for another one, or for more of it than may be had.
        """
        cluster, settings = spec.cluster, self._settings
        self._check_tasks(len(spec.tasks))
        if cluster.address not in {_LOCAL, settings.cluster_address}:
            fix = "Leave it out: the operator decides where trials run"
            raise SpecError("the address of a cluster is not taken from a spec", where="cluster.address", fix=fix)
        for name in ("launcher", "jobs", "python"):
            if getattr(cluster, name) != getattr(ClusterSpec(), name):
                fix = "Leave it out: the operator decides what works on a run, and where"
                raise SpecError("is not taken from a spec", where=f"cluster.{name}", fix=fix)
        if (cluster.workers or 1) > settings.workers_per_run:
            fix = f"Ask for at most {settings.workers_per_run}"
            raise SpecError(f"{cluster.workers} workers are too many", where="cluster.workers", fix=fix)
        gpus = 1.0 if cluster.gpus_per_worker == "auto" else cluster.gpus_per_worker
        if gpus > settings.gpus_per_worker:
            fix = f"Ask for at most {settings.gpus_per_worker:g}"
            where = "cluster.gpus_per_worker"
            raise SpecError(f"{gpus:g} GPUs a worker are too many", where=where, fix=fix)
        return spec.model_copy(update={"cluster": cluster.model_copy(update={"address": settings.cluster_address})})

    def _source(self, source: str, who: Principal, where: str = "data.source") -> str:
        """The registered name, the place of the operator's table, or the file of the upload.

        Raises:
            DataError: neither; nothing else is ever opened.
        """
        if is_registered(source):
            return source
        name = self._offered.name_of(source)
        if name is not None:
            return self._offered.source(name)
        found = self._datasets.find(source, who.owner)
        if found is not None:
            return found.file
        # What a submitter gets to see of their run names the file, so that too is taken; it is no path.
        known = self._datasets.find(source.rpartition(".")[0], who.owner)
        if known is not None and known.file == source:
            return known.file
        names = [*registered_names(), *self._offered.names]
        fix = f"Upload it first, or use one that is installed. {nearest_name(source[:200], names)}"
        raise DataError(f"{source[:200]!r} is neither a data set nor an upload", where=where, fix=fix)

    def _check_quotas(self, prepared: Prepared) -> None:
        """Refuse what is larger than the operator allows.

        Raises:
            SpecError: too many tasks or trainings.
        """
        self._check_tasks(len(prepared.tasks))
        trainings = prepared.trainings
        if trainings > self._settings.trials_per_run:
            fix = (
                f"At most {self._settings.trials_per_run:,} are allowed: use fewer seeds or candidates, "
                "or ask the operator for more"
            )
            raise SpecError(f"up to {trainings:,} trainings are too many", where="candidates", fix=fix)

    def _check_tasks(self, tasks: int) -> None:
        if tasks > self._settings.tasks_per_run:
            fix = f"Use at most {self._settings.tasks_per_run}, or ask the operator for more"
            raise SpecError(f"{tasks} tasks are too many", where="tasks", fix=fix)


def _harmless(spec: Spec) -> Spec:
    """The spec, if whatever it has run is what the operator installed.

    Raises:
        SpecError: a command, files or folders of a trainer, or a trainer that is not installed.
    """
    if runs_code(spec):
        fix = "Offer the trainer as an entry point of an installed package, or run it with: taskgroup recommend"
        raise SpecError("a command, files or a folder are not taken from a request", where="trainer", fix=fix)
    if spec.trainer is not None and spec.trainer.entry_point is not None:
        installed = installed_trainers()
        if spec.trainer.entry_point not in installed:
            what = f"no trainer is called '{spec.trainer.entry_point}'"
            fix = f"Ask the operator to install it. {nearest_name(spec.trainer.entry_point, installed)}"
            raise SpecError(what, where="trainer.entry_point", fix=fix)
    return spec
