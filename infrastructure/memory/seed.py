from datetime import UTC, datetime
from typing import Final
from uuid import UUID

from domain.catalog.category import Category
from domain.shared.text import Slug
from infrastructure.event_log import Journal
from infrastructure.memory.database import MemoryDatabase
from infrastructure.memory.unit_of_work import open_shop

# The rows that the migrations give a new database, to the id.
_SEEDED_AT: Final = datetime(2026, 11, 1, tzinfo=UTC)
_CATEGORIES: Final = (
    ("01a19467-e800-7000-8000-000000000001", "Electronics", "electronics"),
    ("01a19467-e800-7000-8000-000000000002", "Clothing", "clothing"),
    ("01a19467-e800-7000-8000-000000000003", "Books", "books"),
    ("01a19467-e800-7000-8000-000000000004", "Home & Garden", "home-garden"),
)


def open_seeded_shop() -> MemoryDatabase:
    """A new shop with its four default categories."""
    shop = open_shop()
    seeds = [
        Category(
            id=UUID(id),
            version=1,
            name=name,
            slug=Slug(slug),
            description="",
            parent_id=None,
            created_at=_SEEDED_AT,
            updated_at=_SEEDED_AT,
        )
        for id, name, slug in _CATEGORIES
    ]
    shop.apply({(Category, seed.id): seed for seed in seeds}, (), {}, Journal())
    return shop
