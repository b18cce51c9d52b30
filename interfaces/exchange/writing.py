import csv
import json
from collections.abc import Iterable, Mapping
from io import StringIO
from typing import Any

from application.catalog.exchange import ExportedProduct
from interfaces.exchange.cells import guarded, joined
from interfaces.exchange.products import COLUMNS
from interfaces.exchange.rows import Format


def header(format: Format) -> bytes:
    """What stands before the first record."""
    return _record(COLUMNS) if format is Format.CSV else b""


def written(product: ExportedProduct, format: Format) -> bytes:
    """One record, with its line end."""
    return _record(_cells(product)) if format is Format.CSV else _object(product)


def _record(cells: Iterable[str]) -> bytes:
    """As RFC 4180 has it: quoted where need be, and ended by CRLF."""
    record = StringIO()
    csv.writer(record).writerow([guarded(cell) for cell in cells])
    return record.getvalue().encode()


def _cells(product: ExportedProduct) -> Iterable[str]:
    """In the order of COLUMNS."""
    return (
        product.sku,
        product.name,
        product.price.amount,
        product.price.currency.code,
        str(product.stock),
        product.slug,
        product.description,
        joined(product.category),
        " ".join(product.tags),
        "true" if product.is_active else "false",
        _json(_sorted(product.metadata)),
    )


def _object(product: ExportedProduct) -> bytes:
    members = {
        "sku": product.sku,
        "name": product.name,
        "price": {"amount": product.price.amount, "currency": product.price.currency.code},
        "stock": product.stock,
        "slug": product.slug,
        "description": product.description,
        "category": product.category or None,
        "tags": product.tags,
        "is_active": product.is_active,
        "metadata": _sorted(product.metadata),
    }
    return f"{_json(members)}\n".encode()


def _sorted(pairs: Mapping[str, str]) -> dict[str, str]:
    """In one order, for not every database keeps that in which they came."""
    return dict(sorted(pairs.items()))


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
