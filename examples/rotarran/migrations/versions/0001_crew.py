"""The crew and its battles

Revision ID: 0001
Revises:
"""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply it."""
    op.create_table(
        "warrior",
        sa.Column("id", sa.Integer(), primary_key=True),
        sa.Column("name", sa.String(100), nullable=False, unique=True),
        sa.Column("rank", sa.String(50), nullable=False),
        sa.Column("honour", sa.Integer(), nullable=False),
    )
    op.create_table(
        "battle",
        sa.Column("id", sa.Integer(), primary_key=True),
        sa.Column("warrior_id", sa.Integer(), sa.ForeignKey("warrior.id"), nullable=False),
        sa.Column("place", sa.String(100), nullable=False),
        sa.Column("fought_on", sa.Date(), nullable=False),
        sa.Column("is_won", sa.Boolean(), nullable=False),
    )


def downgrade() -> None:
    """Take it back."""
    op.drop_table("battle")
    op.drop_table("warrior")
