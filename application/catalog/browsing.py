from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from uuid import UUID

from application.catalog.queries import (
    CategoryCount,
    CategoryDetails,
    CategoryQueries,
    Movement,
    ProductDetails,
    ProductFilter,
    ProductQueries,
)
from application.identity.actor import Actor, known
from application.shared.pages import Page, PageRequest
from domain.catalog.category import CategoryId, CategoryNotFound
from domain.catalog.product import ProductId, ProductNotFound, Sku
from domain.identity.user import Permission
from domain.shared.text import Slug


@dataclass(frozen=True, slots=True)
class CategoryNode:
    """A category with what is below it; `total` counts the products on sale in all of that."""

    category: CategoryDetails
    product_count: int
    total_product_count: int
    children: "Sequence[CategoryNode]"


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

    async def tree(
        self, *, root: UUID | str | None = None, depth: int | None = None
    ) -> Sequence[CategoryNode]:
        """
        The categories as a forest, siblings by name, cut off below `depth` levels.

        With `root`, which is an id or a slug, only the one tree below it. The counts are of whole
        subtrees, wherever the tree is cut off.
        """
        below = defaultdict[UUID | None, list[CategoryCount]](list)
        counts = await self.categories.tree()
        for count in counts:
            below[count.category.parent_id].append(count)
        roots = below[None]
        if root is not None:
            roots = [one for one in counts if root in (one.category.id, one.category.slug)]
            if not roots:
                raise CategoryNotFound
        return [_cut(_node(count, below), depth) for count in roots]

    async def product(self, actor: Actor | None, id: ProductId) -> ProductDetails:
        return _shown(await self.products.find(id), actor)

    async def product_by_sku(self, actor: Actor | None, sku: Sku) -> ProductDetails:
        return _shown(await self.products.by_sku(sku), actor)

    async def product_by_slug(self, actor: Actor | None, slug: Slug) -> ProductDetails:
        return _shown(await self.products.by_slug(slug), actor)

    async def list_products(
        self, actor: Actor | None, request: PageRequest, wanted: ProductFilter
    ) -> Page[ProductDetails]:
        """Active products; staff may ask for inactive and for deleted ones."""
        if wanted.deleted or wanted.is_active is False:
            known(actor).require(Permission.MANAGE_CATALOG)
        if wanted.is_active is None and not wanted.deleted:
            wanted = replace(wanted, is_active=True)
        return await self.products.page(request, wanted)

    async def list_products_in(
        self, actor: Actor | None, id: CategoryId, request: PageRequest, wanted: ProductFilter
    ) -> Page[ProductDetails]:
        """Those of a category that is there."""
        page = await self.list_products(actor, request, wanted)
        if not page.items:
            await self.category(id)
        return page

    async def list_movements(
        self, actor: Actor, id: ProductId, request: PageRequest
    ) -> Page[Movement]:
        """Every change of the stock of a product, which may be deleted."""
        actor.require(Permission.MANAGE_CATALOG)
        page = await self.products.movements(id, request)
        if not page.items and await self.products.find(id) is None:
            raise ProductNotFound
        return page


def _shown(product: ProductDetails | None, actor: Actor | None) -> ProductDetails:
    if product is None or product.deleted_at:
        raise ProductNotFound
    if not product.is_active and not (actor and actor.may(Permission.MANAGE_CATALOG)):
        raise ProductNotFound
    return product


def _node(
    count: CategoryCount, below: Mapping[UUID | None, Sequence[CategoryCount]]
) -> CategoryNode:
    children = [_node(child, below) for child in below.get(count.category.id, ())]
    total = count.product_count + sum(child.total_product_count for child in children)
    return CategoryNode(count.category, count.product_count, total, children)


def _cut(node: CategoryNode, depth: int | None) -> CategoryNode:
    if depth is None:
        return node
    children = [_cut(child, depth - 1) for child in node.children] if depth > 1 else []
    return replace(node, children=children)
