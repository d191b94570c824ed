"""Heavy work is given out turn by turn: one asker's flood delays the asker, and nobody else by more than a turn."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from search.service.errand_runners import ErrandRunners
from search.service.gate import API
from search.service.refusals import BusyError, TooManyError
from search.service.turns import Turns
from tests.search.service.serving import Served

TABLE = [{"network": task, "task": task, "loss": 0.5} for task in "ab"]


async def worked(turns: Turns, asker: str, done: list[str], seconds: float = 0.01) -> None:
    async with turns.of(asker):
        await asyncio.sleep(seconds)
        done.append(asker)


def run(story: Callable[[], Awaitable[None]]) -> None:
    asyncio.run(asyncio.wait_for(story(), 60))


def test_askers_take_turns_however_much_each_asks_for() -> None:
    done: list[str] = []

    async def story() -> None:
        turns = Turns(1, 10, 30.0)
        flood = [asyncio.create_task(worked(turns, "flood", done)) for _ in range(8)]
        await asyncio.sleep(0)
        late = [asyncio.create_task(worked(turns, who, done)) for who in ("one", "one", "other")]
        await asyncio.gather(*flood, *late)

    run(story)
    assert done[:5] == ["flood", "flood", "one", "other", "flood"]  # the second was at work before others came
    assert len(done) == 11


def test_nobody_has_all_the_places() -> None:
    done: list[str] = []

    async def story() -> None:
        turns = Turns(3, 10, 30.0)
        flood = [asyncio.create_task(worked(turns, "flood", done, 5.0)) for _ in range(5)]
        await asyncio.sleep(0)
        await worked(turns, "one", done)
        for task in flood:
            task.cancel()
        await asyncio.gather(*flood, return_exceptions=True)
        await asyncio.gather(*(worked(turns, "after", done) for _ in range(3)))  # who was cancelled left their places

    run(story)
    assert done == ["one", "after", "after", "after"]


def test_more_than_is_allowed_is_refused_and_waiting_ends() -> None:
    async def story() -> None:
        turns, done = Turns(1, 2, 0.05), list[str]()
        going = asyncio.create_task(worked(turns, "a", done, 5.0))
        await asyncio.sleep(0)
        waiting = asyncio.create_task(worked(turns, "a", done))
        await asyncio.sleep(0)
        with pytest.raises(TooManyError) as refused:
            await worked(turns, "a", done)
        assert refused.value.retry_after
        with pytest.raises(BusyError) as busy:
            await worked(turns, "b", done)
        assert busy.value.retry_after
        with pytest.raises(BusyError):
            await waiting
        going.cancel()
        await asyncio.gather(going, return_exceptions=True)
        await worked(turns, "b", done)
        assert done == ["b"]

    run(story)


def test_one_tokens_heavy_questions_do_not_starve_anothers(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    answered = ErrandRunners._answered
    heavy = {"on": True}

    async def slow(self: ErrandRunners, errand: str, arguments: Any, seconds: float) -> dict[str, Any]:
        if arguments["options"]["max_networks"] == 1:  # the heavy ones
            while heavy["on"]:
                await asyncio.sleep(0.01)
        return await answered(self, errand, arguments, seconds)

    monkeypatch.setattr(ErrandRunners, "_answered", slow)
    most = served.service.settings.solves_per_token
    with served.client("ada") as ada, served.client("bob") as bob, ThreadPoolExecutor(most) as pool:
        body = {"table": TABLE, "max_networks": 1, "budget": 1}
        flood = [pool.submit(ada.post, f"{API}/groupings", json=body) for _ in range(most)]
        try:
            present = served.service.errands._turns._present
            while sum(present.values()) < most:
                assert not any(one.done() for one in flood)
            refused = ada.post(f"{API}/groupings", json=body)
            assert refused.status_code == 429
            assert int(refused.headers["retry-after"]) > 0
            found = bob.post(f"{API}/groupings", json={"table": TABLE, "budget": 2})
            assert found.status_code == 200, found.text
        finally:
            heavy["on"] = False
        assert {one.result().status_code for one in flood} == {422}  # two tasks, one network: nothing fits


@pytest.mark.parametrize(
    "path",
    [
        *(
            f"{API}/runs/RUN/{what}"
            for what in ("recommendation", "frontier", "affinity", "losses", "curves", "report")
        ),
        f"{API}/comparisons?run=RUN",
        "/runs/RUN",
        "/runs/RUN/choice?budget=1",
        "/compare?run=RUN&run=OTHER",
    ],
)
def test_whatever_reads_a_whole_result_takes_its_turn(
    served: Served, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    path = path.replace("RUN", served.run_of("ada")).replace("OTHER", served.run_of("ada"))
    with served.client() as client:
        monkeypatch.setattr(served.service, "dials", Turns(1, 0, 1.0))  # nobody's turn comes
        assert client.get(path).status_code == 429
        assert client.get(f"{API}/runs").status_code == 200
