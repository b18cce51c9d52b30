from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Final

from application.catalog.exchange import ExportedProduct
from application.catalog.queries import ProductQueries
from application.identity.actor import Actor
from domain.catalog.product import Sku
from domain.identity.user import Permission

BATCH: Final = 2_000


@dataclass(frozen=True, slots=True)
class Exporting:
    """Handing the catalog over, in a form that another shop can import."""

    products: ProductQueries

    async def batches(self, actor: Actor) -> AsyncIterator[Sequence[ExportedProduct]]:
        """
        Every product that is not deleted, inactive ones included, by sku.

        Each batch is as the catalog is when it is read, so that nobody has to wait for the end.
        """
        actor.require(Permission.MANAGE_CATALOG)
        batch = await self.products.export(None, BATCH)
        while batch:
            yield batch
            batch = await self.products.export(Sku(batch[-1].sku), BATCH)
