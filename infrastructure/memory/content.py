from collections import Counter
from collections.abc import Callable, Iterable
from datetime import datetime
from operator import attrgetter
from typing import Any, Final

from application.catalog.search import words
from application.content.queries import PostDetails, PostFilter, TagDetails
from application.shared.pages import Page, PageRequest
from domain.catalog.tag import Tag, take_off
from domain.content.post import Post, PostId, PostNotFound, PostSlugTaken
from domain.content.status import PostStatus
from domain.identity.user import User
from domain.shared.text import Slug
from infrastructure.memory.catalog.queries import on_sale
from infrastructure.memory.database import MemoryDatabase, MemorySession, Reference, Unique
from infrastructure.memory.pages import page

UNIQUES: Final = (Unique(Post, "uq_posts_slug", attrgetter("slug"), PostSlugTaken),)

REFERENCES: Final = (
    Reference(Post, User, lambda post: [post.author_id]),
    Reference(Post, Tag, attrgetter("tags"), attrgetter("slug")),
)


class MemoryPosts:
    def __init__(self, session: MemorySession) -> None:
        self._session = session

    async def get(self, id: PostId, *, lock: bool = False) -> Post:
        post = await self._session.find(Post, id, lock=lock)
        if post is None:
            raise PostNotFound
        return post

    async def view(self, slug: Slug) -> Post | None:
        def is_meant(post: Post) -> bool:
            return post.slug == slug and post.status is PostStatus.PUBLISHED

        found = await self._session.select(Post, is_meant)
        for post in await self._session.lock_all(Post, (post.id for post in found)):
            # Who had to wait for the lock looks again.
            if is_meant(post):
                return await self._session.amend(Post, post.id, _count_view)
        return None

    async def taken(self, slugs: Iterable[Slug]) -> set[Slug]:
        wanted = {*slugs}
        found = await self._session.select(Post, lambda post: post.slug in wanted)
        return {post.slug for post in found}

    async def untag(self, slug: Slug, *, at: datetime) -> None:
        tagged = await self._session.select(Post, lambda post: slug in post.tags)
        take_off(slug, await self._session.lock_all(Post, (post.id for post in tagged)), at=at)
        await self._session.flush()

    def add(self, post: Post) -> None:
        self._session.add(post)

    async def remove(self, post: Post) -> None:
        self._session.remove(post)


def _count_view(post: Post) -> None:
    post.view_count += 1


_POST_SORTS: Final[dict[str, Callable[[Post], Any]]] = {
    "published_at": attrgetter("published_at"),
    "title": attrgetter("title"),
    "view_count": attrgetter("view_count"),
}
_TAG_SORTS: Final[dict[str, Callable[[TagDetails], Any]]] = {"name": attrgetter("name")}


class MemoryPostQueries:
    def __init__(self, database: MemoryDatabase) -> None:
        self._database = database

    async def find(self, id: PostId) -> PostDetails | None:
        post = self._database.get(Post, id)
        return PostDetails.of(post) if post else None

    async def by_slug(self, slug: Slug) -> PostDetails | None:
        for post in self._database.all(Post):
            if post.slug == slug:
                return PostDetails.of(post)
        return None

    async def page(self, request: PageRequest, wanted: PostFilter) -> Page[PostDetails]:
        found = (post for post in self._database.all(Post) if _fits(post, wanted))
        shown = page(found, request, sorts=_POST_SORTS, id=attrgetter("id"))
        return Page([*map(PostDetails.of, shown.items)], next=shown.next, total=shown.total)


class MemoryTagQueries:
    def __init__(self, database: MemoryDatabase) -> None:
        self._database = database

    async def page(self, request: PageRequest) -> Page[TagDetails]:
        products = Counter(slug for product in on_sale(self._database) for slug in product.tags)
        posts = Counter(
            slug
            for post in self._database.all(Post)
            if post.status is PostStatus.PUBLISHED
            for slug in post.tags
        )
        tags = [
            TagDetails(
                id=tag.id,
                name=tag.name,
                slug=tag.slug,
                product_count=products[tag.slug],
                post_count=posts[tag.slug],
                created_at=tag.created_at,
                version=tag.version,
            )
            for tag in self._database.all(Tag)
        ]
        return page(tags, request, sorts=_TAG_SORTS, id=attrgetter("id"))


def _fits(post: Post, wanted: PostFilter) -> bool:
    return (
        wanted.status in (None, post.status)
        and wanted.author_id in (None, post.author_id)
        and {*wanted.tags} <= {*post.tags}
        and (wanted.words is None or _has(post, wanted.words))
    )


def _has(post: Post, wanted: tuple[str, ...]) -> bool:
    """Whether each of them is, or begins, a word of the post; no words find nothing."""
    there = words(post.title, post.content)
    return bool(wanted) and all(any(word.startswith(one) for word in there) for one in wanted)
