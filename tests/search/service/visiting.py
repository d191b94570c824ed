"""What tests of pages share: a client that logs in as a browser does, and runs with something to show."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import httpx
import numpy as np

from search.documents import dump_spec
from search.trials import Trial, TrialResult
from tests.search.service.serving import Served
from tests.search.service.web.samples import run_folder, spec

__all__ = ["HTML", "browser", "choosable_run", "csrf", "trained", "visible"]

HTML = {"accept": "text/html"}


@contextmanager
def browser(served: Served, who: str = "ada") -> Iterator[httpx.Client]:
    """A client that has logged in as a browser does, and keeps its cookie."""
    with served.client(None, headers=HTML, follow_redirects=True) as client:
        answer = client.post("/login", data={"token": served.tokens[who], "next": "/runs"})
        assert answer.url.path == "/runs"
        yield client


def csrf(client: httpx.Client, path: str = "/solve") -> str:
    """What a form of a page carries."""
    found = re.search(r'name="csrf" value="([^"]+)"', client.get(path).text)
    assert found is not None
    return found[1]


def visible(answer: httpx.Response) -> str:
    """The page, with its figures' data left out."""
    return re.sub(r'<script type="application/json".*?</script>', "", answer.text, flags=re.DOTALL)


def choosable_run(served: Served, who: str = "ada") -> str:
    """A finished run whose losses can be chosen from again."""
    run = served.run_of(who, "choosable")
    folder = served.home / run
    folder.mkdir(parents=True, exist_ok=True)
    recommendation = replace(run_folder(folder, 5, 3.0), run=run, name="choosable")
    (folder / "recommendation.json").write_text(json.dumps(recommendation.to_json()), encoding="utf-8")
    lease = served.store.take(run)
    served.store.set_spec(run, dump_spec(spec(tuple("abcde"), 3.0)))
    lease.release("finished")
    return run


def trained(served: Served, run: str, trial: Trial, losses: list[float]) -> None:
    """A training with that curve for each of its tasks; the run is one that this process has taken."""
    curve_TS = np.tile(losses, (len(trial.tasks), 1))
    result = TrialResult(np.arange(1, len(losses) + 1) * 10, curve_TS, 0.5, "host:1")
    served.store.record_result(run, "search", trial, f"{trial.network}-{trial.seed}", result)
