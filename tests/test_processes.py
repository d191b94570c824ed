"""Tests side by side: one process has all that starts Ray, no file is torn apart."""

from __future__ import annotations

import re
import subprocess
import sys
from collections import defaultdict
from pathlib import Path

RAY = "import pytest\n@pytest.mark.ray\ndef test_{0}(): ...\ndef test_{0}_too(): ...\n"
REST = "def test_{0}(): ...\ndef test_{0}_too(): ...\n"


def test_what_starts_ray_is_in_one_process_and_files_are_whole(tmp_path: Path) -> None:
    conftest = Path(__file__).with_name("conftest.py").read_text()
    (tmp_path / "tests").mkdir()
    (tmp_path / "tests" / "conftest.py").write_text(conftest)
    (tmp_path / "pyproject.toml").write_text("[tool.pytest.ini_options]\nmarkers = ['ray']\n")
    for i in range(8):
        text = (RAY if i % 4 == 3 else REST).format(i)
        (tmp_path / "tests" / f"test_{i}.py").write_text(text)
    command = [sys.executable, "-m", "pytest", "-v", "-p", "no:cacheprovider", "-n", "2"]
    command += ["--dist", "loadfile", "--no-loadscope-reorder", "tests"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
    found = re.findall(r"\[(gw\d)\].*PASSED tests/(test_\d)\.py", done.stdout)
    assert len(found) == 16
    where = defaultdict[str, set[str]](set)
    for process, file in found:
        where[file].add(process)
    assert {len(processes) for processes in where.values()} == {1}
    assert where["test_3"] == where["test_7"]
    (process,) = where["test_3"]
    assert [file for name, file in found if name == process][:4] == ["test_3", "test_3", "test_7", "test_7"]
