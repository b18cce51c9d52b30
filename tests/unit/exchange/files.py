"""Files to read, and what was read of them."""

import json
from collections.abc import Iterable
from io import BytesIO
from typing import Any, Final

from application.catalog.exchange import CategoryRow, ProductRow, RefusedRow
from domain.shared.errors import DomainError
from domain.shared.money import Currency
from interfaces.exchange.categories import category_rows
from interfaces.exchange.products import product_rows
from interfaces.exchange.rows import Format

USD: Final = Currency.of("USD")
MUG: Final = {"sku": "MUG", "name": "Mug", "price": "7.99"}

Row = ProductRow | CategoryRow | RefusedRow


def products_of(file: bytes, format: Format) -> list[ProductRow | RefusedRow]:
    return [*product_rows(BytesIO(file), format, currency=USD)]


def table_of(*lines: str, header: str = "sku,name,price", end: str = "\r\n") -> bytes:
    return "".join(f"{line}{end}" for line in (header, *lines)).encode()


def of_csv(*lines: str, header: str = "sku,name,price") -> list[ProductRow | RefusedRow]:
    return products_of(table_of(*lines, header=header), Format.CSV)


def of_cells(**cells: str) -> ProductRow | RefusedRow:
    """The row of a product with these cells, and valid ones where they are required."""
    mug = MUG | cells
    quoted = (f'"{cell}"' for cell in (cell.replace('"', '""') for cell in mug.values()))
    [row] = of_csv(",".join(quoted), header=",".join(mug))
    return row


def lines_of(*members: Any) -> bytes:
    return "".join(f"{json.dumps(object)}\n" for object in members).encode()


def a_mug(**members: Any) -> dict[str, Any]:
    """The members of a product, valid but for those that are given."""
    return {**MUG, "price": {"amount": "7.99", "currency": "USD"}, **members}


def of_members(**members: Any) -> ProductRow | RefusedRow:
    [row] = products_of(lines_of(a_mug(**members)), Format.NDJSON)
    return row


def of_json(file: bytes) -> ProductRow | RefusedRow:
    [row] = products_of(file, Format.NDJSON)
    return row


def categories_of(file: bytes) -> list[CategoryRow | RefusedRow]:
    return [*category_rows(BytesIO(file))]


def accepted(row: Row) -> ProductRow:
    assert isinstance(row, ProductRow), row
    return row


def refusal_of(row: Row) -> DomainError:
    assert isinstance(row, RefusedRow), row
    return row.refusal


def blamed(row: Row) -> str:
    """The field that a row was refused for."""
    field: str = refusal_of(row).details["field"]
    return field


def fate(rows: Iterable[Row]) -> list[tuple[int, str]]:
    """What became of each row: its sku or name where it was taken, or why it was not."""

    def told(row: Row) -> str:
        match row:
            case ProductRow(sku=sku):
                return sku
            case CategoryRow(path=path):
                return "/".join(path)
        return str(refusal_of(row))

    return [(row.number, told(row)) for row in rows]
