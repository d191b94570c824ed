"""What strangers send: sizes, rates, paths, formulas, forged lines, code in a spec (S5-S12, S14, S15, S17-S20)."""

from __future__ import annotations

import ast
import asyncio
import json
import logging
import re
import socket
import time
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from starlette.responses import Response
from starlette.types import Message, Receive, Scope, Send

from grouping.files.sheet import escaped
from search.documents import spec_from
from search.documents.parsing import parse_json, parse_yaml
from search.errors import SpecError
from search.service.gate import API, Gate
from search.service.logs import JsonLines
from search.service.metrics import Metrics
from search.service.rates import Rates
from search.service.responses import attachment
from search.service.settings import Settings
from tests.faults import FULL
from tests.grouping.report.sample import nasty, weather
from tests.search.service.serving import SPEC, TABLE, Served, serving

ROOT = Path(__file__).resolve().parents[3]

# --- a spec never chooses code ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("where", "changed"),
    [
        ("data.source", {"data": {"source": "/etc/passwd"}}),
        ("data.source", {"data": {"source": "../../etc/passwd.csv"}}),
        ("data.source", {"data": {"source": "rows.csv"}}),
        ("data.source", {"data": {"source": "${TASKGROUP_DATA}/rows.csv"}}),
        ("data.source", {"data": {"source": "${HOME}/rows.csv"}}),
        ("data.source", {"data": {"source": "file:///etc/passwd"}}),
        ("data.source", {"data": {"source": "http://169.254.169.254/latest/meta-data"}}),
        ("data.source", {"data": {"source": "s3://bucket/rows.parquet"}}),
        ("data.source", {"data": {"source": "os:system"}}),
        ("data.source", {"data": {"source": "data-20260101-nothing-abcdef"}}),
        ("data.source", {"data": {"source": "a\\..\\b.csv"}}),
        ("network.trunk", {"network": {"trunk": "os.system"}}),
        ("network.trunk", {"network": {"trunk": "/opt/evil.py"}}),
        ("cluster.address", {"cluster": {"address": "ray://evil.example:10001"}}),
        ("cluster.address", {"cluster": {"address": "auto"}}),
        ("cluster.workers", {"cluster": {"workers": 1000}}),
        ("cluster.gpus_per_worker", {"cluster": {"gpus_per_worker": 8.0}}),
        ("_target_", {"_target_": "os.system"}),
        ("runtime_env", {"runtime_env": {"pip": ["evil"]}}),
        ("cluster.runtime_env", {"cluster": {"runtime_env": {}}}),
        ("entrypoint", {"entrypoint": "rm -rf /"}),
        ("env", {"env": {"A": "b"}}),
        ("data.url", {"data": {"source": "synthetic", "url": "http://x"}}),
        ("trainer", {"trainer": "evil.py:train"}),
        ("trainer", {"trainer": {"command": "python evil.py {tasks} {seed} {out}"}}),
        ("trainer", {"trainer": {"entry_point": "evil", "cwd": "/etc"}}),
        ("trainer", {"trainer": {"entry_point": "evil", "files": ["/etc/passwd"]}}),
        ("trainer.entry_point", {"trainer": {"entry_point": "os.system"}}),
    ],
)
def test_what_would_choose_code_paths_or_addresses_is_refused(
    served: Served, where: str, changed: dict[str, Any]
) -> None:
    with served.client() as client:
        for path in ("runs", "plans"):
            answer = client.post(f"{API}/{path}", json={**SPEC, **changed})
            assert answer.status_code == 422, answer.text
            assert answer.json()["where"].startswith(where), answer.text
            assert "root:" not in answer.text


def test_the_operator_says_where_trials_run(tmp_path: Path) -> None:
    with serving(tmp_path, cluster_address="ray://head:10001") as served, served.client() as client:
        run = client.post(f"{API}/runs", json=SPEC).json()
    assert "ray://head:10001" in run["spec"]


