from typing import Final

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    ForeignKey,
    Index,
    Integer,
    Table,
    UniqueConstraint,
)
from sqlalchemy.orm import composite

from domain.catalog.category import (
    CATEGORY_NAME_LENGTH,
    DESCRIPTION_LENGTH,
    Category,
    CategoryNameTaken,
    CategorySlugTaken,
)
from domain.catalog.product import (
    DEAREST,
    LARGEST_STOCK,
    PRODUCT_NAME_LENGTH,
    SKU_LENGTH,
    Product,
    ProductSlugTaken,
    SkuTaken,
)
from domain.shared.money import Money
from domain.shared.text import SLUG_LENGTH
from infrastructure.sql.schema import (
    CurrencyCode,
    Json,
    UtcDateTime,
    aggregate_columns,
    mappers,
    metadata,
    text,
)

categories = Table(
    "categories",
    metadata,
    *aggregate_columns(),
    Column("name", text(CATEGORY_NAME_LENGTH), nullable=False),
    Column("slug", text(SLUG_LENGTH), nullable=False),
    Column("description", text(DESCRIPTION_LENGTH), nullable=False),
    Column("parent_id", ForeignKey("categories.id")),
    Column("created_at", UtcDateTime, nullable=False),
    Column("updated_at", UtcDateTime, nullable=False),
    UniqueConstraint("slug"),
    CheckConstraint("parent_id <> id", name="not_its_own_parent"),
)
# Two indexes, because no two NULLs are equal to a unique one.
Index(
    "uq_categories_parent_id_name",
    categories.c.parent_id,
    categories.c.name,
    unique=True,
    sqlite_where=categories.c.parent_id.is_not(None),
    postgresql_where=categories.c.parent_id.is_not(None),
)
Index(
    "uq_categories_root_name",
    categories.c.name,
    unique=True,
    sqlite_where=categories.c.parent_id.is_(None),
    postgresql_where=categories.c.parent_id.is_(None),
)

products = Table(
    "products",
    metadata,
    *aggregate_columns(),
    Column("sku", text(SKU_LENGTH), nullable=False),
    Column("slug", text(SLUG_LENGTH), nullable=False),
    Column("name", text(PRODUCT_NAME_LENGTH), nullable=False),
    Column("description", text(DESCRIPTION_LENGTH), nullable=False),
    Column("price_minor", BigInteger, nullable=False),
    Column("price_currency", CurrencyCode, nullable=False),
    Column("stock", Integer, nullable=False),
    Column("is_active", Boolean, nullable=False),
    Column("category_id", ForeignKey("categories.id"), index=True),
    Column("metadata", Json, nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    Column("updated_at", UtcDateTime, nullable=False),
    Column("deleted_at", UtcDateTime),
    CheckConstraint(f"stock BETWEEN 0 AND {LARGEST_STOCK}", name="stock_in_range"),
    CheckConstraint(f"price_minor BETWEEN 0 AND {DEAREST}", name="price_in_range"),
)
for column in (products.c.sku, products.c.slug):
    Index(
        f"uq_products_{column.name}",
        column,
        unique=True,
        sqlite_where=products.c.deleted_at.is_(None),
        postgresql_where=products.c.deleted_at.is_(None),
    )

VIOLATIONS: Final = {
    "uq_categories_slug": CategorySlugTaken,
    "uq_categories_parent_id_name": CategoryNameTaken,
    "uq_categories_root_name": CategoryNameTaken,
    "uq_products_sku": SkuTaken,
    "uq_products_slug": ProductSlugTaken,
}


def map_catalog() -> None:
    mappers.map_imperatively(Category, categories, version_id_col=categories.c.version)
    mappers.map_imperatively(
        Product,
        products,
        version_id_col=products.c.version,
        properties={
            "_price_minor": products.c.price_minor,
            "_price_currency": products.c.price_currency,
            "price": composite(Money, "_price_minor", "_price_currency"),
        },
    )
