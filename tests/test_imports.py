"""What each command loads: a quick answer must not wait for libraries that it does not need.

Every test runs in a process of its own and looks at what is loaded at its end; seconds are in ``tests/benchmarks``.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]

SLOW_TO_HELP = {"pandas", "plotly", "sqlalchemy", "fastapi", "torch", "ray", "optuna", "scipy", "networkx"}
SLOW_TO_SOLVE = {"torch", "ray", "optuna", "plotly", "sqlalchemy", "fastapi"}

TABLE = "network,task,loss\na,a,0.5\nb,b,0.4\na+b,a,0.4\na+b,b,0.45\n"
SPEC = """\
name: three columns
data:
  source: rows.csv
  inputs: ["x*"]
  split: {fractions: [0.6, 0.2, 0.2]}
tasks:
  - {name: a, type: regression}
  - {name: b, type: regression}
budget: {inference: 1}
"""


def _loaded(code: str, folder: Path) -> set[str]:
    """Names of the top-level packages that a process has loaded after running the code."""
    code = f"import sys\n{code}\nprint('\\n' + ' '.join(sorted(m for m in sys.modules if '.' not in m)))"
    command = [sys.executable, "-c", code]
    environment = {"PYTHONPATH": str(ROOT), "PATH": "", "HOME": str(folder)}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return set(done.stdout.splitlines()[-1].split())


def _after_command(folder: Path, *arguments: str) -> set[str]:
    return _loaded(f"from search.cli.app import run\nassert run({list(arguments)!r}) == 0", folder)


def test_importing_the_domain_loads_no_machinery(tmp_path: Path) -> None:
    loaded = _loaded("import grouping", tmp_path)
    assert "grouping" in loaded
    assert not loaded & (SLOW_TO_SOLVE | {"search", "pydantic_settings", "starlette"})


def test_help_loads_next_to_nothing(tmp_path: Path) -> None:
    loaded = _after_command(tmp_path, "--help")
    assert "search" in loaded
    assert not loaded & SLOW_TO_HELP


@pytest.mark.parametrize(
    "command", ["init", "plan", "recommend", "solve", "report", "runs", "resume", "serve", "submit", "token"]
)
def test_the_help_of_a_command_loads_next_to_nothing(tmp_path: Path, command: str) -> None:
    assert not _after_command(tmp_path, command, "--help") & SLOW_TO_HELP


def test_solving_a_table_loads_no_training_and_no_charts(tmp_path: Path) -> None:
    (tmp_path / "losses.csv").write_text(TABLE)
    loaded = _after_command(tmp_path, "solve", "losses.csv", "--budget", "1", "--json")
    assert "grouping" in loaded
    assert not loaded & SLOW_TO_SOLVE


@pytest.mark.parametrize("network", ["", "network: {trunk: cnn, widths: [4, 4], image: [1, 2, 3]}\n"])
def test_planning_loads_no_training_and_no_charts(tmp_path: Path, network: str) -> None:
    rows = "\n".join(",".join(str((i + 1) ** f % 17) for f in range(1, 9)) for i in range(60))
    (tmp_path / "rows.csv").write_text(f"x1,x2,x3,x4,x5,x6,a,b\n{rows}\n")
    (tmp_path / "spec.yaml").write_text(SPEC + network)
    loaded = _after_command(tmp_path, "plan", "spec.yaml", "--json")
    assert "search" in loaded
    assert not loaded & SLOW_TO_SOLVE


def test_listing_runs_loads_the_database_and_no_training(tmp_path: Path) -> None:
    code = "from pathlib import Path\nfrom search.store.store import Store\n"
    code += "Store.open(Path('results/runs')).create_run('x', 'recommend', '', {})"
    _loaded(code, tmp_path)
    loaded = _after_command(tmp_path, "runs")
    assert "sqlalchemy" in loaded
    assert not loaded & {"torch", "ray", "optuna", "plotly", "pandas", "alembic"}
