"""What is on the shelves

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
        "shelf",
        sa.Column("article", sa.String(50), primary_key=True),
        sa.Column("count", sa.Integer(), nullable=False),
        sa.CheckConstraint("count >= 0", name="shelf_has_enough"),
    )


def downgrade() -> None:
    """Take it back."""
    op.drop_table("shelf")
