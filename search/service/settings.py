"""What an operator decides about the service: where it listens, how much anybody may ask of it. Defaults are safe.

Three places say so, later ones win: a YAML file, variables ``TASKGROUP_SERVICE_<NAME>``, options of the command.
"""

from __future__ import annotations

import ipaddress
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, SecretStr, ValidationError

from grouping.errors import InputError
from search.documents.complaints import complaint
from search.documents.files import check_regular_file, decode_utf8
from search.documents.parsing import Document, parse_yaml, plain_scalar
from search.errors import SpecError
from search.store.home import runs_home

__all__ = ["VARIABLES", "LauncherName", "Settings", "read_settings"]

VARIABLES = "TASKGROUP_SERVICE_"
"""Beginning of the environment variables that set one of the fields below."""

LauncherName = Literal["local", "ray-job"]

_LARGEST_FILE = 100_000
_LOOPBACK_NAMES = frozenset({"localhost"})

Count = Annotated[int, Field(ge=1, le=10**9)]
Bytes = Annotated[int, Field(ge=1, le=2**40)]
FileName = Annotated[str, Field(min_length=1, max_length=1_000)]
Network = Annotated[str, AfterValidator(lambda text: str(ipaddress.ip_network(text)))]
Seconds = Annotated[float, Field(gt=0, le=10**7, allow_inf_nan=False)]


class Settings(BaseModel):
    """Everything an operator may set; times in seconds, sizes in bytes.

    ``allowed_hosts`` are the names under which the service may be asked for, beside those of the address it listens on.
    ``running_per_token`` and ``max_concurrent_runs`` limit what runs, not what waits. ``cluster_address`` is where
    trials run; a spec cannot name another. ``launcher_address`` is the Ray Jobs address of the launcher ``ray-job``,
    ``launcher_python`` the interpreter there that has this package.
    ``secure_cookies`` is for a service behind a proxy that speaks https, ``trusted_proxies`` are the addresses (or
    networks) of proxies whose word on who asks, and by which scheme, is taken. ``data_sets`` are offered to everybody:
    names, and the files in ``data_root`` that they stand for. ``solves_per_token`` counts what waits for a solver, too.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    host: Annotated[str, Field(min_length=1, max_length=255)] = "127.0.0.1"
    port: Annotated[int, Field(ge=0, le=65_535)] = 8080
    allowed_hosts: tuple[Annotated[str, Field(min_length=1, max_length=255)], ...] = ()
    home: Path = Field(default_factory=runs_home)
    store_url: SecretStr | None = None

    launcher: LauncherName = "local"
    launcher_address: str = ""
    launcher_python: Annotated[str, Field(min_length=1, max_length=1_000)] = "python"
    cluster_address: str = "local"
    max_concurrent_runs: Count = 1

    running_per_token: Count = 2
    trials_per_run: Count = 20_000
    tasks_per_run: Count = 500
    workers_per_run: Count = 64
    gpus_per_worker: Annotated[float, Field(ge=0, le=8)] = 1.0
    hours_per_run: Seconds = 24.0 * 7
    datasets_per_token: Count = 100

    data_root: Path | None = None
    data_sets: dict[str, FileName] = Field(default_factory=dict, max_length=1_000)

    document_bytes: Bytes = 1_000_000
    table_bytes: Bytes = 64 * 1024**2
    dataset_bytes: Bytes = 512 * 1024**2
    header_bytes: Bytes = 16 * 1024

    requests_per_second: Annotated[float, Field(gt=0, le=10**6)] = 100.0
    burst: Count = 200
    concurrent_requests: Count = 64
    connections: Count = 1_000
    watchers: Count = 200
    header_seconds: Seconds = 10.0
    body_seconds: Seconds = 30.0
    send_seconds: Seconds = 30.0
    solve_seconds: Seconds = 20.0
    solvers: Annotated[int, Field(ge=1, le=64)] = 2
    solves_per_token: Count = 16
    solver_bytes: Bytes = 8 * 1024**3

    session_hours: Seconds = 12.0
    secure_cookies: bool = False
    trusted_proxies: tuple[Network, ...] = ()
    poll_seconds: Annotated[float, Field(gt=0, le=60)] = 0.5

    @property
    def loopback(self) -> bool:
        """Whether only this machine can reach the service."""
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return self.host in _LOOPBACK_NAMES

    @property
    def hosts(self) -> frozenset[str]:
        """Names that the header ``Host`` may have, without ports: others may come from a rebound DNS name."""
        own = {"localhost", "127.0.0.1", "[::1]"} if self.loopback else {self.host}
        return frozenset(name.lower() for name in (*own, *self.allowed_hosts))

    @property
    def datasets(self) -> Path:
        """Folder of the tables that were uploaded."""
        return self.home / "datasets"

    @property
    def uploads(self) -> Path:
        """Folder of tables that are solved and forgotten."""
        return self.home / "uploads"

    @property
    def url(self) -> str:
        """Where a browser on this machine finds the service."""
        return f"http://{f'[{self.host}]' if ':' in self.host else self.host}:{self.port}"


def read_settings(
    file: Path | None = None, options: Mapping[str, Any] | None = None, environment: Mapping[str, str] = os.environ
) -> Settings:
    """The settings that file, environment and options add up to.

    Args:
        file: A YAML file of fields, if any.
        options: Fields given on the command line; None leaves a field alone.
        environment: Variables ``TASKGROUP_SERVICE_<NAME>``; ``TASKGROUP_STORE`` is the default of ``store_url``.

    Raises:
        InputError: an unknown field or variable, or a value that is none.
    """
    values: dict[str, Any] = {}
    if environment.get("TASKGROUP_STORE"):
        values["store_url"] = environment["TASKGROUP_STORE"]
    document = Document({}, "")
    if file is not None:
        document = _read(file)
        values |= document.data
    lists = {name for name, field in Settings.model_fields.items() if "tuple" in str(field.annotation)}
    for variable, text in environment.items():
        name = variable.removeprefix(VARIABLES).lower()
        if variable.startswith(VARIABLES):
            parts = [part.strip() for part in text.split(",") if part.strip()]
            # The texts of secrets stay as they are; numbers are written as in a spec.
            values[name] = parts if name in lists else text if name == "store_url" else plain_scalar(text)
            values[name] = str(text) if _is_text(name) else values[name]
            if name == "data_sets":
                values[name] = {key.strip(): file.strip() for key, _, file in (part.partition("=") for part in parts)}
    values |= {name: value for name, value in (options or {}).items() if value is not None}
    try:
        return Settings.model_validate(values)
    except ValidationError as error:
        found = complaint(error, Document(values, document.file, document.lines), Settings)
        raise InputError(found.what, where=found.where, fix=found.fix) from None


def _read(file: Path) -> Document:
    check_regular_file(file, largest=_LARGEST_FILE, kind=SpecError)
    document = parse_yaml(decode_utf8(file.read_bytes(), str(file), SpecError), str(file))
    if document.data is None:
        return Document({}, str(file))
    if not isinstance(document.data, dict):
        raise SpecError("holds no mapping of fields", where=str(file), fix="Write lines such as port: 8080")
    return document


def _is_text(name: str) -> bool:
    field = Settings.model_fields.get(name)
    return field is not None and field.annotation in {str, Path, Path | None, LauncherName}
