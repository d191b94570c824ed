"""The OpenAPI document is what the service does: schemathesis finds no undocumented answer and no server error.

``make faults`` tries many more examples with several seeds, ``python -m tests.benchmarks.service.schema`` these alone.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from search.service.gate import API
from tests.faults import FULL
from tests.grouping.report.sample import weather
from tests.search.service.hunt import hunt, hunt_in_sequences
from tests.search.service.serving import Served

EXAMPLES, SEEDS, SEQUENCES, STEPS = (200, 3, 100, 12) if FULL else (8, 1, 5, 6)
"""Of each operation with each seed; of the links between operations."""

LONGEST = 3600 if FULL else 300


@pytest.fixture(scope="module")
def document(served: Served) -> dict[str, Any]:
    with served.client("root") as client:
        found: dict[str, Any] = client.get(f"{API}/openapi.json").json()
    return found


def test_every_operation_says_what_may_happen(document: dict[str, Any]) -> None:
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            answers = operation["responses"]
            assert any(code.startswith("2") for code in answers), (path, method)
            assert operation.get("summary"), (path, method)
            if path != "/healthz":
                assert "401" in answers, (path, method)
                assert operation["security"], (path, method)


def test_examples_of_bodies_are_accepted(served: Served, document: dict[str, Any]) -> None:
    tried = 0
    with served.client() as client:
        for path, methods in document["paths"].items():
            for kind, content in methods.get("post", {}).get("requestBody", {}).get("content", {}).items():
                if "example" not in content or "{" in path:
                    continue
                body = content["example"]
                options: dict[str, Any] = {"json": body} if kind == "application/json" else {"content": body}
                query = {"name": "example.csv"} if path.endswith("/datasets") else {}
                answer = client.post(path, params=query, headers={"content-type": kind}, **options)
                assert answer.is_success, (path, kind, answer.text)
                tried += 1
    assert tried >= 6


@pytest.mark.timeout(LONGEST)
@pytest.mark.parametrize("number", range(1, SEEDS + 1))
def test_schemathesis_finds_nothing(
    served: Served, document: dict[str, Any], number: int, record_property: Callable[[str, object], None]
) -> None:
    ended = served.finished_run("ada", weather())
    assert hunt(document, served.url, served.tokens["ada"], ended=ended, examples=EXAMPLES, number=number) == []
    operations = sum(map(len, document["paths"].values()))
    record_property("count", EXAMPLES)
    record_property("figure", f"up to {EXAMPLES} requests of each of {operations} operations with each seed")


@pytest.mark.timeout(LONGEST)
def test_sequences_of_operations_find_nothing(
    served: Served, document: dict[str, Any], record_property: Callable[[str, object], None]
) -> None:
    hunt_in_sequences(document, served.url, served.tokens["ada"], examples=SEQUENCES, steps=STEPS)
    record_property("count", SEQUENCES)
