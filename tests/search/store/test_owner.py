"""A process is known by host, id and birth; what is gone is told from what lives."""

from __future__ import annotations

import dataclasses
import os
import subprocess
import sys
import time

import pytest

from search.store.owner import STALE_SECONDS, Owner, this_process


def test_this_process_lives_however_old_its_heartbeat() -> None:
    assert this_process().alive(heartbeat=0.0)


def test_a_token_names_one_process() -> None:
    me = this_process()
    assert Owner.parse(me.token) == me
    assert Owner.parse("host:with:colons:7:99") == Owner("host:with:colons", 7, "99")


def test_a_killed_process_is_gone_before_and_after_its_parent_noticed() -> None:
    code = "from search.store.owner import this_process; print(this_process().token, flush=True); input()"
    child = subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert child.stdout is not None
    owner = Owner.parse(child.stdout.readline().strip())
    assert owner.alive(time.time())
    child.kill()
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)  # dead, and still in the table of processes
    assert not owner.alive(time.time())
    child.communicate()
    assert not owner.alive(time.time())


@pytest.mark.skipif(this_process().birth == "", reason="this system does not tell when a process was born")
def test_a_later_process_with_the_same_id_is_another_one() -> None:
    assert not dataclasses.replace(this_process(), birth="1").alive(time.time())


def test_on_another_host_the_heartbeat_decides() -> None:
    elsewhere = Owner("elsewhere", 1, "1")
    assert elsewhere.alive(time.time() - STALE_SECONDS / 2)
    assert not elsewhere.alive(time.time() - 2 * STALE_SECONDS)
