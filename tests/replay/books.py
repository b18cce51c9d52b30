"""Does it add up? What the file says against what the service says, read back from it."""

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from itertools import chain

from tests.replay.answers import Order
from tests.replay.ledger import Bill, Counted, Ledger, units
from tests.replay.money import of_bills, of_credit, of_figures
from tests.replay.run import Shelves
from tests.replay.trading import CANCELLED, PLACED, REFUNDED, Account


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
    bills: list[Bill]
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
    bills = ledger.bills
    mistakes = [
        *_of_lines(ledger, account),
        *_of_orders(account, shelves),
        *_of_invoices(ledger, account, shelves),
        *_of_products(ledger, shelves, made, sold),
        *of_bills(bills, account, shelves),
        *of_credit(bills, account, shelves),
        *of_figures(bills, account, shelves.figures),
    ]
    books = Books(ledger, bills, sold, revenue, differences, mistakes)
    if books.gap != books.explained:
        books.mistakes.append(
            f"revenue is off by {books.gap}, and the price rule explains {books.explained}"
        )
    return books


def _of_lines(ledger: Ledger, account: Account) -> Iterator[str]:
    if len(account.outcome) != ledger.lines:
        yield f"{ledger.lines} lines in the file, and {len(account.outcome)} accounted for"
    for outcome, lines in (
        (PLACED, chain.from_iterable(ledger.sales.values())),
        (CANCELLED, chain.from_iterable(ledger.undone.values())),
        (REFUNDED, (each.line for each in ledger.returned)),
    ):
        expected = {line.line for line in lines}
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
        if held != units(lines):
            yield f"invoice {invoice} holds other goods than in the file"
        customers = {account.customer_ids.get(line.customer) for line in lines}
        if {order.customer_id for order in orders[invoice]} != customers:
            yield f"invoice {invoice} belongs to another customer than in the file"
        status = "cancelled" if invoice in ledger.undone else "delivered"
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
