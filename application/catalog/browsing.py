from dataclasses import dataclass, replace

from application.catalog.queries import (
    CategoryDetails,
    CategoryQueries,
    ProductDetails,
    ProductFilter,
    ProductQueries,
)
from application.identity.actor import Actor, known
from application.shared.pages import Page, PageRequest
from domain.catalog.category import CategoryId, CategoryNotFound
from domain.catalog.product import ProductId, ProductNotFound
from domain.identity.user import Permission


@dataclass(frozen=True, slots=True)
class Browsing:
    """Looking at the catalog. Customers, and people we do not know, see what is on sale."""

    categories: CategoryQueries
    products: ProductQueries

    async def category(self, id: CategoryId) -> CategoryDetails:
        found = await self.categories.find(id)
        if found is None:
            raise CategoryNotFound
        return found

    async def list_categories(self, request: PageRequest) -> Page[CategoryDetails]:
        return await self.categories.page(request)

    async def product(self, actor: Actor | None, id: ProductId) -> ProductDetails:
        found = await self.products.find(id)
        if found is None or found.deleted_at or not (found.is_active or _sees_all(actor)):
            raise ProductNotFound
        return found

    async def list_products(
        self, actor: Actor | None, request: PageRequest, wanted: ProductFilter
    ) -> Page[ProductDetails]:
        """Active products; staff may ask for inactive and for deleted ones."""
        if wanted.deleted or wanted.is_active is False:
            known(actor).require(Permission.MANAGE_CATALOG)
        if wanted.is_active is None and not wanted.deleted:
            wanted = replace(wanted, is_active=True)
        return await self.products.page(request, wanted)


def _sees_all(actor: Actor | None) -> bool:
    return actor is not None and actor.may(Permission.MANAGE_CATALOG)
