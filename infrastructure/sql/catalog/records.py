"""What the queries of the catalog select, and the records that their rows become."""

from typing import Any, Final

from sqlalchemy import Select, select

from application.catalog.queries import (
    CategoryDetails,
    CategoryName,
    Movement,
    ProductDetails,
)
from domain.shared.money import Money
from infrastructure.sql.catalog.mapping import categories, products
from infrastructure.sql.pages import AnyRow

CATEGORIES: Final = select(*(column for column in categories.c if column.name != "sequence"))


def product_details() -> Select[Any]:
    return select(
        *(column for column in products.c if column.name != "sequence"),
        categories.c.name.label("category_name"),
        categories.c.slug.label("category_slug"),
    ).outerjoin_from(products, categories, products.c.category_id == categories.c.id)


def category(row: AnyRow) -> CategoryDetails:
    return CategoryDetails(
        id=row.id,
        name=row.name,
        slug=row.slug,
        description=row.description,
        parent_id=row.parent_id,
        created_at=row.created_at,
        updated_at=row.updated_at,
        version=row.version,
    )


def product(row: AnyRow) -> ProductDetails:
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
        tags=row.tags,
        metadata=row.metadata,
        created_at=row.created_at,
        updated_at=row.updated_at,
        deleted_at=row.deleted_at,
        version=row.version,
    )


def movement(row: AnyRow) -> Movement:
    return Movement(**row._mapping)
