from collections.abc import Callable
from dataclasses import dataclass, replace

from application.content.ports import ContentWork
from application.content.queries import (
    PostDetails,
    PostFilter,
    PostQueries,
    TagDetails,
    TagQueries,
)
from application.identity.actor import Actor, known
from application.shared.pages import Page, PageRequest
from domain.content.post import PostId, PostNotFound
from domain.content.status import PostStatus
from domain.identity.user import Permission
from domain.shared.text import Slug


@dataclass(frozen=True, slots=True)
class Reading:
    """Looking at posts. Customers, and people we do not know, see what is published."""

    begin: Callable[[], ContentWork]
    posts: PostQueries
    tags: TagQueries

    async def read(self, actor: Actor | None, slug: Slug) -> PostDetails:
        """The post of this slug; if it is published, that is one more view of it."""
        # A view is no new version: else each reader would make every ETag stale, and whoever edits
        # what many read would never get through.
        async with self.begin() as work:
            viewed = await work.posts.view(slug)
            await work.commit()
        if viewed is not None:
            return PostDetails.of(viewed)
        if not _is_staff(actor):
            raise PostNotFound
        return _shown(await self.posts.by_slug(slug), actor)

    async def post(self, actor: Actor | None, id: PostId) -> PostDetails:
        return _shown(await self.posts.find(id), actor)

    async def list(
        self, actor: Actor | None, request: PageRequest, wanted: PostFilter
    ) -> Page[PostDetails]:
        """Published posts; staff see all, and may ask for those of any status."""
        if wanted.status not in (None, PostStatus.PUBLISHED):
            known(actor).require(Permission.MANAGE_POSTS)
        if not _is_staff(actor):
            wanted = replace(wanted, status=PostStatus.PUBLISHED)
        return await self.posts.page(request, wanted)

    async def list_tags(self, request: PageRequest) -> Page[TagDetails]:
        return await self.tags.page(request)


def _shown(post: PostDetails | None, actor: Actor | None) -> PostDetails:
    if post is None or (post.status is not PostStatus.PUBLISHED and not _is_staff(actor)):
        raise PostNotFound
    return post


def _is_staff(actor: Actor | None) -> bool:
    return actor is not None and actor.may(Permission.MANAGE_POSTS)
