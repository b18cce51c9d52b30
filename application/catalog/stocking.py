from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from application.catalog.drafts import Draft, Known
from application.catalog.ports import CatalogWork
from application.catalog.queries import ProductDetails
from application.identity.actor import Actor
from application.shared.bulk import row_by_row
from application.shared.clock import Clock
from domain.catalog.category import Category
from domain.catalog.product import Product
from domain.catalog.stock import Because, Cause
from domain.identity.user import Permission
from domain.shared.errors import DomainError


@dataclass(frozen=True, slots=True)
class Stocking:
    """Filling the catalog."""

    begin: Callable[[], CatalogWork]
    clock: Clock

    async def create(self, actor: Actor, draft: Draft) -> ProductDetails:
        actor.require(Permission.MANAGE_CATALOG)
        async with self.begin() as work:
            known = await Known.to(work, [draft])
            product, category = self._add(work, actor, draft, known)
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
            known = await Known.to(work, [row for row in drafts if isinstance(row, Draft)])
            try:
                results = await self._add_together(work, actor, drafts, known)
            except DomainError:
                results = await self._add_each(work, actor, drafts, known, skip=skip)
            await work.commit()
        return results

    async def _add_together(
        self,
        work: CatalogWork,
        actor: Actor,
        drafts: Sequence[Draft | DomainError],
        known: Known,
    ) -> Sequence[Product | DomainError]:
        """All rows in one savepoint: mostly they are good, and so they cost little."""
        results = []
        slugs = {*known.slugs}
        async with work.savepoint():
            for draft in drafts:
                if isinstance(draft, DomainError):
                    raise draft
                product, _ = self._add(work, actor, draft, replace(known, slugs=slugs))
                slugs.add(product.slug)
                results.append(product)
        return results

    async def _add_each(
        self,
        work: CatalogWork,
        actor: Actor,
        drafts: Sequence[Draft | DomainError],
        known: Known,
        *,
        skip: bool,
    ) -> Sequence[Product | DomainError]:
        """Each row by itself, so that it is known which one is refused."""

        async def add(draft: Draft) -> Product:
            product, _ = self._add(work, actor, draft, known)
            # Flushed here, so that a row that is refused takes no slug from those after it.
            await work.flush()
            known.slugs.add(product.slug)
            return product

        return await row_by_row(work, drafts, add, skip=skip)

    def _add(
        self, work: CatalogWork, actor: Actor, draft: Draft, known: Known
    ) -> tuple[Product, Category | None]:
        category = known.category(draft.category_id)
        known.check_tags(draft.tags)
        new = draft.new(known.slugs, Because(Cause.ADJUSTMENT, actor.id), at=self.clock())
        product = Product.create(new)
        work.products.add(product)
        return product, category

    async def reindex(self, actor: Actor) -> int:
        """Make every product findable anew, after what words are has changed; tells how many."""
        actor.require(Permission.MANAGE_CATALOG)
        async with self.begin() as work:
            count = await work.products.reindex()
            await work.commit()
        return count
