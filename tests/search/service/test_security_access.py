"""Who gets in, and to what: tokens, scopes, ownership, cookies, CSRF, hosts, addresses (S1, S2, S3, S13, S16)."""

from __future__ import annotations

import re
import stat
from pathlib import Path
from typing import Any

import httpx
import pytest

from grouping.errors import InputError
from search.cli.app import run as command
from search.service.auth import COOKIE, Authenticator, Principal, read_secret
from search.service.gate import API
from search.service.logs import redacted
from search.service.rates import Rates
from search.service.server import check_exposure
from search.service.settings import Settings
from search.store.store import Store
from search.store.tokens import SCOPES, Tokens, allows
from tests.grouping.report.sample import weather
from tests.search.service.serving import SPEC, Served, serving

OPEN = {"/healthz", "/login"}


def _routes(served: Served) -> list[tuple[str, str]]:
    """Every (method, path) there is, as the OpenAPI document lists them, and the document itself."""
    with served.client("root") as client:
        document = client.get(f"{API}/openapi.json").json()
    listed = [(method.upper(), path) for path, methods in document["paths"].items() for method in methods]
    return [*listed, ("GET", f"{API}/openapi.json")]


def _filled(path: str) -> str:
    return re.sub(r"\{[^}]*\}", "x", path)


def test_every_route_but_the_open_ones_wants_a_token(served: Served) -> None:
    routes = _routes(served)
    assert len(routes) > 25
    with served.client(None) as client:
        for method, path in routes:
            for header in (
                None,
                "",
                "Bearer",
                "Bearer x",
                "Basic YTpi",
                "Bearer tg_000000000000_" + "A" * 43,
            ):
                headers = {} if header is None else {"authorization": header}
                answer = client.request(method, _filled(path), headers=headers)
                if path in OPEN:
                    assert answer.status_code == 200, path
                    continue
                assert answer.status_code == 401, (method, path, header)
                assert answer.headers["content-type"] == "application/problem+json"
                assert answer.headers["www-authenticate"].startswith("Bearer")
                assert "Traceback" not in answer.text


def test_routes_that_change_anything_want_more_than_a_token_to_read(served: Served) -> None:
    with served.client("eve") as client:
        for method, path in _routes(served):
            reads = method == "GET" or path.endswith(("/groupings", "/plans", "/session"))
            answer = client.request(method, _filled(path))
            assert (answer.status_code == 403) == (not reads), (method, path, answer.text)


def test_a_token_works_until_it_is_revoked_or_over(served: Served) -> None:
    record, text = served.service.tokens.create("temp")
    _, brief = served.service.tokens.create("temp", "read", 1e-6)
    headers = {"authorization": f"Bearer {text}"}
    with served.client(None) as client:
        assert client.get(f"{API}/runs", headers=headers).status_code == 200
        assert client.get(f"{API}/runs", headers={"authorization": f"Bearer {brief}"}).status_code == 401
        served.service.tokens.revoke(record.id)
        served.service.authenticator.forget()  # within seconds it happens by itself
        assert client.get(f"{API}/runs", headers=headers).status_code == 401


@pytest.mark.parametrize("trusted", [(), ("127.0.0.0/8",)])
def test_only_the_word_of_a_trusted_proxy_is_taken_for_who_asks(tmp_path: Path, trusted: tuple[str, ...]) -> None:
    with serving(tmp_path, trusted_proxies=trusted) as served, served.client(None) as client:
        served.service.strangers = Rates(1e-6, 2)

        def attempt(who: str) -> int:
            headers = {"x-forwarded-for": who, "x-forwarded-proto": "https"}
            return client.post("/login", data={"token": "tg_wrong"}, headers=headers).status_code

        found = [attempt(who) for who in ("192.0.2.1", "192.0.2.1", "192.0.2.1", "192.0.2.2")]
    assert found == ([403, 403, 429, 403] if trusted else [403, 403, 429, 429])


def test_scopes_include_those_before_them() -> None:
    assert [[allows(a, b) for b in SCOPES] for a in SCOPES] == [
        [True, False, False],
        [True, True, False],
        [True, True, True],
    ]


def test_runs_and_results_of_others_do_not_exist(served: Served) -> None:
    run = served.finished_run("ada", weather())
    queued = served.run_of("ada")
    paths = [
        ("GET", ""),
        ("GET", "/recommendation"),
        ("GET", "/frontier"),
        ("GET", "/affinity"),
        ("GET", "/losses"),
        ("GET", "/curves"),
        ("GET", "/trials"),
        ("GET", "/report"),
        ("GET", "/log"),
        ("GET", "/files"),
        ("GET", "/files/losses.csv"),
        ("GET", "/events"),
        ("POST", "/groupings"),
        ("POST", "/cancel"),
        ("POST", "/resume"),
        ("DELETE", ""),
    ]
    with served.client("bob") as bob, served.client("ada") as ada, served.client("root") as root:
        for method, path in paths:
            body = {"budget": 3} if path == "/groupings" else None
            mine = bob.request(method, f"{API}/runs/{run}{path}", json=body)
            nothing = bob.request(method, f"{API}/runs/nothing{path}", json=body)
            assert mine.status_code == nothing.status_code == 404, path
            assert mine.json()["what"].replace(run, "X") == nothing.json()["what"].replace("nothing", "X"), path
            if method == "GET" and path != "/events":
                assert ada.get(f"{API}/runs/{run}{path}").status_code == 200, path
                assert root.get(f"{API}/runs/{run}{path}").status_code == 200, path
        assert bob.get(f"{API}/comparisons", params={"run": [run]}).status_code == 404
        assert run not in bob.get(f"{API}/runs", params={"limit": 500}).text
        assert bob.post(f"{API}/runs/{queued}/cancel").status_code == 404
        assert root.post(f"{API}/runs/{queued}/cancel").status_code == 202


