"""posts, and their tags and words

Revision ID: 0009
Revises: 0008
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql
from sqlalchemy.types import TypeEngine

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None
locks = {"tags": "SHARE ROW EXCLUSIVE", "users": "SHARE ROW EXCLUSIVE"}
rewrites: tuple[str, ...] = ()
expands = True

MOMENT = sa.DateTime(timezone=True)
JSON = sa.JSON().with_variant(postgresql.JSONB(), "postgresql")


def text(length: int) -> TypeEngine[str]:
    return sa.String(length).with_variant(sa.String(length, collation="C"), "postgresql")


def upgrade() -> None:
    op.create_table(
        "posts",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("sequence", sa.Integer(), nullable=False),
        sa.Column("title", text(200), nullable=False),
        sa.Column("slug", text(200), nullable=False),
        sa.Column("content", text(50_000), nullable=False),
        sa.Column("status", sa.String(20), nullable=False),
        sa.Column("tags", JSON, nullable=False),
        sa.Column("author_id", sa.Uuid(), nullable=False),
        sa.Column("view_count", sa.BigInteger(), nullable=False),
        sa.Column("published_at", MOMENT, nullable=True),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("updated_at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_posts")),
        sa.UniqueConstraint("slug", name=op.f("uq_posts_slug")),
        sa.CheckConstraint(
            "status IN ('draft', 'published', 'archived')", name=op.f("ck_posts_status_known")
        ),
        sa.CheckConstraint(
            "published_at IS NOT NULL OR status <> 'published'",
            name=op.f("ck_posts_dated_once_published"),
        ),
        sa.CheckConstraint("view_count >= 0", name=op.f("ck_posts_views_not_negative")),
        sa.ForeignKeyConstraint(["author_id"], ["users.id"], name=op.f("fk_posts_author_id_users")),
    )
    for column in ("published_at", "title", "view_count"):
        for first in ([], ["status"], ["author_id"]):
            columns = [*first, column, "id"]
            op.create_index(op.f(f"ix_posts_{'_'.join(columns)}"), "posts", columns)

    op.create_table(
        "post_tags",
        sa.Column("slug", text(200), nullable=False),
        sa.Column("post_id", sa.Uuid(), nullable=False),
        sa.PrimaryKeyConstraint("slug", "post_id", name=op.f("pk_post_tags")),
        sa.ForeignKeyConstraint(["slug"], ["tags.slug"], name=op.f("fk_post_tags_slug_tags")),
        sa.ForeignKeyConstraint(["post_id"], ["posts.id"], name=op.f("fk_post_tags_post_id_posts")),
    )
    op.create_index(op.f("ix_post_tags_post_id"), "post_tags", ["post_id"])

    if op.get_context().dialect.name == "sqlite":
        op.execute(
            "CREATE VIRTUAL TABLE post_search"
            " USING fts5(post_id, words, tokenize = 'ascii', detail = 'column')"
        )
    else:
        op.create_table(
            "post_search",
            sa.Column("post_id", sa.Uuid(), nullable=False),
            sa.Column("words", postgresql.TSVECTOR(), nullable=False),
            sa.PrimaryKeyConstraint("post_id", name=op.f("pk_post_search")),
        )
        op.create_index(
            op.f("ix_post_search_words"),
            "post_search",
            ["words"],
            postgresql_using="gin",
            postgresql_with={"fastupdate": "off"},
        )


def downgrade() -> None:
    op.drop_table("post_search")
    op.drop_table("post_tags")
    op.drop_table("posts")
