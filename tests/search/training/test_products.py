"""Other ways to multiply: the same networks, still whatever their company; and a permission that is not made use of."""

from __future__ import annotations

from functools import cache

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from search.errors import TrialError
from search.spec import EngineName
from search.training import relaxed, stack_onednn
from search.training.experiment import Experiment
from search.training.relaxed import LARGEST_ERROR, relaxed_error, relaxed_products
from search.trials import Trial, TrialFailure, TrialResult
from tests.search.training.planted import planted, planted_experiment
from tests.search.training.test_fused import MENU, assert_bitwise, both, fused, search

ROUNDS = relaxed_error() >= LARGEST_ERROR

WAYS: list[object] = [
    pytest.param(
        "fused-onednn", marks=pytest.mark.skipif(not stack_onednn.available(), reason="torch without the operator")
    ),
    pytest.param("fused-relaxed", marks=pytest.mark.skipif(ROUNDS, reason="this processor rounds when permitted to")),
]


@cache
def experiment(engine: EngineName) -> Experiment:
    """Wide enough for every kind of kernel; batches of 64 and a last one of 44 rows."""
    dataset = planted(missing=0.3)
    return planted_experiment(dataset, widths=(136, 40), readings_per_epoch=2, epochs=2, engine=engine)


@cache
def alone(engine: EngineName, trial: Trial) -> TrialResult | TrialFailure:
    return fused(experiment(engine), [trial])[0]


@pytest.mark.parametrize("engine", WAYS)
def test_every_trial_is_what_the_plain_trainer_makes_of_it(engine: EngineName) -> None:
    both(experiment(engine), MENU)


@pytest.mark.parametrize("engine", WAYS)
@settings(max_examples=15, deadline=None)
@given(pack=st.lists(st.sampled_from(MENU), min_size=1, max_size=8))
def test_company_and_order_change_nothing(engine: EngineName, pack: list[Trial]) -> None:
    for trial, result in zip(pack, fused(experiment(engine), pack), strict=True):
        assert_bitwise(result, alone(engine, trial))


@pytest.mark.parametrize("engine", WAYS)
def test_a_network_that_leaves_the_pack_disturbs_no_other(engine: EngineName) -> None:
    hot = planted_experiment(planted(), widths=(136, 40), learning_rate=1e15, engine=engine)
    assert all(isinstance(result, TrialFailure) for result in fused(hot, MENU[:3]))


def precision() -> str:
    found: str = torch.backends.mkldnn.matmul.fp32_precision  # type: ignore[attr-defined]
    return found


@pytest.mark.skipif(ROUNDS, reason="this processor rounds when permitted to")
def test_the_permission_is_given_inside_and_taken_back_whatever_happens() -> None:
    before = precision()
    inside = []

    def fail() -> None:
        inside.append(precision())
        raise KeyError

    with pytest.raises(KeyError), relaxed_products():
        fail()
    assert inside == ["bf16"]
    assert precision() == before
    fused(experiment("fused-relaxed"), [search("t0")])
    assert precision() == before


def test_a_machine_that_rounds_is_refused_with_the_way_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(relaxed, "relaxed_error", lambda: 3e-3)
    before = precision()
    with pytest.raises(TrialError, match="rounds on this machine: a product is off by 3e-03") as refused:
        fused(experiment("fused-relaxed"), [search("t0")])
    assert refused.value.fix is not None
    assert "'auto'" in refused.value.fix
    assert precision() == before


def test_a_result_that_is_no_number_is_refused_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(relaxed, "relaxed_error", lambda: float("nan"))
    with pytest.raises(TrialError, match="rounds on this machine"), relaxed_products():
        pass


def test_the_trial_product_would_notice_bfloat16(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the processor does not round, products in bfloat16 stand in for one that does."""
    single = torch.bmm

    def rounding(left: torch.Tensor, right: torch.Tensor) -> torch.Tensor:
        if left.dtype != torch.float32:
            return single(left, right)
        return single(left.bfloat16(), right.bfloat16()).float()

    monkeypatch.setattr(torch, "bmm", rounding)
    relaxed_error.cache_clear()
    try:
        assert relaxed_error() > 100 * LARGEST_ERROR
    finally:
        relaxed_error.cache_clear()


def test_the_engine_named_in_the_experiment_decides(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[int] = []
    forward = stack_onednn.OneDnnNetworks.forward

    def counted(self: stack_onednn.OneDnnNetworks, inputs_KBF: torch.Tensor, rows: int | None = None) -> torch.Tensor:
        made.append(self.size)
        return forward(self, inputs_KBF, rows)

    monkeypatch.setattr(stack_onednn.OneDnnNetworks, "forward", counted)
    fused(experiment("fused"), [search("t0")])
    assert not made
    if stack_onednn.available():
        fused(experiment("fused-onednn"), [search("t0")])
        assert set(made) == {1}
