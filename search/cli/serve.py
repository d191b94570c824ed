"""``taskgroup serve``: the service, in the foreground."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from search.cli.console import QuietFlag, note

if TYPE_CHECKING:
    from search.launcher import Launcher
    from search.service.settings import Settings

__all__ = ["serve"]


def serve(
    host: Annotated[str | None, typer.Option(help="Address to listen on; 127.0.0.1 by default.")] = None,
    port: Annotated[int | None, typer.Option(min=0, max=65_535, help="8080 by default; 0: any free one.")] = None,
    config: Annotated[
        Path | None, typer.Option("--config", metavar="FILE", help="Settings, YAML; see configs/deploy/service.yaml.")
    ] = None,
    max_concurrent_runs: Annotated[int | None, typer.Option(min=1, help="Runs that are worked on at once.")] = None,
    quiet: QuietFlag = False,
) -> None:
    """Serve runs to people and programs until Ctrl-C; runs that are being worked on go on without."""
    _require_extra()
    from search.service.server import serve as serve_until_told
    from search.service.settings import read_settings

    options = {"host": host, "port": port, "max_concurrent_runs": max_concurrent_runs}
    settings = read_settings(config, options)
    serve_until_told(settings, _launcher, lambda url: note(f"serving {settings.home} at {url}", quiet=quiet))


def _launcher(settings: Settings) -> Launcher:
    from grouping.errors import InputError
    from search.launcher import LocalLauncher, RayJobLauncher
    from search.service.offered import Offered

    url = settings.store_url.get_secret_value() if settings.store_url is not None else None
    environment = Offered(settings.data_root, settings.data_sets).environment
    if settings.launcher == "local":
        return LocalLauncher(settings.home, url, environment=environment)
    if not settings.launcher_address:
        fix = "Write the address of the cluster's jobs, http://head:8265"
        raise InputError("the launcher ray-job needs an address", where="launcher_address", fix=fix)
    return RayJobLauncher(
        settings.launcher_address, settings.home, url, environment=environment, python=settings.launcher_python
    )


def _require_extra() -> None:
    from importlib.util import find_spec

    from grouping.errors import InputError

    missing = [name for name in ("fastapi", "uvicorn", "prometheus_client", "multipart") if find_spec(name) is None]
    if missing:
        fix = "Install them: pip install 'taskgrouping[service]'"
        raise InputError(f"the service needs packages that are not installed: {', '.join(missing)}", fix=fix)
