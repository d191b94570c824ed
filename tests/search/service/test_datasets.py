"""Data sets over REST: uploaded to disk, described, named in specs by id, deleted when nobody needs them."""

from __future__ import annotations

import hashlib
import io
import os
import zipfile
from pathlib import Path

import httpx
import numpy as np
import pandas as pd
import pytest

from search.service.uploads import sweep
from search.store.datasets import Datasets
from tests.search.service.serving import TABLE, Served


def _upload(client: httpx.Client, data: bytes | str, name: str = "plants.csv") -> httpx.Response:
    kind = {"csv": "text/csv", "parquet": "application/vnd.apache.parquet"}.get(name.rpartition(".")[2])
    headers = {"content-type": kind or "application/octet-stream"}
    return client.post("/api/v1/datasets", params={"name": name}, content=data, headers=headers)


def test_an_upload_is_described(served: Served) -> None:
    with served.client() as client:
        answer = _upload(client, TABLE)
        assert answer.status_code == 201, answer.text
        found = answer.json()
        assert client.get(answer.headers["location"]).json() == found
    assert found["rows"] == 300
    assert found["columns"] == 4
    assert found["inputs"] == ["x_*"]
    assert [(task["name"], task["type"], task["missing"]) for task in found["tasks"]] == [
        ("a", "regression", 0),
        ("b", "binary", 0),
    ]
    assert found["sha256"] == hashlib.sha256(TABLE.encode()).hexdigest()
    assert found["bytes"] == len(TABLE)


def test_every_format_says_the_same(served: Served, tmp_path: Path) -> None:
    table = pd.read_csv(io.StringIO(TABLE))
    table.to_parquet(tmp_path / "t.parquet")
    np.savez(tmp_path / "t.npz", allow_pickle=False, **{str(name): table[name].to_numpy() for name in table})
    with served.client() as client:
        found = [_upload(client, TABLE).json()]
        found += [_upload(client, (tmp_path / f"t.{e}").read_bytes(), f"t.{e}").json() for e in ("parquet", "npz")]
        form = client.post("/api/v1/datasets", files={"file": ("t.csv", TABLE)})
        assert form.status_code == 201
        found.append(form.json())
    assert len({(one["rows"], one["columns"], str(one["tasks"]), str(one["inputs"])) for one in found}) == 1


def test_missing_labels_are_counted(served: Served) -> None:
    rows = TABLE.splitlines()
    rows[1:11] = [row.rpartition(",")[0] + "," for row in rows[1:11]]
    with served.client() as client:
        found = _upload(client, "\n".join(rows)).json()
    assert [task["missing"] for task in found["tasks"]] == [0, 10]


def test_a_table_without_targets_is_kept_and_says_so(served: Served) -> None:
    with served.client() as client:
        found = _upload(client, "a,b\n1,2\n3,4\n").json()
    assert found["tasks"] == []
    assert "targets" in found["notes"][0]
    assert [field["name"] for field in found["fields"]] == ["a", "b"]


def test_the_draft_of_an_upload_can_be_submitted_as_it_stands(served: Served) -> None:
    with served.client() as client:
        dataset = _upload(client, TABLE).json()
        headers = {"content-type": "application/yaml"}
        run = client.post("/api/v1/runs", content=dataset["draft"], headers=headers)
        assert run.status_code == 201, run.text
        assert str(served.home) not in run.text
        again = client.post("/api/v1/runs", content=run.json()["spec"], headers=headers)
        assert again.status_code == 201, again.text
        assert client.delete(f"/api/v1/datasets/{dataset['id']}").status_code == 409
        client.post(f"/api/v1/runs/{again.json()['id']}/cancel")
        served.store.take(run.json()["id"]).release("failed")  # it can be resumed
        assert client.delete(f"/api/v1/datasets/{dataset['id']}").status_code == 409
        assert client.delete(f"/api/v1/runs/{run.json()['id']}").status_code == 204
        assert client.delete(f"/api/v1/datasets/{dataset['id']}").status_code == 204
        assert client.get(f"/api/v1/datasets/{dataset['id']}").status_code == 404
    assert not list((served.home / "datasets").glob(f"{dataset['id']}*"))


def test_tables_of_several_tasks_are_named_by_their_ids_and_nothing_else_is_opened(
    served: Served, tmp_path: Path
) -> None:
    """``data.more`` takes uploads of one's own, as ``data.source`` does: no path of the server, no table of others."""
    secret = tmp_path / "secret.csv"
    secret.write_text(TABLE.replace("y_a", "y_c").replace("y_b", "y_d"))
    with served.client("ada") as ada, served.client("bob") as bob:
        one, other = _upload(ada, TABLE).json(), _upload(ada, TABLE.replace("y_a", "y_c").replace("y_b", "y_d")).json()
        theirs = _upload(bob, TABLE).json()
        split = {"fractions": [0.6, 0.2, 0.2]}

        def submitted(more: str) -> httpx.Response:
            data = {"source": one["id"], "more": [more], "inputs": ["x_*"], "split": split}
            return ada.post("/api/v1/runs", json={"name": "two", "data": data, "budget": {"inference": 2}})

        run = submitted(other["id"])
        assert run.status_code == 201, run.text
        assert run.json()["tasks"] == ["a", "b", "c", "d"]
        assert str(served.home) not in run.text
        assert ada.delete(f"/api/v1/datasets/{other['id']}").status_code == 409
        for name in (str(secret), f"../../{secret.name}", "/etc/passwd", theirs["id"], f"{theirs['id']}.csv"):
            refused = submitted(name)
            assert refused.status_code == 422, refused.text
            assert "data.more" in refused.text
        ada.post(f"/api/v1/runs/{run.json()['id']}/cancel")


