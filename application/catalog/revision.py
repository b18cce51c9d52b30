from collections.abc import Callable, Container, Sequence
from dataclasses import dataclass

from application.catalog.drafts import Draft, Known, ProductPatch, category_of, changes
from application.catalog.ports import CatalogWork
from application.catalog.queries import ProductDetails
from application.identity.actor import Actor
from application.shared.bulk import row_by_row
from application.shared.clock import Clock
from application.shared.errors import unchanged_since
from domain.catalog.category import Category
from domain.catalog.product import Product, ProductId, ProductNotFound
from domain.identity.user import Permission
from domain.shared.errors import DomainError

PatchOfOne = tuple[ProductId, ProductPatch]


@dataclass(frozen=True, slots=True)
class Revision:
    """Changing what is in the catalog. The stock is no part of that: see Inventory."""

    begin: Callable[[], CatalogWork]
    clock: Clock

    async def revise(
        self,
        actor: Actor,
        id: ProductId,
        patch: ProductPatch,
        *,
        expected: Container[int] | None = None,
    ) -> ProductDetails:
        """Change what is named."""
        return await self._apply(actor, id, lambda _: patch, expected)

    async def replace(
        self,
        actor: Actor,
        id: ProductId,
        draft: Draft,
        *,
        expected: Container[int] | None = None,
    ) -> ProductDetails:
        """Make everything as the draft says, but the stock, and the slug where it has none."""
        return await self._apply(actor, id, lambda product: _whole(product, draft), expected)

    async def revise_all(
        self, actor: Actor, patches: Sequence[PatchOfOne | DomainError], *, skip: bool
    ) -> Sequence[Product | DomainError]:
        """
        Apply each patch, or say why not, row by row.

        A row that is an error already was refused before it came here. Without `skip` the first
        refusal is raised as RowRefused and nothing is kept.
        """
        actor.require(Permission.MANAGE_CATALOG)
        async with self.begin() as work:
            good = [row for row in patches if not isinstance(row, DomainError)]
            locked = await work.products.lock_all(id for id, _ in good)
            on_file = {product.id: product for product in locked if product.deleted_at is None}
            known = await Known.to_patches(work, [patch for _, patch in good], on_file.values())

            async def apply(row: PatchOfOne) -> Product:
                id, patch = row
                if id not in on_file:
                    raise ProductNotFound
                self._revise(on_file[id], patch, known)
                return on_file[id]

            results = await row_by_row(work, patches, apply, skip=skip)
            await work.commit()
        return results

    async def delete(
        self, actor: Actor, id: ProductId, *, expected: Container[int] | None = None
    ) -> None:
        actor.require(Permission.MANAGE_CATALOG)
        async with self.begin() as work:
            product = await work.products.get(id, lock=True)
            unchanged_since(expected, product)
            product.delete(at=self.clock())
            await work.commit()

    async def restore(
        self, actor: Actor, id: ProductId, *, expected: Container[int] | None = None
    ) -> ProductDetails:
        """Bring it back, unless its sku or slug was taken since; what is there stays as it is."""
        actor.require(Permission.MANAGE_CATALOG)
        async with self.begin() as work:
            found = await work.products.lock_all([id])
            if not found:
                raise ProductNotFound
            [product] = found
            unchanged_since(expected, product)
            product.restore(at=self.clock())
            category = await category_of(work, product)
            await work.commit()
        return ProductDetails.of(product, category)

    async def _apply(
        self,
        actor: Actor,
        id: ProductId,
        patch_of: Callable[[Product], ProductPatch],
        expected: Container[int] | None,
    ) -> ProductDetails:
        actor.require(Permission.MANAGE_CATALOG)
        async with self.begin() as work:
            product = await work.products.get(id, lock=True)
            unchanged_since(expected, product)
            patch = patch_of(product)
            known = await Known.to_patches(work, [patch], [product])
            category = self._revise(product, patch, known)
            await work.commit()
        return ProductDetails.of(product, category)

    def _revise(self, product: Product, patch: ProductPatch, known: Known) -> Category | None:
        category = known.category(patch.get("category_id", product.category_id))
        known.check_tags(patch.get("tags", ()))
        product.revise(changes(product, patch), at=self.clock())
        return category


def _whole(product: Product, draft: Draft) -> ProductPatch:
    """The patch that makes of the product what the draft says."""
    gone = dict.fromkeys(product.metadata)
    whole: ProductPatch = {
        "sku": draft.sku,
        "name": draft.name,
        "description": draft.description,
        "price": draft.price,
        "category_id": draft.category_id,
        "tags": draft.tags,
        "is_active": draft.is_active,
        "metadata": {**gone, **(draft.metadata or {})},
    }
    if draft.slug is not None:
        whole["slug"] = draft.slug
    return whole
