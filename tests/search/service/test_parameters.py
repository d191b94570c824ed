"""Parameters of the query that an operation does not have: refused with the nearest that it has, not ignored."""

from __future__ import annotations

import pytest

from search.service.gate import API
from tests.search.service.serving import SPEC, Served


@pytest.mark.parametrize(
    ("asked", "named", "fix"),
    [
        ("runs?limt=5", "'limt'", "Did you mean 'limit'?"),
        ("runs?limit=5&stat=queued", "'stat'", "Did you mean 'state'?"),
        ("runs?=false", "''", "Known: state, name, kind, sort, limit, offset"),
        ("runs?Limit=5", "'Limit'", "Did you mean 'limit'?"),
        ("runs?zzz", "'zzz'", "Known: state, name, kind, sort, limit, offset"),
        ("runs/any/trials?fromat=csv", "'fromat'", "Did you mean 'format'?"),
        ("session?limit=5", "'limit'", "None is known"),
    ],
)
def test_a_parameter_that_is_none_is_told_with_the_nearest(served: Served, asked: str, named: str, fix: str) -> None:
    with served.client() as client:
        answer = client.get(f"{API}/{asked}")
    assert answer.status_code == 422, answer.text
    told = answer.json()
    assert (told["code"], told["where"], told["fix"]) == ("input", "query", fix)
    assert named in told["what"]


def test_every_list_refuses_what_it_does_not_know(served: Served) -> None:
    with served.client() as client:
        paths = client.get(f"{API}/openapi.json").json()["paths"]
        asked = [path for path, ways in paths.items() if path.startswith(API) and "get" in ways and "{" not in path]
        answers = {path: client.get(path, params={"nothing-has-this": "1"}).status_code for path in asked}
    assert len(asked) >= 4
    assert set(answers.values()) == {422}, answers


def test_nothing_is_done_where_a_parameter_is_unknown(served: Served) -> None:
    before = served.store.list_runs().total
    with served.client() as client:
        answer = client.post(f"{API}/runs?knd=search", json=SPEC)
    assert answer.status_code == 422
    assert answer.json()["fix"] == "Did you mean 'kind'?"
    assert served.store.list_runs().total == before


def test_strangers_are_asked_for_a_token_first(served: Served) -> None:
    with served.client(None) as client:
        assert client.get(f"{API}/runs?limt=5").status_code == 401


def test_known_ones_are_taken_as_often_as_they_come(served: Served) -> None:
    first, second = served.run_of("ada"), served.run_of("ada")
    with served.client() as client:
        assert client.get(f"{API}/runs?limit=5&offset=0&").status_code == 200
        assert client.get(f"{API}/runs?").status_code == 200
        assert client.get(f"{API}/comparisons?run={first}&run={second}").status_code == 200
