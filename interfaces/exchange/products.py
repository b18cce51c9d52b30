import re
from collections.abc import Generator, Mapping
from decimal import Decimal
from functools import lru_cache, partial
from typing import Any, BinaryIO, Final

from application.catalog.exchange import CategoryPath, ProductRow, ProductValues, RefusedRow
from domain.catalog.product import (
    checked_description,
    checked_metadata,
    checked_name,
    checked_price,
    checked_stock,
    checked_tags,
    sku,
)
from domain.shared import text
from domain.shared.errors import InvalidValue
from domain.shared.money import CURRENCIES, Currency, Money
from domain.shared.text import Slug
from interfaces.exchange.categories import path
from interfaces.exchange.cells import split
from interfaces.exchange.members import of_pairs, of_text, of_texts, of_truth, of_whole
from interfaces.exchange.objects import fault, objects
from interfaces.exchange.rows import Format, rows
from interfaces.exchange.table import table
from interfaces.http.problems import Problem
from interfaces.http.strict_json import decoded

COLUMNS: Final = (
    "sku",
    "name",
    "price",
    "currency",
    "stock",
    "slug",
    "description",
    "category",
    "tags",
    "is_active",
    "metadata",
)
MEMBERS: Final = tuple(name for name in COLUMNS if name != "currency")
REQUIRED: Final = ("sku", "name", "price")

_WHOLE = re.compile(r"[0-9]{1,10}")
_TRUTH: Final = {"true": True, "false": False}


def product_rows(
    file: BinaryIO, format: Format, *, currency: Currency
) -> Generator[ProductRow | RefusedRow, None, None]:
    """
    The rows of a file, each a product by its sku, or why they are none.

    A price in a CSV file that names no currency is in the one given. Raises UnusableFile, with the
    first row, for a CSV file whose columns are not those of products.
    """
    by_sku = partial(rows, field="sku", key=lambda row: row.sku)
    if format is Format.CSV:
        read = partial(_of_cells, currency=currency)
        return by_sku(table(file, known=COLUMNS, required=REQUIRED), read)
    return by_sku(objects(file, known=MEMBERS, required=REQUIRED), _of_members)


def _of_cells(number: int, cells: Mapping[str, str], *, currency: Currency) -> ProductRow:
    """An empty cell is an empty value where there is such a one, and else as if it were absent."""
    its_sku = sku(cells["sku"])
    values: ProductValues = {"name": checked_name(cells["name"])}
    if code := cells.get("currency"):
        currency = Currency.of(code)
    values["price"] = checked_price(Money.parse(cells["price"], currency, field="price"))
    if stock := cells.get("stock"):
        values["stock"] = checked_stock(_whole(stock))
    if slug := cells.get("slug"):
        values["slug"] = text.slug(slug)
    if (description := cells.get("description")) is not None:
        values["description"] = checked_description(description)
    if (category := cells.get("category")) is not None:
        values["category"] = _path(category) if category else ()
    if (tags := cells.get("tags")) is not None:
        values["tags"] = _tags(tuple(tags.split(" ")) if tags else ())
    if is_active := cells.get("is_active"):
        values["is_active"] = of_truth("is_active", _TRUTH.get(is_active.lower()))
    if (metadata := cells.get("metadata")) is not None:
        values["metadata"] = checked_metadata(_object(metadata) if metadata else {})
    return ProductRow(number, its_sku, values)


def _of_members(number: int, members: Mapping[str, Any]) -> ProductRow:
    its_sku = sku(of_text("sku", members["sku"]))
    values: ProductValues = {
        "name": checked_name(of_text("name", members["name"])),
        "price": checked_price(_money(members["price"])),
    }
    if "stock" in members:
        values["stock"] = checked_stock(of_whole("stock", members["stock"]))
    if "slug" in members:
        values["slug"] = text.slug(of_text("slug", members["slug"]))
    if "description" in members:
        values["description"] = checked_description(of_text("description", members["description"]))
    if "category" in members:
        category = members["category"]
        values["category"] = (
            () if category is None else path("category", of_texts("category", category))
        )
    if "tags" in members:
        values["tags"] = _tags(tuple(of_texts("tags", members["tags"])))
    if "is_active" in members:
        values["is_active"] = of_truth("is_active", members["is_active"])
    if "metadata" in members:
        values["metadata"] = checked_metadata(of_pairs("metadata", members["metadata"]))
    return ProductRow(number, its_sku, values)


@lru_cache(maxsize=1_000)
def _path(cell: str) -> CategoryPath:
    """Found again, not cut again, for many rows have the same."""
    return path("category", split("category", cell))


def _whole(cell: str) -> int:
    if not _WHOLE.fullmatch(cell):
        raise InvalidValue("stock", "is no whole number")
    return int(cell)


def _object(cell: str) -> dict[str, str]:
    try:
        return of_pairs("metadata", decoded(cell.encode()))
    except Problem as problem:
        raise InvalidValue("metadata", fault(problem)[1]) from None


def _money(value: Any) -> Money:
    match value:
        case {"amount": str() | int() | Decimal() as amount, "currency": str(code)} if len(
            value
        ) == 2 and not isinstance(amount, bool):
            if code not in CURRENCIES:
                raise InvalidValue("price", "is in no active currency of ISO 4217")
            return Money.parse(amount, CURRENCIES[code], field="price")
    raise InvalidValue("price", "is no object of an amount and a currency")


@lru_cache(maxsize=1_000)
def _tags(slugs: tuple[str, ...]) -> tuple[Slug, ...]:
    return checked_tags(text.slug(slug, field="tags") for slug in slugs)
