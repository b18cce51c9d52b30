from collections.abc import Callable, Container, Mapping, Sequence
from dataclasses import dataclass
from typing import TypedDict, cast

from application.catalog.ports import CatalogWork
from application.catalog.queries import ProductDetails
from application.identity.actor import Actor
from application.shared.bulk import row_by_row
from application.shared.clock import Clock
from application.shared.errors import unchanged_since
from domain.catalog.category import Category, CategoryId
from domain.catalog.product import Product, ProductChanges, ProductId, Sku
from domain.identity.user import Permission
from domain.shared.errors import DomainError
from domain.shared.ids import new_id
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
    def suggested_slugs(self) -> tuple[Slug, Slug]:
        """What the name suggests, and what it suggests together with the sku."""
        plain = slug_of(self.name, otherwise=self.sku.lower())
        return plain, numbered(plain, self.sku.lower())


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
        async with self.begin() as work:
            taken = await _taken_slugs(work, [row for row in drafts if isinstance(row, Draft)])
            try:
                results = await self._add_together(work, drafts, {*taken})
            except DomainError:
                results = await self._add_each(work, drafts, taken, skip=skip)
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

    async def _add_together(
        self, work: CatalogWork, drafts: Sequence[Draft | DomainError], taken: set[Slug]
    ) -> Sequence[Product | DomainError]:
        """All rows in one savepoint: mostly they are good, and so they cost little."""
        results = []
        async with work.savepoint():
            for draft in drafts:
                if isinstance(draft, DomainError):
                    raise draft
                product, _ = await self._add(work, draft, taken)
                taken.add(product.slug)
                results.append(product)
        return results

    async def _add_each(
        self,
        work: CatalogWork,
        drafts: Sequence[Draft | DomainError],
        taken: set[Slug],
        *,
        skip: bool,
    ) -> Sequence[Product | DomainError]:
        """Each row by itself, so that it is known which one is refused."""

        async def add(draft: Draft) -> Product:
            product, _ = await self._add(work, draft, taken)
            # Flushed here, so that a row that is refused takes no slug from those after it.
            await work.flush()
            taken.add(product.slug)
            return product

        return await row_by_row(work, drafts, add, skip=skip)

    async def _add(
        self, work: CatalogWork, draft: Draft, taken: set[Slug]
    ) -> tuple[Product, Category | None]:
        category = await _category(work, draft.category_id)
        product = Product.create(
            sku=draft.sku,
            slug=draft.slug or self._free_slug(draft, taken),
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
        return product, category

    def _free_slug(self, draft: Draft, taken: set[Slug]) -> Slug:
        plain, with_sku = draft.suggested_slugs
        at_last = numbered(plain, new_id(self.clock()).hex[-8:])
        return next((slug for slug in (plain, with_sku) if slug not in taken), at_last)


async def _taken_slugs(work: CatalogWork, drafts: Sequence[Draft]) -> set[Slug]:
    """Which of the slugs that would suggest themselves are taken."""
    return await work.products.taken(
        {slug for draft in drafts if draft.slug is None for slug in draft.suggested_slugs}
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
