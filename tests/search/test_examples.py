"""Scripts under ``configs/examples``: what they show works as it stands."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import grouping as g

EXAMPLES = Path("configs/examples")


def test_a_study_is_asked_and_told_and_gone_on_with(tmp_path: Path) -> None:
    pytest.importorskip("sklearn")
    study = tmp_path / "study.json"
    script = [sys.executable, str(EXAMPLES / "ask_and_tell.py"), "--tasks", "temp,dewp", "--epochs", "1"]
    for trainings in (4, 6):
        more = ["--every", "60", "--study", str(study), "--trainings", str(trainings)]
        ended = subprocess.run([*script, *more], capture_output=True, text=True, timeout=120, check=False)
        assert ended.returncode == 0, ended.stderr
        assert g.Study.load(study).trainings == trainings
    lines = ended.stdout.splitlines()
    assert [line.split(":")[0] for line in lines] == ["1 network(s)", "2 network(s)"]
    assert "temp, dewp" in lines[0]
