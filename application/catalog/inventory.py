from collections.abc import Callable, Container
from dataclasses import dataclass

from application.catalog.drafts import category_of
from application.catalog.ports import CatalogWork
from application.catalog.queries import ProductDetails
from application.identity.actor import Actor
from application.shared.clock import Clock
from application.shared.errors import unchanged_since
from domain.catalog.product import Product, ProductId
from domain.catalog.stock import Because, Cause
from domain.identity.user import Permission


@dataclass(frozen=True, slots=True)
class Inventory:
    """Setting the stock right by hand. Every change is kept as a movement, with its reason."""

    begin: Callable[[], CatalogWork]
    clock: Clock

    async def adjust(
        self,
        actor: Actor,
        id: ProductId,
        change: int,
        *,
        reason: str | None = None,
        expected: Container[int] | None = None,
    ) -> ProductDetails:
        """So many more or, below zero, less; InsufficientStock if there are not so many."""
        because = Because(Cause.ADJUSTMENT, actor.id, reason)
        return await self._keep(
            actor, id, lambda product: product.adjust(change, because, at=self.clock()), expected
        )

    async def count(
        self,
        actor: Actor,
        id: ProductId,
        stock: int,
        *,
        before: int | None = None,
        reason: str | None = None,
        expected: Container[int] | None = None,
    ) -> ProductDetails:
        """So many there are; StockChanged if there were not `before`."""
        because = Because(Cause.ADJUSTMENT, actor.id, reason)
        return await self._keep(
            actor,
            id,
            lambda product: product.count(stock, because, expected=before, at=self.clock()),
            expected,
        )

    async def _keep(
        self,
        actor: Actor,
        id: ProductId,
        change: Callable[[Product], None],
        expected: Container[int] | None,
    ) -> ProductDetails:
        actor.require(Permission.MANAGE_CATALOG)
        async with self.begin() as work:
            product = await work.products.get(id, lock=True)
            unchanged_since(expected, product)
            change(product)
            category = await category_of(work, product)
            await work.commit()
        return ProductDetails.of(product, category)
