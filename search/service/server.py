"""The process of ``taskgroup serve``: opens the store, refuses unsafe addresses, serves until it is told to stop."""

from __future__ import annotations

import socket
from collections.abc import Callable
from contextlib import nullcontext

import uvicorn
from fastapi import FastAPI

from grouping.errors import InputError
from search.launcher import Launcher
from search.service.app import create_app
from search.service.logs import configure_logging
from search.service.protocol import limited_protocol
from search.service.settings import Settings
from search.store.in_use import held
from search.store.store import Store
from search.store.tokens import Tokens

__all__ = ["check_exposure", "listen", "serve", "server_of"]

_GRACE_SECONDS = 10
_KEEP_ALIVE_SECONDS = 15
_LONGEST_BACKLOG = 2_048


def serve(settings: Settings, launcher_of: Callable[[Settings], Launcher], announce: Callable[[str], None]) -> None:
    """Serve until a signal ends it; runs that are being worked on go on without.

    Args:
        settings: What the operator decided.
        launcher_of: Makes the launcher.
        announce: Told the address once it listens.

    Raises:
        InputError: an address that others can reach while there is no token, or one that is taken.
        ConflictError: the database is being restored.
        StoreError: the store cannot be used.
    """
    url = _url(settings)
    with held(settings.home) if url is None else nullcontext(), Store.open(settings.home, url=url) as store:
        check_exposure(settings, Tokens(store.sessions))
        configure_logging()
        app = create_app(settings, store, launcher_of(settings))
        with listen(settings) as listener:
            announce(settings.model_copy(update={"port": listener.getsockname()[1]}).url)
            server_of(app, settings).run(sockets=[listener])


def server_of(app: FastAPI, settings: Settings) -> uvicorn.Server:
    """A server for the application, within the limits of the settings."""
    return _Server(
        uvicorn.Config(
            app,
            http=limited_protocol(settings),
            ws="none",
            loop="uvloop",
            log_config=None,
            access_log=False,
            server_header=False,
            # Whoever may say who asks: nobody, unless the operator names proxies.
            proxy_headers=bool(settings.trusted_proxies),
            forwarded_allow_ips=list(settings.trusted_proxies),
            timeout_keep_alive=_KEEP_ALIVE_SECONDS,
            timeout_graceful_shutdown=_GRACE_SECONDS,
            backlog=min(settings.connections, _LONGEST_BACKLOG),
        )
    )


class _Server(uvicorn.Server):
    """Streams have no end of their own, so they are ended before the server waits for its requests to end."""

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Let go of watchers, then end."""
        app = self.config.app
        assert isinstance(app, FastAPI)
        app.state.service.hub.stop()
        await super().shutdown(sockets)


def check_exposure(settings: Settings, tokens: Tokens) -> None:
    """Refuse to listen where others can reach the service before anybody was given a token.

    Raises:
        InputError: it would be so.
    """
    if not settings.loopback and not tokens.any_valid():
        raise InputError(
            f"'{settings.host}' can be reached from other machines, and there is no valid token yet",
            where="--host",
            fix="Make one first: taskgroup token create NAME; or listen on 127.0.0.1",
        )


def listen(settings: Settings) -> socket.socket:
    """A socket on the address of the settings.

    Raises:
        InputError: it is taken, or not ours.
    """
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((settings.host, settings.port))
        listener.listen(min(settings.connections, _LONGEST_BACKLOG))
    except OSError as error:
        listener.close()
        where, fix = f"{settings.host}:{settings.port}", "Choose another with --host or --port"
        raise InputError(f"the address cannot be used ({error.strerror})", where=where, fix=fix) from None
    return listener


def _url(settings: Settings) -> str | None:
    return settings.store_url.get_secret_value() if settings.store_url is not None else None
