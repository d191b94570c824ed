"""Runs over REST: created once, listed in pages, steered, deleted; nobody sees anybody else's."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest
import yaml

from search.documents import parse_spec
from search.service import submissions
from tests.search.service.serving import SPEC, Served


def _created(client: httpx.Client, **headers: str) -> dict[str, object]:
    response = client.post("/api/v1/runs", json=SPEC, headers=headers)
    assert response.status_code == 201, response.text
    found: dict[str, object] = response.json()
    assert response.headers["location"] == f"/api/v1/runs/{found['id']}"
    return found


def test_a_created_run_is_queued_with_everything_filled_in(served: Served) -> None:
    with served.client() as client:
        found = _created(client)
        shown = client.get(f"/api/v1/runs/{found['id']}").json()
    assert shown["state"] == "queued"
    assert shown["tasks"] == ["g0_0", "g0_1", "g0_2", "g1_0", "g1_1", "g1_2"]
    assert shown["trials"]["planned"] > 0
    assert shown["budget"] == {"limit": 3.0, "unit": "snt", "max_networks": None}
    assert all(task.type is not None for task in parse_spec(shown["spec"]).tasks)
    assert served.store.run(str(found["id"])).principal == "ada"


def test_equal_specs_under_other_names_are_equal_but_for_the_name(served: Served) -> None:
    """What completing a spec came to is remembered; a name that YAML would misread stays the name."""
    names = ["plain", "no", "1e-3", "a: b", "ü" * 90, 'quo"te', "x" * 100]
    with served.client() as client:
        specs = [client.post("/api/v1/plans", json={**SPEC, "name": name}).json()["spec"] for name in names]
    parsed = [parse_spec(text) for text in specs]
    assert [spec.name for spec in parsed] == names
    assert len({spec.model_copy(update={"name": ""}) for spec in parsed}) == 1


def test_long_specs_are_completed_anew_each_time_and_not_remembered(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(submissions, "_LONGEST_REMEMBERED", 10)
    before = len(served.service.submissions._remembered)
    with served.client() as client:
        specs = [client.post("/api/v1/plans", json={**SPEC, "budget": {"inference": 2.125}}).json() for _ in range(2)]
    assert specs[0] == specs[1]
    assert len(served.service.submissions._remembered) == before


def test_a_method_that_is_not_there_is_answered_with_those_that_are(served: Served) -> None:
    with served.client() as client:
        answer = client.put("/api/v1/runs")
    assert (answer.status_code, answer.headers["allow"]) == (405, "GET, POST")
    assert answer.json()["fix"] == "Allowed: GET, POST"


def test_requests_are_counted_by_routes_of_pages_and_programs_apart(served: Served) -> None:
    with served.client() as client:
        client.get("/api/v1/runs")
        client.get("/runs")
        text = client.get("/metrics").text
    for route in ("/runs", "/api/v1/runs"):
        assert f'taskgroup_requests_total{{method="GET",route="{route}",status="200"}}' in text


def test_yaml_is_read_as_json_is(served: Served) -> None:
    with served.client() as client:
        headers = {"content-type": "application/yaml"}
        found = client.post("/api/v1/runs", content=yaml.safe_dump(SPEC), headers=headers)
        other = _created(client)
    assert found.status_code == 201
    assert found.json()["spec"] == other["spec"]


def test_the_same_key_posted_fifty_times_at_once_makes_one_run(served: Served) -> None:
    with served.client() as client:
        _created(client)  # the first of its kind takes a while to be completed by its data

        def post(_: int) -> str:
            return str(_created(client, **{"idempotency-key": "fifty"})["id"])

        with ThreadPoolExecutor(16) as pool:
            ids = set(pool.map(post, range(50)))
        assert len(ids) == 1
        other = client.post("/api/v1/runs", json={**SPEC, "name": "other"}, headers={"idempotency-key": "fifty"})
        assert other.status_code in {201, 409}
        seeds = {**SPEC, "training": {"seeds": 2}}
        changed = client.post("/api/v1/runs", json=seeds, headers={"idempotency-key": "fifty"})
    assert changed.status_code == 409
    assert changed.json()["code"] == "conflict"


RATES = {"search": {"space": {"learning_rate": {"low": 1e-4, "high": 1e-2, "log": True}}}}


@pytest.mark.parametrize(("kind", "more"), [("search", {}), ("recommend", RATES)])
def test_a_kind_that_does_not_fit_the_spec_is_refused_before_there_is_a_run(
    served: Served, kind: str, more: dict[str, object]
) -> None:
    with served.client() as client:
        before = client.get("/api/v1/runs").json()["total"]
        answer = client.post(f"/api/v1/runs?kind={kind}", json={**SPEC, **more})
        assert answer.status_code == 422
        assert answer.json()["where"] == "search"
        assert client.get("/api/v1/runs").json()["total"] == before


def test_keys_are_the_submitters_own(served: Served) -> None:
    with served.client("ada") as ada, served.client("bob") as bob:
        assert _created(ada, **{"idempotency-key": "k"})["id"] != _created(bob, **{"idempotency-key": "k"})["id"]


def test_pages_add_up_to_the_whole_list(served: Served) -> None:
    for index in range(7):
        served.run_of("pager", f"page {index % 3}")
    served.tokens["pager"] = served.service.tokens.create("pager")[1]
    with served.client("pager") as client:
        everything = client.get("/api/v1/runs", params={"limit": 500}).json()
        assert everything["total"] == everything["shown"] == 7
        ids = [run["id"] for run in everything["runs"]]
        paged = []
        for offset in range(0, 9, 3):
            page = client.get("/api/v1/runs", params={"limit": 3, "offset": offset}).json()
            assert page["total"] == 7
            assert page["shown"] == len(page["runs"])
            paged += [run["id"] for run in page["runs"]]
        assert paged == ids
        reverse = client.get("/api/v1/runs", params={"sort": "created"}).json()["runs"]
        assert [run["id"] for run in reverse] == ids[::-1]
        names = [run["name"] for run in client.get("/api/v1/runs", params={"sort": "name"}).json()["runs"]]
        assert names == sorted(names)
        assert client.get("/api/v1/runs", params={"name": "PAGE 1"}).json()["total"] == 2
        assert client.get("/api/v1/runs", params={"name": "%"}).json()["total"] == 0
        assert client.get("/api/v1/runs", params={"state": "finished"}).json()["total"] == 0


def test_an_unknown_order_or_state_is_refused(served: Served) -> None:
    with served.client() as client:
        for query in ("sort=name;drop table runs", "sort=", "state=done", "limit=0", "limit=501", "offset=-1"):
            assert client.get(f"/api/v1/runs?{query}").status_code == 422, query


def test_a_queued_run_is_cancelled_at_once_and_twice_is_once(served: Served) -> None:
    run = served.run_of("ada")
    with served.client() as client:
        assert client.post(f"/api/v1/runs/{run}/cancel").json()["state"] == "cancelled"
        assert client.post(f"/api/v1/runs/{run}/cancel").status_code == 202
        assert client.post(f"/api/v1/runs/{run}/resume").status_code == 409
        assert client.delete(f"/api/v1/runs/{run}").status_code == 204
        assert client.get(f"/api/v1/runs/{run}").status_code == 404
    assert [event.kind for event in served.store.events(served.run_of("ada"))] == ["state"]


def test_a_running_run_is_asked_and_not_deleted(served: Served) -> None:
    run = served.run_of("ada")
    lease = served.store.take(run)
    with served.client() as client:
        assert client.delete(f"/api/v1/runs/{run}").status_code == 409
        answer = client.post(f"/api/v1/runs/{run}/cancel")
        assert answer.status_code == 202
        assert answer.json()["asked"] == "cancel"
        assert answer.json()["state"] == "running"
    assert served.store.asked(run) == "cancel"
    lease.release("cancelled")


def test_an_interrupted_run_is_queued_again(served: Served) -> None:
    run = served.run_of("ada")
    served.store.take(run).release("interrupted")
    with served.client() as client:
        assert client.post(f"/api/v1/runs/{run}/resume").json()["state"] == "queued"


def test_a_run_started_at_the_machine_is_resumed_there_and_not_stranded_in_the_queue(served: Served) -> None:
    run = served.run_of("")
    served.store.take(run).release("interrupted")
    with served.client("root") as client:
        answer = client.post(f"/api/v1/runs/{run}/resume")
    assert (answer.status_code, served.store.run(run).state) == (409, "interrupted")
    assert f"taskgroup resume {run}" in answer.text


def test_deleting_a_run_deletes_its_files(served: Served) -> None:
    run = served.run_of("ada")
    served.store.take(run).release("finished")
    folder = served.home / run
    (folder / "networks").mkdir(parents=True)
    (folder / "networks" / "a.safetensors").write_bytes(b"x")
    with served.client() as client:
        assert client.delete(f"/api/v1/runs/{run}").status_code == 204
    assert not folder.exists()


def test_a_bad_spec_is_refused_in_the_words_of_the_command_line(served: Served) -> None:
    with served.client() as client:
        refused = client.post("/api/v1/runs", json={**SPEC, "buget": 3})
        assert refused.status_code == 422
        assert refused.headers["content-type"] == "application/problem+json"
        problem = refused.json()
        assert problem["where"] == "buget"
        assert problem["fix"] == "Did you mean 'budget'?"
        small = client.post("/api/v1/runs", json={**SPEC, "budget": {"inference": 0.5}})
        assert small.status_code == 422
        assert small.json()["code"] in {"infeasible", "spec"}
