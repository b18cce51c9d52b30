from sqlalchemy import bindparam, select
from sqlalchemy.ext.asyncio import AsyncEngine

from application.catalog.queries import (
    CategoryDetails,
    CategoryName,
    ProductDetails,
    ProductFilter,
)
from application.shared.pages import Page, PageRequest
from domain.catalog.category import CategoryId
from domain.catalog.product import ProductId
from domain.shared.money import Money
from infrastructure.sql.catalog.mapping import categories, products
from infrastructure.sql.pages import AnyRow, page

_CATEGORIES = select(*(column for column in categories.c if column.name != "sequence"))
_CATEGORY = _CATEGORIES.where(categories.c.id == bindparam("id"))
_CATEGORY_SORTS = {"name": categories.c.name, "created_at": categories.c.created_at}

_PRODUCTS = select(
    *(column for column in products.c if column.name != "sequence"),
    categories.c.name.label("category_name"),
    categories.c.slug.label("category_slug"),
).outerjoin_from(products, categories, products.c.category_id == categories.c.id)
_PRODUCT = _PRODUCTS.where(products.c.id == bindparam("id"))
_PRODUCT_SORTS = {
    "name": products.c.name,
    "price": products.c.price_minor,
    "created_at": products.c.created_at,
    "updated_at": products.c.updated_at,
    "stock": products.c.stock,
}


class SqlCategoryQueries:
    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def find(self, id: CategoryId) -> CategoryDetails | None:
        async with self._engine.connect() as connection:
            row = (await connection.execute(_CATEGORY, {"id": id})).one_or_none()
        return _category(row) if row else None

    async def page(self, request: PageRequest) -> Page[CategoryDetails]:
        return await page(
            self._engine,
            _CATEGORIES,
            request,
            sorts=_CATEGORY_SORTS,
            id=categories.c.id,
            record=_category,
        )


class SqlProductQueries:
    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def find(self, id: ProductId) -> ProductDetails | None:
        async with self._engine.connect() as connection:
            row = (await connection.execute(_PRODUCT, {"id": id})).one_or_none()
        return _product(row) if row else None

    async def page(self, request: PageRequest, wanted: ProductFilter) -> Page[ProductDetails]:
        deleted = products.c.deleted_at
        statement = _PRODUCTS.where(deleted.is_not(None) if wanted.deleted else deleted.is_(None))
        if wanted.skus:
            statement = statement.where(products.c.sku.in_(wanted.skus))
        if wanted.is_active is not None:
            statement = statement.where(products.c.is_active.is_(wanted.is_active))
        return await page(
            self._engine,
            statement,
            request,
            sorts=_PRODUCT_SORTS,
            id=products.c.id,
            record=_product,
        )


def _category(row: AnyRow) -> CategoryDetails:
    return CategoryDetails(**row._mapping)


def _product(row: AnyRow) -> ProductDetails:
    return ProductDetails(
        id=row.id,
        sku=row.sku,
        slug=row.slug,
        name=row.name,
        description=row.description,
        price=Money(row.price_minor, row.price_currency),
        stock=row.stock,
        is_active=row.is_active,
        category_id=row.category_id,
        category=(
            CategoryName(row.category_id, row.category_name, row.category_slug)
            if row.category_id
            else None
        ),
        metadata=row.metadata,
        created_at=row.created_at,
        updated_at=row.updated_at,
        deleted_at=row.deleted_at,
        version=row.version,
    )