def test_the_beginning_of_an_id_and_latest_are_no_ids(served: Served) -> None:
    run = served.run_of("ada")
    with served.client() as client:
        for text in (run[:-1], run[:15], "latest", run.upper()):
            assert client.get(f"{API}/runs/{text}").status_code == 404, text


# --- cookies ----------------------------------------------------------------------------------------------------


def _signed_in(served: Served, who: str = "ada") -> tuple[httpx.Client, str]:
    with served.client(who) as client:
        answer = client.post(f"{API}/session")
    assert answer.status_code == 201
    cookie = answer.headers["set-cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=strict" in cookie
    browser = served.client(None)
    browser.cookies.set(COOKIE, answer.cookies[COOKIE])
    return browser, answer.json()["csrf"]


def test_a_browser_needs_the_csrf_token_for_whatever_changes_something(served: Served) -> None:
    browser, csrf = _signed_in(served)
    run = served.run_of("ada")
    path = f"{API}/runs/{run}/cancel"
    assert browser.get(f"{API}/runs/{run}").status_code == 200
    assert browser.post(path).status_code == 403
    assert browser.post(path, headers={"x-csrf-token": "x"}).status_code == 403
    assert browser.post(path, data={"csrf": "x"}).status_code == 403
    foreign = {"x-csrf-token": csrf, "origin": "http://evil.example"}
    assert browser.post(path, headers=foreign).status_code == 403
    assert browser.post(f"{API}/runs", json=SPEC).status_code == 403
    assert browser.delete(f"{API}/runs/{run}").status_code == 403
    assert served.store.run(run).state == "queued"
    assert browser.post(path, data={"csrf": csrf}).status_code == 202
    assert browser.delete(f"{API}/runs/{run}", headers={"x-csrf-token": csrf, "origin": served.url}).status_code == 204
    browser.close()


def test_csrf_tokens_of_others_do_not_fit(served: Served) -> None:
    mine, _ = _signed_in(served)
    other, csrf = _signed_in(served)
    run = served.run_of("ada")
    assert mine.post(f"{API}/runs/{run}/cancel", headers={"x-csrf-token": csrf}).status_code == 403
    mine.close()
    other.close()


def test_a_cookie_that_was_tampered_with_opens_nothing(served: Served) -> None:
    browser, _ = _signed_in(served)
    cookie = browser.cookies[COOKIE]
    browser.close()
    body, _, mac = cookie.rpartition(".")
    other = f"{mac[:-1]}{'1' if mac.endswith('0') else '0'}"
    for bad in (body, f"{body}.", f".{mac}", f"{body}x.{mac}", f"{body}.{other}", "x" * 5000, "é", cookie[::-1]):
        with served.client(None, headers={"cookie": f"{COOKIE}={bad}".encode()}) as client:
            assert client.get(f"{API}/runs").status_code == 401, bad


def test_a_session_ends_with_its_token_and_with_time(tmp_path: Path) -> None:
    import asyncio

    from starlette.responses import Response

    with Store.open(tmp_path) as store:
        tokens = Tokens(store.sessions)
        record, _ = tokens.create("ada")
        keeper = Authenticator(tokens, b"s" * 32, believed=0.0)
        brief = Authenticator(tokens, b"s" * 32, session_seconds=-1.0)
        response = Response()
        keeper.sign_in(Principal("ada", "submit", record.id), response, secure=True)
        assert "Secure" in response.headers["set-cookie"]
        cookie = response.headers["set-cookie"].partition("=")[2].partition(";")[0]
        late = Response()
        brief.sign_in(Principal("ada", "submit", record.id), late, secure=False)
        over = late.headers["set-cookie"].partition("=")[2].partition(";")[0]
        found = asyncio.run(keeper.by_cookie(cookie))
        assert found is not None
        assert found.name == "ada"
        assert asyncio.run(keeper.by_cookie(over)) is None
        assert asyncio.run(Authenticator(tokens, b"t" * 32).by_cookie(cookie)) is None
        tokens.revoke(record.id)
        assert asyncio.run(keeper.by_cookie(cookie)) is None


# --- addresses and hosts ----------------------------------------------------------------------------------------


def test_only_loopback_is_listened_on_before_there_is_a_token(tmp_path: Path) -> None:
    assert Settings(home=tmp_path).loopback
    for host in ("127.0.0.1", "::1", "localhost", "127.8.8.8"):
        assert Settings(home=tmp_path, host=host).loopback
    with Store.open(tmp_path) as store:
        tokens = Tokens(store.sessions)
        for host in ("0.0.0.0", "::", "192.168.1.4", "example.org"):  # noqa: S104
            with pytest.raises(InputError, match="token"):
                check_exposure(Settings(home=tmp_path, host=host), tokens)
        check_exposure(Settings(home=tmp_path), tokens)
        record, _ = tokens.create("ada")
        check_exposure(Settings(home=tmp_path, host="0.0.0.0"), tokens)  # noqa: S104
        tokens.revoke(record.id)
        with pytest.raises(InputError):
            check_exposure(Settings(home=tmp_path, host="0.0.0.0"), tokens)  # noqa: S104


def test_serving_everywhere_without_a_token_exits_with_2(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TASKGROUP_HOME", str(tmp_path))
    assert command(["serve", "--host", "0.0.0.0", "--port", "0"]) == 2  # noqa: S104


def test_other_names_than_ours_are_refused(served: Served) -> None:
    port = served.url.rpartition(":")[2]
    with served.client() as client:
        for host in ("evil.example", f"evil.example:{port}", "127.0.0.1.evil.example", "", "localhost@evil.example"):
            answer = client.get(f"{API}/runs", headers={"host": host})
            assert answer.status_code == 400, host
        for host in (f"localhost:{port}", "LOCALHOST", f"127.0.0.1:{port}", "[::1]:80"):
            assert client.get(f"{API}/runs", headers={"host": host}).status_code == 200, host


def test_an_operator_names_further_hosts(tmp_path: Path) -> None:
    with serving(tmp_path, allowed_hosts=("tasks.example.org",)) as served, served.client() as client:
        assert client.get("/healthz", headers={"host": "tasks.example.org"}).status_code == 200


def test_every_response_carries_the_headers_of_safety(served: Served) -> None:
    with served.client() as client:
        answers = [
            client.get("/healthz"),
            client.get(f"{API}/runs"),
            client.get(f"{API}/runs/none"),
            client.get("/nowhere"),
            client.get("/healthz", headers={"host": "evil.example"}),
            client.post("/healthz"),
            client.get(f"{API}/runs", headers={"authorization": "x"}),
        ]
    for answer in answers:
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["referrer-policy"] == "no-referrer"
        assert answer.headers["x-frame-options"] == "DENY"
        policy = answer.headers["content-security-policy"]
        assert policy.startswith("default-src 'none'")
        assert "frame-ancestors 'none'" in policy
        assert "unsafe" not in policy
        assert "access-control-allow-origin" not in answer.headers
        assert "server" not in answer.headers


def test_nonces_are_used_once(served: Served) -> None:
    with served.client() as client:
        policies = {client.get("/nowhere").headers["content-security-policy"] for _ in range(5)}
    assert len(policies) == 5


def test_the_report_runs_in_a_sandbox(served: Served) -> None:
    run = served.finished_run("ada", weather())
    with served.client() as client:
        answer = client.get(f"{API}/runs/{run}/report")
    assert answer.status_code == 200
    policy = answer.headers["content-security-policy"]
    assert policy.startswith("sandbox ")
    assert "allow-same-origin" not in policy
    assert "default-src 'none'" in answer.text  # its own policy lets only its own script run


# --- secrets ----------------------------------------------------------------------------------------------------


def test_a_token_is_kept_as_a_digest_only(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: Any) -> None:
    monkeypatch.setenv("TASKGROUP_HOME", str(tmp_path))
    assert command(["token", "create", "ada", "--quiet"]) == 0
    text = capsys.readouterr().out.strip()
    secret = text.split("_", 2)[2]
    assert len(secret) >= 32
    assert command(["token", "list", "--json"]) == 0
    assert secret not in capsys.readouterr().out
    for path in tmp_path.rglob("*"):
        if path.is_file():
            assert secret.encode() not in path.read_bytes(), path
    with Store.open(tmp_path) as store:
        record = Tokens(store.sessions).check(text)
        assert record is not None
        assert Tokens(store.sessions).check(text[:-1] + ("a" if text[-1] != "a" else "b")) is None


def test_the_secret_of_cookies_is_for_the_service_alone(tmp_path: Path) -> None:
    secret = read_secret(tmp_path)
    assert len(secret) == 32
    assert read_secret(tmp_path) == secret
    (file,) = [path for path in tmp_path.iterdir() if "secret" in path.name]
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_tokens_and_passwords_are_left_out_of_logs() -> None:
    text = "tg_0123456789ab_" + "s" * 43
    assert "sss" not in redacted(f"Authorization: Bearer {text} and {text}")
    url = "postgresql+psycopg://user:hunter2@host/db"
    assert "hunter2" not in redacted(f"cannot connect to {url}")
    assert "hunter2" not in repr(Settings(store_url=url))
    assert "hunter2" not in str(Settings(store_url=url))
