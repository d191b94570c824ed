"""``gpus_per_worker: auto``: as many workers on a GPU as its memory holds, spread over all of them."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from search.data.dataset import Dataset, load_dataset
from search.data.resolution import resolve
from search.errors import SpecError
from search.spec import Spec
from search.training.gpu_share import Gpus, gpu_share, with_gpu_share

GIB = 2**30


@given(st.integers(2 * GIB, 22 * GIB), st.integers(40 * GIB, 200 * GIB), st.integers(1, 8), st.integers(1, 64))
def test_no_gpu_is_asked_for_more_memory_than_it_has_and_none_idles(
    needed: int, gpu_bytes: int, gpus: int, workers: int
) -> None:
    share = gpu_share(needed, Gpus(gpus, gpu_bytes), workers)
    on_one = round(1 / share)
    assert share == 1 / on_one
    assert on_one * needed <= gpu_bytes
    assert (on_one - 1) * gpus < workers, "workers are spread over all GPUs"


def test_a_gpu_that_holds_no_worker_is_said() -> None:
    with pytest.raises(SpecError, match=r"a worker may take 2.2 GiB of a GPU, and one here has 2.0 GiB"):
        gpu_share(2 * GIB + GIB // 5, Gpus(1, 2 * GIB), 2)


def _spec(**cluster: object) -> Spec:
    data = {"name": "x", "data": {"source": "synthetic"}, "budget": {"inference": 2}}
    return resolve(Spec.model_validate({**data, "cluster": {"gpus_per_worker": "auto", **cluster}}), None)


@pytest.fixture(scope="module")
def dataset() -> Dataset:
    return load_dataset(_spec(), None)


def test_without_a_gpu_workers_train_on_cpus_or_the_user_is_asked(
    dataset: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert with_gpu_share(_spec(), dataset).cluster.gpus_per_worker == 0.0
    with pytest.raises(SpecError, match="looks at the GPUs of this machine"):
        with_gpu_share(_spec(address="head:6379"), dataset)


def test_two_gpus_are_shared_by_the_workers(dataset: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda gpu: SimpleNamespace(total_memory=80 * GIB))
    assert with_gpu_share(_spec(workers=8), dataset).cluster.gpus_per_worker == 0.25
    given_one = _spec(gpus_per_worker=0.5)
    assert with_gpu_share(given_one, dataset) is given_one
