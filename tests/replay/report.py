"""Shows what the replay did and whether the books add up."""

import csv
from collections import Counter
from collections.abc import Iterable, Iterator
from decimal import Decimal
from pathlib import Path
from statistics import quantiles
from typing import Final

from rich.console import Console
from rich.table import Table

from tests.replay.answers import CURRENCY
from tests.replay.books import Books, Difference
from tests.replay.plan import Plan
from tests.replay.run import Shelves, Traded
from tests.replay.terms import GUEST, LINES_OF_AN_ORDER
from tests.replay.trading import CANCELLED, PLACED, REFUNDED, Account

MISTAKES_SHOWN: Final = 20
HEADING: Final = (
    "line",
    "invoice",
    "sku",
    "quantity",
    "price in the file",
    "price of the product",
    "difference",
)


def show(console: Console, plan: Plan, traded: Traded, books: Books) -> None:
    console.print(_lines(traded.account, books))
    console.print(_doings(plan, traded))
    console.print(_comparison(plan, traded.shelves, books))
    for mistake in books.mistakes[:MISTAKES_SHOWN]:
        console.print(mistake, style="red", soft_wrap=True)
    if books.mistakes:
        console.print(f"{len(books.mistakes)} mistakes: it does not add up", style="bold red")
    else:
        console.print("Everything adds up", style="bold green")


def write_differences(file: Path, differences: list[Difference]) -> None:
    with file.open("w", encoding="utf-8", newline="") as text:
        table = csv.writer(text)
        table.writerow(HEADING)
        for difference in differences:
            line = difference.of
            table.writerow(
                (
                    line.line,
                    line.invoice,
                    line.sku,
                    line.quantity,
                    line.price,
                    difference.price,
                    difference.amount,
                )
            )


def _lines(account: Account, books: Books) -> Table:
    table = Table("lines", title="What became of each line", title_justify="left")
    table.add_column("", justify="right")
    outcomes = Counter(account.outcome.values())
    table.add_row(PLACED, _count(outcomes.pop(PLACED, 0)))
    table.add_row("cancelled an order as a whole", _count(outcomes.pop(CANCELLED, 0)))
    table.add_row("brought back and refunded", _count(outcomes.pop(REFUNDED, 0)))
    table.add_section()
    for reason, count in outcomes.most_common():
        table.add_row(reason, _count(count))
    table.add_section()
    table.add_row("together", _count(len(account.outcome)))
    table.add_row("read", _count(books.ledger.lines))
    return table


def _doings(plan: Plan, traded: Traded) -> Table:
    table = Table("done over HTTP", title="The shop", title_justify="left")
    table.add_column("", justify="right")
    guests = sum(sale.customer == GUEST for sale in plan.sales)
    split = sum(len(sale.parts) > 1 for sale in plan.sales)
    orders = traded.shelves.orders
    statuses = Counter(order.status for order in orders)
    payments = [each for made in traded.shelves.payments.values() for each in made]
    methods = Counter(payment.method for payment in payments)
    rows = {
        "products imported": _count(len(plan.articles)),
        "customers registered, with one guest": _count(len(traded.account.customer_ids)),
        "sale invoices": _count(len(plan.sales)),
        "… without a customer, placed for the guest": _count(guests),
        f"… over {LINES_OF_AN_ORDER} lines, placed as several orders": _count(split),
        "orders placed": _count(sum(map(len, traded.account.order_ids.values()))),
        "orders delivered": _count(statuses["delivered"]),
        "orders cancelled": _count(statuses["cancelled"]),
        "… after they had been paid": _count(
            sum(order.status == "cancelled" and order.paid > 0 for order in orders)
        ),
        "payments from outside": _count(methods["external"]),
        "payments by store credit": _count(methods["store_credit"]),
        "orders refunded": _count(sum(order.refunded > 0 for order in orders)),
        "requests sent again, safely": _count(traded.sent_again.total()),
        **{f"… after {why}": _count(count) for why, count in traded.sent_again.items()},
        "order requests per second": f"{traded.placing.per_second:.1f}",
        **_percentiles(traded.placing.seconds),
    }
    for what, figure in rows.items():
        table.add_row(what, figure)
    return table


def _comparison(plan: Plan, shelves: Shelves, books: Books) -> Table:
    table = Table("", title="The books", title_justify="left")
    for column in ("the file", "the service", "off"):
        table.add_column(column, justify="right")
    in_file, sold = books.ledger.sold, books.sold
    units, units_sold = in_file.total(), sold.total()
    initial = Counter({article.sku: article.stock for article in plan.articles})
    left = {product.sku: product.stock for product in shelves.products}
    off = sum(in_file[sku] != sold[sku] for sku in in_file | sold)
    leaks = sum(left.get(sku, 0) + sold[sku] != stock for sku, stock in initial.items())
    stock = f"{_count(sum(left.values()))} + {_count(units_sold)}"
    rules = f"… by the price rule, {_count(len(books.differences))} lines"
    table.add_row("units sold", _count(units), _count(units_sold), _count(units - units_sold))
    table.add_row("products sold", _count(len(+in_file)), _count(len(+sold)), _count(off))
    table.add_row("initial stock = stock + sold", _count(initial.total()), stock, _count(leaks))
    table.add_row(
        f"revenue in {CURRENCY}",
        _money(books.ledger.revenue),
        _money(books.revenue),
        _money(books.gap),
    )
    table.add_row(rules, "", "", _money(books.explained))
    table.add_section()
    for what, expected, said in _amounts(shelves, books):
        table.add_row(what, _money(expected), _money(said), _money(said - expected))
    return table


def _amounts(shelves: Shelves, books: Books) -> Iterator[tuple[str, Decimal, Decimal]]:
    """What the file comes to by the price rule, and what the service says of it."""
    bills, orders = books.bills, shelves.orders
    revenue = _sum(bill.total for bill in bills if not bill.is_undone)
    yield "revenue by the price rule", revenue, books.revenue
    yield "… in the reports", revenue, shelves.figures.placed.revenue
    for interval, takings in shelves.figures.series.items():
        yield f"… in the reports by {interval}", revenue, takings.revenue
    yield "paid", _sum(bill.paid for bill in bills), _sum(order.paid for order in orders)
    yield (
        "refunded",
        _sum(bill.refunded for bill in bills),
        _sum(order.refunded for order in orders),
    )
    yield (
        "store credit left",
        _sum(bill.refunded_as_credit for bill in bills),
        _sum(balance for owner, balance in shelves.balances if owner),
    )


def _sum(amounts: Iterable[Decimal]) -> Decimal:
    return sum(amounts, Decimal())


def _percentiles(seconds: list[float]) -> dict[str, str]:
    if len(seconds) < 2:
        return {}
    hundredths = quantiles(seconds, n=100, method="inclusive")
    return {
        "an order request, p50": f"{hundredths[49] * 1000:.1f} ms",
        "an order request, p99": f"{hundredths[98] * 1000:.1f} ms",
    }


def _count(number: int) -> str:
    return f"{number:,}".replace(",", " ")


def _money(amount: Decimal) -> str:
    return f"{amount:,}".replace(",", " ")
