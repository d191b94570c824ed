"""A database of the first schema is brought to the present one with all it holds, on every engine."""

from __future__ import annotations

import json
import os
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
from alembic import command
from alembic.config import Config
from sqlalchemy import create_engine, text

from search.store.blobs import encode_result
from search.store.home import STORE_FILE
from search.store.owner import Owner, this_process
from search.store.store import Store
from search.trials import Trial, TrialResult
from tests.postgres import PostgresServer

TRIAL = Trial(("a", "b"), 1.0, 0)
RESULT = TrialResult(np.arange(1, 4), np.ones((2, 3)), 0.5, "h:1", weights=b"w")

RUN = """INSERT INTO runs (id, name, kind, state, spec, plan, tasks, planned, created, since, seconds, owner,
heartbeat) VALUES ('old-run', 'old', 'recommend', 'running', 'name: old', '{"base": "."}', '["a", "b"]', 2, 100.0,
100.0, 0.0, :owner, 110.0)"""
TRIALS = """INSERT INTO trials (run, key, phase, trial, state, attempts, seconds, worker, kept, reason, detail,
recorded, result) VALUES (1, 'k', 'search', :trial, 'finished', 2, 0.5, 'h:1', -1, '', '', 105.0, :result)"""
EVENT = "INSERT INTO events (run, kind, payload, at) VALUES (1, 'state', :payload, 100.0)"


@pytest.mark.parametrize("engine", ["sqlite", "postgresql"])
def test_a_run_of_the_first_schema_is_resumed(engine: str, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    url = None
    if engine == "postgresql":
        server: PostgresServer = request.getfixturevalue("postgres")
        url = server.new_database()
    old = create_engine(url or f"sqlite:///{tmp_path / STORE_FILE}")
    with old.begin() as connection:
        configuration = Config()
        configuration.set_main_option("script_location", "search.store:migrations")
        configuration.attributes["connection"] = connection
        command.upgrade(configuration, "0001")
        gone = Owner(this_process().host, os.getpid(), "an earlier process")
        connection.execute(text(RUN), {"owner": gone.token})
        values = {"trial": json.dumps(asdict(TRIAL)), "result": encode_result(RESULT)}
        connection.execute(text(TRIALS), values)
        connection.execute(text(EVENT), {"payload": json.dumps({"to": "queued"})})
    old.dispose()
    with Store.open(tmp_path, url=url) as store:
        record = store.run("old-run")
        assert (record.state, record.epoch, record.principal, record.starts) == ("interrupted", 0, "", 0)
        assert store.take("old-run").epoch == 1
        assert store.finished_trials("old-run")["k"].weights == b"w"
        assert (store.attempts("old-run"), store.trials("old-run")[0].attempts) == ([], 2)
        store.record_result("old-run", "search", TRIAL, "l", RESULT)
        assert [attempt.attempt for attempt in store.attempts("old-run")] == [1]
        assert store.create_run("new", "recommend", "", {}, request_key="k")
