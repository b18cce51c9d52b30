from collections.abc import Sequence
from typing import Final

from sqlalchemy import bindparam, func, select
from sqlalchemy.ext.asyncio import AsyncEngine

from application.catalog.exchange import ExportedProduct
from application.catalog.queries import (
    CategoryCount,
    CategoryDetails,
    Movement,
    ProductDetails,
    ProductFilter,
)
from application.shared.pages import Page, PageRequest
from domain.catalog.category import CategoryId
from domain.catalog.product import ProductId, Sku
from domain.shared.money import Money
from domain.shared.text import Slug
from infrastructure.sql.catalog import records
from infrastructure.sql.catalog.listing import product_page
from infrastructure.sql.catalog.mapping import (
    categories,
    products,
    stock_movements,
)
from infrastructure.sql.catalog.paths import paths
from infrastructure.sql.pages import page
from infrastructure.sql.reading import Query, Reader

_LIVE: Final = products.c.deleted_at.is_(None)

_CATEGORY = records.CATEGORIES.where(categories.c.id == bindparam("id"))
_CATEGORY_SORTS = {"name": categories.c.name, "created_at": categories.c.created_at}
# One by one, for each has them together in an index.
_ON_SALE = (
    select(func.count())
    .select_from(products)
    .where(products.c.category_id == categories.c.id, _LIVE, products.c.is_active)
    .correlate(categories)
    .scalar_subquery()
)
_TREE = records.CATEGORIES.add_columns(_ON_SALE.label("product_count")).order_by(
    categories.c.name, categories.c.id
)

_PRODUCT = Query(records.product_details().where(products.c.id == bindparam("id")))
_BY_SKU = Query(records.product_details().where(_LIVE, products.c.sku == bindparam("sku")))
_BY_SLUG = Query(records.product_details().where(_LIVE, products.c.slug == bindparam("slug")))
_MOVEMENT_SORTS = {"at": stock_movements.c.at}
_EXPORT = select(products).where(_LIVE).order_by(products.c.sku)


class SqlCategoryQueries:
    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def find(self, id: CategoryId) -> CategoryDetails | None:
        async with self._engine.connect() as connection:
            row = (await connection.execute(_CATEGORY, {"id": id})).one_or_none()
        return records.category(row) if row else None

    async def page(self, request: PageRequest) -> Page[CategoryDetails]:
        return await page(
            self._engine,
            records.CATEGORIES,
            request,
            sorts=_CATEGORY_SORTS,
            id=categories.c.id,
            record=records.category,
        )

    async def tree(self) -> Sequence[CategoryCount]:
        async with self._engine.connect() as connection:
            rows = (await connection.execute(_TREE)).all()
        return [CategoryCount(records.category(row), row.product_count) for row in rows]


class SqlProductQueries:
    def __init__(self, engine: AsyncEngine, reader: Reader) -> None:
        self._engine = engine
        self._reader = reader

    async def find(self, id: ProductId) -> ProductDetails | None:
        return await self._one(_PRODUCT, id=id)

    async def by_sku(self, sku: Sku) -> ProductDetails | None:
        return await self._one(_BY_SKU, sku=sku)

    async def by_slug(self, slug: Slug) -> ProductDetails | None:
        return await self._one(_BY_SLUG, slug=slug)

    async def page(self, request: PageRequest, wanted: ProductFilter) -> Page[ProductDetails]:
        return await product_page(self._reader, request, wanted)

    async def movements(self, id: ProductId, request: PageRequest) -> Page[Movement]:
        return await page(
            self._engine,
            select(stock_movements).where(stock_movements.c.product_id == id),
            request,
            sorts=_MOVEMENT_SORTS,
            id=stock_movements.c.id,
            record=records.movement,
        )

    async def export(self, after: Sku | None, limit: int) -> Sequence[ExportedProduct]:
        following = _EXPORT if after is None else _EXPORT.where(products.c.sku > after)
        tree = select(categories.c.id, categories.c.parent_id, categories.c.name)
        async with self._engine.connect() as connection:
            shelves = paths((await connection.execute(tree)).all())
            rows = (await connection.execute(following.limit(limit))).all()
        return [
            ExportedProduct(
                sku=row.sku,
                name=row.name,
                price=Money(row.price_minor, row.price_currency),
                stock=row.stock,
                slug=row.slug,
                description=row.description,
                category=shelves.get(row.category_id, ()),
                tags=row.tags,
                is_active=row.is_active,
                metadata=row.metadata,
            )
            for row in rows
        ]

    async def _one(self, query: Query, **which: object) -> ProductDetails | None:
        rows = await self._reader.rows(query, **which)
        return records.product(rows[0]) if rows else None
