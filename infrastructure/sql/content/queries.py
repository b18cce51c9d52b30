from typing import Any, Final

from sqlalchemy import FromClause, Select, bindparam, func, select
from sqlalchemy.ext.asyncio import AsyncEngine

from application.content.queries import PostDetails, PostFilter, TagDetails
from application.shared.pages import Page, PageRequest
from domain.content.post import PostId
from domain.content.status import PostStatus
from domain.shared.text import Slug
from infrastructure.sql.catalog.mapping import product_tags, tags
from infrastructure.sql.content.listing import POSTS, post_page, record
from infrastructure.sql.content.mapping import post_tags, posts
from infrastructure.sql.pages import page

_POST: Final = POSTS.where(posts.c.id == bindparam("id"))
_BY_SLUG: Final = POSTS.where(posts.c.slug == bindparam("slug"))


def _number(of: FromClause, *conditions: Any) -> Any:
    """How many of these fit a tag."""
    counted = select(func.count()).select_from(of).where(*conditions)
    return counted.correlate(tags).scalar_subquery()


_TAGS: Final = select(
    *(column for column in tags.c if column.name != "sequence"),
    _number(product_tags, product_tags.c.slug == tags.c.slug, product_tags.c.on_sale).label(
        "product_count"
    ),
    _number(
        post_tags.join(posts, posts.c.id == post_tags.c.post_id),
        post_tags.c.slug == tags.c.slug,
        posts.c.status == PostStatus.PUBLISHED,
    ).label("post_count"),
)
_TAG_SORTS: Final = {"name": tags.c.name}


class SqlPostQueries:
    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def find(self, id: PostId) -> PostDetails | None:
        return await self._one(_POST, id=id)

    async def by_slug(self, slug: Slug) -> PostDetails | None:
        return await self._one(_BY_SLUG, slug=slug)

    async def page(self, request: PageRequest, wanted: PostFilter) -> Page[PostDetails]:
        return await post_page(self._engine, request, wanted)

    async def _one(self, statement: Select[Any], **which: object) -> PostDetails | None:
        async with self._engine.connect() as connection:
            row = (await connection.execute(statement, which)).one_or_none()
        return record(row) if row else None


class SqlTagQueries:
    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def page(self, request: PageRequest) -> Page[TagDetails]:
        return await page(
            self._engine,
            _TAGS,
            request,
            sorts=_TAG_SORTS,
            id=tags.c.id,
            record=lambda row: TagDetails(**row._mapping),
        )
