from collections.abc import Callable, Container
from dataclasses import dataclass

from application.content.ports import ContentWork
from application.identity.actor import Actor
from application.shared.clock import Clock
from application.shared.errors import unchanged_since
from domain.catalog.tag import Tag, TagId
from domain.identity.user import Permission
from domain.shared.ids import new_id
from domain.shared.text import Slug, slug_of


@dataclass(frozen=True, slots=True)
class Tagging:
    """Keeping the tags that products and posts are found by."""

    begin: Callable[[], ContentWork]
    clock: Clock

    async def create(self, actor: Actor, *, name: str, slug: Slug | None = None) -> Tag:
        """A new tag; without a slug it gets the one that its name suggests."""
        actor.require(Permission.MANAGE_CATALOG)
        at = self.clock()
        otherwise = f"tag-{new_id(at).hex[-8:]}"
        async with self.begin() as work:
            tag = Tag.create(name=name, slug=slug or slug_of(name, otherwise=otherwise), at=at)
            work.tags.add(tag)
            await work.commit()
        return tag

    async def delete(
        self, actor: Actor, id: TagId, *, expected: Container[int] | None = None
    ) -> None:
        """Take it off every product and every post, and away."""
        actor.require(Permission.MANAGE_CATALOG)
        async with self.begin() as work:
            tag = await work.tags.get(id, lock=True)
            unchanged_since(expected, tag)
            tag.delete(at=self.clock())
            await work.flush()
            await work.products.untag(tag.slug, at=self.clock())
            await work.posts.untag(tag.slug, at=self.clock())
            await work.tags.remove(tag)
            await work.commit()
