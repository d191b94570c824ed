"""The main job on pictures: from an npz file to networks that are used again, all of it with a cnn."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from search.data.dataset import load_dataset
from search.data.resolution import resolve
from search.documents import dump_spec, parse_spec, read_spec
from search.execution.executor import InlineExecutor
from search.job import prepare
from search.output.folder import RunFolder
from search.run import run_recommendation
from search.store.store import Store
from search.training.checkpoint import load_checkpoint
from tests.search.data.frames import pictures
from tests.search.test_run import Quiet

SPEC = """
name: pictures
data: {source: t.npz}
network: {trunk: cnn, widths: [8, 16], capacities: [1, 2]}
training: {epochs: 3, batch_size: 32, learning_rate: 0.01, seeds: 1, engine: plain}
budget: {inference: 60000, unit: flops}
evidence: {seeds: 1, random_groupings: 0, best_of_random: false, draws: 4}
"""


def test_a_recommendation_for_pictures_ends_in_networks_that_look_at_pictures(tmp_path: Path) -> None:
    np.savez(tmp_path / "t.npz", **pictures())
    job = prepare(resolve(parse_spec(SPEC), tmp_path), tmp_path)
    assert job.plan.charged_C.max() <= 60_000
    with Store.open(tmp_path / "store") as store:
        run = store.create_run("pictures", "recommend", dump_spec(job.spec), {})
        store.set_state(run, "running")
        folder = RunFolder(tmp_path / "run")
        recommendation = run_recommendation(job, store, run, folder, InlineExecutor(), Quiet())
    files = list((tmp_path / "run").rglob("*.safetensors"))
    assert len(files) == len(recommendation.solution.networks)
    test = load_dataset(read_spec(tmp_path / "run" / "spec.yaml")).test
    for file in files:
        network = load_checkpoint(file.read_bytes())
        assert network.header.image == (2, 6, 5)
        outputs_NO = network.outputs(torch.from_numpy(test.inputs_NF))
        assert outputs_NO.shape == (len(test), sum(network.header.outputs))
        assert outputs_NO.isfinite().all()
