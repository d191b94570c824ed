"""What is built is complete: a wheel alone, away from the repository, gives a working ``taskgroup``."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]


def _call(command: list[str | Path], folder: Path, **environment: str) -> str:
    done = subprocess.run(
        command,
        cwd=folder,
        env={**os.environ, "TASKGROUP_HOME": "", **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built from a copy so that no build folder is left in the repository."""
    source = tmp_path_factory.mktemp("source")
    for name in ("grouping", "search"):
        shutil.copytree(ROOT / name, source / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    _call([sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", "dist"], source)
    (wheel,) = (source / "dist").glob("taskgrouping-*.whl")
    return wheel


def test_a_wheel_holds_every_file_that_belongs_to_the_packages(wheel: Path) -> None:
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", "grouping", "search"]
    if not (ROOT / ".git").exists():
        pytest.skip("not a git checkout, so nobody can say what belongs to it")
    expected = set(_call([*command], ROOT).rstrip("\0").split("\0"))
    packed = set(zipfile.ZipFile(wheel).namelist())
    assert {name for name in expected if (ROOT / name).exists()} - packed == set()
    assert {"grouping/py.typed", "search/py.typed", "search/store/migrations/env.py"} <= packed
    assert not [name for name in packed if name.startswith(("tests", "results", "configs"))]


def test_an_installed_wheel_works_away_from_the_repository(wheel: Path, tmp_path: Path) -> None:
    site, work = tmp_path / "site", tmp_path / "work"
    work.mkdir()
    install: list[str | Path] = ["install", "--quiet", "--no-deps", "--no-index", "--target", site, wheel]
    _call([sys.executable, "-m", "pip", *install], tmp_path)
    # -P keeps the repository's folder out of the path, and the installed copy comes before the editable one.
    taskgroup: list[str | Path] = [sys.executable, "-P", site / "bin" / "taskgroup"]
    where = _call([sys.executable, "-P", "-c", "import search; print(search.__file__)"], work, PYTHONPATH=str(site))
    assert Path(where.strip()).is_relative_to(site)
    assert "recommend" in _call([*taskgroup, "--help"], work, PYTHONPATH=str(site))
    _call([*taskgroup, "init", "nyc-weather", "-o", "spec.yaml"], work, PYTHONPATH=str(site))
    assert "nyc-weather" in (work / "spec.yaml").read_text(encoding="utf-8")
    create = "from pathlib import Path; from search.store.store import Store; Store.open(Path('results/runs'))"
    _call([sys.executable, "-P", "-c", create], work, PYTHONPATH=str(site))
    assert "No runs yet" in _call([*taskgroup, "runs"], work, PYTHONPATH=str(site))