def test_installed_data_sets_come_first(served: Served) -> None:
    with served.client() as client:
        _upload(client, TABLE)
        listed = client.get("/api/v1/datasets", params={"limit": 500}).json()
        first = client.get("/api/v1/datasets", params={"limit": 2}).json()
        rest = client.get("/api/v1/datasets", params={"limit": 498, "offset": 2}).json()
        described = client.get("/api/v1/datasets/synthetic").json()
    names = [one["id"] for one in listed["datasets"]]
    assert names[:3] == ["nyc-weather", "synthetic", "synthetic-faces"]
    assert names == [one["id"] for one in first["datasets"] + rest["datasets"]]
    assert listed["total"] == len(names) == first["total"]
    assert described["rows"] > 0
    assert not described["uploaded"]


def test_nobody_sees_or_uses_the_tables_of_others(served: Served) -> None:
    with served.client("ada") as ada, served.client("bob") as bob, served.client("root") as root:
        dataset = _upload(ada, TABLE).json()
        assert bob.get(f"/api/v1/datasets/{dataset['id']}").status_code == 404
        assert bob.delete(f"/api/v1/datasets/{dataset['id']}").status_code == 404
        assert dataset["id"] not in bob.get("/api/v1/datasets", params={"limit": 500}).text
        headers = {"content-type": "application/yaml"}
        assert bob.post("/api/v1/runs", content=dataset["draft"], headers=headers).status_code == 422
        assert root.get(f"/api/v1/datasets/{dataset['id']}").status_code == 200


def test_files_that_are_no_tables_leave_nothing_behind(served: Served) -> None:
    bomb = io.BytesIO()
    with zipfile.ZipFile(bomb, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("x.npy", b"\0" * 10_000_000)
    objects = io.BytesIO()
    np.savez(objects, x=np.array([{"a": 1}], dtype=object))
    huge = io.BytesIO()
    np.lib.format.write_array_header_1_0(huge, {"descr": "<f8", "fortran_order": False, "shape": (10**12,)})
    forged = io.BytesIO()
    with zipfile.ZipFile(forged, "w") as archive:
        archive.writestr("x.npy", huge.getvalue())
    bad: dict[str, bytes] = {
        "empty.csv": b"",
        "header.csv": b"a,b\n",
        "ragged.csv": b"a,b\n1,2,3\n",
        "short.csv": b"a,b\n1\n",
        "nul.csv": b"a,b\n1,\0\n",
        "utf16.csv": "a,b\n1,2\n".encode("utf-16"),
        "twice.csv": b"a,a\n1,2\n",
        "wide.csv": ",".join(f"c{i}" for i in range(10_001)).encode() + b"\n",
        "broken.parquet": b"PAR1" + b"\xff" * 100 + b"PAR1",
        "bomb.npz": bomb.getvalue(),
        "objects.npz": objects.getvalue(),
        "forged.npz": forged.getvalue(),
        "text.npz": b"not a zip file",
        "archive.csv.gz": b"\x1f\x8b" + b"\0" * 50,
        "pickle.pkl": b"\x80\x04.",
        "noending": b"a,b\n1,2\n",
    }
    before = sorted(path.name for path in (served.home / "datasets").glob("*"))
    with served.client() as client:
        for name, data in bad.items():
            answer = _upload(client, data, name)
            assert answer.status_code == 422, (name, answer.text)
            assert answer.json()["what"], name
            assert str(served.home) not in answer.text, name
    assert sorted(path.name for path in (served.home / "datasets").glob("*")) == before


def test_an_upload_beyond_the_quota_leaves_nothing_behind(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    """Others of the same token came in while the table was looked at."""
    monkeypatch.setattr(Datasets, "add", lambda *_, **__: None)
    before = sorted(path.name for path in (served.home / "datasets").glob("*"))
    with served.client() as client:
        answer = _upload(client, TABLE)
    assert answer.status_code == 429
    assert "Delete some" in answer.json()["fix"]
    assert sorted(path.name for path in (served.home / "datasets").glob("*")) == before


def test_what_broken_uploads_left_is_swept_and_nothing_else(tmp_path: Path) -> None:
    names = [".part-old.csv", ".part-new.csv", "data-old.csv"]
    for name in names:
        (tmp_path / name).write_text("x")
        os.utime(tmp_path / name, (1_000_000, 1_000_000 if "old" in name else 1_003_000))
    sweep(tmp_path / "missing")
    sweep(tmp_path, now=1_004_000)
    assert sorted(path.name for path in tmp_path.iterdir()) == [".part-new.csv", "data-old.csv"]


@pytest.mark.parametrize("kind", ["application/json", "text/html", ""])
def test_other_bodies_are_refused(served: Served, kind: str) -> None:
    with served.client() as client:
        answer = client.post("/api/v1/datasets?name=a.csv", content=TABLE, headers={"content-type": kind})
    assert answer.status_code == 415
