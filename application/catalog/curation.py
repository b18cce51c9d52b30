from collections.abc import Callable, Container
from dataclasses import dataclass

from application.catalog.ports import CatalogWork
from application.catalog.queries import CategoryDetails
from application.identity.actor import Actor
from application.shared.clock import Clock
from application.shared.errors import unchanged_since
from domain.catalog.category import Category, CategoryChanges, CategoryId
from domain.identity.user import Permission
from domain.shared.ids import new_id
from domain.shared.text import Slug, numbered, slug_of


class CategoryPatch(CategoryChanges, total=False):
    """What a curator may change, the place in the tree included; None makes it a root."""

    parent_id: CategoryId | None


@dataclass(frozen=True, slots=True)
class Curation:
    """Keeping the tree of categories."""

    begin: Callable[[], CatalogWork]
    clock: Clock

    async def create(
        self,
        actor: Actor,
        *,
        name: str,
        slug: Slug | None = None,
        description: str = "",
        parent_id: CategoryId | None = None,
    ) -> CategoryDetails:
        """A new category; without a slug it gets the one that its name suggests."""
        actor.require(Permission.MANAGE_CATALOG)
        async with self.begin() as work:
            category = Category.create(
                name=name,
                slug=slug or await self._free_slug(work, name),
                description=description,
                above=await _locked_path(work, parent_id),
                at=self.clock(),
            )
            work.categories.add(category)
            await work.commit()
        return CategoryDetails.of(category)

    async def revise(
        self,
        actor: Actor,
        id: CategoryId,
        patch: CategoryPatch,
        *,
        expected: Container[int] | None = None,
    ) -> CategoryDetails:
        """Change what the patch names, the place in the tree included."""
        actor.require(Permission.MANAGE_CATALOG)
        changes: CategoryPatch = {**patch}
        async with self.begin() as work:
            above = None
            if "parent_id" in changes:
                above = await _locked_path(work, changes.pop("parent_id"), moving=id)
            category = await work.categories.get(id, lock=True)
            unchanged_since(expected, category)
            if above is not None:
                height = await work.categories.height(id)
                category.move(above, height=height, at=self.clock())
            category.revise(changes, at=self.clock())
            await work.commit()
        return CategoryDetails.of(category)

    async def delete(
        self, actor: Actor, id: CategoryId, *, expected: Container[int] | None = None
    ) -> None:
        """Its children go up to its parent, its products into no category."""
        actor.require(Permission.MANAGE_CATALOG)
        async with self.begin() as work:
            above = (await _locked_path(work, id))[1:]
            category = await work.categories.get(id, lock=True)
            unchanged_since(expected, category)
            category.delete(at=self.clock())
            await work.flush()
            for child in await work.categories.children(id):
                child.move(above, height=1, at=self.clock())
            await work.products.leave(id, at=self.clock())
            await work.categories.remove(category)
            await work.commit()

    async def _free_slug(self, work: CatalogWork, name: str) -> Slug:
        id = new_id(self.clock()).hex
        suggested = slug_of(name, otherwise=f"category-{id[-8:]}")
        taken = await work.categories.taken([suggested])
        return numbered(suggested, id[-8:]) if taken else suggested


async def _locked_path(
    work: CatalogWork, below: CategoryId | None, *, moving: CategoryId | None = None
) -> list[CategoryId]:
    """
    The ids from `below` up to its root, all locked, and `moving` with them.

    Whoever changes the tree holds the whole path that it depends on, so no two moves that are each
    right alone can close a cycle together. Until it is locked the path may still change, hence the
    second look.
    """
    path: list[CategoryId] | None = None
    while True:
        now = [] if below is None else [*await work.categories.path(below)]
        if now == path:
            return now
        path = now
        await work.categories.lock_all([*path, *([moving] if moving else [])])
