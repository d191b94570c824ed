"""Loss tables as files: what is read, what is refused with file and line, and writing as the inverse of reading."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from grouping.candidates import Candidates
from grouping.errors import InputError, TableError
from grouping.files import read_curves, read_losses, write_losses
from grouping.losses import LossTable

GOOD = "network,task,loss\na,a,1\nb,b,2\na+b,a,0.5\na+b,b,1.5\n"


def written(folder: Path, text: str | bytes, name: str = "losses.csv") -> Path:
    path = folder / name
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


def read(folder: Path, text: str | bytes, **options: Any) -> LossTable:
    return read_losses(written(folder, text), **options)


def test_the_plain_table(tmp_path: Path) -> None:
    table = read(tmp_path, GOOD)
    assert table.tasks == ("a", "b")
    assert [table.candidates.name(c) for c in range(3)] == ["a", "b", "a+b"]
    assert table.candidates.cost_C.tolist() == [1, 1, 1]
    assert table.mean_CT[2].tolist() == [0.5, 1.5]


@pytest.mark.parametrize(
    "text",
    [
        "\ufeff" + GOOD,
        GOOD.replace("\n", "\r\n"),
        GOOD.replace("\n", "\n\n"),
        GOOD.rstrip("\n"),
        GOOD.replace("a,", '"a",'),
        "note,network,task,loss\n" + "".join(f"same,{line}\n" for line in GOOD.splitlines()[1:]),
    ],
    ids=["byte-order mark", "CRLF", "blank lines", "no newline at the end", "quotes", "constant text column"],
)
def test_other_spellings_of_the_same_table(tmp_path: Path, text: str) -> None:
    assert np.array_equal(read(tmp_path, text).losses_RCT, read(tmp_path, GOOD).losses_RCT, equal_nan=True)


def test_names_that_look_like_missing_values_stay_names(tmp_path: Path) -> None:
    table = read(tmp_path, "network,task,loss\nNA+null,NA,1\nNA+null,null,2\nnan,nan,3\n")
    assert set(table.tasks) == {"NA", "null", "nan"}


def test_one_task(tmp_path: Path) -> None:
    assert read(tmp_path, "network,task,loss\nx,x,1\n").losses_RCT.shape == (1, 1, 1)


def test_tasks_stand_as_networks_spell_them_whatever_the_order_of_rows(tmp_path: Path) -> None:
    lines = ["t,t,1", "s+n,s,1", "s+n,n,1", "n+t,n,1", "n+t,t,1", "d+s,d,1", "d+s,s,1"]
    for order in (lines, lines[::-1], lines[3:] + lines[:3]):
        table = read(tmp_path, "network,task,loss\n" + "\n".join(order))
        assert table.tasks == ("d", "s", "n", "t")


def test_numbered_tasks_stand_by_number(tmp_path: Path) -> None:
    rows = "".join(f"{t},{t},1\n" for t in (10, 9, 2))
    assert read(tmp_path, "network,task,loss\n" + rows).tasks == ("2", "9", "10")


def test_members_in_another_order_are_the_same_network(tmp_path: Path) -> None:
    table = read(tmp_path, GOOD.replace("a+b,b", "b+a,b"))
    assert len(table.candidates) == 3


def test_identity_is_network_cost_and_candidate(tmp_path: Path) -> None:
    text = "network,task,loss,cost,candidate\na,a,1,1,\na,a,2,0.5,\na,a,3,1,wide\na,a,4,1.0,narrow\n"
    table = read(tmp_path, text)
    assert table.candidates.cost_C.tolist() == [1, 0.5, 1, 1]
    assert table.candidates.label_C == ("", "", "wide", "narrow")


def test_seeds_are_replicates(tmp_path: Path) -> None:
    table = read(tmp_path, "network,task,loss,seed\na,a,1,10\na,a,3,9\n")
    assert table.seeds == ("9", "10")
    assert table.losses_RCT[:, 0, 0].tolist() == [3, 1]


def test_conditions_choose_rows_and_compare_numbers_as_numbers(tmp_path: Path) -> None:
    text = "network,task,loss,split,step\na,a,1,val,10\na,a,2,test,10.0\na,a,3,val,20\n"
    assert read(tmp_path, text, where={"split": "val", "step": "1e1"}).mean_CT.tolist() == [[1.0]]


def test_gains_are_negated_and_columns_renamed(tmp_path: Path) -> None:
    text = "group,task,value\na,a,0.25\n"
    table = read(tmp_path, text, loss_column="value", group_column="group", higher_is_better=True)
    assert table.mean_CT.tolist() == [[-0.25]]


def test_costs_in_other_units(tmp_path: Path) -> None:
    table = read(tmp_path, "network,task,loss,cost_flops\na,a,1,5e9\nb,b,1,3e9\n")
    assert table.candidates.other_costs_C["flops"].tolist() == [5e9, 3e9]


def test_curves(tmp_path: Path) -> None:
    path = written(tmp_path, "network,task,loss,step\na,a,3,1\na,a,2,2\nb,b,4,1\nb,b,1,2\n")
    curves = read_curves(path)
    assert curves.steps_S.tolist() == [1, 2]
    assert curves.at_fraction(0.5).mean_CT[:, :].tolist()[0][0] == 3
    with pytest.raises(TableError, match=r"--fraction|--where step"):
        read_losses(path)


BAD: dict[str, tuple[str | bytes, str]] = {
    "empty": ("", "the file is empty"),
    "header only": ("network,task,loss\n", "no rows"),
    "no loss column": ("network,task,los\na,a,1\n", "no column 'loss'.*Did you mean 'los'"),
    "no task column": ("network,loss\na,1\n", "no column 'task'"),
    "semicolons": ("network;task;loss\na;a;1\n", "semicolons.*commas between columns"),
    "tabs": ("network\ttask\tloss\na\ta\t1\n", "tabs"),
    "decimal comma": ('network,task,loss\na,a,"0,5"\n', "line 2: loss '0,5' has a decimal comma"),
    "unquoted decimal comma": ("network,task,loss\na,a,0,5\n", "line 2: 4 cells where the header has 3"),
    "long row": (GOOD + "a,a,1,9\n", "line 6: 4 cells"),
    "short row": (GOOD + "a,a\n", "line 6: 2 cells"),
    "duplicate column": ("network,task,loss,loss\na,a,1,2\n", "column 'loss' appears twice"),
    "empty loss": ("network,task,loss\na,a,\n", "line 2: loss is empty"),
    "nan loss": ("network,task,loss\na,a,nan\n", "line 2: loss is 'nan'"),
    "infinite loss": ("network,task,loss\na,a,inf\n", "line 2: loss is 'inf'"),
    "overflowing loss": ("network,task,loss\na,a,1e999\n", "line 2: loss is '1e999'"),
    "text loss": ("network,task,loss\na,a,low\n", "line 2: loss is 'low'"),
    "complex loss": ("network,task,loss\na,a,1+2j\n", "line 2: loss is"),
    "underscored loss": ("network,task,loss\na,a,1_0\n", "line 2: loss is"),
    "negative cost": ("network,task,loss,cost\na,a,1,-1\n", "line 2: a cost is negative: -1"),
    "empty cost": ("network,task,loss,cost\na,a,1,\n", "line 2: cost is empty"),
    "stranger": ("network,task,loss\na,b,1\n", "line 2: task 'b' is no member of network 'a'"),
    "repeated": (GOOD + "a,a,1\n", "line 6: task 'a' of 'a' .* stands already in line 2.*seed column"),
    "repeated seed": ("network,task,loss,seed\na,a,1,0\na,a,1,0\n", "seed 0.*stands already in line 2"),
    "repeated by a number": (
        "network,task,loss,setting\na,a,1,1\na,a,1,3\n",
        "differ in setting: choose with --where setting=VALUE",
    ),
    "several splits": ("network,task,loss,split\na,a,1,val\na,a,2,test\n", "'split' takes several values: test, val"),
    "several notes": ("network,task,loss,note\na,a,1,x\nb,b,2,y\n", "'note' takes several values: x, y"),
    "twice in a network": ("network,task,loss\na+a,a,1\n", "names a task twice"),
    "empty member": ("network,task,loss\na+,a,1\n", "or an empty one"),
    "22 formula with a plus": ("network,task,loss\n=1+1,=1+1,1\n", "'=1\\+1' is no member of network.*joined by '\\+'"),
    "twins": ("network,task,loss\na,a,1\nA,A,1\n", "cannot be told from"),
    "control character": ("network,task,loss\na\x1bb,a\x1bb,1\n", "control character"),
    "several flops": (
        "network,task,loss,cost_flops\na+b,a,1,5\na+b,b,1,6\n",
        "line 3: 'a\\+b' has several values of cost_flops",
    ),
    "bad source": ("network,task,loss,source\na,a,1,guess\n", "source is 'guess'"),
    "unclosed quote": ('network,task,loss\n"a,a,1\n', "not valid CSV"),
    "UTF-16": (GOOD.encode("utf-16"), "UTF-16"),
    "invalid UTF-8": (b"network,task,loss\na,a,1\n\xff,\xff,1\n", "line 3: not UTF-8"),
    "NUL": (b"network,task,loss\na\x00,a\x00,1\n", "binary"),
}


@pytest.mark.parametrize(("text", "message"), list(BAD.values()), ids=list(BAD))
def test_bad_tables_are_refused_with_one_message(tmp_path: Path, text: str | bytes, message: str) -> None:
    with pytest.raises(TableError, match=message) as caught:
        read(tmp_path, text)
    assert "losses.csv" in caught.value.where
    assert "\n" not in str(caught.value)


def test_conditions_that_leave_nothing_name_the_values(tmp_path: Path) -> None:
    text = "network,task,loss,split\na,a,1,val\na,a,2,test\n"
    with pytest.raises(TableError, match=r"no row has split=vall.*'split' takes: test, val"):
        read(tmp_path, text, where={"split": "vall"})
    with pytest.raises(TableError, match=r"no column 'spilt'.*Did you mean 'split'"):
        read(tmp_path, text, where={"spilt": "val"})


def test_paths_that_are_no_tables(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    for name, message in [
        ("", "folder"),
        ("pipe", "not a regular file"),
        ("loop", "cannot be read"),
        ("no", "no such"),
    ]:
        with pytest.raises(TableError, match=message):
            read_losses(tmp_path / name)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_an_unreadable_file(tmp_path: Path) -> None:
    path = written(tmp_path, GOOD)
    path.chmod(0)
    with pytest.raises(TableError, match="cannot be read"):
        read_losses(path)


def test_parquet_is_read_like_csv(tmp_path: Path) -> None:
    frame = pd.DataFrame({"network": ["a", "a+b", "a+b"], "task": ["a", "a", "b"], "loss": [1.0, 0.5, 1.5]})
    frame.to_parquet(tmp_path / "losses.parquet")
    assert read_losses(tmp_path / "losses.parquet").mean_CT[1].tolist() == [0.5, 1.5]
    frame.loc[1, "loss"] = np.nan
    frame.to_parquet(tmp_path / "losses.parquet")
    with pytest.raises(TableError, match="row 2: loss is"):
        read_losses(tmp_path / "losses.parquet")


def test_a_truncated_parquet_file(tmp_path: Path) -> None:
    path = tmp_path / "losses.parquet"
    pd.DataFrame({"network": ["a"], "task": ["a"], "loss": [1.0]}).to_parquet(path)
    path.write_bytes(path.read_bytes()[:-10])
    with pytest.raises(TableError, match="not a readable Parquet file"):
        read_losses(path)


names = st.text(st.characters(exclude_categories=["C", "Z"], exclude_characters="+"), min_size=1, max_size=6)


@st.composite
def tables(draw: st.DrawFn) -> LossTable:
    drawn = draw(st.lists(names, min_size=1, max_size=4, unique_by=lambda name: name.casefold()))
    try:
        tasks = Candidates(tuple(drawn), np.eye(len(drawn), dtype=bool), np.ones(len(drawn))).tasks
    except InputError:
        tasks = tuple("abcd"[: len(drawn)])
    n = len(tasks)
    members_CT = np.vstack([np.eye(n, dtype=bool), np.ones((1, n), dtype=bool)]) if n > 1 else np.ones((1, 1), bool)
    label = draw(st.sampled_from(["", "wide", "=1+1", "-x", "'quoted", "'=x"]))
    seeds = tuple(str(seed) for seed in range(draw(st.integers(1, 3))))
    number = st.floats(-1e6, 1e6, allow_subnormal=False)
    shape = (len(seeds), len(members_CT), n)
    values = draw(st.lists(number, min_size=int(np.prod(shape)), max_size=int(np.prod(shape))))
    losses_RCT = np.where(members_CT, np.array(values).reshape(shape), np.nan)
    cost_C = np.array(draw(st.lists(st.floats(0, 10), min_size=len(members_CT), max_size=len(members_CT))))
    candidates = Candidates(tasks, members_CT, cost_C, (label,) * len(members_CT), {"flops": cost_C * 7})
    estimated_CT = members_CT & (members_CT.sum(axis=1) > 1)[:, None]
    return LossTable(candidates, losses_RCT, seeds, estimated_CT)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(tables())
def test_reading_gives_back_what_was_written(tmp_path: Path, table: LossTable) -> None:
    path = tmp_path / "round.csv"
    write_losses(table, path)
    again = read_losses(path)
    assert again.tasks == table.tasks
    assert again.seeds == table.seeds
    assert np.array_equal(again.losses_RCT, table.losses_RCT, equal_nan=True)
    assert np.array_equal(again.candidates.members_CT, table.candidates.members_CT)
    assert again.candidates.cost_C.tolist() == table.candidates.cost_C.tolist()
    assert again.candidates.label_C == table.candidates.label_C
    assert again.candidates.other_costs_C["flops"].tolist() == table.candidates.other_costs_C["flops"].tolist()
    assert again.estimated_CT is not None
    assert table.estimated_CT is not None
    assert np.array_equal(again.estimated_CT, table.estimated_CT)


def test_no_cell_is_a_formula(tmp_path: Path) -> None:
    candidates = Candidates(("=HYPERLINK(1)", "@x", "-y"), np.eye(3, dtype=bool), np.ones(3), ("=1",) * 3)
    table = LossTable(candidates, np.where(np.eye(3, dtype=bool), 1.0, np.nan)[None], ("",))
    write_losses(table, tmp_path / "t.csv")
    cells = [cell for line in (tmp_path / "t.csv").read_text().splitlines() for cell in line.split(",")]
    assert not [cell for cell in cells if cell.startswith(("=", "@", "-", "+"))]
    assert set(read_losses(tmp_path / "t.csv").tasks) == set(table.tasks)


def test_22_a_formula_without_a_plus_is_a_name_like_any_other(tmp_path: Path) -> None:
    assert read(tmp_path, "network,task,loss\n=SUM(A1),=SUM(A1),1\n").tasks == ("=SUM(A1)",)


def test_a_missing_table_names_the_nearest_file_or_another_way_out(tmp_path: Path) -> None:
    written(tmp_path, GOOD)
    with pytest.raises(TableError, match=r"no such file\. Did you mean 'losses\.csv'\?"):
        read_losses(tmp_path / "loses.csv")
    with pytest.raises(TableError, match=r"There is no folder .*nowhere either"):
        read_losses(tmp_path / "nowhere" / "losses.csv")
    with pytest.raises(TableError, match="Check the path"):
        read_losses(tmp_path / "losses.parquet")


def test_a_table_is_written_whole_or_not_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    table = read(tmp_path, GOOD)
    path = tmp_path / "out.csv"
    write_losses(table, path)
    before = path.read_text()

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(InputError, match="No space left"):
        write_losses(table, path)
    assert path.read_text() == before
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["losses.csv", "out.csv"]
