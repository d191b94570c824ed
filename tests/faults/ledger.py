"""Which faults there are, which tests inject them, and the table of what came of it."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Final

import pytest

__all__ = ["ELSEWHERE", "FAULTS", "Injection", "Ledger", "markdown", "renewed"]

FAULTS: Final[dict[str, str]] = {
    "R1": "kill -9 a worker in the middle of a training",
    "R2": "kill -9 the driver or supervisor at random moments",
    "R3": "kill -9 the server",
    "R4": "a node of the cluster is lost",
    "R5": "the head of the cluster is lost",
    "R6": "SIGINT, SIGTERM, Ctrl-C twice",
    "R7": "the disk is full",
    "R8": "stored results and networks are damaged",
    "R9": "state of a search is cut short",
    "R10": "the database is locked by another process",
    "R11": "the database is read-only, missing, newer, damaged",
    "R12": "PostgreSQL restarts, refuses, is full",
    "R13": "losses that are no numbers",
    "R14": "every training fails",
    "R15": "a worker runs out of memory",
    "R16": "a worker hangs",
    "R17": "user code does what it likes",
    "R18": "the clock jumps",
    "R19": "two processes want one run",
    "R20": "an owner is stopped and comes back",
    "R21": "a request is repeated",
    "R22": "a run is cancelled in any state",
    "R23": "the cluster has less than was asked for",
    "R24": "the cluster cannot be joined",
    "R25": "many runs, one after the other",
    "R26": "the database holds very much",
    "R27": "many watchers of one run",
    "R28": "one worker against two",
    "R29": "kill -9 at every commit point",
    "S22": "requests that nobody thought of",
    "S23": "documents that nobody thought of",
}

_EXECUTORS = "tests/contract/test_executors.py::"
_RAY = "tests/search/execution/test_ray_executor.py::"
_STORE = "tests/search/store/test_faults.py::"
_LEASES = "tests/contract/test_leases.py::"
_SUPERVISOR = "tests/search/test_supervisor.py::"
_COMMAND = "tests/search/cli/test_recommend.py::"

_POSTGRES = "tests/search/store/test_postgres.py::"
_SERVICE = "tests/search/service/"

ELSEWHERE: Final[dict[str, tuple[tuple[str, str], ...]]] = {
    "R3": (
        (
            f"{_SERVICE}test_server_process.py::test_no_run_that_was_accepted_is_lost_by_kills",
            "SIGKILL of `taskgroup serve` at random moments, while it is asked for runs",
        ),
    ),
    "R6": (
        (
            f"{_RAY}test_an_interrupted_driver_leaves_no_process_and_no_file_behind",
            "SIGINT and SIGTERM with workers that hang and are halted; 0 processes after 10 s",
        ),
        (
            f"{_SUPERVISOR}test_a_signal_leaves_an_interrupted_run_and_its_own_exit_code",
            "every signal, with its exit code",
        ),
        (
            f"{_SUPERVISOR}test_a_second_signal_leaves_at_once_and_the_run_can_be_resumed",
            "a second signal while the first is obeyed",
        ),
        (
            f"{_COMMAND}test_ctrl_c_leaves_a_resumable_run_and_no_process",
            "Ctrl-C of the real command with real trainings",
        ),
    ),
    "R7": (
        (f"{_STORE}test_a_full_disk_is_exit_5_and_recording_goes_on_when_there_is_space", "no page more for SQLite"),
    ),
    "R8": (
        (f"{_STORE}test_a_damaged_result_is_found_and_not_handed_out", "one byte of stored weights"),
        ("tests/search/training/test_checkpoint.py::test_one_flipped_bit_is_noticed", "one bit of a network's file"),
        (
            "tests/search/training/test_checkpoint.py::test_what_is_no_network_is_refused_in_one_line",
            "empty, cut and random network files",
        ),
    ),
    "R10": (
        (f"{_STORE}test_a_lock_held_by_another_process_for_two_seconds_is_waited_for", "locked for 2 s"),
        (
            f"{_STORE}test_a_lock_that_stays_is_reported_and_readers_go_on",
            "locked for longer than the patience, which is shortened",
        ),
    ),
    "R11": (
        (f"{_STORE}test_a_missing_folder_and_a_missing_database_are_told_apart", "folder or file missing"),
        (f"{_STORE}test_a_damaged_header_is_refused_and_left_alone", "header overwritten"),
        (f"{_STORE}test_a_newer_schema_is_refused", "schema of a later version"),
        (f"{_STORE}test_a_read_only_folder_is_refused", "folder and file read-only"),
        (f"{_STORE}test_another_programs_database_is_refused", "another program's database"),
    ),
    "R12": (
        (
            f"{_POSTGRES}test_after_a_restart_the_next_statement_works_and_in_between_it_is_unavailable",
            "PostgreSQL away for a moment",
        ),
        (
            f"{_POSTGRES}test_whoever_works_on_a_run_waits_for_a_server_that_restarts",
            "PostgreSQL restarted while a run is owned",
        ),
        (f"{_POSTGRES}test_a_server_without_a_free_connection_says_so", "no connection free"),
    ),
    "R16": (
        (f"{_EXECUTORS}test_a_job_that_takes_too_long_is_stopped_and_not_repeated", "a sleeping and a halted worker"),
    ),
    "R17": (
        (f"{_EXECUTORS}test_what_a_job_raises_is_its_own_failure_in_one_line", "raises, sys.exit"),
        (
            f"{_EXECUTORS}test_jobs_that_kill_their_workers_fail_and_the_others_go_on",
            "os._exit, segmentation fault, SIGKILL of itself",
        ),
        (f"{_EXECUTORS}test_a_result_that_cannot_be_sent_back_fails_that_job_only", "a result that cannot be pickled"),
    ),
    "R18": ((f"{_LEASES}test_a_clock_that_jumps_by_an_hour_changes_no_lease", "an hour forth and back"),),
    "R19": (
        (
            f"{_LEASES}test_two_threads_that_race_for_a_run_a_hundred_times_own_it_once_each_time",
            "100 races of threads",
        ),
        (
            f"{_LEASES}test_two_processes_that_race_for_a_run_a_hundred_times_own_it_once_each_time",
            "100 races of processes",
        ),
        (f"{_LEASES}test_of_all_who_reserve_a_run_at_once_one_does", "reservations of dispatchers at once"),
    ),
    "R20": (
        (
            f"{_LEASES}test_an_owner_that_was_stopped_loses_its_run_and_its_late_writes_are_refused",
            "SIGSTOP for longer than the lease, which is shortened, then SIGCONT",
        ),
        (
            f"{_SUPERVISOR}test_an_owner_whose_run_was_taken_stops_and_leaves_the_state_alone",
            "the run was taken meanwhile",
        ),
    ),
    "R27": (
        (f"{_SERVICE}test_events.py::test_a_hundred_watchers_are_all_told_the_end", "100 watchers"),
        (f"{_SERVICE}test_events.py::test_a_watcher_goes_on_where_it_left_off", "a watcher that comes back"),
    ),
    "R21": (
        (f"{_LEASES}test_fifty_requests_with_one_key_make_one_run", "50 requests at once with one key"),
        (
            f"{_SERVICE}test_runs.py::test_the_same_key_posted_fifty_times_at_once_makes_one_run",
            "50 posts at once",
        ),
    ),
    "R22": (
        (f"{_LEASES}test_where_nobody_works_a_run_is_cancelled_at_once_and_once", "queued, interrupted; twice"),
        (f"{_LEASES}test_what_has_ended_cannot_be_cancelled", "after its end"),
        (f"{_LEASES}test_an_owner_that_died_before_it_obeyed_leaves_a_cancelled_run", "the owner dies before it obeys"),
        (
            f"{_SUPERVISOR}test_a_run_that_is_cancelled_before_its_process_takes_it_is_not_worked_on",
            "starting: before its process takes it; twice",
        ),
        (
            f"{_SUPERVISOR}test_a_run_that_is_cancelled_twice_while_its_work_is_loaded_ends_once",
            "starting: while the work is loaded; twice",
        ),
        (f"{_SUPERVISOR}test_what_is_asked_is_obeyed", "while running"),
        (
            f"{_SUPERVISOR}test_a_cancellation_that_comes_while_results_are_written_is_obeyed",
            "finishing: while results are written",
        ),
        (
            f"{_SUPERVISOR}test_a_cancellation_that_comes_when_all_is_written_is_too_late",
            "finishing: when all is written; twice",
        ),
        (f"{_SUPERVISOR}test_work_that_swallows_the_stop_is_stopped_all_the_same", "while running, and not heard"),
    ),
    "R23": ((f"{_RAY}test_66_gpus_that_are_not_there_are_refused", "GPUs asked where none are"),),
    "R24": (
        (f"{_RAY}test_a_dead_address_is_refused_in_seconds", "nobody listens"),
        (f"{_RAY}test_something_that_is_no_ray_cluster_is_given_up", "somebody else listens"),
    ),
    "R28": (
        (
            f"{_EXECUTORS}test_one_worker_gives_the_bits_of_two_in_any_order",
            "bits of trainings: one worker, two workers, reversed order",
        ),
    ),
    "S22": (
        (f"{_SERVICE}test_openapi.py::test_schemathesis_finds_nothing", "schemathesis, all checks, on every operation"),
        (
            f"{_SERVICE}test_openapi.py::test_sequences_of_operations_find_nothing",
            "schemathesis, all checks, along the links between operations",
        ),
    ),
    "S23": (
        (f"{_SERVICE}test_security_input.py::test_whatever_is_sent_as_a_spec_is_a_spec_or_refused", "values as a spec"),
        (f"{_SERVICE}test_security_input.py::test_whatever_is_sent_as_a_document_is_one_or_refused", "texts"),
    ),
}
"""Faults that tests of the parts themselves inject: test and what it does."""


_NOT_RUN = "was not run"
_TOO_LATE = "the time was over"


@dataclass
class Injection:
    """One test that injects a fault, and what came of it.

    Args:
        number: Of ``FAULTS``.
        injected: What was done.
        test: Its name.
        count: How often it was done.
        outcome: ``held``, ``did not hold``, or why it says nothing.
        figure: What was measured, in words.
        seconds: It took.
    """

    number: str
    injected: str
    test: str
    count: int = 0
    outcome: str = _NOT_RUN
    figure: str = ""
    seconds: float = 0.0


@dataclass(eq=False)
class Ledger:
    """A pytest plugin that keeps book of the tests that inject faults, and leaves the others out.

    Args:
        only: Numbers of the faults that are asked for; none: all of them.
        deadline: On the monotonic clock; what has not begun by then is left out, and the table says so.
    """

    only: tuple[str, ...] = ()
    deadline: float = float("inf")
    found: dict[str, list[Injection]] = field(default_factory=dict)

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """Note which fault each test injects; tests that inject none are left out, those that need Ray come last."""
        elsewhere: dict[str, list[tuple[str, str]]] = {}
        for number, tests in ELSEWHERE.items():
            for test, said in tests:
                elsewhere.setdefault(test, []).append((number, said))
        for item in items:
            test = item.nodeid.partition("[")[0]
            marks = [mark.args for mark in item.iter_markers("fault")]
            marks += elsewhere.get(test, [])
            asked = [mark for mark in marks if not self.only or mark[0] in self.only]
            self.found[item.nodeid] = [Injection(number, injected, test) for number, injected in asked]
        mine = [item for item in items if self.found[item.nodeid]]
        items[:] = sorted(mine, key=lambda item: item.get_closest_marker("ray") is not None)

    def pytest_runtest_setup(self, item: pytest.Item) -> None:
        """Begin nothing after the deadline."""
        if time.monotonic() > self.deadline:
            pytest.skip(_TOO_LATE)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        properties = dict(report.user_properties)
        for injection in self.found.get(report.nodeid, ()):
            injection.seconds += report.duration
            if report.when == "call" and report.passed:
                injection.outcome = "held"
                injection.count = int(properties.get("count", 1))  # type: ignore[call-overload]
                injection.figure = str(properties.get("figure", ""))
            if report.skipped:
                reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longrepr
                injection.outcome = f"left out: {str(reason).removeprefix('Skipped: ')}"
            if report.failed:
                injection.outcome = "did not hold"

    def rows(self) -> list[dict[str, Any]]:
        """One row a test; its variants are one."""
        together: dict[tuple[str, str], Injection] = {}
        for injections in self.found.values():
            for one in injections:
                fresh = Injection(one.number, one.injected, one.test, outcome=one.outcome)
                row = together.setdefault((one.number, one.test), fresh)
                row.count, row.seconds = row.count + one.count, row.seconds + one.seconds
                row.figure = "; ".join(filter(None, dict.fromkeys([row.figure, one.figure])))
                if one.outcome != "held" and row.outcome != "did not hold":
                    row.outcome = one.outcome
        return [asdict(row) for row in sorted(together.values(), key=lambda row: int(row.number[1:]))]


def renewed(
    before: Sequence[Mapping[str, Any]], now: Sequence[Mapping[str, Any]], commit: str, only: Sequence[str]
) -> list[dict[str, Any]]:
    """The rows of this time; what was not asked for, or not begun, stays as it was at its own commit.

    Args:
        before: Rows of the page that is there.
        now: Rows of this time.
        commit: What was tested this time.
        only: Numbers of the faults that were asked for; none: all of them.
    """
    known = {(row["number"], row["test"]): dict(row) for row in before}
    rows = {key: row for key, row in known.items() if only and row["number"] not in only}
    for row in now:
        key = row["number"], row["test"]
        begun = row["outcome"] not in {_NOT_RUN, f"left out: {_TOO_LATE}"}
        rows[key] = {**row, "commit": commit} if begun else known.get(key, {**row, "commit": commit})
    return sorted(rows.values(), key=lambda row: list(FAULTS).index(row["number"]))


def markdown(data: Mapping[str, Any]) -> str:
    """The page of what ``make faults`` found."""
    lines = [
        "# Faults: what was done to runs, and what held",
        "",
        "Each row names the commit it was done at. The last command to write here:",
        f"`{data['command']}` at commit {data['commit']}, {data['date']}; {data['machine']}; {data['minutes']:.0f} min",
        "",
        "What is scaled down: leases (R20) and patience with locks (R10) are shortened, so that nobody waits a minute;",
        "the worker without memory (R15) takes 5 GB; some passages of a commit point are killed (R29),",
        "the first and the last among them.",
        "",
        "| number | fault | done | times | held | figure | commit |",
        "| --- | --- | --- | --- | --- | --- | --- |",
    ]
    rows: Sequence[Mapping[str, Any]] = data["rows"]
    for number, fault in FAULTS.items():
        mine = [row for row in rows if row["number"] == number]
        for row in mine:
            held = {"held": "yes", "did not hold": "**no**"}.get(row["outcome"], row["outcome"])
            figure = row["figure"] or f"in {row['seconds']:.1f} s"
            done = f"{row['injected']} | {row['count']} | {held} | {figure} | {row['commit']}"
            lines.append(f"| {number} | {fault} | {done} |")
        if number in data["without"]:
            lines.append(f"| {number} | {fault} | {data['without'][number]} | - | elsewhere | | |")
        elif not mine:
            lines.append(f"| {number} | {fault} | not here | 0 | - | | |")
    return "\n".join(lines) + "\n"
