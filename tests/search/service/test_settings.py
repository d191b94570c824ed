"""Settings come from a file, the environment and options, the later ones win; mistakes are named."""

from __future__ import annotations

from pathlib import Path

import pytest

from grouping.errors import InputError
from search.cli.app import run as command
from search.service.settings import Settings, read_settings
from search.store.store import Store
from search.store.tokens import Tokens


def test_later_sources_win(tmp_path: Path) -> None:
    file = tmp_path / "service.yaml"
    file.write_text("port: 1\nhost: 127.0.0.2\nmax_concurrent_runs: 3\nallowed_hosts: [a.example]\n")
    environment = {"TASKGROUP_SERVICE_PORT": "2", "TASKGROUP_SERVICE_HOST": "127.0.0.3", "OTHER": "x"}
    found = read_settings(file, {"port": 4, "host": None}, environment)
    assert (found.port, found.host, found.max_concurrent_runs) == (4, "127.0.0.3", 3)
    assert found.allowed_hosts == ("a.example",)


def test_variables_are_read_as_what_they_are(tmp_path: Path) -> None:
    environment = {
        "TASKGROUP_SERVICE_ALLOWED_HOSTS": "a.example, b.example",
        "TASKGROUP_SERVICE_HOME": str(tmp_path / "1e3"),
        "TASKGROUP_SERVICE_REQUESTS_PER_SECOND": "2.5",
        "TASKGROUP_SERVICE_DATA_ROOT": str(tmp_path),
        "TASKGROUP_SERVICE_DATA_SETS": "plants=plants.csv, faces=deep/faces.csv",
        "TASKGROUP_SERVICE_TRUSTED_PROXIES": "10.0.0.0/8, ::1",
        "TASKGROUP_STORE": "postgresql+psycopg://u:p@h/d",
    }
    found = read_settings(environment=environment)
    assert found.allowed_hosts == ("a.example", "b.example")
    assert found.home == tmp_path / "1e3"
    assert found.requests_per_second == 2.5
    assert found.data_sets == {"plants": "plants.csv", "faces": "deep/faces.csv"}
    assert found.trusted_proxies == ("10.0.0.0/8", "::1/128")
    assert found.store_url is not None
    assert found.store_url.get_secret_value() == "postgresql+psycopg://u:p@h/d"


@pytest.mark.parametrize(
    ("environment", "text", "where"),
    [
        ({"TASKGROUP_SERVICE_PROT": "1"}, "", "prot"),
        ({"TASKGROUP_SERVICE_PORT": "many"}, "", "port"),
        ({"TASKGROUP_SERVICE_LAUNCHER": "shell"}, "", "launcher"),
        ({}, "port: -1\n", "port"),
        ({}, "ports: 1\n", "ports"),
        ({}, "max_concurrent_runs: 0\n", "max_concurrent_runs"),
        ({}, "- port\n", "service.yaml"),
        ({}, "trusted_proxies: [proxy.example]\n", "trusted_proxies"),
        ({"TASKGROUP_SERVICE_DATA_SETS": "plants"}, "", "data_sets.plants"),
        ({}, "port: 1\nport: 2\n", "service.yaml:2"),
    ],
)
def test_mistakes_are_named(tmp_path: Path, environment: dict[str, str], text: str, where: str) -> None:
    file = tmp_path / "service.yaml"
    file.write_text(text)
    with pytest.raises(InputError) as caught:
        read_settings(file, {}, environment)
    assert where in caught.value.where


def test_tokens_are_made_in_the_store_that_is_served(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "service.yaml"
    file.write_text(f"home: {tmp_path / 'served'}\n")
    assert command(["token", "create", "ada", "--config", str(file), "--quiet"]) == 0
    text = capsys.readouterr().out.strip()
    with Store.open(tmp_path / "served", create=False) as store:
        assert Tokens(store.sessions).check(text) is not None


def test_the_example_is_what_is_set_without_it() -> None:
    example = Path(__file__).resolve().parents[3] / "configs" / "deploy" / "service.yaml"
    shown = read_settings(example, {}, {})
    assert shown.model_dump(exclude={"home"}) == Settings().model_dump(exclude={"home"})
