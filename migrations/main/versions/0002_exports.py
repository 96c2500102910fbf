"""Exports, and when the process that does a job said for the last time that it lives.

Revision ID: 0002
Revises: 0001
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the table of exports and the column of jobs."""
    op.add_column("job", sa.Column("beat_at", sa.DateTime(), nullable=True))
    op.create_table(
        "export",
        sa.Column("id", sa.String(32), nullable=False),
        sa.Column("user_id", sa.Integer(), nullable=False),
        sa.Column("connection_id", sa.Integer(), nullable=False),
        sa.Column("job_id", sa.String(64), nullable=True),
        sa.Column("table_schema", sa.Text(), nullable=True),
        sa.Column("table_name", sa.Text(), nullable=False),
        sa.Column("listing", sa.Text(), nullable=False),
        sa.Column("format", sa.String(20), nullable=False),
        sa.Column("count_rows", sa.BigInteger(), nullable=True),
        sa.Column("size_bytes", sa.BigInteger(), nullable=True),
        sa.Column("created_at", sa.DateTime(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_export"),
        sa.ForeignKeyConstraint(["user_id"], ["user.id"], name="fk_export_user_id", ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["connection_id"], ["connection.id"], name="fk_export_connection_id", ondelete="CASCADE"),
    )
    op.create_index("ix_export_user_id", "export", ["user_id"])
    op.create_index("ix_export_connection_id", "export", ["connection_id"])


def downgrade() -> None:
    """Drop what was made."""
    op.drop_table("export")
    op.drop_column("job", "beat_at")
