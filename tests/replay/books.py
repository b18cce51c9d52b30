"""
Does it add up? What the file says, summed up without regard to the plan, against what the service
says, read back from it.
"""

import csv
import gzip
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Final

from tests.replay.run import CANCELLED, PLACED, Account, Shelves
from tests.replay.shop import Order

# The goods of this shop: five digits and perhaps letters, or the ranges with names of their own.
_GOODS: Final = re.compile(r"[0-9]{5}[A-Z]{0,2}|DCGS[A-Z0-9]+|PADS")
_QUANTITY: Final = re.compile(r"-?[0-9]+")
_PRICE: Final = re.compile(r"[0-9]+(\.[0-9]+)?")
_CUSTOMER: Final = re.compile(r"([0-9]+(\.0)?)?")


@dataclass(frozen=True, slots=True)
class Counted:
    """A line that counts: goods sold or, where `quantity` is negative, brought back."""

    line: int
    invoice: str
    customer: str
    sku: str
    quantity: int
    price: Decimal


@dataclass(frozen=True, slots=True)
class Ledger:
    """
    What the file says under the rules of the replay: the lines of each sale invoice, and for the
    sales that were undone the lines that did it.
    """

    lines: int
    sales: dict[str, list[Counted]]
    undone: dict[str, list[Counted]]

    @property
    def counted(self) -> list[Counted]:
        return [line for lines in (*self.sales.values(), *self.undone.values()) for line in lines]

    @property
    def sold(self) -> Counter[str]:
        """The units of each product that stay sold."""
        return _units(self.counted)

    @property
    def revenue(self) -> Decimal:
        return sum((line.quantity * line.price for line in self.counted), Decimal())

    @property
    def prices(self) -> dict[str, Decimal]:
        """By the price rule: the most frequent one at which it was sold, of several the lowest."""
        seen: dict[str, list[Decimal]] = defaultdict(list)
        for lines in self.sales.values():
            for line in lines:
                seen[line.sku].append(line.price)
        return {
            sku: round(Decimal(min(prices, key=lambda price: (-prices.count(price), price))), 2)
            for sku, prices in seen.items()
        }


@dataclass(frozen=True, slots=True)
class Difference:
    """What a line brings at the price of the product less what it brought in the file."""

    of: Counted
    price: Decimal

    @property
    def amount(self) -> Decimal:
        return self.of.quantity * (self.price - self.of.price)


@dataclass(frozen=True, slots=True)
class Books:
    """The file beside the service; everything adds up where `mistakes` is empty."""

    ledger: Ledger
    sold: Counter[str]
    revenue: Decimal
    differences: list[Difference]
    mistakes: list[str]

    @property
    def gap(self) -> Decimal:
        return self.revenue - self.ledger.revenue

    @property
    def explained(self) -> Decimal:
        return sum((difference.amount for difference in self.differences), Decimal())


def ledger_of(file: Path, *, days: int | None = None) -> Ledger:
    with gzip.open(file, "rt", encoding="utf-8", newline="") as text:
        rows = [(row + [""] * 8)[:8] for row in csv.reader(text) if row][1:]
    dates = sorted({row[4].split(" ")[0] for row in rows})[:days]
    goods: dict[str, list[Counted]] = {}
    lines = 0
    for number, row in enumerate(rows, start=1):
        if row[4].split(" ")[0] in dates:
            lines += 1
            if (line := _counted(number, row)) is not None:
                goods.setdefault(line.invoice, []).append(line)
    sales = {invoice: lines for invoice, lines in goods.items() if invoice.isdigit()}
    return Ledger(lines, sales, _undone(goods))


def _counted(number: int, row: list[str]) -> Counted | None:
    invoice, code, _, quantity, _, price, customer, _ = row
    fields = (_GOODS, code.upper()), (_QUANTITY, quantity), (_PRICE, price), (_CUSTOMER, customer)
    if not all(form.fullmatch(text) for form, text in fields):
        return None
    line = Counted(
        line=number,
        invoice=invoice,
        customer=customer.removesuffix(".0"),
        sku=code.upper(),
        quantity=int(quantity),
        price=Decimal(price),
    )
    is_sale = invoice.isdigit() and line.quantity > 0 and line.price > 0
    is_return = invoice[0] == "C" and invoice[1:].isdigit() and line.quantity < 0
    return line if is_sale or is_return else None


def _undone(goods: Mapping[str, list[Counted]]) -> dict[str, list[Counted]]:
    """Of each sale that was undone as a whole, the lines of the later invoice that undid it."""
    standing: dict[tuple[str, frozenset[tuple[str, int]]], list[str]] = defaultdict(list)
    undone = {}
    for invoice, lines in goods.items():
        units = _units(lines)
        customer = lines[0].customer
        if invoice.isdigit():
            standing[customer, frozenset(units.items())].append(invoice)
        else:
            bought = frozenset((sku, -quantity) for sku, quantity in units.items())
            if customer and standing[customer, bought]:
                undone[standing[customer, bought].pop()] = lines
    return undone


