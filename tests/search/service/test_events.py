"""Watching runs: nothing is lost, nothing comes twice, and a slow reader harms nobody."""

from __future__ import annotations

import asyncio
import json
import socket
import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from itertools import islice
from pathlib import Path
from typing import Any

import httpx
import pytest

from search.service import events
from search.service.events import Hub
from search.service.routes import events as events_route
from search.store.records import EventRecord
from search.store.store import Store
from search.store.tokens import Tokens
from tests.search.service.serving import Served, serving, until


def _messages(response: httpx.Response) -> Iterator[tuple[str, str | None, Any]]:
    """(event, id, data) of each message."""
    event, number, data = "", None, ""
    for line in response.iter_lines():
        name, _, value = line.partition(": ")
        if name == "event":
            event = value
        elif name == "id":
            number = value
        elif name == "data":
            data = value
        elif not line and event:
            yield event, number, json.loads(data)
            event, number, data = "", None, ""


def _watched(
    served: Served, run: str, *, after: str | None = None, who: str = "ada"
) -> list[tuple[str, str | None, Any]]:
    headers = {"last-event-id": after} if after is not None else {}
    with served.client(who) as client, client.stream("GET", f"/api/v1/runs/{run}/events", headers=headers) as response:
        assert response.status_code == 200
        assert response.headers["content-type"].startswith("text/event-stream")
        return list(_messages(response))


def test_a_watcher_is_told_everything_in_order_and_then_the_end(served: Served) -> None:
    run = served.run_of("ada")
    found: list[tuple[str, str | None, Any]] = []
    thread = threading.Thread(target=lambda: found.extend(_watched(served, run)))
    thread.start()
    lease = served.store.take(run)
    served.store.add_event(run, "phase", {"label": "groups of the search", "total": 4, "done": 0})
    served.store.set_progress(run, best=0.9)
    served.store.add_event(run, "note", {"text": "line\nbreak \u2028 </script>"})
    lease.release("finished")
    thread.join(30)
    assert not thread.is_alive()
    told = [(event, data) for event, number, data in found if number is not None]
    assert [event for event, _ in told] == ["state", "state", "phase", "note", "state"]
    assert told[3][1]["payload"]["text"] == "line\nbreak \u2028 </script>"
    numbers = [int(number) for _, number, _ in found if number is not None]
    assert numbers == sorted(set(numbers))
    assert found[-1][0] == "end"
    assert found[-1][2] == {"state": "finished"}
    last = [data for event, _, data in found if event == "progress"][-1]
    assert (last["state"], last["best"]) == ("finished", 0.9)


def test_a_watcher_goes_on_where_it_left_off(served: Served) -> None:
    run = served.run_of("ada")
    lease = served.store.take(run)
    for index in range(20):
        served.store.add_event(run, "note", {"text": str(index)})
    lease.release("failed")
    everything = [message for message in _watched(served, run) if message[1] is not None]
    for cut in (0, 5, len(everything) - 1):
        rest = [message for message in _watched(served, run, after=everything[cut][1]) if message[1] is not None]
        assert rest == everything[cut + 1 :]
    # Whoever knows all of it is told the end again, and not left waiting.
    assert [event for event, _, _ in _watched(served, run, after="9" * 18)] == ["progress", "end"]


