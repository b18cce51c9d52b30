from collections.abc import Callable, Container, Iterable, Sequence
from dataclasses import dataclass

from application.catalog.drafts import free_slug
from application.content.ports import ContentWork
from application.content.queries import PostDetails
from application.identity.actor import Actor
from application.shared.clock import Clock
from application.shared.errors import unchanged_since
from domain.catalog.tag import TagNotFound
from domain.content.post import Post, PostChanges, PostId
from domain.identity.user import Permission
from domain.shared.ids import new_id
from domain.shared.text import Slug, slug_of

Versions = Container[int] | None


@dataclass(frozen=True, slots=True)
class Publishing:
    """Writing posts, and deciding who may read them."""

    begin: Callable[[], ContentWork]
    clock: Clock

    async def create(
        self,
        actor: Actor,
        *,
        title: str,
        slug: Slug | None = None,
        content: str = "",
        tags: Sequence[Slug] = (),
    ) -> PostDetails:
        """A new draft by the actor; without a slug it gets the one that its title suggests."""
        actor.require(Permission.MANAGE_POSTS)
        async with self.begin() as work:
            await _check_tags(work, tags)
            post = Post.create(
                title=title,
                slug=slug or await self._free_slug(work, title),
                content=content,
                tags=tags,
                author_id=actor.id,
                at=self.clock(),
            )
            work.posts.add(post)
            await work.commit()
        return PostDetails.of(post)

    async def revise(
        self, actor: Actor, id: PostId, changes: PostChanges, *, expected: Versions = None
    ) -> PostDetails:
        """Change what is named."""
        async with self.begin() as work:
            post = await _locked(work, actor, id, expected)
            await _check_tags(work, changes.get("tags", ()))
            post.revise(changes, at=self.clock())
            await work.commit()
        return PostDetails.of(post)

    async def publish(self, actor: Actor, id: PostId, *, expected: Versions = None) -> PostDetails:
        """Let everybody read it."""
        async with self.begin() as work:
            post = await _locked(work, actor, id, expected)
            post.publish(at=self.clock())
            await work.commit()
        return PostDetails.of(post)

    async def archive(self, actor: Actor, id: PostId, *, expected: Versions = None) -> PostDetails:
        """Take it out of sight."""
        async with self.begin() as work:
            post = await _locked(work, actor, id, expected)
            post.archive(at=self.clock())
            await work.commit()
        return PostDetails.of(post)

    async def delete(self, actor: Actor, id: PostId, *, expected: Versions = None) -> None:
        """For good; its slug is free again."""
        async with self.begin() as work:
            post = await _locked(work, actor, id, expected)
            post.delete(at=self.clock())
            await work.flush()
            await work.posts.remove(post)
            await work.commit()

    async def _free_slug(self, work: ContentWork, title: str) -> Slug:
        at = self.clock()
        suggested = slug_of(title, otherwise=f"post-{new_id(at).hex[-8:]}")
        return free_slug([suggested], await work.posts.taken([suggested]), at=at)


async def _locked(work: ContentWork, actor: Actor, id: PostId, expected: Versions) -> Post:
    actor.require(Permission.MANAGE_POSTS)
    post = await work.posts.get(id, lock=True)
    unchanged_since(expected, post)
    return post


async def _check_tags(work: ContentWork, slugs: Iterable[Slug]) -> None:
    """TagNotFound, naming them, if some of the tags are not there."""
    wanted = {*slugs}
    if wanted and (missing := wanted - await work.tags.known(wanted)):
        raise TagNotFound(*missing)
