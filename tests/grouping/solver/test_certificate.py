"""A certificate survives a file, and the check refuses every lie."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from grouping.errors import InputError
from grouping.solver.certificate import Branch, Certificate, ProofNode
from grouping.solver.solve import solve
from grouping.solver.verification import verify
from tests.grouping.solver.instances import Float, subsets


@pytest.fixture(scope="module")
def table() -> tuple[Float, Float]:
    rng = np.random.default_rng(51)
    members_CT = subsets(6)
    return np.where(members_CT, rng.uniform(0.5, 1.5, members_CT.shape), np.nan), rng.choice([0.5, 1.0], 63)


@pytest.fixture(scope="module")
def certificate(table: tuple[Float, Float]) -> Certificate:
    found = solve(*table, 2.0, weights_T=[1, 2, 1, 1, 1, 3], apart=[(0, 5)]).certificate
    assert found is not None
    return found


def test_it_holds_and_survives_json(certificate: Certificate, table: tuple[Float, Float]) -> None:
    assert verify(certificate, *table)
    again = Certificate.from_json(json.loads(json.dumps(certificate.to_json())))
    assert again == certificate


@pytest.mark.parametrize(
    "lie",
    [
        {"objective": 0.5},
        {"bound": 99.0},
        {"bound": float("nan")},
        {"chosen": (0,)},
        {"nodes": ()},
        {"spendable": (1.0,)},
        {"spendable": ()},
    ],
)
def test_a_false_claim_is_refused(certificate: Certificate, table: tuple[Float, Float], lie: dict[str, Any]) -> None:
    check = verify(replace(certificate, **lie), *table)
    assert not check
    assert check.complaints


@pytest.mark.parametrize("other", [{"budget_D": (0.5,)}, {"apart": ((0, 1),)}])
def test_another_question_has_another_answer(
    certificate: Certificate, table: tuple[Float, Float], other: dict[str, Any]
) -> None:
    assert not verify(replace(certificate, question=replace(certificate.question, **other)), *table)


@pytest.mark.parametrize(
    "damage",
    [
        lambda data: data.pop("nodes"),
        lambda data: data.pop("question"),
        lambda data: data.update(objective="x"),
        lambda data: data["question"].update(unheard_of=1),
        lambda data: data["question"].update(budget_D=[-1.0]),
        lambda data: data["nodes"][0].pop("duals_T"),
    ],
)
def test_a_damaged_file_is_refused_with_one_message(certificate: Certificate, damage: Callable[[Any], object]) -> None:
    data = json.loads(json.dumps(certificate.to_json()))
    damage(data)
    with pytest.raises(InputError):
        Certificate.from_json(data)
    with pytest.raises(InputError, match="no certificate"):
        Certificate.from_json("text")  # type: ignore[arg-type]


def test_prices_that_prove_nothing_are_refused(certificate: Certificate, table: tuple[Float, Float]) -> None:
    idle = [replace(node, duals_T=(0.0,) * 6, prices_D=(0.0,)) for node in certificate.nodes]
    assert not verify(replace(certificate, nodes=tuple(idle)), *table)


def test_prices_are_recomputed_on_the_table_at_hand(certificate: Certificate, table: tuple[Float, Float]) -> None:
    losses_CT, cost_C = table
    better = losses_CT.copy()
    better[next(c for c in range(63) if c not in certificate.chosen and cost_C[c] == 0.5)] *= 0.01
    assert not verify(certificate, better, cost_C)


def test_a_split_that_leaves_something_out_is_refused(certificate: Certificate, table: tuple[Float, Float]) -> None:
    root, *_ = certificate.nodes
    sides = (ProofNode(0, Branch("at most", 0, 0.7), (), ()), ProofNode(0, Branch("above", 0, 0.9), (), ()))
    idle = replace(root, duals_T=(0.0,) * 6)
    assert not verify(replace(certificate, nodes=(idle, *sides)), *table)
