from collections.abc import Iterable
from datetime import datetime

from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncSession

from domain.catalog.tag import take_off
from domain.content.post import Post, PostId, PostNotFound
from domain.content.status import PostStatus
from domain.shared.text import Slug
from infrastructure.sql.content.mapping import post_tags, posts
from infrastructure.sql.session import found, locking


class SqlPosts:
    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def get(self, id: PostId, *, lock: bool = False) -> Post:
        post = await found(self._session, select(Post).where(posts.c.id == id), lock=lock)
        if post is None:
            raise PostNotFound
        return post

    async def view(self, slug: Slug) -> Post | None:
        one_more = (
            update(Post)
            .where(posts.c.slug == slug, posts.c.status == PostStatus.PUBLISHED)
            .values(view_count=posts.c.view_count + 1)
            .returning(Post)
            .execution_options(synchronize_session=False, populate_existing=True)
        )
        viewed: Post | None = (await self._session.scalars(one_more)).one_or_none()
        return viewed

    async def taken(self, slugs: Iterable[Slug]) -> set[Slug]:
        return {
            *await self._session.scalars(select(posts.c.slug).where(posts.c.slug.in_({*slugs})))
        }

    async def untag(self, slug: Slug, *, at: datetime) -> None:
        links = select(post_tags.c.post_id).where(post_tags.c.slug == slug)
        # In the order of their ids, as everybody locks.
        tagged = select(Post).where(posts.c.id.in_(links)).order_by(posts.c.id)
        take_off(slug, await self._session.scalars(locking(tagged)), at=at)
        await self._session.flush()

    def add(self, post: Post) -> None:
        self._session.add(post)

    async def remove(self, post: Post) -> None:
        await self._session.delete(post)