def _units(lines: Iterable[Counted]) -> Counter[str]:
    units: Counter[str] = Counter()
    for line in lines:
        units[line.sku] += line.quantity
    return units


def compare(
    ledger: Ledger, account: Account, shelves: Shelves, *, made: Mapping[str, int]
) -> Books:
    """`made` is the stock that each product was made with."""
    sold: Counter[str] = Counter()
    standing = [order for order in shelves.orders if order.status != "cancelled"]
    for order in standing:
        sold.update(order.units)
    revenue = sum((order.total for order in standing), Decimal())
    prices = {product.sku: product.price for product in shelves.products}
    differences = [
        Difference(line, prices[line.sku])
        for line in ledger.counted
        if prices.get(line.sku, line.price) != line.price
    ]
    mistakes = [
        *_of_lines(ledger, account),
        *_of_orders(account, shelves),
        *_of_invoices(ledger, account, shelves),
        *_of_products(ledger, shelves, made, sold),
    ]
    books = Books(ledger, sold, revenue, differences, mistakes)
    if books.gap != books.explained:
        books.mistakes.append(
            f"revenue is off by {books.gap}, and the price rule explains {books.explained}"
        )
    return books


def _of_lines(ledger: Ledger, account: Account) -> Iterator[str]:
    if len(account.outcome) != ledger.lines:
        yield f"{ledger.lines} lines in the file, and {len(account.outcome)} accounted for"
    for outcome, invoices in ((PLACED, ledger.sales), (CANCELLED, ledger.undone)):
        expected = {line.line for lines in invoices.values() for line in lines}
        actual = {line for line, became in account.outcome.items() if became == outcome}
        for line in sorted(expected - actual):
            yield f"line {line} should be {outcome}, and is {account.outcome.get(line, 'lost')}"
        for line in sorted(actual - expected):
            yield f"line {line} is {outcome}, and should not be"


def _of_orders(account: Account, shelves: Shelves) -> Iterator[str]:
    acknowledged = Counter(order for orders in account.order_ids.values() for order in orders)
    listed = Counter(shelves.listed)
    for order_id in sorted(acknowledged - listed):
        yield f"order {order_id} was acknowledged and is in no list"
    for order_id in sorted(listed - acknowledged):
        yield f"order {order_id} is in the list, and was not acknowledged so often"
    for order in shelves.orders:
        if order.total != order.sum_of_lines:
            yield f"order {order.id} says {order.total}, and its lines say {order.sum_of_lines}"


def _of_invoices(ledger: Ledger, account: Account, shelves: Shelves) -> Iterator[str]:
    """Each sale stands, or is cancelled, for its own customer with its own goods."""
    orders: dict[str, list[Order]] = defaultdict(list)
    for order in shelves.orders:
        orders[order.invoice].append(order)
    for invoice in sorted(ledger.sales.keys() | orders.keys()):
        lines = ledger.sales.get(invoice, [])
        held: Counter[str] = Counter()
        for order in orders[invoice]:
            held.update(order.units)
        if held != _units(lines):
            yield f"invoice {invoice} holds other goods than in the file"
        customers = {account.customer_ids.get(line.customer) for line in lines}
        if {order.customer_id for order in orders[invoice]} != customers:
            yield f"invoice {invoice} belongs to another customer than in the file"
        status = "cancelled" if invoice in ledger.undone else "pending"
        if any(order.status != status for order in orders[invoice]):
            yield f"invoice {invoice} is not {status}"


def _of_products(
    ledger: Ledger, shelves: Shelves, made: Mapping[str, int], sold: Counter[str]
) -> Iterator[str]:
    prices = ledger.prices
    listed = Counter(product.sku for product in shelves.products)
    for sku in sorted(made.keys() | prices.keys() | listed.keys()):
        if listed[sku] != 1:
            yield f"product {sku} is listed {listed[sku]} times"
    in_file = ledger.sold
    for product in shelves.products:
        sku = product.sku
        if sold[sku] != in_file[sku]:
            yield f"of {sku} {sold[sku]} are sold, and {in_file[sku]} in the file"
        if product.stock + sold[sku] != made.get(sku):
            yield (
                f"of {sku} {made.get(sku)} were there, {sold[sku]} are sold,"
                f" and {product.stock} are left"
            )
        if product.price != prices.get(sku):
            yield f"{sku} costs {product.price}, and {prices.get(sku)} by the price rule"
