"""Leases with fencing, attempts, configurations of architecture searches, tokens, uploaded data sets."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision: str | None = "0001"


def upgrade() -> None:
    """Add columns to runs, and four tables."""
    op.add_column("runs", sa.Column("epoch", sa.Integer(), nullable=False, server_default="0"))
    op.add_column("runs", sa.Column("lease", sa.Double(), nullable=True))
    op.add_column("runs", sa.Column("lease_clock", sa.String(), nullable=True))
    op.add_column("runs", sa.Column("asked", sa.String(), nullable=True))
    op.add_column("runs", sa.Column("principal", sa.String(), nullable=False, server_default=""))
    op.add_column("runs", sa.Column("request_key", sa.String(), nullable=True))
    op.add_column("runs", sa.Column("request_digest", sa.String(), nullable=True))
    op.add_column("runs", sa.Column("starts", sa.Integer(), nullable=False, server_default="0"))
    op.create_index("ix_runs_principal_request_key", "runs", ["principal", "request_key"], unique=True)
    op.create_index("ix_trials_run_state", "trials", ["run", "state"])
    op.create_index("ix_trials_run_number", "trials", ["run", "number"])
    op.create_table(
        "attempts",
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("trial", sa.Integer(), nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("epoch", sa.Integer(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("seconds", sa.Double(), nullable=False),
        sa.Column("worker", sa.String(), nullable=False),
        sa.Column("reason", sa.String(), nullable=False),
        sa.Column("recorded", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("number", name="pk_attempts"),
        sa.ForeignKeyConstraint(["trial"], ["trials.number"], name="fk_attempts_trial", ondelete="CASCADE"),
    )
    op.create_index("ix_attempts_trial", "attempts", ["trial"])
    op.create_table(
        "configurations",
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("run", sa.Integer(), nullable=False),
        sa.Column("key", sa.String(), nullable=False),
        sa.Column("values", sa.String(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("loss", sa.Double(), nullable=True),
        sa.Column("cost", sa.Double(), nullable=True),
        sa.Column("readings", sa.String(), nullable=False),
        sa.Column("found", sa.String(), nullable=False),
        sa.Column("seconds", sa.Double(), nullable=False),
        sa.Column("worker", sa.String(), nullable=False),
        sa.Column("reason", sa.String(), nullable=False),
        sa.Column("detail", sa.String(), nullable=False),
        sa.Column("recorded", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("number", name="pk_configurations"),
        sa.ForeignKeyConstraint(["run"], ["runs.number"], name="fk_configurations_run", ondelete="CASCADE"),
        sa.UniqueConstraint("run", "key", name="uq_configurations_run_key"),
    )
    op.create_table(
        "tokens",
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("digest", sa.String(), nullable=False),
        sa.Column("scope", sa.String(), nullable=False),
        sa.Column("created", sa.Double(), nullable=False),
        sa.Column("expires", sa.Double(), nullable=True),
        sa.Column("revoked", sa.Double(), nullable=True),
        sa.PrimaryKeyConstraint("number", name="pk_tokens"),
        sa.UniqueConstraint("id", name="uq_tokens_id"),
        sa.UniqueConstraint("digest", name="uq_tokens_digest"),
    )
    op.create_table(
        "datasets",
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("principal", sa.String(), nullable=False),
        sa.Column("file", sa.String(), nullable=False),
        sa.Column("sha256", sa.String(), nullable=False),
        sa.Column("bytes", sa.BigInteger(), nullable=False),
        sa.Column("about", sa.String(), nullable=False),
        sa.Column("created", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("number", name="pk_datasets"),
        sa.UniqueConstraint("id", name="uq_datasets_id"),
    )
    op.create_index("ix_datasets_principal", "datasets", ["principal"])
