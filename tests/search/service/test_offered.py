"""Tables of the operator's: a name for everybody, a file in one folder, and no way out of it."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any, cast

import pytest

from grouping.errors import InputError
from search.documents.parsing import Document
from search.errors import DataError
from search.service.auth import Principal
from search.service.gate import API
from search.service.offered import Offered
from search.service.settings import Settings
from search.service.submissions import Submissions
from tests.search.service.serving import TABLE, serving


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "secret.csv").write_text(TABLE)
    folder = tmp_path / "tables"
    (folder / "deep").mkdir(parents=True)
    (folder / "plants.csv").write_text(TABLE)
    (folder / "deep" / "faces.csv").write_text(TABLE)
    (folder / "out.csv").symlink_to(tmp_path / "secret.csv")
    (folder / "loop.csv").symlink_to(folder / "loop.csv")
    (folder / "deep" / "up.csv").symlink_to(folder / "plants.csv")
    return folder


@pytest.mark.parametrize(
    "path",
    [
        "../secret.csv",
        "deep/../../secret.csv",
        "out.csv",
        "loop.csv",
        "/etc/passwd",
        "..%2fsecret.csv",
        "%252e%252e/secret.csv",
        "..\\secret.csv",
        "C:\\secret.csv",
        "file:///etc/passwd",
        "http://127.0.0.1/plants.csv",
        "plants.csv\0",
        "deep",
        ".",
        "x" * 300 + ".csv",
        "missing.csv",
    ],
)
def test_nothing_leads_out_of_the_folder(root: Path, path: str) -> None:
    with pytest.raises(InputError) as caught:
        Offered(root, {"plants": path})
    assert str(root) not in str(caught.value)


@pytest.mark.parametrize("name", ["synthetic", "data-20261122-x-a1b2c3", "../x", "Plants", "", "a b", "x" * 61])
def test_names_that_stand_for_something_else_are_refused(root: Path, name: str) -> None:
    with pytest.raises(InputError, match="cannot be the name"):
        Offered(root, {name: "plants.csv"})


def test_a_file_that_is_changed_for_a_link_outside_is_not_there_any_more(root: Path, tmp_path: Path) -> None:
    offered = Offered(root, {"plants": "plants.csv", "up": "deep/up.csv"})
    assert offered.source("up") == "${TASKGROUP_DATA}/plants.csv"  # a link within the folder is the file
    (root / "plants.csv").unlink()
    (root / "plants.csv").symlink_to(tmp_path / "secret.csv")
    for name in ("plants", "up"):
        with pytest.raises(DataError):
            offered.source(name)
    assert offered.name_of("${TASKGROUP_DATA}/plants.csv") is None


def test_a_spec_is_completed_anew_when_the_operators_table_has_changed(root: Path, tmp_path: Path) -> None:
    class Errands:
        completed = 0

        async def run(self, *_: object) -> dict[str, object]:
            self.completed += 1
            return {"spec": "name: x\n", "tasks": ["a"]}

    errands = Errands()
    document = Document({"name": "one", "data": {"source": "plants"}, "budget": {"inference": 1}}, "")
    who = Principal("ada", "submit", "t")

    async def story() -> list[int]:
        offered = Offered(root, {"plants": "plants.csv"})
        submissions = Submissions(Settings(home=tmp_path), cast("Any", None), cast("Any", errands), offered)
        counts = []
        for change in ("", "", "0.5,1,1,0\n"):
            with (root / "plants.csv").open("a") as file:
                file.write(change)
            await submissions.prepare(document, "recommend", who)
            counts.append(errands.completed)
        return counts

    assert asyncio.run(story()) == [1, 1, 2]


def test_everybody_uses_the_operators_tables_by_name_and_sees_no_path(root: Path, tmp_path: Path) -> None:
    data_sets = {"plants": "plants.csv", "faces": "deep/faces.csv"}
    with serving(tmp_path / "home", data_root=root, data_sets=data_sets) as served, served.client("bob") as bob:
        listed = bob.get(f"{API}/datasets").json()["datasets"]
        assert {"plants", "faces"} <= {one["id"] for one in listed}
        shown = bob.get(f"{API}/datasets/faces")
        assert shown.json()["rows"] == 300
        run = bob.post(f"{API}/runs", content=shown.json()["draft"], headers={"content-type": "application/yaml"})
        assert run.status_code == 201, run.text
        assert "${TASKGROUP_DATA}/deep/faces.csv" in run.json()["spec"]
        again = bob.post(f"{API}/runs", content=run.json()["spec"], headers={"content-type": "application/yaml"})
        assert again.status_code == 201, again.text
        assert bob.delete(f"{API}/datasets/plants").status_code == 404
        for source in ("${TASKGROUP_DATA}/out.csv", "${TASKGROUP_DATA}/../secret.csv", "plants.csv", "plants/../faces"):
            refused = bob.post(
                f"{API}/runs", json={"name": "x", "data": {"source": source}, "budget": {"inference": 2}}
            )
            assert refused.status_code == 422, source
        for answer in (shown, run, again, refused):
            assert str(root) not in answer.text
