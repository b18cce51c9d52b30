"""Reads the lines that the shop sold, and says which of them are no goods and why."""

import csv
import gzip
import re
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Final, Self

COLUMNS: Final = (
    "InvoiceNo",
    "StockCode",
    "Description",
    "Quantity",
    "InvoiceDate",
    "UnitPrice",
    "CustomerID",
    "Country",
)
UNREADABLE: Final = "a number that cannot be read"

# What stands in the column of stock codes and lies on no shelf.
SERVICES: Final = {
    "POST": "postage",
    "DOT": "postage",
    "C2": "carriage",
    "M": "manual entry",
    "D": "discount",
    "S": "samples",
    "B": "bad debt",
    "CRUK": "commission",
    "AMAZONFEE": "marketplace fee",
    "BANK CHARGES": "bank charges",
}

_SKU = re.compile(r"[A-Z0-9-]{1,50}")
_INVOICE = re.compile(r"C?[0-9]+")
_CUSTOMER = re.compile(r"([0-9]+)(?:\.0)?")


class NotTheFile(Exception):
    """There is no such file, or it is something else than lines of sale."""


@dataclass(frozen=True, slots=True)
class Line:
    """
    One line of an invoice, as it stands in the file.

    `number` counts the lines after the heading from 1; `sku` is the stock code in upper case;
    `customer` is empty where the file names nobody.
    """

    number: int
    invoice: str
    sku: str
    description: str
    quantity: int
    price: Decimal
    customer: str

    @classmethod
    def of(cls, number: int, row: Mapping[str, str]) -> Self:
        """The line in a row of the file, or ValueError."""
        return cls(
            number=number,
            invoice=row["InvoiceNo"],
            sku=row["StockCode"].strip().upper(),
            description=row["Description"].strip(),
            quantity=int(row["Quantity"]),
            price=_price(row["UnitPrice"]),
            customer=_customer(row["CustomerID"]),
        )

    @property
    def is_return(self) -> bool:
        return self.invoice.startswith("C")

    @property
    def refusal(self) -> str | None:
        """Why this neither sells goods nor brings any back; None where it does."""
        if self.invoice.startswith("A"):
            return "adjustment of a debt"
        if not _INVOICE.fullmatch(self.invoice):
            return "an invoice number of no known kind"
        if self.sku in SERVICES:
            return f"no goods: {SERVICES[self.sku]}"
        if self.sku.startswith("GIFT_"):
            return "no goods: gift voucher"
        if not _SKU.fullmatch(self.sku):
            return "a code that no product can have"
        if self.price < 0:
            return "price below zero"
        if self.is_return:
            return None if self.quantity < 0 else "a return that brings nothing back"
        if self.quantity <= 0:
            return "quantity below zero, no return"
        if self.price == 0:
            return "price of zero"
        return None


@dataclass(frozen=True, slots=True)
class Reading:
    """All lines of the file in its order: those that can be read, and the numbers of the rest."""

    lines: list[Line]
    unreadable: list[int]

    @property
    def count(self) -> int:
        return len(self.lines) + len(self.unreadable)


def read(file: Path, *, days: int | None = None) -> Reading:
    """The lines of the file, or of the first `days` days on which something was sold."""
    rows = _rows(file)
    wanted = set(sorted({_day(row) for row in rows})[:days])
    reading = Reading([], [])
    for number, row in enumerate(rows, start=1):
        if _day(row) in wanted:
            try:
                reading.lines.append(Line.of(number, row))
            except (ValueError, InvalidOperation):
                reading.unreadable.append(number)
    return reading


def _rows(file: Path) -> list[dict[str, str]]:
    if not file.is_file():
        raise NotTheFile(f"{file} is missing")
    try:
        with gzip.open(file, "rt", encoding="utf-8", newline="") as text:
            table = csv.DictReader(text, restval="")
            if tuple(table.fieldnames or ()) != COLUMNS:
                raise NotTheFile(f"{file} has other columns than {', '.join(COLUMNS)}")
            return list(table)
    except gzip.BadGzipFile:
        raise NotTheFile(f"{file} is not gzipped") from None


def _day(row: Mapping[str, str]) -> str:
    return row["InvoiceDate"][:10]


def _price(text: str) -> Decimal:
    price = Decimal(text)
    if not price.is_finite():
        raise ValueError(f"{text} is no price")
    return price


def _customer(text: str) -> str:
    if not text:
        return ""
    match = _CUSTOMER.fullmatch(text)
    if match is None:
        raise ValueError(f"{text} is no customer")
    return match[1]