_FORBIDDEN = re.compile(
    r"weights_only\s*=\s*False|\bpickle\.loads?\(|\byaml\.(load|unsafe_load|full_load)\(|(?<![\w.])eval\(|"
    r"(?<![\w.])exec\(|allow_pickle\s*=\s*True|shell\s*=\s*True|\bos\.system\("
)


def test_no_source_of_ours_runs_what_it_reads() -> None:
    found = []
    for package in ("grouping", "search"):
        for path in sorted((ROOT / package).rglob("*.py")):
            text = path.read_text(encoding="utf-8")
            found += [f"{path.relative_to(ROOT)}: {match[0]}" for match in _FORBIDDEN.finditer(text)]
    assert found == []


def test_the_service_fetches_nothing() -> None:
    """No module of the service can make a request: there is nothing to be turned against its neighbours."""
    clients = {"requests", "urllib.request", "http.client", "httpx", "aiohttp", "urllib3", "fsspec", "boto3", "ftplib"}
    for path in sorted((ROOT / "search" / "service").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            assert not clients & set(names), path


# --- documents ----------------------------------------------------------------------------------------------------

_LAUGHS = "a: &a [x,x,x]\nb: &b [*a,*a,*a]\nc: [*b,*b,*b]\n"


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ("application/json", b""),
        ("application/json", b"null"),
        ("application/json", b"[]"),
        ("application/json", b"1"),
        ("application/json", b'{"name": 1'),
        ("application/json", b'{"name": "a", "name": "b"}'),
        ("application/json", b'{"name": NaN}'),
        ("application/json", b'{"name": "a", "budget": {"inference": Infinity}}'),
        ("application/json", b'{"name": "a", "budget": {"inference": 1e999}}'),
        ("application/json", b'{"name": "\\ud800"}'),
        ("application/json", b'{"name": ' + b"9" * 5000 + b"}"),
        ("application/json", b"[" * 100_000),
        ("application/json", b'{"a":' * 5_000 + b"1" + b"}" * 5_000),
        ("application/json", b"\xff\xfe{\x00}\x00"),
        ("application/json", b'{"name": "\xff"}'),
        ("application/json", b'{"name": "\x00"}'),
        ("application/yaml", b""),
        ("application/yaml", _LAUGHS.encode()),
        ("application/yaml", b"!!python/object/apply:os.system ['id']"),
        ("application/yaml", b"name: a\nname: b\n"),
        ("application/yaml", b"a: " + b"[" * 5_000),
        ("application/yaml", b"name: .nan"),
        ("application/yaml", b"--- a\n--- b\n"),
        ("application/yaml", b"a: b: c"),
    ],
)
def test_documents_that_bite_are_refused(served: Served, kind: str, body: bytes) -> None:
    with served.client() as client:
        for path in ("runs", "plans", "groupings"):
            if path == "groupings" and kind == "application/yaml":
                continue
            answer = client.post(f"{API}/{path}", content=body, headers={"content-type": kind})
            assert answer.status_code == 422, (path, answer.text)
            json.loads(answer.text)


def test_a_mark_of_byte_order_is_no_mistake(served: Served) -> None:
    with served.client() as client:
        body = b"\xef\xbb\xbf" + json.dumps(SPEC).encode()
        assert (
            client.post(f"{API}/plans", content=body, headers={"content-type": "application/json"}).status_code == 200
        )


