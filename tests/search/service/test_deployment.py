"""The files of ``configs/deploy``: what they start has what it needs, and gives no secret away."""

from __future__ import annotations

import os
import stat
import subprocess
from configparser import RawConfigParser
from pathlib import Path

from search.cli.serve import _launcher
from search.launcher import RayJobLauncher
from search.service.settings import Settings

DEPLOY = Path(__file__).resolve().parents[3] / "configs" / "deploy"

SERVICE = """#!/bin/sh
case "$1 $2" in
  "token list") cat tokens ;;
  "token create") echo tg_secret; echo "x  valid  x" > tokens ;;
  "serve ") echo serving ;;
esac
"""


def test_the_unit_lets_ray_write_where_it_keeps_its_sockets() -> None:
    unit = RawConfigParser(strict=False, interpolation=None)
    unit.optionxform = str  # type: ignore[assignment,method-assign]
    unit.read(DEPLOY / "taskgroup.service")
    service = unit["Service"]
    assert service["ProtectSystem"] == "strict"
    assert service["PrivateTmp"] == "no"  # runs outlive the service, and their sockets have to
    assert "/tmp" in service["ReadWritePaths"].split()  # noqa: S108


def test_the_containers_first_token_is_in_a_file_of_its_own_and_not_in_the_log(tmp_path: Path) -> None:
    assert "COPY configs/deploy/start " in (DEPLOY / "Containerfile").read_text()
    program = tmp_path / "taskgroup"
    program.write_text(SERVICE)
    program.chmod(0o755)
    (tmp_path / "tokens").touch()
    environment = {"PATH": f"{tmp_path}:{os.environ['PATH']}", "TASKGROUP_HOME": str(tmp_path)}
    said = [
        subprocess.run(
            ["sh", DEPLOY / "start"],
            cwd=tmp_path,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=True,
        ).stdout
        for _ in range(2)
    ]
    file = tmp_path / "admin.token"
    assert file.read_text() == "tg_secret\n"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert str(file) in said[0]
    assert "secret" not in "".join(said)
    assert said[1] == "serving\n"  # the second start makes none


def test_jobs_of_a_cluster_are_started_with_the_interpreter_that_the_operator_names(tmp_path: Path) -> None:
    settings = Settings(
        home=tmp_path, launcher="ray-job", launcher_address="http://head:8265", launcher_python="/opt/tg/bin/python"
    )
    launcher = _launcher(settings)
    assert isinstance(launcher, RayJobLauncher)
    assert launcher._python == "/opt/tg/bin/python"
