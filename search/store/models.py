"""The tables of the store, as the code of this version expects them; ``migrations`` is how a file gets there.

::

    runs 1 ── n trials 1 ── n curves, n attempts
      ├────── n configurations       what an architecture search tried
      └────── n events
    tokens, datasets                 of the service

Integer keys never leave the store: a run is known by ``id``, a trial by its ``key``. Times are seconds since the epoch.
"""

from __future__ import annotations

from sqlalchemy import BigInteger, Double, ForeignKey, Index, MetaData, UniqueConstraint
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

__all__ = ["SCHEMA_VERSION", "Attempt", "Base", "Configuration", "Curve", "Dataset", "Event", "Run", "Token", "Trial"]

SCHEMA_VERSION = "0002"
"""Newest revision under ``migrations/versions``; a test holds the two together."""

_CASCADE = "CASCADE"


class Base(DeclarativeBase):
    """Constraints get predictable names, so that a later migration can speak of them; numbers keep all 53 bits."""

    type_annotation_map = {float: Double}  # noqa: RUF012 - SQLAlchemy's own interface
    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "fk": "fk_%(table_name)s_%(column_0_name)s",
            "pk": "pk_%(table_name)s",
        }
    )


class Run(Base):
    """One question that was asked; ``number`` orders runs by creation, whatever the clock did."""

    __tablename__ = "runs"
    __table_args__ = (Index("ix_runs_principal_request_key", "principal", "request_key", unique=True),)

    number: Mapped[int] = mapped_column(primary_key=True)
    id: Mapped[str] = mapped_column(unique=True)
    name: Mapped[str]
    kind: Mapped[str]
    state: Mapped[str] = mapped_column(index=True)
    spec: Mapped[str]
    plan: Mapped[str]
    tasks: Mapped[str]
    planned: Mapped[int]
    best: Mapped[float | None]
    created: Mapped[float]
    started: Mapped[float | None]
    since: Mapped[float | None]  # start of the present stretch of work
    ended: Mapped[float | None]
    seconds: Mapped[float]  # work done in earlier stretches
    owner: Mapped[str | None]
    heartbeat: Mapped[float | None]
    epoch: Mapped[int] = mapped_column(server_default="0")  # fencing token: one more whenever a process takes the run
    lease: Mapped[float | None]  # when the owner's claim ends, on the clock named beside it
    lease_clock: Mapped[str | None]  # boot id of the host whose monotonic clock it is, or "database"
    asked: Mapped[str | None]  # what somebody asks of the owner: "cancel" or "interrupt"
    principal: Mapped[str] = mapped_column(server_default="")  # who submitted it; empty: somebody at this machine
    request_key: Mapped[str | None]  # the submitter's idempotency key
    request_digest: Mapped[str | None]  # SHA-256 of what was asked with that key; the spec may change later
    starts: Mapped[int] = mapped_column(server_default="0")  # processes that were started for it


class Trial(Base):
    """One network to train in one run: finished with its result, or failed with its reason."""

    __tablename__ = "trials"
    __table_args__ = (
        UniqueConstraint("run", "key"),
        Index("ix_trials_run_state", "run", "state"),
        Index("ix_trials_run_number", "run", "number"),  # for pages; sorting a hundred thousand rows takes a second
    )

    number: Mapped[int] = mapped_column(primary_key=True)
    run: Mapped[int] = mapped_column(ForeignKey("runs.number", ondelete=_CASCADE))
    key: Mapped[str]
    phase: Mapped[str]
    trial: Mapped[str]
    state: Mapped[str]
    attempts: Mapped[int]
    seconds: Mapped[float]
    worker: Mapped[str]
    kept: Mapped[int]
    reason: Mapped[str]
    detail: Mapped[str]
    recorded: Mapped[float]
    result: Mapped[bytes | None]


class Curve(Base):
    """One reading of one task's validation loss: the numbers in ``Trial.result`` once more, for queries."""

    __tablename__ = "curves"
    __table_args__ = {"sqlite_with_rowid": False}  # noqa: RUF012 - SQLAlchemy's own interface; the key is most of a row

    trial: Mapped[int] = mapped_column(ForeignKey("trials.number", ondelete=_CASCADE), primary_key=True)
    task: Mapped[str] = mapped_column(primary_key=True)
    reading: Mapped[int] = mapped_column(primary_key=True)
    step: Mapped[int]
    loss: Mapped[float]


class Event(Base):
    """Something that happened to a run, in order; ``payload`` is JSON."""

    __tablename__ = "events"

    number: Mapped[int] = mapped_column(primary_key=True)
    run: Mapped[int] = mapped_column(ForeignKey("runs.number", ondelete=_CASCADE), index=True)
    kind: Mapped[str]
    payload: Mapped[str]
    at: Mapped[float]


class Attempt(Base):
    """One attempt at a trial and how it ended; ``epoch`` says under which owner."""

    __tablename__ = "attempts"

    number: Mapped[int] = mapped_column(primary_key=True)
    trial: Mapped[int] = mapped_column(ForeignKey("trials.number", ondelete=_CASCADE), index=True)
    attempt: Mapped[int]
    epoch: Mapped[int]
    state: Mapped[str]
    seconds: Mapped[float]
    worker: Mapped[str]
    reason: Mapped[str]
    recorded: Mapped[float]


class Configuration(Base):
    """One point of an architecture search's space: sampled, then finished, stopped early (censored) or failed.

    ``values`` is the point as JSON, ``readings`` what was read at each rung: ``[[share of the training, loss], ...]``,
    ``found`` what its network is, once everything that is searched for it was found.
    """

    __tablename__ = "configurations"
    __table_args__ = (UniqueConstraint("run", "key"),)

    number: Mapped[int] = mapped_column(primary_key=True)
    run: Mapped[int] = mapped_column(ForeignKey("runs.number", ondelete=_CASCADE))
    key: Mapped[str]
    values: Mapped[str]
    state: Mapped[str]
    attempts: Mapped[int]
    loss: Mapped[float | None]
    cost: Mapped[float | None]
    readings: Mapped[str]
    found: Mapped[str]
    seconds: Mapped[float]
    worker: Mapped[str]
    reason: Mapped[str]
    detail: Mapped[str]
    recorded: Mapped[float]


class Token(Base):
    """Who may use the service; the token itself is known to its holder only, ``digest`` is its SHA-256."""

    __tablename__ = "tokens"

    number: Mapped[int] = mapped_column(primary_key=True)
    id: Mapped[str] = mapped_column(unique=True)
    name: Mapped[str]
    digest: Mapped[str] = mapped_column(unique=True)
    scope: Mapped[str]
    created: Mapped[float]
    expires: Mapped[float | None]
    revoked: Mapped[float | None]


class Dataset(Base):
    """A table that was uploaded to the service; ``file`` is a name in its folder, ``about`` describes it as JSON."""

    __tablename__ = "datasets"

    number: Mapped[int] = mapped_column(primary_key=True)
    id: Mapped[str] = mapped_column(unique=True)
    name: Mapped[str]
    principal: Mapped[str] = mapped_column(index=True)
    file: Mapped[str]
    sha256: Mapped[str]
    bytes: Mapped[int] = mapped_column(BigInteger)
    about: Mapped[str]
    created: Mapped[float]