_LEAVES = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20)
_VALUES = st.recursive(
    _LEAVES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
_KEYS = st.sampled_from(["name", "data", "tasks", "network", "training", "budget", "candidates", "cluster", "evidence"])


@settings(max_examples=20_000 if FULL else 150, suppress_health_check=[HealthCheck.too_slow])
@given(st.dictionaries(_KEYS | st.text(max_size=5), _VALUES, max_size=6))
def test_whatever_is_sent_as_a_spec_is_a_spec_or_refused(values: dict[str, Any]) -> None:
    with suppress(SpecError):
        assert spec_from(values).name


@settings(max_examples=20_000 if FULL else 150)
@given(st.text(max_size=200) | st.text("{}[]:,-\"'\n &*!|>#%@`ab1.", max_size=60))
def test_whatever_is_sent_as_a_document_is_one_or_refused(text: str) -> None:
    for parse in (parse_json, parse_yaml):
        with suppress(SpecError):
            assert parse(text).file == ""


# --- sizes, rates, time -------------------------------------------------------------------------------------------


def test_bodies_are_only_so_large_for_each_route(tmp_path: Path) -> None:
    with (
        serving(tmp_path, document_bytes=1_000, table_bytes=3_000, dataset_bytes=10_000) as served,
        served.client() as client,
    ):

        def chunks(count: int) -> Any:
            yield from (b" " * 500 for _ in range(count))

        for path, most, kind in (
            ("runs", 1_000, "application/json"),
            ("plans", 1_000, "application/yaml"),
            ("groupings", 3_000, "application/json"),
            ("datasets?name=a.csv", 10_000, "text/csv"),
        ):
            headers = {"content-type": kind}
            told = client.post(f"{API}/{path}", content=b" " * (most + 1), headers=headers)
            assert told.status_code == 413, path
            untold = client.post(f"{API}/{path}", content=chunks(most // 500 + 1), headers=headers)
            assert untold.status_code == 413, path
            assert client.post(f"{API}/{path}", content=b" " * most, headers=headers).status_code == 422, path
        assert not list((served.home / "datasets").glob("*"))


def test_whoever_asks_too_often_is_told_when_to_come_back(tmp_path: Path) -> None:
    with serving(tmp_path, requests_per_second=0.5, burst=3) as served:
        with served.client("ada") as ada:
            answers = [ada.get(f"{API}/runs") for _ in range(5)]
            assert [answer.status_code for answer in answers] == [200, 200, 200, 429, 429]
            assert 1 <= int(answers[-1].headers["retry-after"]) <= 2
            assert answers[-1].json()["code"] == "too-many"
        with served.client("bob") as bob:
            assert bob.get(f"{API}/runs").status_code == 200
            assert bob.get("/healthz").status_code == 200


def test_a_bucket_fills_again_and_never_overflows() -> None:
    now = [0.0]
    rates = Rates(2.0, 4, lambda: now[0])
    assert [rates.take("a") == 0 for _ in range(5)] == [True] * 4 + [False]
    now[0] += 0.5
    assert [rates.take("a") == 0 for _ in range(2)] == [True, False]
    now[0] += 10**6
    assert [rates.take("a") == 0 for _ in range(5)] == [True] * 4 + [False]
    assert rates.take("b") == 0


def test_guessing_tokens_is_slow(tmp_path: Path) -> None:
    with serving(tmp_path) as served, served.client(None) as client:
        statuses = {client.get(f"{API}/runs", headers={"authorization": "Bearer x"}).status_code for _ in range(150)}
    assert statuses == {401, 429}


def _raw(served: Served, data: bytes, *, seconds: float = 10.0) -> bytes:
    host, _, port = served.url.removeprefix("http://").partition(":")
    with socket.create_connection((host, int(port)), timeout=seconds) as connection:
        connection.sendall(data)
        received = b""
        while chunk := connection.recv(65_536):
            received += chunk
            if b"\r\n\r\n" in received and b"transfer-encoding" not in received.lower():
                return received
        return received


def test_headers_are_only_so_large(served: Served) -> None:
    start = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n"
    assert _raw(served, start + b"X: " + b"a" * 10_000 + b"\r\n\r\n").startswith(b"HTTP/1.1 200")
    assert _raw(served, start + b"X: " + b"a" * 17_000).startswith(b"HTTP/1.1 431")
    assert _raw(served, start + b"X: y\r\n" * 4_000).startswith(b"HTTP/1.1 431")
    assert _raw(served, b"GET /" + b"a" * 17_000).startswith(b"HTTP/1.1 431")


def test_a_connection_that_says_nothing_is_closed_and_others_are_served(tmp_path: Path) -> None:
    with serving(tmp_path, header_seconds=0.5, body_seconds=0.5) as served:
        host, _, port = served.url.removeprefix("http://").partition(":")
        slow = [socket.create_connection((host, int(port)), timeout=20) for _ in range(200)]
        for connection in slow:
            connection.sendall(b"GET /healthz HTTP/1.1\r\nHost: local")
        took = []
        with served.client() as client:
            for _ in range(20):
                started = time.perf_counter()
                assert client.get("/healthz").status_code == 200
                took.append(time.perf_counter() - started)
        assert sorted(took)[-2] < 1, took  # one may have waited for the machine
        assert all(connection.recv(100).startswith((b"HTTP/1.1 408", b"")) for connection in slow)
        for connection in slow:
            connection.close()
        head = f"POST {API}/runs HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {served.tokens['ada']}\r\n"
        stuck = _raw(served, f"{head}Content-Type: application/json\r\nContent-Length: 50\r\n\r\n{{".encode())
        assert stuck.startswith(b"HTTP/1.1 408")


def test_a_body_that_drips_is_not_waited_for(tmp_path: Path) -> None:
    with serving(tmp_path, body_seconds=0.5) as served:
        host, _, port = served.url.removeprefix("http://").partition(":")
        with socket.create_connection((host, int(port)), timeout=20) as slow:
            head = f"POST {API}/runs HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {served.tokens['ada']}\r\n"
            slow.sendall(f"{head}Content-Type: application/json\r\nContent-Length: 500\r\n\r\n".encode())
            slow.settimeout(0.1)
            answer, drops = b"", 0
            while not answer and drops < 100:
                try:
                    slow.sendall(b" ")
                    answer = slow.recv(100)
                except TimeoutError:
                    drops += 1
        assert answer.startswith(b"HTTP/1.1 408")


def test_strangers_cannot_take_the_places_of_others_with_the_form_to_log_in(tmp_path: Path) -> None:
    with serving(tmp_path, concurrent_requests=1, body_seconds=5.0) as served, served.client() as client:
        host, _, port = served.url.removeprefix("http://").partition(":")
        with socket.create_connection((host, int(port)), timeout=20) as slow:
            head = "POST /login HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/x-www-form-urlencoded\r\n"
            slow.sendall(f"{head}Content-Length: 50\r\n\r\ntoken=".encode())
            time.sleep(0.2)  # until it is being served
            assert client.get(f"{API}/runs").status_code == 200
        assert client.post("/login", data={"token": "x" * 20_000}).status_code == 413


def test_only_so_many_are_served_at_once_and_no_token_has_all_places(tmp_path: Path) -> None:
    with serving(tmp_path, concurrent_requests=2, body_seconds=20.0) as served, ExitStack() as stack:
        host, _, port = served.url.removeprefix("http://").partition(":")
        ada, bob, eve = (stack.enter_context(served.client(who)) for who in ("ada", "bob", "eve"))

        def busy(who: str) -> socket.socket:
            connection = stack.enter_context(socket.create_connection((host, int(port)), timeout=20))
            head = f"POST {API}/runs HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {served.tokens[who]}\r\n"
            connection.sendall(f"{head}Content-Type: application/json\r\nContent-Length: 5\r\n\r\n".encode())
            time.sleep(0.2)  # until it is being served
            return connection

        first = busy("ada")
        full = ada.get(f"{API}/runs")
        assert (full.status_code, bob.get(f"{API}/runs").status_code) == (429, 200)
        busy("bob")
        answer = eve.get(f"{API}/runs")
        assert answer.status_code == 503
        assert answer.headers["retry-after"]
        assert full.headers["retry-after"]
        first.sendall(b"null ")
        assert first.recv(100).startswith(b"HTTP/1.1 422")
        assert ada.get(f"{API}/runs").status_code == 200


def test_an_answer_that_is_not_read_holds_no_place() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await Response("told")(scope, receive, send)

    async def story() -> list[int]:
        gate = Gate(app, Settings(concurrent_requests=1, send_seconds=0.05), Metrics())
        scope = {"type": "http", "method": "GET", "path": "/runs", "headers": [(b"host", b"localhost")]}
        statuses = list[int]()

        async def unread(_message: Message) -> None:
            await asyncio.sleep(60)

        async def read(message: Message) -> None:
            statuses.append(message.get("status", 0))

        async def silent() -> Message:
            return {"type": "http.disconnect"}

        async with asyncio.timeout(20):
            await gate({**scope}, silent, unread)
            await gate({**scope}, silent, read)
        return statuses

    assert asyncio.run(story()) == [200, 0]


def test_quotas_of_a_spec(tmp_path: Path) -> None:
    with serving(tmp_path, tasks_per_run=5, trials_per_run=10) as served, served.client() as client:
        many = client.post(f"{API}/runs", json=SPEC)
        assert many.status_code == 422
        assert "6 tasks" in many.json()["what"]
        tasks = [{"name": name, "target": f"y_{name}"} for name in ("g0_0", "g0_1", "g1_0")]
        costly = client.post(f"{API}/runs", json={**SPEC, "tasks": tasks})
        assert costly.status_code == 422
        assert "trainings" in costly.json()["what"]
        assert client.get(f"{API}/runs").json()["total"] == 0
        # Only the run can count these, and so it gets the quotas on its way.
        measured = {**SPEC, "tasks": tasks, "budget": {"inference": 3, "unit": "latency_ms"}}
        made = client.post(f"{API}/runs", json=measured)
        assert made.status_code == 201
        allowed = served.store.run(made.json()["id"]).plan
        assert (allowed["most_trainings"], allowed["most_workers"]) == (10, served.service.settings.workers_per_run)


def test_quotas_of_uploads(tmp_path: Path) -> None:
    with serving(tmp_path, datasets_per_token=1) as served, served.client() as client:
        headers = {"content-type": "text/csv"}
        statuses = [
            client.post(f"{API}/datasets?name=a.csv", content=TABLE, headers=headers).status_code for _ in range(2)
        ]
    assert statuses == [201, 429]


# --- paths --------------------------------------------------------------------------------------------------------

PATHS = [
    "../../../../etc/passwd",
    "..%2f..%2f..%2fetc%2fpasswd",
    "%2e%2e/%2e%2e/etc/passwd",
    "%252e%252e%252fetc%252fpasswd",
    "..\\..\\etc\\passwd",
    "%5c..%5c..%5cetc%5cpasswd",
    "/etc/passwd",
    "%2fetc%2fpasswd",
    "file:%2f%2f%2fetc%2fpasswd",
    "losses.csv%00.html",
    "C:%5cwindows%5cwin.ini",
    "a" * 300,
    "networks/../spec.yaml",
    "networks/%2e%2e/%2e%2e/store.sqlite3",
    "store.sqlite3",
    "service.secret",
    ".",
    "..",
    "%20",
    "networks",
    "networks/",
    "supervisor.log",
]


@pytest.mark.parametrize("path", PATHS)
def test_no_name_leads_out_of_a_folder(served: Served, path: str) -> None:
    run = served.finished_run("ada", weather())
    head = f"HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {served.tokens['ada']}\r\nConnection: close\r\n\r\n"
    for place in (f"runs/{run}/files/{path}", f"runs/{path}", f"datasets/{path}", f"runs/{path}/files/losses.csv"):
        answer = _raw(served, f"GET {API}/{place} {head}".encode())
        status = int(answer.split()[1])
        assert status in {404, 405, 422} or (status == 200 and place == f"datasets/{path}" and path in {"."}), place
        assert b"root:" not in answer
        assert b"SQLite" not in answer


def test_links_are_not_followed(served: Served, tmp_path: Path) -> None:
    run = served.finished_run("ada", weather())
    folder = served.home / run
    (tmp_path / "secret").write_text("secret")
    (folder / "environment.json").unlink(missing_ok=True)
    (folder / "environment.json").symlink_to(tmp_path / "secret")
    (folder / "networks").mkdir(exist_ok=True)
    (folder / "networks" / "a.safetensors").symlink_to(tmp_path / "secret")
    (folder / "networks" / "b.safetensors").write_bytes(b"weights")
    with served.client() as client:
        names = [file["name"] for file in client.get(f"{API}/runs/{run}/files").json()["files"]]
        assert "networks/b.safetensors" in names
        for name in ("environment.json", "networks/a.safetensors"):
            assert name not in names
            assert client.get(f"{API}/runs/{run}/files/{name}").status_code == 404


# --- texts --------------------------------------------------------------------------------------------------------


def test_names_are_no_formulas_in_tables(served: Served) -> None:
    run = served.finished_run("ada", nasty())
    with served.client() as client:
        text = client.get(f"{API}/runs/{run}/report", params={"format": "csv"}).text
    assert not [line for line in text.splitlines() if line.startswith(("=", "+", "-", "@", '"=', '"+', '"-', '"@'))]
    assert all(escaped(name).startswith("'") for name in ("=1+1", "+cmd", "-x", "@x", "\tx", "\rx"))


def test_reports_of_hostile_names_run_nothing_of_theirs(served: Served) -> None:
    run = served.finished_run("ada", nasty())
    with served.client() as client:
        answer = client.get(f"{API}/runs/{run}/report")
        data = client.get(f"{API}/runs/{run}/recommendation")
    assert "<img src=x onerror" not in answer.text
    assert data.headers["content-type"] == "application/json"
    assert data.headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize("name", ['a"b', "a\r\nSet-Cookie: x=1", "../x", "ü€", "", "a;b=c", "x" * 500, "\u202egpj.exe"])
def test_names_of_downloads_are_quoted(name: str) -> None:
    value = attachment(f"{name}.csv")["content-disposition"]
    assert value.isascii()
    assert "\r" not in value
    assert "\n" not in value
    plain = re.fullmatch(r"attachment; filename=\"([A-Za-z0-9._+-]*)\"; filename\*=UTF-8''[A-Za-z0-9._~%-]*", value)
    assert plain is not None


def test_no_message_forges_a_line_of_the_log() -> None:
    evil = 'x\n{"level": "info", "message": "all is well"}\x1b[2J\u2028'
    record = logging.LogRecord("taskgroup", logging.WARNING, "", 0, "run %s failed", (evil,), None)
    line = JsonLines().format(record)
    assert line.isascii()
    assert "\n" not in line
    assert json.loads(line)["message"] == f"run {evil} failed"


@pytest.mark.parametrize(
    "query", ["sort=name;drop%20table%20runs", "sort='", "name=%27%20OR%201=1--", "state=%27", "kind=%22"]
)
def test_filters_are_values_and_no_sql(served: Served, query: str) -> None:
    before = served.store.list_runs().total
    with served.client() as client:
        answer = client.get(f"{API}/runs?{query}")
    assert answer.status_code in {200, 422}
    if answer.status_code == 200:
        assert answer.json()["total"] == 0
    assert served.store.list_runs().total == before


@pytest.mark.parametrize("run", ["9" * 19, str(2**63), "-1", "0", "%00", "a b", "\u202e", "x" * 300])
def test_ids_that_are_none_are_not_found(served: Served, run: str) -> None:
    with served.client() as client:
        assert client.get(f"{API}/runs/{httpx.URL(path=f'/{run}').raw_path.decode()[1:]}").status_code == 404


def test_a_defect_is_told_without_its_inside(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_arguments: object, **_more: object) -> None:
        raise RuntimeError("the secret is 42")

    monkeypatch.setattr(served.store, "list_runs", broken)
    with served.client() as client:
        answer = client.get(f"{API}/runs")
    assert answer.status_code == 500
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers["content-security-policy"]
    assert "42" not in answer.text
