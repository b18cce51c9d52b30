from dataclasses import dataclass
from datetime import datetime
from typing import Protocol, Self
from uuid import UUID

from application.shared.pages import Page, PageRequest
from domain.content.post import Post, PostId
from domain.content.status import PostStatus
from domain.identity.user import UserId
from domain.shared.text import Slug


@dataclass(frozen=True, slots=True, kw_only=True)
class PostDetails:
    id: UUID
    title: str
    slug: str
    content: str
    status: PostStatus
    tags: tuple[str, ...]
    author_id: UUID
    view_count: int
    published_at: datetime | None
    created_at: datetime
    updated_at: datetime
    version: int

    @classmethod
    def of(cls, post: Post) -> Self:
        return cls(
            id=post.id,
            title=post.title,
            slug=post.slug,
            content=post.content,
            status=post.status,
            tags=post.tags,
            author_id=post.author_id,
            view_count=post.view_count,
            published_at=post.published_at,
            created_at=post.created_at,
            updated_at=post.updated_at,
            version=post.version,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class TagDetails:
    """A tag, and how many products on sale have it, and how many published posts."""

    id: UUID
    name: str
    slug: str
    product_count: int
    post_count: int
    created_at: datetime
    version: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PostFilter:
    """
    Which posts: each condition narrows, None and an empty tuple do not.

    `words` are those of a query (see application.catalog.search), each of which must be, or begin,
    a word of the title or the content; none at all find nothing.
    """

    words: tuple[str, ...] | None = None
    tags: tuple[Slug, ...] = ()
    status: PostStatus | None = None
    author_id: UserId | None = None


class PostQueries(Protocol):
    async def find(self, id: PostId) -> PostDetails | None: ...

    async def by_slug(self, slug: Slug) -> PostDetails | None: ...

    async def page(self, request: PageRequest, wanted: PostFilter) -> Page[PostDetails]:
        """
        Sorted by `published_at`, `title` or `view_count`.

        What was never published stands at the end of a list by `published_at`, descending or not.
        """


class TagQueries(Protocol):
    async def page(self, request: PageRequest) -> Page[TagDetails]:
        """Sorted by `name`."""
