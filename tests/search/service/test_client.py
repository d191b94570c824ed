"""The client and the commands that use it: the service's answers in the command line's words."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx
import pytest
import yaml

from grouping.errors import InfeasibleError, InputError
from search import client as client_module
from search.cli.app import run as command
from search.client import Client
from search.errors import ConflictError, ServiceError, SpecError
from tests.grouping.report.sample import weather
from tests.search.service.serving import SPEC, TABLE, Served


@pytest.fixture
def at(served: Served, monkeypatch: pytest.MonkeyPatch) -> Served:
    monkeypatch.setenv("TASKGROUP_TOKEN", served.tokens["ada"])
    monkeypatch.setenv("TASKGROUP_SERVER", served.url)
    return served


def _spec(folder: Path, **changed: Any) -> Path:
    path = folder / "spec.yaml"
    path.write_text(yaml.safe_dump({**SPEC, **changed}))
    return path


def test_a_spec_is_submitted_and_found_among_the_runs(
    at: Served, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command(["submit", str(_spec(tmp_path)), "--server", at.url, "--json"]) == 0
    run = json.loads(capsys.readouterr().out)
    assert run["state"] == "queued"
    assert at.store.run(run["id"]).principal == "ada"
    assert command(["runs", "--server", at.url, "--json"]) == 0
    listed = json.loads(capsys.readouterr().out)
    assert listed["runs"][0]["id"] == run["id"]
    assert command(["runs", "--server", at.url]) == 0
    assert run["id"] in capsys.readouterr().out


def test_a_table_that_a_spec_names_is_uploaded_once(
    at: Served, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "plants.csv").write_text(TABLE)
    spec = _spec(tmp_path, data={"source": "plants.csv"})
    sources = []
    for _ in range(2):
        assert command(["submit", str(spec), "--json"]) == 0
        sources.append(yaml.safe_load(json.loads(capsys.readouterr().out)["spec"])["data"]["source"])
    assert sources[0] == sources[1]
    assert sources[0].startswith("data-")


@pytest.mark.parametrize(("headers", "sent"), [({"retry-after": "0"}, 2), ({}, 1)], ids=["a-limit", "a-quota"])
def test_a_table_that_is_refused_for_now_is_sent_again_whole_and_one_beyond_a_quota_is_told(
    tmp_path: Path, headers: dict[str, str], sent: int
) -> None:
    (tmp_path / "plants.csv").write_text(TABLE)
    bodies: list[bytes] = []

    def answer(request: httpx.Request) -> httpx.Response:
        if request.method == "GET":
            return httpx.Response(200, json={"datasets": [], "total": 0})
        bodies.append(request.read())
        problem = {"what": "too many data sets", "where": "", "fix": "Delete some", "code": "too-many"}
        refused = httpx.Response(429, json=problem, headers=headers)
        return httpx.Response(201, json={"id": "data-1"}) if len(bodies) == 2 else refused

    with Client("http://service", "x") as client:
        client._http = httpx.Client(base_url="http://service", transport=httpx.MockTransport(answer))
        if sent == 1:
            with pytest.raises(ServiceError, match="too many data sets"):
                client.upload(tmp_path / "plants.csv")
        else:
            assert client.upload(tmp_path / "plants.csv") == {"id": "data-1"}
    assert bodies == [TABLE.encode()] * sent


def test_a_report_is_fetched(
    at: Served, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    run = at.finished_run("ada", weather())
    monkeypatch.chdir(tmp_path)
    assert command(["report", run, "--server", at.url]) == 0
    assert (tmp_path / f"{run}-report.html").read_bytes() == (at.home / run / "report.html").read_bytes()
    capsys.readouterr()
    assert command(["report", run, "--server", at.url, "--format", "json"]) == 0
    assert json.loads(capsys.readouterr().out)["run"] == weather().recommendation.run


def test_whoever_follows_is_told_the_end(at: Served, tmp_path: Path) -> None:
    with Client.from_environment() as client:
        run = client.submit(yaml.safe_dump(SPEC))["id"]
        watched = client.watch(run)
        assert next(watched)["event"] == "state"
        client.cancel(run)
        assert [message["event"] for message in watched][-1] == "end"


def test_runs_of_a_service_are_followed_ended_resumed_and_compared_as_ones_own(
    at: Served, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def told(*arguments: str) -> str:
        assert command([*arguments]) == 0, capsys.readouterr().err
        return capsys.readouterr().out

    run = at.run_of("ada", "elsewhere")
    at.store.add_event(run, "note", {"text": "red\x1b[31m"})
    lines = told("logs", run, "--server", at.url).splitlines()
    assert [line.split("  ", 1)[1] for line in lines] == ["queued", "red\\x1b[31m"]
    assert [json.loads(line)["event"] for line in told("logs", run, "--json").splitlines()] == ["state", "note"]
    at.store.take(run).release("interrupted")
    assert told("resume", run, "--server", at.url) == f"run {run} is queued\n"
    assert json.loads(told("cancel", run[:-1], "--json")) == {"run": run, "state": "cancelled", "asked": None}
    assert told("logs", run, "--follow").splitlines()[-1].endswith("cancelled")
    done = [at.finished_run("ada", weather()) for _ in range(2)]
    compared = json.loads(told("compare", *done, "--server", at.url, "--json"))
    assert [one["run"] for one in compared["runs"]] == done
    assert compared["alike"][0]["alike"] == compared["alike"][0]["pairs"] > 0
    assert command(["resume", run, "--minutes", "1"]) == 2
    monkeypatch.setenv("TASKGROUP_HOME", str(at.home / "nowhere"))
    assert command(["cancel", run, "--server", ""]) == 4  # on this machine, where there is no such home


def test_whoever_follows_waits_while_the_service_is_busy(at: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    run = at.run_of("ada")
    at.store.ask(run, "cancel")
    waits: list[float] = []

    def wait(seconds: float) -> None:
        waits.append(seconds)
        if len(waits) == 2:
            at.service.hub._most = 200

    monkeypatch.setattr(client_module, "time", SimpleNamespace(sleep=wait))
    monkeypatch.setattr(at.service.hub, "_most", 0)
    with Client.from_environment() as client:
        assert "cancelled" in json.dumps(list(client.watch(run)))
        assert len(waits) == 2
        monkeypatch.setattr(at.service.hub, "_most", 0)
        with pytest.raises(ServiceError, match="watching already"):
            list(client.watch(run))


def test_errors_are_those_of_the_command_line(at: Served) -> None:
    with Client.from_environment() as client:
        with pytest.raises(SpecError, match="unknown key") as spec:
            client.submit("name: x\nbugdet: 1\n")
        assert spec.value.exit_code == 2
        with pytest.raises(InputError, match="no run"):
            client.run("nothing")
        with pytest.raises(InfeasibleError) as infeasible:
            client.solve([{"network": "a", "task": "a", "loss": 1.0}], budget=0.5)
        assert infeasible.value.minimum_budget == 1.0
        run = at.run_of("ada")
        client.cancel(run)
        with pytest.raises(ConflictError):
            client.resume(run)


def test_a_service_that_is_not_there_or_lets_nobody_in_is_exit_6(
    at: Served, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    spec = str(_spec(tmp_path))
    assert command(["submit", spec, "--server", "http://127.0.0.1:1"]) == 6
    assert command(["submit", spec, "--server", "ftp://127.0.0.1"]) == 2
    monkeypatch.setenv("TASKGROUP_TOKEN", "tg_000000000000_" + "x" * 43)
    assert command(["submit", spec]) == 6
    monkeypatch.delenv("TASKGROUP_TOKEN")
    assert command(["submit", spec]) == 2
    monkeypatch.delenv("TASKGROUP_SERVER")
    monkeypatch.setenv("TASKGROUP_TOKEN", "x")
    assert command(["submit", spec]) == 2


def test_a_damaged_download_is_refused(at: Served) -> None:
    run = at.finished_run("ada", weather())
    folder = at.home / run / "networks"
    folder.mkdir()
    (folder / "a.safetensors").write_bytes(b"damaged")
    (folder / "a.sha256").write_text("0" * 64 + "  a.safetensors\n")
    with Client.from_environment() as client:
        assert client.find(run[:-2]) == run
        with pytest.raises(ServiceError, match="damaged"):
            client.fetch(run, "networks/a.safetensors")
