from collections import Counter
from datetime import datetime
from typing import Final
from uuid import UUID

from application.auditing import checks
from domain.catalog.category import DEEPEST, Category
from domain.catalog.product import Product
from infrastructure.memory.auditing.rules import Offenders, Rule
from infrastructure.memory.database import MemoryDatabase


def _stock(database: MemoryDatabase, _: datetime) -> Offenders:
    moved = Counter[UUID]()
    for movement in database.movements:
        moved[movement.product_id] += movement.change
    for product in database.all(Product):
        if product.stock != moved[product.id]:
            yield checks.STOCK.finding(product.id, stock=product.stock, moved=moved[product.id])


def _shortage(database: MemoryDatabase, _: datetime) -> Offenders:
    for product in database.all(Product):
        if product.stock < 0:
            yield checks.SHORTAGE.finding(product.id, stock=product.stock)


def _categories(database: MemoryDatabase, _: datetime) -> Offenders:
    for category in database.all(Category):
        above: Category | None = category
        for _depth in range(DEEPEST):
            above = database.get(Category, above.parent_id) if above else None
        if above:
            yield checks.CATEGORIES.finding(category.id)


RULES: Final = (
    Rule(checks.STOCK, lambda database: database.rows[Product], _stock),
    Rule(checks.SHORTAGE, lambda database: database.rows[Product], _shortage),
    Rule(checks.CATEGORIES, lambda database: database.rows[Category], _categories),
)