def test_more_events_than_are_kept_are_read_from_the_store(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(events, "_KEPT", 30)
    monkeypatch.setattr(events, "_PAGE", 20)
    run = served.run_of("ada")
    lease = served.store.take(run)
    found: list[tuple[str, str | None, Any]] = []
    thread = threading.Thread(target=lambda: found.extend(_watched(served, run)))
    thread.start()
    for index in range(200):
        served.store.add_event(run, "note", {"text": str(index)})
    lease.release("finished")
    thread.join(60)
    texts = [data["payload"]["text"] for event, _, data in found if event == "note"]
    assert texts == [str(index) for index in range(200)]
    assert found[-1][0] == "end"


class _Overtaking(deque[EventRecord]):
    """Events among which the poller looks at the very moment when a watcher reads them."""

    look: Callable[[], None]

    def __iter__(self) -> Iterator[EventRecord]:
        self.look()
        return super().__iter__()


def test_a_watcher_that_is_overtaken_by_the_poller_loses_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(events, "_KEPT", 3)
    with Store.open(tmp_path) as store:
        run = store.create_run("x", "recommend", "", {})
        hub = Hub(store, 1.0, 9)
        channel = events._Channel(run, 0, 0, _Overtaking())
        assert isinstance(channel.events, _Overtaking)
        texts, told = iter(map(str, range(40))), list[str]()

        def look() -> None:
            for text in islice(texts, 5):
                store.add_event(run, "note", {"text": text})
                told.append(text)
            hub._look(channel)
            if len(told) == 40:
                hub.stop()

        channel.events.look = look

        async def heard() -> list[str]:
            channel.changed.set()
            notes = [json.loads(frame.data) async for frame in hub._follow(channel, 0) if frame.event == "note"]
            return [note["payload"]["text"] for note in notes]

        assert asyncio.run(heard()) == told


def test_a_run_that_cannot_be_read_does_not_silence_the_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    with Store.open(tmp_path) as store:
        runs = [store.create_run("x", "recommend", "", {}) for _ in range(2)]
        channels = [events._Channel(run, 0, 0) for run in runs]
        read = store.events

        def fail(run: str, *arguments: Any, **options: Any) -> list[EventRecord]:
            if run == runs[0]:
                raise ValueError("a defect")
            return read(run, *arguments, **options)

        monkeypatch.setattr(store, "events", fail)
        Hub(store, 1.0, 9)._look_at(channels)
        assert [len(channel.events) for channel in channels] == [0, 1]
        assert "a defect" in caplog.text


def test_a_stream_that_always_has_something_to_tell_ends_with_its_token(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(events_route, "_BETWEEN_CHECKS", 0.0)
    with serving(tmp_path) as served:
        run = served.run_of("ada")
        served.store.take(run)
        tokens = Tokens(served.store.sessions)
        (mine,) = (token for token in tokens.list() if token.name == "ada")
        with served.client() as client, client.stream("GET", f"/api/v1/runs/{run}/events") as response:
            messages = _messages(response)
            next(messages)
            tokens.revoke(mine.id)
            served.service.authenticator.forget()
            served.store.add_event(run, "note", {"text": "a secret"})
            assert not any(event == "note" for event, _, _ in messages)


def test_the_end_of_a_run_that_is_deleted_is_told(served: Served) -> None:
    run = served.run_of("ada")
    found: list[tuple[str, str | None, Any]] = []
    thread = threading.Thread(target=lambda: found.extend(_watched(served, run)))
    thread.start()
    until(lambda: served.service.hub.watchers)
    served.store.delete_run(run)
    thread.join(30)
    assert found[-1] == ("end", None, {"state": "deleted"})


def test_a_hundred_watchers_are_all_told_the_end(tmp_path: Path) -> None:
    with serving(tmp_path, max_concurrent_runs=1) as served:
        served.store.take(served.run_of("occupant"))
        runs = [served.run_of("ada") for _ in range(5)]
        leases = [served.store.take(run) for run in runs]
        ends: list[str] = []
        lock = threading.Lock()

        def watch(run: str) -> None:
            last = _watched(served, run)[-1][0]
            with lock:
                ends.append(last)

        threads = [threading.Thread(target=watch, args=(runs[index % 5],)) for index in range(100)]
        for thread in threads:
            thread.start()
        until(lambda: served.service.hub.watchers == 100)
        # One that never reads: a socket whose buffers fill up.
        slow = _slow(served, runs[0])
        for index in range(50):
            served.store.add_event(runs[index % 5], "note", {"text": "x" * 1000})
        for lease in leases:
            lease.release("finished")
        for thread in threads:
            thread.join(60)
        slow.close()
        assert ends == ["end"] * 100
        until(lambda: served.service.hub.watchers == 0)


def _slow(served: Served, run: str) -> socket.socket:
    host, _, port = served.url.removeprefix("http://").partition(":")
    connection = socket.create_connection((host, int(port)))
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    head = [f"GET /api/v1/runs/{run}/events HTTP/1.1", f"Host: {host}", f"Authorization: Bearer {served.tokens['ada']}"]
    connection.sendall("\r\n".join([*head, "", ""]).encode())
    return connection


def test_there_are_only_so_many_watchers_and_they_are_not_all_one_tokens(tmp_path: Path) -> None:
    with serving(tmp_path, watchers=2) as served, ExitStack() as stack:
        ada, bob, root = (stack.enter_context(served.client(who)) for who in ("ada", "bob", "root"))
        runs = {who: served.run_of(who) for who in ("ada", "bob")}
        streams = {who: f"/api/v1/runs/{run}/events" for who, run in runs.items()}
        for run in runs.values():
            served.store.take(run)

        def watch(client: httpx.Client, who: str) -> Iterator[bytes]:
            told = stack.enter_context(client.stream("GET", streams[who])).iter_bytes()
            next(told)
            return told  # leaving it would close the stream

        first = watch(ada, "ada")
        mine = ada.get(streams["ada"])
        second = watch(bob, "bob")
        refused = root.get(streams["ada"])
        assert (mine.status_code, refused.status_code) == (429, 503)
        assert mine.headers["retry-after"]
        assert refused.headers["retry-after"]
        assert "taskgroup_watchers 2.0" in root.get("/metrics").text
        del first, second


@pytest.mark.parametrize("number", ["-1", "x", "1e3", "9" * 25, ""])
def test_a_number_that_is_none_is_refused(served: Served, number: str) -> None:
    run = served.run_of("ada")
    with served.client() as client:
        assert client.get(f"/api/v1/runs/{run}/events", params={"after": number}).status_code == 422


def test_nobody_watches_the_runs_of_others(served: Served) -> None:
    run = served.run_of("ada")
    with served.client("bob") as client:
        assert client.get(f"/api/v1/runs/{run}/events").status_code == 404
