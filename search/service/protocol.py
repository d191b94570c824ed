"""HTTP connections that keep to their limits before there is a request: header bytes, header seconds, sockets."""

from __future__ import annotations

import asyncio
from typing import Any

from uvicorn.config import Config
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.server import ServerState

from search.service.settings import Settings

__all__ = ["limited_protocol"]

_TOO_LARGE = b"HTTP/1.1 431 Request Header Fields Too Large\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
_TOO_MANY = b"HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\nretry-after: 1\r\nconnection: close\r\n\r\n"
_TIMEOUT = b"HTTP/1.1 408 Request Timeout\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"


def limited_protocol(settings: Settings) -> type[asyncio.Protocol]:
    """uvicorn's protocol within the operator's limits."""
    most, seconds, connections = settings.header_bytes, settings.header_seconds, settings.connections

    class LimitedProtocol(HttpToolsProtocol):
        def __init__(
            self,
            config: Config,
            server_state: ServerState,
            app_state: dict[str, Any],
            _loop: asyncio.AbstractEventLoop | None = None,
        ) -> None:
            super().__init__(config, server_state, app_state, _loop)
            self._head = 0
            self._in_head = True
            self._patience: asyncio.TimerHandle | None = None

        def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
            super().connection_made(transport)
            if len(self.connections) > connections:
                self._end(_TOO_MANY)
                return
            self._patience = self.loop.call_later(seconds, self._end, _TIMEOUT)

        def connection_lost(self, exc: Exception | None) -> None:
            self._be_patient()
            super().connection_lost(exc)

        def data_received(self, data: bytes) -> None:
            if self.transport.is_closing():
                return
            if self._in_head:
                if self._patience is None:  # the first byte of a further request on this connection
                    self._patience = self.loop.call_later(seconds, self._end, _TIMEOUT)
                end = data.find(b"\r\n\r\n")
                self._head += len(data) if end < 0 else end
                if self._head > most:
                    self._end(_TOO_LARGE)
                    return
            super().data_received(data)

        def on_headers_complete(self) -> None:
            self._in_head = False
            self._be_patient()
            super().on_headers_complete()

        def on_message_complete(self) -> None:
            self._in_head, self._head = True, 0
            super().on_message_complete()

        def _be_patient(self) -> None:
            if self._patience is not None:
                self._patience.cancel()
                self._patience = None

        def _end(self, answer: bytes) -> None:
            self._be_patient()
            if not self.transport.is_closing():
                self.transport.write(answer)
                self.transport.close()

    return LimitedProtocol
