"""What the file of sales comes to, summed up without regard to the plan."""

import csv
import gzip
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Final, TypeAlias

from tests.replay.terms import LINES_OF_AN_ORDER, credit_in, is_paid_before_undone

# An order by the invoice of its sale, and by which of the orders of that sale it is, from 1 on.
Place: TypeAlias = tuple[str, int]

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
class Returned:
    """So many units of a line that brings them back, out of the one order."""

    line: Counted
    order: Place
    quantity: int


@dataclass(frozen=True, slots=True)
class Bill:
    """
    What an order comes to by the price rule, how that was paid, and what of it went back for each
    invoice that brought something back.
    """

    order: Place
    customer: str
    is_undone: bool
    total: Decimal
    credit: Decimal
    outside: Decimal
    sent_back: dict[str, Decimal]

    @property
    def paid(self) -> Decimal:
        return self.credit + self.outside

    @property
    def refunded(self) -> Decimal:
        return sum(self.sent_back.values(), Decimal())

    @property
    def refunded_outside(self) -> Decimal:
        """What was paid last goes back first."""
        return min(self.refunded, self.outside)

    @property
    def refunded_as_credit(self) -> Decimal:
        return self.refunded - self.refunded_outside


@dataclass(frozen=True, slots=True)
class Ledger:
    """
    What the file says under the rules of the replay: the lines of each sale invoice, for the sales
    that were undone the lines that did it, and what else came back.
    """

    lines: int
    sales: dict[str, list[Counted]]
    undone: dict[str, list[Counted]]
    returned: list[Returned]

    @property
    def counted(self) -> list[Counted]:
        return [line for lines in (*self.sales.values(), *self.undone.values()) for line in lines]

    @property
    def sold(self) -> Counter[str]:
        """The units of each product that stay sold."""
        return units(self.counted)

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

    @property
    def bills(self) -> list[Bill]:
        """One for each order."""
        prices = self.prices
        sent_back: dict[Place, dict[str, Decimal]] = defaultdict(lambda: defaultdict(Decimal))
        for each in self.returned:
            amount = each.quantity * prices[each.line.sku]
            sent_back[each.order][each.line.invoice] += amount
        return [
            self._bill((invoice, part), lines, prices, sent_back[invoice, part])
            for invoice, sold in self.sales.items()
            for part, lines in parts(sold)
        ]

    def _bill(
        self,
        order: Place,
        lines: list[Counted],
        prices: Mapping[str, Decimal],
        sent_back: dict[str, Decimal],
    ) -> Bill:
        invoice, customer = order[0], lines[0].customer
        total = sum((line.quantity * prices[line.sku] for line in lines), Decimal())
        undone = self.undone.get(invoice)
        paid = total if undone is None or is_paid_before_undone(invoice) else Decimal()
        credit = credit_in(paid, customer)
        return Bill(
            order=order,
            customer=customer,
            is_undone=undone is not None,
            total=total,
            credit=credit,
            outside=paid - credit,
            sent_back={undone[0].invoice: paid} if undone and paid else dict(sent_back),
        )


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
    undone = _undone(goods)
    return Ledger(lines, sales, undone, list(_returned(goods, undone)))


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
        counted = units(lines)
        customer = lines[0].customer
        if invoice.isdigit():
            standing[customer, frozenset(counted.items())].append(invoice)
        else:
            bought = frozenset((sku, -quantity) for sku, quantity in counted.items())
            if customer and standing[customer, bought]:
                undone[standing[customer, bought].pop()] = lines
    return undone


def _returned(
    goods: Mapping[str, list[Counted]], undone: Mapping[str, list[Counted]]
) -> Iterator[Returned]:
    """What else came back, out of the sales that were not undone."""
    undoing = {lines[0].invoice for lines in undone.values()}
    left: dict[str, dict[Place, Counter[str]]] = defaultdict(dict)
    for invoice, lines in goods.items():
        customer = lines[0].customer
        if invoice.isdigit() and invoice not in undone:
            left[customer] |= {(invoice, part): units(each) for part, each in parts(lines)}
        elif customer and invoice not in undone.keys() | undoing:
            for line in lines:
                yield from _take(line, left[customer])


def _take(line: Counted, left: dict[Place, Counter[str]]) -> Iterator[Returned]:
    """Out of the latest order with enough left, or out of several; nothing where all have less."""
    wanted, sku = -line.quantity, line.sku
    orders = [order for order, held in reversed(left.items()) if held[sku] > 0]
    orders = [order for order in orders if left[order][sku] >= wanted][:1] or orders
    if sum(left[order][sku] for order in orders) >= wanted:
        for order in orders:
            quantity = min(wanted, left[order][sku])
            if quantity > 0:
                left[order][sku] -= quantity
                wanted -= quantity
                yield Returned(line, order, quantity)


def parts(lines: list[Counted]) -> Iterator[tuple[int, list[Counted]]]:
    """The lines of each order that a sale takes, and its number."""
    for part, start in enumerate(range(0, len(lines), LINES_OF_AN_ORDER), start=1):
        yield part, lines[start : start + LINES_OF_AN_ORDER]


def units(lines: Iterable[Counted]) -> Counter[str]:
    counted: Counter[str] = Counter()
    for line in lines:
        counted[line.sku] += line.quantity
    return counted
