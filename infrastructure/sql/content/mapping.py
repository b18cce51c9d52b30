from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    ForeignKey,
    Index,
    Table,
    UniqueConstraint,
)

from domain.content.post import CONTENT_LENGTH, TITLE_LENGTH, Post, PostSlugTaken
from domain.content.status import PostStatus
from domain.shared.text import SLUG_LENGTH
from infrastructure.sql.schema import (
    VIOLATIONS,
    EnumText,
    SlugList,
    UtcDateTime,
    aggregate_columns,
    mappers,
    metadata,
    text,
)

posts = Table(
    "posts",
    metadata,
    *aggregate_columns(),
    Column("title", text(TITLE_LENGTH), nullable=False),
    Column("slug", text(SLUG_LENGTH), nullable=False),
    Column("content", text(CONTENT_LENGTH), nullable=False),
    Column("status", EnumText(PostStatus), nullable=False),
    Column("tags", SlugList, nullable=False),
    Column("author_id", ForeignKey("users.id"), nullable=False),
    Column("view_count", BigInteger, nullable=False),
    Column("published_at", UtcDateTime),
    Column("created_at", UtcDateTime, nullable=False),
    Column("updated_at", UtcDateTime, nullable=False),
    UniqueConstraint("slug"),
    CheckConstraint("status IN ('draft', 'published', 'archived')", name="status_known"),
    CheckConstraint(
        "published_at IS NOT NULL OR status <> 'published'", name="dated_once_published"
    ),
    CheckConstraint("view_count >= 0", name="views_not_negative"),
)
# Every list of the API is read along an index in its order, whatever else it is filtered by.
for column in (posts.c.published_at, posts.c.title, posts.c.view_count):
    Index(None, column, posts.c.id)
    Index(None, posts.c.status, column, posts.c.id)
    Index(None, posts.c.author_id, column, posts.c.id)

# What a post has in its column `tags`, to find it by. The column is what is read.
post_tags = Table(
    "post_tags",
    metadata,
    Column("slug", ForeignKey("tags.slug"), primary_key=True),
    Column("post_id", ForeignKey("posts.id"), primary_key=True, index=True),
)

VIOLATIONS["uq_posts_slug"] = PostSlugTaken


def map_content() -> None:
    mappers.map_imperatively(Post, posts, version_id_col=posts.c.version)
