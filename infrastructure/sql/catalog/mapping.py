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
    Uuid,
    true,
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
from domain.catalog.stock import REASON_LENGTH, Cause
from domain.catalog.tag import TAG_NAME_LENGTH, Tag, TagSlugTaken
from domain.shared.money import Money
from domain.shared.text import SLUG_LENGTH
from infrastructure.sql.schema import (
    VIOLATIONS,
    CurrencyCode,
    EnumText,
    Json,
    SlugList,
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
    # The default is for those who know of no tags yet while an upgrade goes on.
    Column("tags", SlugList, nullable=False, server_default="[]"),
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

# Every list of the API is read along an index in its order, whatever else it is filtered by.
for column in (
    products.c.name,
    products.c.price_minor,
    products.c.created_at,
    products.c.updated_at,
    products.c.stock,
):
    for columns, name, condition in (
        ((products.c.is_active, column, products.c.id), None, products.c.deleted_at.is_(None)),
        (
            (products.c.category_id, products.c.is_active, column, products.c.id),
            None,
            products.c.deleted_at.is_(None),
        ),
        (
            (column, products.c.id),
            f"ix_products_deleted_{column.name}",
            products.c.deleted_at.is_not(None),
        ),
    ):
        Index(name, *columns, sqlite_where=condition, postgresql_where=condition)

tags = Table(
    "tags",
    metadata,
    *aggregate_columns(),
    Column("name", text(TAG_NAME_LENGTH), nullable=False),
    Column("slug", text(SLUG_LENGTH), nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    UniqueConstraint("slug"),
    Index(None, "name", "id"),
)

ON_SALE: Final = products.c.deleted_at.is_(None) & products.c.is_active

# What a product has in its column `tags`, to find it by. The column is what is read.
product_tags = Table(
    "product_tags",
    metadata,
    Column("slug", ForeignKey("tags.slug"), primary_key=True),
    Column("product_id", ForeignKey("products.id"), primary_key=True, index=True),
    # To count by. The default is for those who know of none yet while an upgrade goes on.
    Column("on_sale", Boolean, nullable=False, server_default=true()),
    Index(None, "slug", "on_sale"),
)

stock_movements = Table(
    "stock_movements",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("product_id", ForeignKey("products.id"), nullable=False),
    Column("change", Integer, nullable=False),
    Column("stock_after", Integer, nullable=False),
    Column("cause", EnumText(Cause), nullable=False),
    Column("actor_id", Uuid, nullable=False),
    Column("reason", text(REASON_LENGTH)),
    Column("order_id", Uuid),
    Column("at", UtcDateTime, nullable=False),
    Index(None, "product_id", "at", "id"),
    CheckConstraint("change <> 0", name="something_moved"),
    CheckConstraint(f"stock_after BETWEEN 0 AND {LARGEST_STOCK}", name="stock_in_range"),
)

VIOLATIONS.update(
    {
        "uq_tags_slug": TagSlugTaken,
        "uq_categories_slug": CategorySlugTaken,
        "uq_categories_parent_id_name": CategoryNameTaken,
        "uq_categories_root_name": CategoryNameTaken,
        "uq_products_sku": SkuTaken,
        "uq_products_slug": ProductSlugTaken,
    }
)


def map_catalog() -> None:
    mappers.map_imperatively(Category, categories, version_id_col=categories.c.version)
    mappers.map_imperatively(Tag, tags, version_id_col=tags.c.version)
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
