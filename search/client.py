"""A service somewhere else, from Python: what its REST interface does, with the errors of the command line.

Needs httpx (``pip install 'taskgrouping[service]'``) and a token; knows nothing of stores and training.
"""

from __future__ import annotations

import hashlib
import json
import os
import secrets
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self
from urllib.parse import quote

import httpx

from grouping.errors import GroupingError, InputError
from search.errors import DataError, ServiceError, told_error

__all__ = ["MOST_LISTED", "SERVER_VARIABLE", "TOKEN_VARIABLE", "Client"]

SERVER_VARIABLE: Final = "TASKGROUP_SERVER"
"""Environment variable with the address of the service."""

TOKEN_VARIABLE: Final = "TASKGROUP_TOKEN"  # noqa: S105 - a variable's name
"""Environment variable with the token; on a command line everybody on the machine could read it."""

_API = "/api/v1"
_AGAIN = frozenset({429, 503})
_MOST_TRIES = 6
_LONGEST_WAIT = 10.0
MOST_LISTED: Final = 500
"""Runs or data sets in one answer."""

_TYPES = {".csv": "text/csv", ".parquet": "application/vnd.apache.parquet", ".npz": "application/octet-stream"}


class Client:
    """One service and one token.

    Requests that change nothing, or carry a key, are sent again when the service is away or busy for a moment.

    Args:
        url: Address of the service, ``http://127.0.0.1:8080``.
        token: From ``taskgroup token create``.
        seconds: How long an answer may take.

    Raises:
        InputError: no address.
    """

    def __init__(self, url: str, token: str, *, seconds: float = 180.0) -> None:
        if not url.startswith(("http://", "https://")):
            raise InputError(f"{url[:80]!r} is no address of a service", where="--server", fix="Write http://HOST:PORT")
        if not token.isascii() or not token.isprintable():
            raise InputError("the token holds characters that none has", where=TOKEN_VARIABLE, fix="Copy it again")
        self.url = url.rstrip("/")
        headers = {"authorization": f"Bearer {token}", "user-agent": "taskgroup"}
        self._http = httpx.Client(base_url=self.url, headers=headers, timeout=seconds)

    @classmethod
    def from_environment(cls, url: str | None = None, environment: Mapping[str, str] = os.environ) -> Self:
        """The service at an address, or at ``TASKGROUP_SERVER``, with the token in ``TASKGROUP_TOKEN``.

        Raises:
            InputError: one of them is missing.
        """
        address = url or environment.get(SERVER_VARIABLE, "")
        if not address:
            raise InputError("no service is named", where="--server", fix=f"Give --server, or set {SERVER_VARIABLE}")
        token = environment.get(TOKEN_VARIABLE, "").strip()
        if not token:
            fix = "Ask the operator for one (taskgroup token create NAME) and export it"
            raise InputError("there is no token to show to the service", where=TOKEN_VARIABLE, fix=fix)
        return cls(address, token)

    def close(self) -> None:
        """Let go of the connection."""
        self._http.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    # --- runs ---------------------------------------------------------------------------------------------------

    def submit(self, spec: str, *, kind: str = "recommend", key: str | None = None) -> dict[str, Any]:
        """Create a run from a spec as YAML text.

        Args:
            spec: YAML.
            kind: ``recommend`` or ``search``.
            key: Names this request; by default a fresh one, so that sending it again makes no second run.
        """
        headers = {"content-type": "application/yaml", "idempotency-key": key or secrets.token_hex(16)}
        return self._json("POST", "/runs", content=spec.encode(), params={"kind": kind}, headers=headers, again=True)

    def plan(self, spec: str, *, kind: str = "recommend") -> dict[str, Any]:
        """What a run of this spec would cost."""
        headers = {"content-type": "application/yaml"}
        return self._json("POST", "/plans", content=spec.encode(), params={"kind": kind}, headers=headers, again=True)

    def runs(self, **query: Any) -> dict[str, Any]:  # noqa: ANN401 - of the query
        """A page of runs: ``state``, ``name``, ``kind``, ``sort``, ``limit``, ``offset``."""
        return self._json("GET", "/runs", params={name: value for name, value in query.items() if value is not None})

    def run(self, run: str) -> dict[str, Any]:
        """One run."""
        return self._json("GET", f"/runs/{_segment(run)}")

    def find(self, text: str) -> str:
        """The id that a user means: whole, its beginning, or ``latest``.

        Raises:
            InputError: none, or several.
        """
        if text == "latest":
            newest = self.runs(limit=1)["runs"]
            if not newest:
                raise InputError("there are no runs yet", where="RUN", fix="Start one: taskgroup submit SPEC")
            return str(newest[0]["id"])
        offset, found = 0, list[str]()
        while True:
            page = self.runs(limit=MOST_LISTED, offset=offset)
            ids = [str(run["id"]) for run in page["runs"]]
            if text in ids:
                return text
            found += [identity for identity in ids if text and identity.startswith(text)]
            offset += MOST_LISTED
            if offset >= page["total"]:
                break
        if len(found) == 1:
            return found[0]
        what = f"'{text[:80]}' fits {len(found)} runs" if found else f"there is no run '{text[:80]}'"
        raise InputError(what, where="RUN", fix="Give more of the id" if found else "See: taskgroup runs --server URL")

    def cancel(self, run: str) -> dict[str, Any]:
        """End a run."""
        return self._json("POST", f"/runs/{_segment(run)}/cancel", again=True)

    def resume(self, run: str) -> dict[str, Any]:
        """Queue a run again that was interrupted or failed."""
        return self._json("POST", f"/runs/{_segment(run)}/resume")

    def delete(self, run: str) -> None:
        """Forget a run."""
        self._send("DELETE", f"/runs/{_segment(run)}")

    def watch(self, run: str) -> Iterator[dict[str, Any]]:
        """What happens to a run until it ends, as objects with ``event`` and ``data``; survives lost connections."""
        last, tries = "", 0
        while True:
            try:
                for event, number, data in self._stream(run, last):
                    tries, last = 0, number or last
                    yield {"event": event, "data": data}
                    # An end comes after all that happened; an interrupted run may go on, and so has none.
                    if event == "end" or (event == "progress" and data.get("state") == "interrupted"):
                        return
            except (httpx.TransportError, _BusyError) as error:
                tries += 1
                if tries > _MOST_TRIES:
                    raise error.refusal if isinstance(error, _BusyError) else self._away(error) from None
            time.sleep(min(_LONGEST_WAIT, 0.5 * 2**tries))

    def report(self, run: str, form: str = "html") -> bytes:
        """The report as ``html``, ``md``, ``json``, ``csv`` or ``graphml``."""
        return self._send("GET", f"/runs/{_segment(run)}/report", params={"format": form}).content

    def files(self, run: str) -> list[dict[str, Any]]:
        """What can be fetched of a run."""
        return list(self._json("GET", f"/runs/{_segment(run)}/files")["files"])

    def fetch(self, run: str, name: str) -> bytes:
        """One of its files; a network is compared with its sha256.

        Raises:
            ServiceError: it came damaged.
        """
        path = "/".join(_segment(part) for part in name.split("/"))
        response = self._send("GET", f"/runs/{_segment(run)}/files/{path}")
        digest = response.headers.get("etag", "").strip('"')
        if len(digest) == 64 and hashlib.sha256(response.content).hexdigest() != digest:
            raise ServiceError("the file came damaged", where=name, fix="Fetch it again")
        return response.content

    # --- data sets ----------------------------------------------------------------------------------------------

    def upload(self, file: Path) -> dict[str, Any]:
        """Send a table, unless the service has these very bytes of ours already."""
        if file.suffix.lower() not in _TYPES:
            raise DataError(f"the ending '{file.suffix}' is none of {', '.join(_TYPES)}", where=str(file))
        digest = hashlib.sha256()
        try:
            with file.open("rb") as content:
                while chunk := content.read(2**20):
                    digest.update(chunk)
        except OSError as error:
            raise DataError(f"cannot be read: {error.strerror}", where=str(file), fix="Check the path") from None
        known = [one for one in self.datasets() if one["sha256"] == digest.hexdigest() and one["name"] == file.name]
        if known:
            return known[0]
        with file.open("rb") as content:
            headers = {"content-type": _TYPES[file.suffix.lower()]}
            return self._json("POST", "/datasets", params={"name": file.name}, content=content, headers=headers)

    def datasets(self) -> list[dict[str, Any]]:
        """All data sets that can be named in a spec."""
        found: list[dict[str, Any]] = []
        while True:
            page = self._json("GET", "/datasets", params={"limit": MOST_LISTED, "offset": len(found)})
            found += page["datasets"]
            if len(found) >= page["total"] or not page["datasets"]:
                return found

    def solve(self, table: list[dict[str, Any]], **options: Any) -> dict[str, Any]:  # noqa: ANN401 - options of solve
        """The best grouping of a table, as ``taskgroup solve --json`` says it."""
        return self._json("POST", "/groupings", json={"table": table, **options}, again=True)

    # --- inside -------------------------------------------------------------------------------------------------

    def _json(self, method: str, path: str, **request: Any) -> dict[str, Any]:  # noqa: ANN401 - httpx's
        found: dict[str, Any] = self._send(method, path, **request).json()
        return found

    def _send(self, method: str, path: str, *, again: bool = False, **request: Any) -> httpx.Response:  # noqa: ANN401
        again = again or method == "GET"
        for tries in range(_MOST_TRIES):
            last = tries == _MOST_TRIES - 1
            if tries and hasattr(request.get("content"), "seek"):  # a file that the try before has read
                request["content"].seek(0)
            try:
                response = self._http.request(method, f"{_API}{path}", **request)
            except httpx.TransportError as error:
                if last or not again or isinstance(error, httpx.ConnectError):
                    raise self._away(error) from None
                time.sleep(min(_LONGEST_WAIT, 0.2 * 2**tries))
                continue
            if response.is_success:
                return response
            # 429 was refused before anything was done; without Retry-After it is a quota, where no waiting helps.
            limited = response.status_code == 429 and "retry-after" in response.headers
            if last or not (limited or (again and response.status_code == 503)):
                raise self._refused(response)
            time.sleep(min(_LONGEST_WAIT, float(response.headers.get("retry-after", 1))))
        raise AssertionError("the last try ends the loop")

    def _stream(self, run: str, last: str) -> Iterator[tuple[str, str | None, dict[str, Any]]]:
        headers = {"last-event-id": last} if last else {}
        path = f"{_API}/runs/{_segment(run)}/events"
        with self._http.stream("GET", path, headers=headers) as response:
            if not response.is_success:
                response.read()
                refusal = self._refused(response)
                raise _BusyError(refusal) if response.status_code in _AGAIN else refusal
            fields: dict[str, str] = {}
            for line in response.iter_lines():
                if not line:
                    if "data" in fields:
                        yield fields.get("event", "message"), fields.get("id"), json.loads(fields["data"])
                    fields = {}
                else:
                    name, _, value = line.partition(": ")
                    fields[name] = value

    def _refused(self, response: httpx.Response) -> GroupingError:
        try:
            problem = response.json()
            what, where, fix = (str(problem[name]) for name in ("what", "where", "fix"))
            told = told_error(problem)
        except (ValueError, KeyError, TypeError):
            fix = "Is this the address of taskgroup serve?"
            return ServiceError(f"it answered {response.status_code}, and no problem", where=self.url, fix=fix)
        if response.status_code == 404:
            return InputError(what, where=where, fix=fix)
        return told or ServiceError(what, where=where or self.url, fix=fix)

    def _away(self, error: httpx.TransportError) -> ServiceError:
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        fix = "Check the address, and that taskgroup serve runs there"
        return ServiceError(f"the service cannot be reached: {reason}", where=self.url, fix=fix)


class _BusyError(Exception):
    """The service is there and will serve later; ``refusal`` is what it said."""

    def __init__(self, refusal: GroupingError) -> None:
        super().__init__(str(refusal))
        self.refusal = refusal


def _segment(text: str) -> str:
    """One segment of a path, whatever it contains."""
    return quote(text, safe="") if text not in {".", ".."} else "%2E" * len(text)
