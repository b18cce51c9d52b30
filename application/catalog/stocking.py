from collections.abc import Callable, Container, Mapping, Sequence
from dataclasses import dataclass
from typing import TypedDict, cast

from application.catalog.ports import CatalogWork
from application.catalog.queries import ProductDetails
from application.identity.actor import Actor
from application.shared.clock import Clock
from application.shared.errors import RowRefused, unchanged_since
from domain.catalog.category import Category, CategoryId
from domain.catalog.product import Product, ProductChanges, ProductId, Sku
from domain.identity.user import Permission
from domain.shared.errors import DomainError
from domain.shared.money import Money
from domain.shared.text import Slug, numbered, slug_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """A product that is to be; without a slug it gets the one that its name suggests."""

    sku: Sku
    name: str
    price: Money
    slug: Slug | None = None
    description: str = ""
    stock: int = 0
    category_id: CategoryId | None = None
    is_active: bool = True
    metadata: Mapping[str, str] | None = None

    @property
    def suggested_slug(self) -> Slug:
        return slug_of(self.name, otherwise=self.sku.lower())


class ProductPatch(TypedDict, total=False):
    """A merge patch: what is absent stays. In `metadata` None removes a pair or, alone, all."""

    sku: Sku
    slug: Slug
    name: str
    description: str
    price: Money
    category_id: CategoryId | None
    is_active: bool
    metadata: Mapping[str, str | None] | None


@dataclass(frozen=True, slots=True)
class Stocking:
    """Filling the catalog."""

    begin: Callable[[], CatalogWork]
    clock: Clock

    async def create(self, actor: Actor, draft: Draft) -> ProductDetails:
        actor.require(Permission.MANAGE_CATALOG)
        async with self.begin() as work:
            taken = await _taken_slugs(work, [draft])
            product, category = await self._add(work, draft, taken)
            await work.commit()
        return ProductDetails.of(product, category)

    async def create_all(
        self, actor: Actor, drafts: Sequence[Draft | DomainError], *, skip: bool
    ) -> Sequence[Product | DomainError]:
        """
        Add each draft, or say why not, row by row.

        A row that is an error already was refused before it came here. Without `skip` the first
        refusal is raised as RowRefused and nothing is kept.
        """
        actor.require(Permission.MANAGE_CATALOG)
        results: list[Product | DomainError] = []
        async with self.begin() as work:
            taken = await _taken_slugs(work, [row for row in drafts if isinstance(row, Draft)])
            for index, draft in enumerate(drafts):
                try:
                    if isinstance(draft, DomainError):
                        raise draft
                    async with work.savepoint():
                        product, _ = await self._add(work, draft, taken)
                    results.append(product)
                except DomainError as refusal:
                    if not skip:
                        raise RowRefused(index, refusal) from refusal
                    results.append(refusal)
            await work.commit()
        return results

    async def revise(
        self,
        actor: Actor,
        id: ProductId,
        patch: ProductPatch,
        *,
        expected: Container[int] | None = None,
    ) -> ProductDetails:
        """Change what is named. The stock is no such thing: it is adjusted, never set."""
        actor.require(Permission.MANAGE_CATALOG)
        async with self.begin() as work:
            product = await work.products.get(id, lock=True)
            unchanged_since(expected, product)
            category = await _category(work, patch.get("category_id", product.category_id))
            product.revise(_changes(product, patch), at=self.clock())
            await work.commit()
        return ProductDetails.of(product, category)

    async def delete(
        self, actor: Actor, id: ProductId, *, expected: Container[int] | None = None
    ) -> None:
        actor.require(Permission.MANAGE_CATALOG)
        async with self.begin() as work:
            product = await work.products.get(id, lock=True)
            unchanged_since(expected, product)
            product.delete(at=self.clock())
            await work.commit()

    async def _add(
        self, work: CatalogWork, draft: Draft, taken: set[Slug]
    ) -> tuple[Product, Category | None]:
        slug = draft.slug or draft.suggested_slug
        if draft.slug is None and slug in taken:
            slug = numbered(slug, draft.sku.lower())
        category = await _category(work, draft.category_id)
        product = Product.create(
            sku=draft.sku,
            slug=slug,
            name=draft.name,
            price=draft.price,
            description=draft.description,
            stock=draft.stock,
            is_active=draft.is_active,
            category_id=draft.category_id,
            metadata=draft.metadata,
            at=self.clock(),
        )
        work.products.add(product)
        taken.add(slug)
        return product, category


async def _taken_slugs(work: CatalogWork, drafts: Sequence[Draft]) -> set[Slug]:
    """Which of the slugs that would suggest themselves are taken."""
    return await work.products.taken(
        {draft.suggested_slug for draft in drafts if draft.slug is None}
    )


def _changes(product: Product, patch: ProductPatch) -> ProductChanges:
    if "metadata" not in patch:
        return cast(ProductChanges, patch)
    merged = patch["metadata"]
    pairs = {} if merged is None else {**product.metadata, **merged}
    kept = {name: value for name, value in pairs.items() if value is not None}
    return cast(ProductChanges, {**patch, "metadata": kept})


async def _category(work: CatalogWork, id: CategoryId | None) -> Category | None:
    return None if id is None else await work.categories.get(id)
